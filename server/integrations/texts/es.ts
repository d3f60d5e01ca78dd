// What the forms of the built-in integrations say in Spanish.

import type { IntegrationTexts } from '../field-texts.ts'

/** Every text in Spanish. */
export const texts: IntegrationTexts = {
  fields: {
    airtableToken: {
      title: 'Token de acceso personal',
      description: 'Se crea en airtable.com/create/tokens, con acceso a las bases que se usarán.',
      patternMessage: 'Un token de acceso personal empieza por pat y termina con un punto y 64 caracteres.',
    },
    apiKey: { title: 'Clave de API' },
    clientId: { title: 'Id. de cliente' },
    clientSecret: { title: 'Secreto de cliente' },
    githubToken: {
      title: 'Token de acceso personal',
      patternMessage: 'Un token de acceso personal empieza por github_pat_ o ghp_.',
    },
    openaiKey: { title: 'Clave de API', patternMessage: 'Una clave empieza por sk-.' },
    password: { title: 'Contraseña' },
    salesforceDomain: {
      title: 'Dominio',
      description:
        'login.salesforce.com, test.salesforce.com para entornos de prueba, o el suyo propio (My Domain).',
      patternMessage: 'No es una dirección de Salesforce. Ejemplo: acme.my.salesforce.com.',
    },
    shop: {
      title: 'Dirección de la tienda',
      description: 'El nombre de la tienda o su dirección en myshopify.com.',
      placeholder: 'su-tienda.myshopify.com',
      patternMessage: 'No es una dirección de Shopify. Ejemplo: su-tienda.myshopify.com.',
    },
    slackChannel: {
      title: 'Canal',
      description:
        'Ahí se envían los mensajes. Los canales privados aparecen cuando se invita a la aplicación.',
      placeholder: 'Elija un canal',
      rejectedMessage: 'Este canal ya no existe.',
    },
    stripeKey: {
      title: 'Clave restringida',
      description:
        'Se crea en el panel, en Desarrolladores, Claves de API, con los mínimos permisos necesarios.',
      patternMessage: 'Una clave empieza por rk_live_, rk_test_, sk_live_ o sk_test_.',
    },
    twilioSid: { title: 'SID de la cuenta', patternMessage: 'Un SID de cuenta es AC y 32 caracteres.' },
    twilioToken: {
      title: 'Token de autenticación',
      patternMessage: 'Un token de autenticación tiene 32 caracteres.',
    },
    username: { title: 'Nombre de usuario' },
    zendeskSubdomain: {
      title: 'Subdominio',
      description: 'La primera parte de la dirección de su centro de ayuda.',
      patternMessage: 'Solo la parte anterior a .zendesk.com: letras, cifras y guiones.',
    },
  },
  labels: {
    signIn: 'Iniciar sesión con {name}',
    signInElsewhere: 'Iniciar sesión con {name} en otro dispositivo',
    connectWith: 'Conectar con {name}',
    clientCredentials: 'Credenciales de cliente',
    apiKey: 'Clave de API',
    basic: 'Nombre de usuario y contraseña',
    personalToken: 'Token de acceso personal',
    restrictedKey: 'Clave restringida',
    sidAndToken: 'SID de la cuenta y token de autenticación',
    changeChannel: 'Cambiar de canal',
  },
  errors: {
    required: '{title}: hay que rellenarlo.',
    pattern: '{title}: no tiene la forma esperada.',
    enum: '{title}: elija una opción.',
    type: '{title}: el valor no es válido.',
    length: '{title}: es demasiado corto o demasiado largo.',
    rejected: '{title}: no se ha aceptado.',
    host: 'Esta dirección no está permitida aquí.',
    unavailable: '{title}: ahora no se puede comprobar. Inténtelo más tarde.',
  },
}

// What the pages say in Spanish.

import type { PageTexts } from '../page-texts.ts'

/** Every text in Spanish. */
export const texts: PageTexts = {
  leaving: 'Le llevamos a iniciar sesión…',
  leavingHint: 'Si no ocurre nada, use el botón.',
  goOn: 'Continuar',
  connected: 'Conectado a {name}',
  cancelled: '{name} no se ha conectado',
  failed: 'No se ha podido conectar {name}',
  almost: 'Un paso más para conectar {name}',
  linkTitle: 'Conectar {name}',
  linkHint: '{host} le pide que conecte su cuenta. Continúe solo si lo espera.',
  pageTitle: 'Conecte sus cuentas con {host}',
  pageHint: '{host} usa en su nombre lo que conecta aquí.',
  again: 'Volver a conectar {name}',
  disconnect: 'Desconectar {name}',
  back: 'Volver a {host}',
  needsScript: 'Esta página necesita JavaScript. Permítalo y vuelva a cargar.',
  closeHint: 'Puede cerrar esta ventana.',
  returnHint: 'Volviendo…',
  broken: 'Esto no ha funcionado',
  code: 'Código',
  advice: {
    access_denied:
      'No se ha concedido el acceso. Puede intentarlo de nuevo desde la página en la que estaba.',
    browser_mismatch: 'Esto se inició en otro navegador. Empiece de nuevo en este.',
    flow_expired: 'Ha tardado demasiado. Empiece de nuevo desde la página en la que estaba.',
    flow_ended: 'Esto ya ha terminado. Empiece de nuevo desde la página en la que estaba.',
    link_invalid: 'Este enlace está incompleto o no existe. Cópielo entero o pida uno nuevo.',
    link_expired: 'Este enlace es demasiado antiguo. Pida uno nuevo.',
    link_used: 'Este enlace ya se ha usado. Pida uno nuevo.',
    confirmation_expired: 'Ha tardado demasiado. Pida un enlace nuevo.',
    already_connected: 'Ya está conectado. No queda nada por hacer.',
    rate_limited: 'Ya se está procesando. Espere un momento y recargue.',
    origin_opaque:
      'La página de la que viene oculta dónde está: se muestra en un marco restringido o no es una página de un sitio web. Ábrala en una ventana propia e inténtelo de nuevo.',
    origin_mismatch: 'La página de la que viene no puede iniciar esto. Vaya a la que conoce y empiece allí.',
    origin_missing: 'Esto no se puede abrir directamente. Empiece desde la página donde conecta su cuenta.',
    state_invalid:
      'Este enlace ya se ha usado o es demasiado antiguo. Empiece de nuevo desde la página en la que estaba.',
    token_expired: 'Ha tardado demasiado. Recargue la página en la que estaba y empiece de nuevo.',
    token_spent: 'Ya está conectado. Recargue la página en la que estaba.',
    provider_unavailable: 'El servicio no responde en este momento. Inténtelo de nuevo en unos minutos.',
    identity_changed: 'Es una cuenta distinta de la que estaba conectada. Inicie sesión con aquella.',
    method_not_allowed:
      'Esta dirección no se puede abrir directamente. Empiece desde la página donde conecta su cuenta.',
  },
  otherAdvice:
    'Empiece de nuevo desde la página en la que estaba. Si vuelve a ocurrir, comunique el código de abajo a su responsable.',
}

// What the forms of the built-in integrations say in French.

import type { IntegrationTexts } from '../field-texts.ts'

/** Every text in French. */
export const texts: IntegrationTexts = {
  fields: {
    airtableToken: {
      title: 'Jeton d’accès personnel',
      description: 'Créé sur airtable.com/create/tokens, avec accès aux bases souhaitées.',
      patternMessage: 'Un jeton d’accès personnel commence par pat et finit par un point et 64 caractères.',
    },
    apiKey: { title: 'Clé d’API' },
    clientId: { title: 'Identifiant du client' },
    clientSecret: { title: 'Secret du client' },
    githubToken: {
      title: 'Jeton d’accès personnel',
      patternMessage: 'Un jeton d’accès personnel commence par github_pat_ ou ghp_.',
    },
    openaiKey: { title: 'Clé d’API', patternMessage: 'Une clé commence par sk-.' },
    password: { title: 'Mot de passe' },
    salesforceDomain: {
      title: 'Domaine',
      description:
        'login.salesforce.com, test.salesforce.com pour les bacs à sable, ou le vôtre (My Domain).',
      patternMessage: 'Ce n’est pas une adresse Salesforce. Exemple : acme.my.salesforce.com.',
    },
    shop: {
      title: 'Adresse de la boutique',
      description: 'Le nom de la boutique, ou son adresse sur myshopify.com.',
      placeholder: 'votre-boutique.myshopify.com',
      patternMessage: 'Ce n’est pas une adresse Shopify. Exemple : votre-boutique.myshopify.com.',
    },
    slackChannel: {
      title: 'Canal',
      description:
        'Les messages y sont envoyés. Les canaux privés apparaissent une fois l’application invitée.',
      placeholder: 'Choisir un canal',
      rejectedMessage: 'Ce canal n’existe plus.',
    },
    stripeKey: {
      title: 'Clé restreinte',
      description:
        'Créée dans le tableau de bord, sous Développeurs, Clés API, avec le moins de droits possible.',
      patternMessage: 'Une clé commence par rk_live_, rk_test_, sk_live_ ou sk_test_.',
    },
    twilioSid: { title: 'SID du compte', patternMessage: 'Un SID de compte est AC suivi de 32 caractères.' },
    twilioToken: {
      title: 'Jeton d’authentification',
      patternMessage: 'Un jeton d’authentification a 32 caractères.',
    },
    username: { title: 'Nom d’utilisateur' },
    zendeskSubdomain: {
      title: 'Sous-domaine',
      description: 'La première partie de l’adresse de votre centre d’assistance.',
      patternMessage: 'Seulement la partie avant .zendesk.com : lettres, chiffres et tirets.',
    },
  },
  labels: {
    signIn: 'Se connecter avec {name}',
    signInElsewhere: 'Se connecter avec {name} sur un autre appareil',
    connectWith: 'Connecter avec {name}',
    clientCredentials: 'Identifiants du client',
    apiKey: 'Clé d’API',
    basic: 'Nom d’utilisateur et mot de passe',
    personalToken: 'Jeton d’accès personnel',
    restrictedKey: 'Clé restreinte',
    sidAndToken: 'SID du compte et jeton d’authentification',
    changeChannel: 'Changer de canal',
  },
  errors: {
    required: '{title} : à remplir.',
    pattern: '{title} : la forme n’est pas celle attendue.',
    enum: '{title} : choisissez une valeur.',
    type: '{title} : la valeur n’est pas valable.',
    length: '{title} : trop court ou trop long.',
    rejected: '{title} : la valeur n’a pas été acceptée.',
    host: 'Cette adresse n’est pas autorisée ici.',
    unavailable: '{title} : vérification impossible pour l’instant. Réessayez plus tard.',
  },
}

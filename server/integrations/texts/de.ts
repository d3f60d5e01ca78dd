// What the forms of the built-in integrations say in German.

import type { IntegrationTexts } from '../field-texts.ts'

/** Every text in German. */
export const texts: IntegrationTexts = {
  fields: {
    airtableToken: {
      title: 'Persönliches Zugriffstoken',
      description: 'Erstellt auf airtable.com/create/tokens, mit Zugriff auf die gewünschten Bases.',
      patternMessage:
        'Ein persönliches Zugriffstoken beginnt mit pat und endet auf einen Punkt und 64 Zeichen.',
    },
    apiKey: { title: 'API-Schlüssel' },
    clientId: { title: 'Client-ID' },
    clientSecret: { title: 'Client-Geheimnis' },
    githubToken: {
      title: 'Persönliches Zugriffstoken',
      patternMessage: 'Ein persönliches Zugriffstoken beginnt mit github_pat_ oder ghp_.',
    },
    openaiKey: { title: 'API-Schlüssel', patternMessage: 'Ein Schlüssel beginnt mit sk-.' },
    password: { title: 'Passwort' },
    salesforceDomain: {
      title: 'Domain',
      description: 'login.salesforce.com, für Sandboxes test.salesforce.com, oder Ihre eigene (My Domain).',
      patternMessage: 'Das ist keine Adresse bei Salesforce. Sie sieht so aus: acme.my.salesforce.com.',
    },
    shop: {
      title: 'Shop-Adresse',
      description: 'Der Name des Shops oder seine Adresse bei myshopify.com.',
      placeholder: 'ihr-shop.myshopify.com',
      patternMessage: 'Das ist keine Adresse bei Shopify. Sie sieht so aus: ihr-shop.myshopify.com.',
    },
    slackChannel: {
      title: 'Kanal',
      description:
        'Dorthin gehen Nachrichten. Private Kanäle stehen in der Liste, sobald die App eingeladen ist.',
      placeholder: 'Kanal wählen',
      rejectedMessage: 'Diesen Kanal gibt es nicht mehr.',
    },
    stripeKey: {
      title: 'Eingeschränkter Schlüssel',
      description: 'Erstellt im Dashboard unter Entwickler, API-Schlüssel, mit so wenigen Rechten wie nötig.',
      patternMessage: 'Ein Schlüssel beginnt mit rk_live_, rk_test_, sk_live_ oder sk_test_.',
    },
    twilioSid: { title: 'Account-SID', patternMessage: 'Eine Account-SID ist AC und 32 Zeichen.' },
    twilioToken: { title: 'Auth-Token', patternMessage: 'Ein Auth-Token hat 32 Zeichen.' },
    username: { title: 'Benutzername' },
    zendeskSubdomain: {
      title: 'Subdomain',
      description: 'Der erste Teil der Adresse Ihres Helpdesks.',
      patternMessage: 'Nur der Teil vor .zendesk.com: Buchstaben, Ziffern und Bindestriche.',
    },
  },
  labels: {
    signIn: 'Mit {name} anmelden',
    signInElsewhere: 'Auf einem anderen Gerät mit {name} anmelden',
    connectWith: 'Mit {name} verbinden',
    clientCredentials: 'Client-Zugangsdaten',
    apiKey: 'API-Schlüssel',
    basic: 'Benutzername und Passwort',
    personalToken: 'Persönliches Zugriffstoken',
    restrictedKey: 'Eingeschränkter Schlüssel',
    sidAndToken: 'Account-SID und Auth-Token',
    changeChannel: 'Kanal ändern',
  },
  errors: {
    required: '{title} fehlt.',
    pattern: '{title} hat nicht die erwartete Form.',
    enum: 'Bitte wählen Sie: {title}.',
    type: '{title} ist kein gültiger Wert.',
    length: '{title} ist zu kurz oder zu lang.',
    rejected: '{title} wurde nicht angenommen.',
    host: 'Diese Adresse ist hier nicht erlaubt.',
    unavailable: '{title} lässt sich gerade nicht prüfen. Versuchen Sie es später erneut.',
  },
}

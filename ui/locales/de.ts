// The texts in German. Importing this module is all it takes.

import { registerMessages } from '../elements/auth-element.ts'
import type { Messages } from '../messages.ts'

const moment = 'Einen Moment…'
const connected = 'Verbunden als {identity}{place}'
const expired = 'Das hat zu lange gedauert. Beginnen Sie erneut.'
const session = 'Die Anmeldung ist abgelaufen. Laden Sie die Seite neu.'

/** Every text in German. */
export const de: Messages = {
  loading: moment,
  submitting: moment,
  authorize: 'Weiter im Fenster von {name}.',
  lost: 'Ist das Fenster von {name} verschwunden?',
  blocked: 'Ihr Browser hat das Fenster von {name} blockiert.',
  verify: moment,
  done: connected,
  cancelled: 'Abgebrochen.',
  active: connected,
  in: ' in {place}',
  needs_reauth: '{name} muss neu verbunden werden.',
  error: 'Das hat nicht geklappt.',
  errors: {
    access_denied: 'Der Zugriff wurde nicht erlaubt.',
    browser_mismatch: 'Das wurde in einem anderen Browser begonnen.',
    credentials_rejected: '{name} nimmt diese Angaben nicht an.',
    flow_expired: expired,
    flow_ended: expired,
    identity_changed: 'Das ist ein anderes Konto als zuvor.',
    network_error: 'Der Server ist nicht erreichbar.',
    provider_unavailable: '{name} antwortet gerade nicht. Versuchen Sie es in ein paar Minuten erneut.',
    rate_limited: 'Zu viele Versuche. Warten Sie einen Moment.',
    state_invalid: expired,
    token_expired: session,
    token_request_failed: session,
    token_spent: session,
  },
  methods: 'Art der Verbindung',
  scopes: 'Das wird erlaubt:',
  submit: 'Verbinden',
  continue: 'Weiter zu {name}',
  reopen: 'Erneut öffnen',
  cancel: 'Abbrechen',
  retry: 'Erneut versuchen',
  reveal: '{title} anzeigen',
  optional: '(freiwillig)',
  help: 'Wo finde ich das?',
  fieldErrors: {
    required: 'Bitte ausfüllen.',
    pattern: 'Das hat nicht die erwartete Form.',
    enum: 'Bitte wählen.',
    type: 'Das ist kein gültiger Wert.',
    length: 'Das ist zu kurz oder zu lang.',
    rejected: 'Das wurde nicht angenommen.',
    host: 'Diese Adresse ist nicht erlaubt.',
    unavailable: 'Das ist gerade nicht erreichbar.',
  },
}

registerMessages('de', de)

// The texts in French. Importing this module is all it takes.

import { registerMessages } from '../elements/auth-element.ts'
import type { Messages } from '../messages.ts'

const moment = 'Un instant…'
const connected = 'Connecté en tant que {identity}{place}'
const expired = 'Cela a pris trop de temps. Recommencez.'
const session = 'La session a expiré. Rechargez la page.'

/** Every text in French. */
export const fr: Messages = {
  loading: moment,
  submitting: moment,
  authorize: 'Continuez dans la fenêtre de {name}.',
  lost: 'La fenêtre de {name} a disparu ?',
  blocked: 'Votre navigateur a bloqué la fenêtre de {name}.',
  verify: moment,
  done: connected,
  cancelled: 'Annulé.',
  active: connected,
  in: ' dans {place}',
  needs_reauth: 'Reconnectez {name}.',
  error: 'Cela n’a pas fonctionné.',
  errors: {
    access_denied: 'L’accès n’a pas été accordé.',
    browser_mismatch: 'Cela a été commencé dans un autre navigateur.',
    credentials_rejected: '{name} refuse ces identifiants.',
    flow_expired: expired,
    flow_ended: expired,
    identity_changed: 'Ce n’est pas le compte connecté auparavant.',
    network_error: 'Le serveur est injoignable.',
    provider_unavailable: '{name} ne répond pas. Réessayez dans quelques minutes.',
    rate_limited: 'Trop d’essais. Patientez un instant.',
    state_invalid: expired,
    token_expired: session,
    token_request_failed: session,
    token_spent: session,
  },
  methods: 'Mode de connexion',
  scopes: 'Cela permettra de :',
  submit: 'Connecter',
  continue: 'Continuer vers {name}',
  reopen: 'Rouvrir',
  cancel: 'Annuler',
  retry: 'Réessayer',
  reveal: 'Afficher {title}',
  optional: '(facultatif)',
  help: 'Où le trouver ?',
  fieldErrors: {
    required: 'Ce champ est obligatoire.',
    pattern: 'Le format n’est pas valide.',
    enum: 'Choisissez une option.',
    type: 'Cette valeur n’est pas valide.',
    length: 'C’est trop court ou trop long.',
    rejected: 'Cette valeur a été refusée.',
    host: 'Cette adresse n’est pas autorisée.',
    unavailable: 'Indisponible pour le moment.',
  },
}

registerMessages('fr', fr)

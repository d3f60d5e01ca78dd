// The texts in Spanish. Importing this module is all it takes.

import { registerMessages } from '../elements/auth-element.ts'
import type { Messages } from '../messages.ts'

const moment = 'Un momento…'
const connected = 'Conectado como {identity}{place}'
const expired = 'Ha tardado demasiado. Empieza de nuevo.'
const session = 'La sesión ha caducado. Recarga la página.'

/** Every text in Spanish. */
export const es: Messages = {
  loading: moment,
  submitting: moment,
  authorize: 'Continúa en la ventana de {name}.',
  lost: '¿Se ha perdido la ventana de {name}?',
  blocked: 'Tu navegador ha bloqueado la ventana de {name}.',
  verify: moment,
  done: connected,
  cancelled: 'Cancelado.',
  active: connected,
  in: ' en {place}',
  needs_reauth: 'Vuelve a conectar {name}.',
  error: 'No ha funcionado.',
  errors: {
    access_denied: 'No se ha concedido el acceso.',
    browser_mismatch: 'Esto se inició en otro navegador.',
    credentials_rejected: '{name} no acepta estos datos.',
    flow_expired: expired,
    flow_ended: expired,
    identity_changed: 'No es la cuenta conectada antes.',
    network_error: 'No se puede acceder al servidor.',
    provider_unavailable: '{name} no responde. Inténtalo dentro de unos minutos.',
    rate_limited: 'Demasiados intentos. Espera un momento.',
    state_invalid: expired,
    token_expired: session,
    token_request_failed: session,
    token_spent: session,
  },
  methods: 'Forma de conexión',
  scopes: 'Esto permitirá:',
  submit: 'Conectar',
  continue: 'Continuar a {name}',
  reopen: 'Abrir de nuevo',
  cancel: 'Cancelar',
  retry: 'Reintentar',
  reveal: 'Mostrar {title}',
  optional: '(opcional)',
  help: '¿Dónde lo encuentro?',
  fieldErrors: {
    required: 'Este campo es obligatorio.',
    pattern: 'El formato no es válido.',
    enum: 'Elige una opción.',
    type: 'El valor no es válido.',
    length: 'Es demasiado corto o demasiado largo.',
    rejected: 'No se ha aceptado.',
    host: 'Esta dirección no está permitida.',
    unavailable: 'No está disponible ahora.',
  },
}

registerMessages('es', es)

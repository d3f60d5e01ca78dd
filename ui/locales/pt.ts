// The texts in Portuguese. Importing this module is all it takes.

import { registerMessages } from '../elements/auth-element.ts'
import type { Messages } from '../messages.ts'

const moment = 'Um momento…'
const connected = 'Conectado como {identity}{place}'
const expired = 'Demorou demais. Comece novamente.'
const session = 'A sessão expirou. Recarregue a página.'

/** Every text in Portuguese. */
export const pt: Messages = {
  loading: moment,
  submitting: moment,
  authorize: 'Continue na janela de {name}.',
  lost: 'A janela de {name} desapareceu?',
  blocked: 'O navegador bloqueou a janela de {name}.',
  verify: moment,
  done: connected,
  cancelled: 'Cancelado.',
  active: connected,
  in: ' em {place}',
  needs_reauth: 'Conecte {name} novamente.',
  error: 'Não funcionou.',
  errors: {
    access_denied: 'O acesso não foi concedido.',
    browser_mismatch: 'Isto foi iniciado em outro navegador.',
    credentials_rejected: '{name} não aceita estes dados.',
    flow_expired: expired,
    flow_ended: expired,
    identity_changed: 'Esta não é a conta conectada antes.',
    network_error: 'Não foi possível alcançar o servidor.',
    provider_unavailable: '{name} não responde. Tente novamente em alguns minutos.',
    rate_limited: 'Tentativas demais. Aguarde um momento.',
    state_invalid: expired,
    token_expired: session,
    token_request_failed: session,
    token_spent: session,
  },
  methods: 'Forma de conexão',
  scopes: 'Isto permitirá:',
  submit: 'Conectar',
  continue: 'Continuar para {name}',
  reopen: 'Abrir novamente',
  cancel: 'Cancelar',
  retry: 'Tentar novamente',
  reveal: 'Mostrar {title}',
  optional: '(opcional)',
  help: 'Onde encontro isto?',
  fieldErrors: {
    required: 'Este campo é obrigatório.',
    pattern: 'O formato não é válido.',
    enum: 'Escolha uma opção.',
    type: 'O valor não é válido.',
    length: 'É curto ou longo demais.',
    rejected: 'Não foi aceito.',
    host: 'Este endereço não é permitido.',
    unavailable: 'Não está disponível agora.',
  },
}

registerMessages('pt', pt)

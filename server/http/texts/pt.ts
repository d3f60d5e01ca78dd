// What the pages say in Portuguese.

import type { PageTexts } from '../page-texts.ts'

/** Every text in Portuguese. */
export const texts: PageTexts = {
  leaving: 'A encaminhar para o início de sessão…',
  leavingHint: 'Se nada acontecer, use o botão.',
  goOn: 'Continuar',
  connected: 'Ligado a {name}',
  cancelled: '{name} não foi ligado',
  failed: 'Não foi possível ligar {name}',
  almost: 'Falta um passo para ligar {name}',
  linkTitle: 'Ligar {name}',
  linkHint: '{host} pede-lhe que ligue a sua conta. Continue apenas se estiver à espera disto.',
  pageTitle: 'Ligue as suas contas a {host}',
  pageHint: '{host} usa em seu nome o que ligar aqui.',
  again: 'Ligar {name} de novo',
  disconnect: 'Desligar {name}',
  back: 'Voltar a {host}',
  needsScript: 'Esta página precisa de JavaScript. Permita-o e recarregue.',
  closeHint: 'Pode fechar esta janela.',
  returnHint: 'A voltar…',
  broken: 'Isto não funcionou',
  code: 'Código',
  advice: {
    access_denied: 'O acesso não foi concedido. Pode tentar de novo na página de onde veio.',
    browser_mismatch: 'Isto foi iniciado noutro navegador. Comece de novo neste.',
    flow_expired: 'Demorou demasiado. Comece de novo na página de onde veio.',
    flow_ended: 'Isto já terminou. Comece de novo na página de onde veio.',
    link_invalid: 'Este link está incompleto ou não existe. Copie-o inteiro ou peça um novo.',
    link_expired: 'Este link é demasiado antigo. Peça um novo.',
    link_used: 'Este link já foi usado. Peça um novo.',
    confirmation_expired: 'Demorou demasiado. Peça um novo link.',
    already_connected: 'Já está ligado. Não há mais nada a fazer.',
    rate_limited: 'Isto já está em curso. Espere um momento e recarregue.',
    origin_opaque:
      'A página de onde veio esconde onde está: é mostrada numa moldura restrita ou não é uma página de um site. Abra-a numa janela própria e tente de novo.',
    origin_mismatch: 'A página de onde veio não pode iniciar isto. Vá à que conhece e comece aí.',
    origin_missing: 'Isto não pode ser aberto diretamente. Comece na página onde liga a sua conta.',
    state_invalid: 'Este link já foi usado ou é demasiado antigo. Comece de novo na página de onde veio.',
    token_expired: 'Demorou demasiado. Recarregue a página de onde veio e comece de novo.',
    token_spent: 'Já está ligado. Recarregue a página de onde veio.',
    provider_unavailable: 'O serviço não responde neste momento. Tente de novo dentro de alguns minutos.',
    identity_changed: 'Esta é uma conta diferente da que estava ligada. Inicie sessão com essa.',
    method_not_allowed:
      'Este endereço não pode ser aberto diretamente. Comece na página onde liga a sua conta.',
  },
  otherAdvice:
    'Comece de novo na página de onde veio. Se voltar a acontecer, indique o código abaixo ao responsável.',
}

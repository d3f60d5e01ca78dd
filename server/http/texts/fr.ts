// What the pages say in French.

import type { PageTexts } from '../page-texts.ts'

/** Every text in French. */
export const texts: PageTexts = {
  leaving: 'Redirection vers la connexion…',
  leavingHint: 'Si rien ne se passe, utilisez le bouton.',
  goOn: 'Continuer',
  connected: 'Connecté à {name}',
  cancelled: '{name} n’a pas été connecté',
  failed: '{name} n’a pas pu être connecté',
  almost: 'Encore une étape pour connecter {name}',
  linkTitle: 'Connecter {name}',
  linkHint: '{host} vous demande de connecter votre compte. Ne continuez que si vous vous y attendez.',
  pageTitle: 'Connectez vos comptes à {host}',
  pageHint: '{host} utilise en votre nom ce que vous connectez ici.',
  again: 'Reconnecter {name}',
  disconnect: 'Déconnecter {name}',
  back: 'Retour à {host}',
  needsScript: 'Cette page a besoin de JavaScript. Autorisez-le et rechargez.',
  closeHint: 'Vous pouvez fermer cette fenêtre.',
  returnHint: 'Retour en cours…',
  broken: 'Cela n’a pas fonctionné',
  code: 'Code',
  advice: {
    access_denied: 'L’accès n’a pas été accordé. Vous pouvez réessayer depuis la page d’où vous venez.',
    browser_mismatch: 'Cela a été commencé dans un autre navigateur. Recommencez dans celui-ci.',
    flow_expired: 'Cela a pris trop de temps. Recommencez depuis la page d’où vous venez.',
    flow_ended: 'C’est déjà terminé. Recommencez depuis la page d’où vous venez.',
    link_invalid: 'Ce lien est incomplet ou n’existe pas. Copiez-le en entier ou demandez-en un nouveau.',
    link_expired: 'Ce lien est trop ancien. Demandez-en un nouveau.',
    link_used: 'Ce lien a déjà été utilisé. Demandez-en un nouveau.',
    confirmation_expired: 'Cela a pris trop de temps. Demandez un nouveau lien.',
    already_connected: 'C’est déjà connecté. Il n’y a plus rien à faire.',
    rate_limited: 'C’est déjà en cours. Attendez un instant et rechargez.',
    origin_opaque:
      'La page d’où vous venez cache son adresse : elle est affichée dans un cadre restreint ou n’appartient à aucun site. Ouvrez-la dans sa propre fenêtre et réessayez.',
    origin_mismatch:
      'La page d’où vous venez n’a pas le droit de commencer ceci. Allez sur celle que vous connaissez et commencez là.',
    origin_missing:
      'Ceci ne peut pas être ouvert directement. Commencez depuis la page où vous connectez votre compte.',
    state_invalid:
      'Ce lien a déjà été utilisé ou est trop ancien. Recommencez depuis la page d’où vous venez.',
    token_expired: 'Cela a pris trop de temps. Rechargez la page d’où vous venez et recommencez.',
    token_spent: 'C’est déjà connecté. Rechargez la page d’où vous venez.',
    provider_unavailable: 'Le service ne répond pas pour le moment. Réessayez dans quelques minutes.',
    identity_changed: 'C’est un autre compte que celui qui était connecté. Connectez-vous avec celui-là.',
    method_not_allowed:
      'Cette adresse ne peut pas être ouverte directement. Commencez depuis la page où vous connectez votre compte.',
  },
  otherAdvice:
    'Recommencez depuis la page d’où vous venez. Si cela se reproduit, communiquez le code ci-dessous à son exploitant.',
}

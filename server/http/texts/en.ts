// What the pages say in English.

import type { PageTexts } from '../page-texts.ts'

/** Every text in English. */
export const texts: PageTexts = {
  leaving: 'Taking you to sign in…',
  leavingHint: 'If nothing happens, use the button.',
  goOn: 'Continue',
  connected: 'Connected to {name}',
  cancelled: '{name} was not connected',
  failed: '{name} could not be connected',
  almost: 'One more step to connect {name}',
  linkTitle: 'Connect {name}',
  linkHint: '{host} asks you to connect your account. Go on only if you expect this.',
  pageTitle: 'Connect your accounts to {host}',
  pageHint: '{host} uses what you connect here on your behalf.',
  again: 'Connect {name} again',
  disconnect: 'Disconnect {name}',
  back: 'Back to {host}',
  needsScript: 'This page needs JavaScript. Allow it and reload.',
  closeHint: 'You can close this window.',
  returnHint: 'Taking you back…',
  broken: 'This did not work',
  code: 'Code',
  advice: {
    access_denied: 'Access was not granted. You can try again from the page where you started.',
    browser_mismatch: 'This was started in another browser. Start again in this one.',
    flow_expired: 'This took too long. Start again from the page where you began.',
    flow_ended: 'This is over already. Start again from the page where you began.',
    link_invalid: 'This link is not complete or does not exist. Copy it whole, or ask for a new one.',
    link_expired: 'This link is too old. Ask for a new one.',
    link_used: 'This link was used before. Ask for a new one.',
    confirmation_expired: 'This took too long. Ask for a new link.',
    already_connected: 'This is connected already. There is nothing left to do.',
    rate_limited: 'This is being worked on already. Wait a moment and reload.',
    origin_opaque:
      'The page you came from hides where it is: it is shown inside a restricted frame, or is no page of a website. Open it in a window of its own and try again.',
    origin_mismatch:
      'The page you came from may not start this. Go to the one that you know and start there.',
    origin_missing: 'This cannot be opened directly. Start from the page where you connect your account.',
    state_invalid: 'This link was used before or is too old. Start again from the page where you began.',
    token_expired: 'This took too long. Reload the page where you began and start again.',
    token_spent: 'This is connected already. Reload the page where you began.',
    provider_unavailable: 'The service does not answer just now. Try again in a few minutes.',
    identity_changed:
      'This is another account than the one that was connected before. Sign in with that one.',
    method_not_allowed:
      'This address cannot be opened directly. Start from the page where you connect your account.',
  },
  otherAdvice:
    'Start again from the page where you began. If it happens again, tell its operator the code below.',
}

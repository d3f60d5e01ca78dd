// What the pages say to the person in front of them. One entry for each language; English so far.

import type { ErrorCode } from '../../shared/errors.ts'

/** Texts of one language. `name` is the integration's. */
export interface PageTexts {
  readonly language: string
  readonly leaving: string
  readonly leavingHint: string
  readonly goOn: string
  readonly connected: (name: string) => string
  readonly cancelled: (name: string) => string
  readonly failed: (name: string) => string
  readonly closeHint: string
  readonly returnHint: string
  readonly broken: string
  readonly code: string
  /** What to do about an error, for the codes a person can do something about. */
  readonly advice: Partial<Record<ErrorCode, string>>
  readonly otherAdvice: string
}

const english: PageTexts = {
  language: 'en',
  leaving: 'Taking you to sign in…',
  leavingHint: 'If nothing happens, use the button.',
  goOn: 'Continue',
  connected: (name) => `Connected to ${name}`,
  cancelled: (name) => `${name} was not connected`,
  failed: (name) => `${name} could not be connected`,
  closeHint: 'You can close this window.',
  returnHint: 'Taking you back…',
  broken: 'This did not work',
  code: 'Code',
  advice: {
    access_denied: 'Access was not granted. You can try again from the page where you started.',
    browser_mismatch: 'This was started in another browser. Start again in this one.',
    flow_expired: 'This took too long. Start again from the page where you began.',
    flow_ended: 'This is over already. Start again from the page where you began.',
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

/** The texts for a locale such as `de-AT`; English where there are none. */
export function textsFor(_locale: string | undefined): PageTexts {
  return english
}

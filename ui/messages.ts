// The English texts of the elements, and of the errors that only a page can have. `{name}` is the integration's name,
// `{identity}` who the account is there, `{title}` a field's label.

import type { ErrorCode, FieldError } from '../shared/errors.ts'

/** Codes of errors that arise in the page, without the server. */
export type LocalErrorCode =
  | 'csp_blocked'
  | 'nested_form'
  | 'connect_token_invalid'
  | 'token_request_failed'
  | 'network_error'
  | 'endpoint_not_allowed'
  | 'not_configured'
  | 'flow_expired'
  | 'internal'
  | 'access_denied'

/** Every text that the elements show. Field labels, choices and help come from the server. */
export interface Messages {
  readonly loading: string
  readonly submitting: string
  readonly authorize: string
  /** While authorising, once the window seems to be gone. */
  readonly lost: string
  readonly blocked: string
  readonly verify: string
  readonly cancelled: string
  /** Shown for an active connection. */
  readonly connected: string
  readonly needsReauth: string
  /** Legend of the choice of method. */
  readonly methods: string
  /** Heading of what is asked for at the provider. */
  readonly scopes: string
  /** Button of a form whose method has no label of its own. */
  readonly submit: string
  readonly continue: string
  readonly reopen: string
  readonly cancel: string
  readonly retry: string
  readonly reveal: string
  readonly optional: string
  readonly help: string
  /** Texts by error code, instead of the server's. */
  readonly errors: Readonly<Partial<Record<ErrorCode, string>>>
  /** Texts of field errors by reason, instead of the server's. */
  readonly fieldErrors: Readonly<Partial<Record<FieldError['reason'], string>>>
}

/** The texts in English. */
export const english: Messages & { readonly errors: Readonly<Record<LocalErrorCode, string>> } = {
  loading: 'Loading…',
  submitting: 'One moment…',
  authorize: 'Continue in the {name} window.',
  lost: 'Waiting for {name}. Is its window gone?',
  blocked: 'Your browser blocked the {name} window.',
  verify: 'Checking with {name}…',
  cancelled: 'Cancelled.',
  connected: 'Connected as {identity}',
  needsReauth: '{name} needs to be connected again.',
  methods: 'How to connect',
  scopes: 'This will allow:',
  submit: 'Connect',
  continue: 'Continue to {name}',
  reopen: 'Open it again',
  cancel: 'Cancel',
  retry: 'Try again',
  reveal: 'Show {title}',
  optional: '(optional)',
  help: 'Where do I find this?',
  errors: {
    csp_blocked:
      'This page’s Content-Security-Policy blocks authflow: add its origin to connect-src and form-action.',
    nested_form:
      'A form cannot stand inside a form: put <auth-form> outside and point at the flow with `for`.',
    connect_token_invalid: 'What the page got as connect token is none: it begins with `ctk_ct_`.',
    token_request_failed: 'The page’s backend gave no connect token. Please try again.',
    network_error: 'The server cannot be reached. Please try again.',
    endpoint_not_allowed: 'The endpoint differs from the configured one.',
    not_configured: 'Call configureAuthFlow({ endpoint }) first.',
    flow_expired: 'This took too long. Please start again.',
    internal: 'Something went wrong. Please try again.',
    access_denied: 'Cancelled.',
  },
  fieldErrors: {},
}

/** The text with its `{placeholders}` filled in; unknown ones become empty. */
export const fill = (text: string, values: Readonly<Record<string, string | undefined>>): string =>
  text.replace(/\{(\w+)\}/g, (_, key: string) => values[key] ?? '')

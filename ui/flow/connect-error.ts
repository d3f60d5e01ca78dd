// What a failed connect throws in the browser: an ErrorReply as an Error. The table of all codes with its help texts
// stays on the server; the few errors that only a page can have are worded here.

import type { ErrorCode, ErrorDetails, ErrorReply } from '../../shared/errors.ts'

/** An error of the connect server or of the page itself. Branch on `code`; the message is for developers. */
export class ConnectError extends Error implements ErrorReply {
  override readonly name = 'AuthFlowError'
  /** Stable code of the error table. */
  readonly code: ErrorCode
  /** True when the same step may succeed later without any change. */
  readonly retryable: boolean
  /** Structured facts: `fields`, `retryAfterMs`, … */
  readonly details: ErrorDetails

  /** @param reply what the server answered, or what {@link localError} words */
  constructor({ code, message, retryable, details }: ErrorReply, cause?: unknown) {
    super(message, { cause })
    this.code = code
    this.retryable = retryable
    this.details = details
  }
}

const texts = {
  csp_blocked:
    'The page’s Content-Security-Policy blocks authflow: add its origin to connect-src and form-action.',
  nested_form: 'A form cannot stand in a form: put <auth-form> outside and point at the flow with `for`.',
  connect_token_invalid: 'The connect token is none: it begins with `ctk_ct_`.',
  token_request_failed: 'The page’s backend gave no connect token.',
  network_error: 'The server cannot be reached.',
  endpoint_not_allowed: 'The endpoint differs from the configured one.',
  not_configured: 'Call configureAuthFlow({ endpoint }) first.',
  access_denied: 'Cancelled.',
  internal: 'Something went wrong.',
} satisfies Partial<Record<ErrorCode, string>>

/** An error that arose in the page. */
export const localError = (
  code: keyof typeof texts,
  cause?: unknown,
  details: ErrorDetails = {},
): ConnectError =>
  new ConnectError({ code, message: texts[code], retryable: /^(net|token)/.test(code), details }, cause)

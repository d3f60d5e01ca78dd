// What a failed connect throws in the browser: an ErrorReply as an Error. The table of all codes with its help texts
// stays on the server; the few errors that only a page can have are worded where they arise.

import type { ErrorCode, ErrorDetails, ErrorReply } from '../../shared/errors.ts'

/** An error of the connect server or of the page itself. Branch on `code`; the message is for developers. */
export class ConnectError extends Error implements ErrorReply {
  override readonly name = 'AuthFlowError'
  /** Stable code of the error table. */
  declare readonly code: ErrorCode
  /** True when the same step may succeed later without any change. */
  declare readonly retryable: boolean
  /** Structured facts: `fields`, `retryAfterMs`, … */
  declare readonly details: ErrorDetails

  /** @param reply what the server answered, or what {@link localError} makes */
  constructor(reply: ErrorReply, cause?: unknown) {
    super(reply.message, { cause })
    Object.assign(this, reply)
  }
}

/** An error that arose in the page. Those of the network and of the host's backend may pass. */
export const localError = (
  code: ErrorCode,
  message: string,
  { cause, details = {} }: { readonly cause?: unknown; readonly details?: ErrorDetails } = {},
): ConnectError => new ConnectError({ code, message, retryable: /^(net|token)/.test(code), details }, cause)

/** The page's own policy forbids what was tried. */
export const policyError = (cause?: unknown): ConnectError =>
  localError('csp_blocked', 'CSP: connect-src, form-action.', {
    cause,
  })

/** What was thrown as a {@link ConnectError}. Anything else is a mistake, which is reported and told as `internal`. */
export function asConnectError(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown
  reportError(thrown)
  return localError('internal', 'It failed.', { cause: thrown })
}

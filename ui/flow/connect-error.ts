// What a failed connect throws in the browser: an ErrorReply as an Error. The table of all codes with its help texts
// stays on the server; the few errors that only a page can have are worded in ui/messages.ts.

import type { ErrorCode, ErrorDetails, ErrorReply } from '../../shared/errors.ts'
import { english, type LocalErrorCode } from '../messages.ts'

/** An error of the connect server or of the page itself. Branch on `code`; the message is for developers. */
export class ConnectError extends Error implements ErrorReply {
  override readonly name = 'AuthFlowError'
  /** Stable code of the error table. */
  readonly code: ErrorCode
  /** True when the same step may succeed later without any change. */
  readonly retryable: boolean
  /** Structured facts: `fields`, `retryAfterMs`, … */
  readonly details: ErrorDetails

  /** @param reply what the server answered, or {@link localError} made */
  constructor(reply: ErrorReply, cause?: unknown) {
    super(reply.message, { cause })
    this.code = reply.code
    this.retryable = reply.retryable
    this.details = reply.details
  }
}

/** An error that arose in the page. */
export const localError = (
  code: LocalErrorCode,
  cause?: unknown,
  details: ErrorDetails = {},
): ConnectError => {
  const retryable = code === 'network_error' || code === 'token_request_failed'
  return new ConnectError({ code, message: english.errors[code], retryable, details }, cause)
}

// When a caller should come again.

import type { AuthFlowError } from '../../shared/errors.ts'

/** For refusals that pass without saying when. */
const defaultSeconds = 1

/**
 * Value of `Retry-After` in seconds (RFC 9110 section 10.2.3): what the error says, else a moment where the server cannot
 * answer just now; undefined for other errors.
 */
export function retryAfterOf({ status, retryable, details }: AuthFlowError): string | undefined {
  const { retryAfterMs } = details
  if (retryAfterMs !== undefined) return String(Math.max(1, Math.ceil(retryAfterMs / 1000)))
  return retryable && status === 503 ? String(defaultSeconds) : undefined
}

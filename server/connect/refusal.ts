// Errors that strangers can cause by the thousand: what is refused costs no more than it must.

import { AuthFlowError, type ErrorCode, type ErrorOptions } from '../../shared/errors.ts'

/** An error without a stack, whose making is most of what a wrong token costs. Nobody debugs a stranger's guess. */
export function refusal<C extends ErrorCode>(
  code: C,
  message?: string,
  options?: ErrorOptions,
): AuthFlowError<C> {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new AuthFlowError(code, message, options)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

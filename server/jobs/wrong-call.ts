// Wrong calls of `io`: what their errors say (the call, its key, the job, the way out) and where they point, which is
// the line of the user's code that made the call.

import { AuthFlowError, isAuthFlowError, type ErrorDetails } from '../../shared/errors.ts'

/** A call as messages name it. */
export interface NamedCall {
  /** Of the method, without `io.`. */
  readonly name: string
  /** As it was given, whatever that was. */
  readonly key: unknown
  /** Id of the job. */
  readonly job: string
}

const subjectOf = ({ name, key, job }: NamedCall): string => {
  const shown = typeof key === 'string' ? ` «${key.slice(0, 64)}»` : ''
  return `io.${name}${shown} of job ${job}`
}

/** What a wrong call is told: the call, its key, the job, and what is expected instead. */
export function wrongCall(call: NamedCall, expected: string, details: ErrorDetails = {}): AuthFlowError {
  return new AuthFlowError('invalid_input', `${subjectOf(call)}: ${expected}`, { details })
}

/**
 * Checks that options, where there are any, are an object.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkOptions(call: NamedCall, options: unknown): void {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return
  throw wrongCall(call, 'its options must be an object. Leave them out where there are none.')
}

/** Judges a part of a call; what is refused names the call, its key and the job too. */
export function judgeCall<T>(call: NamedCall, judge: () => T): T {
  try {
    return judge()
  } catch (error) {
    throw isAuthFlowError(error) ? namedError(call, error) : error
  }
}

/**
 * To be made right at the call: what is found wrong later, when the stack does not lead to the user's code any more, is
 * told as if it had been thrown there. Errors that may pass, and those of others, are given back as they are.
 */
export function errorsAt(call: NamedCall): (error: unknown) => unknown {
  const here = new Error('the call')
  return (error) => {
    if (!isAuthFlowError(error) || error.retryable) return error
    const told = namedError(call, error)
    const frames = here.stack?.indexOf('\n    at ') ?? -1
    if (frames >= 0) told.stack = `${told.name}: ${told.message}${here.stack?.slice(frames)}`
    return told
  }
}

/** The error with the call, its key and the job before its message. */
export const namedError = (call: NamedCall, { code, message, details }: AuthFlowError): AuthFlowError =>
  new AuthFlowError(code, `${subjectOf(call)}: ${message}`, { details })

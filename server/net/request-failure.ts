// What a failed exchange means. fetch reports everything as one TypeError; the reason lies in its chain of causes.

import { errors } from 'undici'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'

/** Causes nest two or three deep; a cycle must not hang us. */
const maxDepth = 8

/** Codes that mean the other side spoke, but not what we understand: HTTP parser, decompression, header size. */
const unreadable = /^(HPE_|Z_|ERR__ERROR_|UND_ERR_HEADERS_OVERFLOW)/

/** The coded error of a failed exchange. A guard's refusal comes through as it is. */
export function describeFailure(error: unknown, host: string): AuthFlowError {
  const chain = causesOf(error)
  const own = chain.find(isAuthFlowError)
  if (own) return own
  const code = chain.map(codeOf).find((found) => found !== undefined)
  const reason = code === undefined ? '' : ` (${code})`
  // The parser's error carries a piece of what was received, so it is never a cause.
  const garbled = chain.some((cause) => cause instanceof errors.HTTPParserError)
  return garbled || (code !== undefined && unreadable.test(code))
    ? new AuthFlowError('provider_reply_invalid', `The answer of ${host} cannot be read${reason}.`)
    : new AuthFlowError('provider_unavailable', `${host} cannot be reached${reason}.`, {
        cause: chain.at(-1),
      })
}

/** The error and its causes, outermost first; of several addresses tried at once, each one's error. */
function causesOf(error: unknown): Error[] {
  const found: Error[] = []
  const visit = (value: unknown, depth: number): void => {
    if (!(value instanceof Error) || depth > maxDepth) return
    found.push(value)
    if (value instanceof AggregateError) for (const inner of value.errors) visit(inner, depth + 1)
    visit(value.cause, depth + 1)
  }
  visit(error, 0)
  return found
}

/** The system's or library's code, which is a constant of theirs and holds nothing of the request. */
function codeOf(error: Error): string | undefined {
  const code: unknown = 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^[A-Z0-9_]{2,48}$/.test(code) ? code : undefined
}

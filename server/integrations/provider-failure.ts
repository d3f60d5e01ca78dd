// What a provider's refusal means to a task, the same for all providers: which coded error, and whether and when to try
// again. Each integration tells the facts of its SDK's errors; nothing here or there reads a message.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { OnErrorResult } from '../jobs/job.ts'
import type { Complainant } from './checked-options.ts'

export { retryAfterMs } from '../net/retry-after.ts'

/** What an integration learnt from an error of its SDK. */
export interface ProviderFailure {
  /** HTTP status, or the one that fits where the provider answers 200; absent when there was no answer. */
  readonly status?: number | undefined
  /** The provider's own error code, if it has one. */
  readonly code?: unknown
  /** True when it asked for fewer requests. */
  readonly rateLimited?: boolean
  /** How long it asked to wait. */
  readonly retryAfterMs?: number | undefined
  /** Scopes it said were missing. */
  readonly missingScopes?: readonly string[]
  /** True when the answer was not what the API documents. */
  readonly garbled?: boolean
}

const longestWaitMs = 24 * 3_600_000

/** Too little to try again without being refused again. */
const shortestWaitMs = 1000

/** The coded error for a failure. Its message names provider and status, and never what the provider wrote. */
export function failureError({ name, id }: Complainant, failure: ProviderFailure): AuthFlowError {
  const { status, missingScopes, retryAfterMs } = failure
  const providerCode = providerCodeOf(failure.code)
  const details = {
    integration: id,
    ...(status === undefined ? {} : { status }),
    ...(providerCode === undefined ? {} : { providerCode }),
  }
  const because =
    providerCode === undefined ? (status === undefined ? '' : ` (${status})`) : `: ${providerCode}`
  if (failure.rateLimited) {
    const wait =
      retryAfterMs === undefined
        ? {}
        : { retryAfterMs: Math.min(Math.max(retryAfterMs, shortestWaitMs), longestWaitMs) }
    return new AuthFlowError('rate_limited', `${name} allows no more requests just now.`, {
      details: { ...details, ...wait },
    })
  }
  if (missingScopes && missingScopes.length > 0) {
    const text = `${name} asks for a scope that the connection lacks: ${missingScopes.join(', ')}.`
    return new AuthFlowError('insufficient_scope', text, { details: { ...details, missingScopes } })
  }
  if (failure.garbled) {
    return new AuthFlowError(
      'provider_reply_invalid',
      `${name} answered with something that its API does not document.`,
      { details },
    )
  }
  if (status === undefined || status >= 500 || status === 408) {
    return new AuthFlowError('provider_unavailable', `${name} cannot be reached or is failing${because}.`, {
      details,
    })
  }
  return new AuthFlowError('provider_rejected', `${name} refused the request${because}.`, { details })
}

/**
 * When a task that failed so is tried again: at the time the provider named, never when the same request can only fail
 * again, else as the task's own retry options say. A 401 is left to the engine, which refreshes the credentials once.
 */
export function judgeFailure(error: unknown): OnErrorResult {
  if (!isAuthFlowError(error)) return undefined
  const { code, details } = error
  if (code === 'rate_limited' && details.retryAfterMs !== undefined)
    return { retryAt: new Date(Date.now() + details.retryAfterMs) }
  if (code === 'provider_rejected' && details.status === 401) return undefined
  const final =
    code === 'provider_rejected' ||
    code === 'insufficient_scope' ||
    code === 'blocked_host' ||
    code === 'missing_peer' ||
    code === 'invalid_input' ||
    code === 'invalid_option'
  return final ? { skipRetrying: true } : undefined
}

/** The code if it looks like one: at most 64 plain characters. Anything else may hold what nobody should log. */
function providerCodeOf(value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : value
  return typeof text === 'string' && /^[A-Za-z0-9_.:-]{1,64}$/.test(text) ? text : undefined
}

/** The member at the path, or undefined where there is none: for errors and answers of unknown shape. */
export function member(value: unknown, ...path: readonly string[]): unknown {
  let current = value
  for (const name of path) {
    if (typeof current !== 'object' || current === null) return undefined
    current = Reflect.get(current, name)
  }
  return current
}

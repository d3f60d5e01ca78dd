// What an integration says about the limits of its provider: which gates a request passes, and what an answer tells of
// them. Who waits for how long is decided where requests are made for runs; see server/jobs/gates.ts.

import { isAuthFlowError } from '../../shared/errors.ts'
import type { GuardedFetch } from './guarded-fetch.ts'
import { waitForMore, waitOfAnswer } from './retry-after.ts'

/** A request, as far as limits are made of it. */
export interface LimitedRequest {
  /** Where it goes. */
  readonly url: URL
  /** In capitals. */
  readonly method: string
}

/** One limit of a provider. */
export interface RateGate {
  /** Who uses it up together: `connection`, whoever acts as one identity; `app`, all connections of the integration. */
  readonly scope: 'app' | 'connection'
  /** Which of the provider's limits it is: a method, a base, a resource. */
  readonly name: string
  /** So many requests in so many milliseconds, if the provider is known to allow no more: they are spread evenly. */
  readonly pace?: { readonly requests: number; readonly perMs: number }
}

/** What an answer tells of a gate. */
export interface GateNews {
  /** One that the request passed. */
  readonly gate: RateGate
  /** Nothing more is let through for so long. */
  readonly closedMs: number
  /** What there is between two requests when it opens, so that not all that wait come at once (default 100 ms). */
  readonly spacingMs?: number
}

/** The limits of a provider. */
export interface ProviderLimits {
  /** Gates that the request has to pass; none where there is no limit. */
  gates(request: LimitedRequest): readonly RateGate[]
  /** What the answer tells of them. Whoever reads the body takes a clone: the answer is the caller's. */
  read(answer: Response, request: LimitedRequest): readonly GateNews[] | Promise<readonly GateNews[]>
}

/** Lets requests through, and learns from the answers. */
export interface RequestGate {
  /** Resolves when the request may be sent; throws `rate_limited` when that is too late for it. */
  admit(request: LimitedRequest, signal: AbortSignal | undefined): Promise<void>
  /** Told of every answer; undefined where there was none. */
  note(request: LimitedRequest, answer: Response | undefined): Promise<void>
}

/** The fetch behind a gate. */
export function gateFetch(fetch: GuardedFetch, gate: RequestGate): GuardedFetch {
  return async (input, init = {}) => {
    const request = { url: new URL(input), method: (init.method ?? 'GET').toUpperCase() }
    await gate.admit(request, init.signal ?? undefined)
    let answer: Response
    try {
      answer = await fetch(input, init)
    } catch (error) {
      if (isAuthFlowError(error) && error.code === 'provider_unavailable') await gate.note(request, undefined)
      throw error
    }
    await gate.note(request, answer)
    return answer
  }
}

/** A refusal that does not say for how long, in ms. */
const unknownWaitMs = 1000

/** How long a refusal asks to wait: 429 always does, 503 where it says so. Undefined for other answers. */
export function refusalMs(answer: Response): number | undefined {
  if (answer.status === 429)
    return waitOfAnswer(answer.headers) ?? waitForMore(answer.headers) ?? unknownWaitMs
  return answer.status === 503 ? waitOfAnswer(answer.headers) : undefined
}

/** Limits of a provider of which nothing is known: one gate for each identity, which its answers open and close. */
export const standardLimits: ProviderLimits = {
  gates: () => [connectionGate],
  read: (answer) => {
    const closedMs = refusalMs(answer) ?? waitForMore(answer.headers)
    return closedMs === undefined ? [] : [{ gate: connectionGate, closedMs }]
  },
}

const connectionGate: RateGate = { scope: 'connection', name: 'all' }

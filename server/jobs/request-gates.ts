// Requests under the rate limits of their provider: what every one of them does before it is sent and after it was
// answered, in a run or outside. Outside there is no run that could sleep: a request waits a moment where it is, or is
// refused with the time at which it may be made.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Integration } from '../integrations/integration.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import { gateFetch, type LimitedRequest, type ProviderLimits, type RequestGate } from '../net/rate-limits.ts'
import type { EngineCore } from './core.ts'
import { keyGate, type Ticket } from './gates.ts'

/** Who makes a request outside of a run has something else to do soon: deliveries and registrations have leases. */
const longestOutsideMs = 2000

/** What it is decided with. */
export type GateKeepers = Pick<EngineCore, 'gates' | 'breaker' | 'metrics' | 'now' | 'log'>

/** Who a request is made for. */
export interface LimitedCaller {
  /** Id of the integration. */
  readonly integration: string
  readonly identity: string
  readonly limits: ProviderLimits
}

/** Who acts through an integration with credentials from code. */
export const localIdentity = 'local'

/** When the request may go. `before` is what it was given before. */
export async function askGates(
  { breaker, gates, metrics, now }: GateKeepers,
  caller: LimitedCaller,
  { request, before }: { readonly request: LimitedRequest; readonly before?: Ticket | undefined },
): Promise<Ticket> {
  const at = breaker.ask(request.url.host)
  const passed = caller.limits.gates(request).map((gate) => keyGate(gate, caller))
  const ticket = at > now() ? { at, gates: before?.gates ?? [] } : await gates.ask(passed, before)
  const waitMs = ticket.at - now()
  if (waitMs > 0) metrics.gateWaited(caller.integration, waitMs)
  return ticket
}

/**
 * Learns from an answer; undefined where there was none. Gives a place at the head of the line of each gate that it
 * closed. Never throws.
 */
export async function noteAnswer(
  { breaker, gates, log }: GateKeepers,
  caller: LimitedCaller,
  { request, answer }: { readonly request: LimitedRequest; readonly answer: Response | undefined },
): Promise<Ticket[]> {
  breaker.note(request.url.host, caller.identity, answer === undefined || answer.status >= 500)
  const first: Ticket[] = []
  if (answer === undefined) return first
  try {
    for (const { gate, closedMs, spacingMs } of await caller.limits.read(answer, request))
      first.push(await gates.close(keyGate(gate, caller), closedMs, spacingMs))
  } catch (error) {
    log.warn({ err: error, integration: caller.integration }, 'a rate limit could not be noted')
  }
  return first
}

/** What is thrown to whoever can't wait for so long. */
export const tooSoon = ({ integration }: LimitedCaller, waitMs: number): AuthFlowError =>
  new AuthFlowError('rate_limited', 'The provider allows no more requests just now.', {
    details: { integration, retryAfterMs: Math.ceil(waitMs) },
  })

/** Waits; rejects as soon as the signal aborts. */
export function waitInPlace(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    const onAbort = (): void => {
      end()
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      end()
      resolve()
    }, Math.ceil(ms))
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted) onAbort()
  })
}

/**
 * The fetch for requests of the integration outside of runs: they pass the gates that those of runs pass. Throws
 * `rate_limited` with `retryAfterMs` where the wait is longer than two seconds.
 */
export function fetchOutside(
  core: GateKeepers,
  fetch: GuardedFetch,
  { id, rateLimits }: Pick<Integration, 'id' | 'rateLimits'>,
  identity: string,
): GuardedFetch {
  if (rateLimits === undefined) return fetch
  const caller = { integration: id, identity, limits: rateLimits }
  const gate: RequestGate = {
    async admit(request, signal) {
      let before: Ticket | undefined
      for (;;) {
        before = await askGates(core, caller, { request, before })
        const waitMs = before.at - core.now()
        if (waitMs <= 0) return
        if (waitMs > longestOutsideMs) throw tooSoon(caller, waitMs)
        await waitInPlace(waitMs, signal)
      }
    },
    note: async (request, answer) => void (await noteAnswer(core, caller, { request, answer })),
  }
  return gateFetch(fetch, gate)
}

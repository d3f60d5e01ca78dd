// Rate limits in one pass of a run: every request of an integration asks here first. One that has to wait before its task
// has sent anything puts the task to sleep, which uses no attempt of it and throws nothing; the time it was given goes into
// the run's record, so that the next pass, wherever it is made, keeps its place in the line.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Integration } from '../integrations/integration.ts'
import type { LimitedRequest, ProviderLimits, RequestGate } from '../net/rate-limits.ts'
import type { EngineCore } from './core.ts'
import type { Execution, Frame } from './execution.ts'
import { keyGate, type KeyedGate, type Ticket } from './gates.ts'

/** Shorter waits are not worth falling asleep for. */
const inPlaceMs = 250
/** A task in the middle of its requests can't sleep: it would make the first ones again. It waits for so long. */
const longestInPlaceMs = 10_000

/** What the gates of one pass need. */
export interface PassGatesOptions {
  readonly core: EngineCore
  readonly execution: Execution
  /** By path: times that were given to tasks in an earlier pass. */
  readonly tickets: Readonly<Record<string, Ticket>> | undefined
}

/** Who a request is made for. */
interface Caller {
  readonly integration: string
  readonly identity: string
  readonly limits: ProviderLimits
}

/** The gates of one pass. */
export class PassGates {
  readonly #options: PassGatesOptions
  readonly #tickets: Map<string, Ticket>
  /** Attempts that have sent something. */
  readonly #sent = new WeakSet<Frame>()

  constructor(options: PassGatesOptions) {
    this.#options = options
    this.#tickets = new Map(Object.entries(options.tickets ?? {}))
  }

  /** Times that were given to tasks, by path; undefined where there are none. */
  get tickets(): Readonly<Record<string, Ticket>> | undefined {
    return this.#tickets.size === 0 ? undefined : Object.fromEntries(this.#tickets)
  }

  /** Puts the gates of the integration before an instance of it that acts as the identity, and gives it back. */
  guard(instance: Integration, identity: string): Integration {
    const { id, rateLimits } = instance
    if (rateLimits === undefined) return instance
    const caller = { integration: id, identity, limits: rateLimits }
    const gate: RequestGate = {
      admit: (request, signal) => this.#admit(caller, request, signal),
      note: (request, answer) => this.#note(caller, request, answer),
    }
    instance.useGate?.(gate)
    return instance
  }

  async #admit(caller: Caller, request: LimitedRequest, signal: AbortSignal | undefined): Promise<void> {
    const { core, execution } = this.#options
    const frame = execution.frame
    const passed = caller.limits.gates(request).map((gate) => keyGate(gate, caller))
    for (;;) {
      const ticket = await this.#ask(passed, request, frame)
      // Over meanwhile: what was not sent must not be sent any more.
      if (execution.ended) return execution.never()
      if (execution.cancelling) await execution.sleep(frame, Infinity)
      const waitMs = ticket.at - core.now()
      if (waitMs <= 0) break
      this.#tickets.set(frame.path, ticket)
      const sleeps = waitMs > inPlaceMs && ticket.isSlot !== true && !this.#sent.has(frame)
      if (sleeps) await execution.sleep(frame, ticket.at)
      else if (waitMs <= longestInPlaceMs) await waitInPlace(waitMs, signal)
      else
        throw new AuthFlowError('rate_limited', 'The provider allows no more requests just now.', {
          details: { integration: caller.integration, retryAfterMs: Math.ceil(waitMs) },
        })
    }
    this.#tickets.delete(frame.path)
    this.#sent.add(frame)
  }

  async #ask(passed: readonly KeyedGate[], { url }: LimitedRequest, frame: Frame): Promise<Ticket> {
    const { core } = this.#options
    const before = this.#tickets.get(frame.path)
    const at = core.breaker.ask(url.host)
    return at > core.now() ? { at, gates: before?.gates ?? [] } : core.gates.ask(passed, before)
  }

  async #note(caller: Caller, request: LimitedRequest, answer: Response | undefined): Promise<void> {
    const { core, execution } = this.#options
    core.breaker.note(request.url.host, caller.identity, answer === undefined || answer.status >= 500)
    if (answer === undefined) return
    const { path } = execution.frame
    try {
      for (const { gate, closedMs, spacingMs } of await caller.limits.read(answer, request)) {
        const first = await core.gates.close(keyGate(gate, caller), closedMs, spacingMs)
        // Who was refused is the first to go on.
        const { at, gates } = this.#tickets.get(path) ?? { at: 0, gates: [] }
        if (!answer.ok)
          this.#tickets.set(path, { at: Math.max(at, first.at), gates: [...gates, ...first.gates] })
      }
    } catch (error) {
      core.log.warn({ err: error, integration: caller.integration }, 'a rate limit could not be noted')
    }
  }
}

function waitInPlace(ms: number, signal: AbortSignal | undefined): Promise<void> {
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

// Rate limits in one pass of a run: every request of an integration asks here first. One that has to wait before its task
// has sent anything puts the task to sleep, which uses no attempt of it and throws nothing; the time it was given goes into
// the run's record, so that the next pass, wherever it is made, keeps its place in the line.

import type { Integration } from '../integrations/integration.ts'
import type { LimitedRequest, RequestGate } from '../net/rate-limits.ts'
import type { EngineCore } from './core.ts'
import type { Execution } from './execution.ts'
import type { Frame } from './frames.ts'
import type { Ticket } from './gates.ts'
import { askGates, noteAnswer, tooSoon, waitInPlace, type LimitedCaller } from './request-gates.ts'

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

  async #admit(
    caller: LimitedCaller,
    request: LimitedRequest,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { core, execution } = this.#options
    const frame = execution.frame
    for (;;) {
      const before = this.#tickets.get(frame.path)
      const ticket = await askGates(core, caller, { request, before })
      // Over meanwhile: what was not sent must not be sent any more.
      if (execution.ended) return execution.never()
      if (execution.cancelling) await execution.sleep(frame, Infinity)
      const waitMs = ticket.at - core.now()
      if (waitMs <= 0) break
      this.#tickets.set(frame.path, ticket)
      const sleeps = waitMs > inPlaceMs && ticket.isSlot !== true && !this.#sent.has(frame)
      if (sleeps) await execution.sleep(frame, ticket.at)
      else if (waitMs <= longestInPlaceMs) await waitInPlace(waitMs, signal)
      else throw tooSoon(caller, waitMs)
    }
    this.#tickets.delete(frame.path)
    this.#sent.add(frame)
  }

  async #note(caller: LimitedCaller, request: LimitedRequest, answer: Response | undefined): Promise<void> {
    const { core, execution } = this.#options
    const { path } = execution.frame
    for (const first of await noteAnswer(core, caller, { request, answer })) {
      // Who was refused is the first to go on.
      const { at, gates } = this.#tickets.get(path) ?? { at: 0, gates: [] }
      if (answer?.ok === false)
        this.#tickets.set(path, { at: Math.max(at, first.at), gates: [...gates, ...first.gates] })
    }
  }
}

// Feeds a queue that lives beside the store, where hints get lost and far ones are not kept. One process at a time does
// it, under a lease: it adds every hint anew when the queue has forgotten them, those that come within reach, and those
// of runs that have been due for a while. A process whose queue is away feeds its own worker.

import type { Queue, Wakeup } from '../queue/queue.ts'
import type { EngineCore } from './core.ts'
import { places, runs, type RunDocument } from './records.ts'
import { createWorkerName } from './worker-name.ts'

const leaseName = 'queue/feeder'
const leaseMs = 10_000
/** What is due soon is fed so much before the queue would take it by itself, so that nothing falls in between. */
const marginMs = 60_000
const pageSize = 500
/** Runs that a round looks at without need, of each kind: with a round every two seconds, 1,000 a second. */
const perRound = 1000

const kinds = ['queued', 'waiting'] as const
type Kind = (typeof kinds)[number]

/** What a process does for the queue in a round: all of it, its own worker's part, or nothing. */
export type FeederRole = 'leader' | 'alone' | 'idle'

/** Feeds one queue. */
export class HintFeeder {
  readonly #core: EngineCore
  readonly #owner = createWorkerName()
  /** The epoch of the queue that all hints were added in. */
  #filled: string | undefined
  /** Due times up to this were added in that epoch. */
  #fedUntil = 0
  readonly #lateCursors = new Map<Kind, string>()

  constructor(core: EngineCore) {
    this.#core = core
  }

  /** One round for the queue. Gives the part that this process has in it. */
  async feed(beside: NonNullable<Queue['beside']>): Promise<FeederRole> {
    const { store, now, log, metrics } = this.#core
    const { epoch, horizonMs } = beside
    if (epoch === undefined) {
      for (const kind of kinds) await this.#add(kind, { to: now() + 1, limit: pageSize })
      return 'alone'
    }
    if ((await store.acquireLease(leaseName, this.#owner, leaseMs)) === undefined) {
      this.#filled = undefined
      return 'idle'
    }
    const until = now() + horizonMs - marginMs
    const isNew = this.#filled !== epoch
    const from = isNew ? {} : { from: this.#fedUntil }
    let count = 0
    for (const kind of kinds) count += await this.#add(kind, { ...from, to: until })
    if (isNew) metrics.queueRebuilt()
    if (isNew && count > 0) log.info({ runs: count }, 'the hints of all due runs were added to the queue')
    this.#filled = epoch
    this.#fedUntil = until
    return 'leader'
  }

  /** Runs that have been due since before `to`, the next thousand of them; after the last ones the first come again. */
  async late(kind: Kind, to: number): Promise<RunDocument[]> {
    const found: RunDocument[] = []
    while (found.length < perRound) {
      const cursor = this.#lateCursors.get(kind)
      const page = await this.#core.store.list(runs, {
        index: 'place',
        equals: places[kind],
        to,
        limit: pageSize,
        ...(cursor === undefined ? {} : { cursor }),
      })
      found.push(...page.items)
      if (page.cursor === undefined) this.#lateCursors.delete(kind)
      else this.#lateCursors.set(kind, page.cursor)
      if (page.cursor === undefined) break
    }
    return found
  }

  /** Adds the hints of the runs that are due within the bounds. Gives their number. */
  async #add(kind: Kind, bounds: { from?: number; to: number; limit?: number }): Promise<number> {
    const { store, queue, now } = this.#core
    const { limit = Infinity, ...between } = bounds
    let count = 0
    let cursor: string | undefined
    do {
      const page = await store.list(runs, {
        index: 'place',
        equals: places[kind],
        limit: pageSize,
        ...between,
        ...(cursor === undefined ? {} : { cursor }),
      })
      await queue.add(page.items.map((run) => hintOf(run, run.dueAt ?? now())))
      count += page.items.length
      cursor = page.cursor
    } while (cursor !== undefined && count < limit)
    return count
  }
}

/** The hint that the run is to be looked at then. */
export const hintOf = (run: RunDocument, dueAt: number): Wakeup => ({
  runId: run.id,
  job: run.job,
  version: run.jobVersion,
  dueAt,
})

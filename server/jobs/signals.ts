// Tells runs that what they wait for has come. Whoever brings it writes it down first; then the run is made due, or, while
// a worker has it, marked, so that it does not fall asleep unaware. Runs that are awake in this process go on at once.

import type { Logger } from '../../shared/log.ts'
import type { Queue } from '../queue/queue.ts'
import { updateStep, type Change, type Match, type Step, type Store } from '../store/store.ts'
import { places, runs, type RunDocument } from './records.ts'

/** A run changes hands at most as often as it is suspended, so this is for a store that keeps losing the race. */
const maxTries = 50
const maxIds = 1000

/** What signalling needs. */
export interface SignalsOptions {
  readonly store: Store
  readonly queue: Queue
  readonly log: Logger
  /** The clock of due times, in ms. */
  readonly now: () => number
}

/** A pass that is awake. */
interface Awake {
  /** The last signal that it knows of. */
  seen: number
  /** Branches that wait. */
  readonly waiting: Set<() => void>
}

/** What a pass holds on to while it is awake. */
export interface SignalSeat {
  /**
   * The run's `signalSeq` up to which the pass has been told. Who looks at the store, finds nothing, and finds this
   * changed, looks again before it sleeps.
   */
  readonly seen: number
  /** Calls back once when something came. Returns how to stop. */
  listen(resume: () => void): () => void
  /** The pass is over. */
  leave(): void
}

/** `woken`: the run will see it; `over`: it has ended, or is gone; `refused`: one of the steps did not apply. */
export type Signalled = 'woken' | 'over' | 'refused'

/** Signals of one engine. */
export class Signals {
  readonly #options: SignalsOptions
  readonly #awake = new Map<string, Awake>()

  constructor(options: SignalsOptions) {
    this.#options = options
  }

  /** To be called when a pass of the run begins. */
  enter(run: Pick<RunDocument, 'id' | 'signalSeq'>): SignalSeat {
    const awake: Awake = { seen: run.signalSeq ?? 0, waiting: new Set() }
    this.#awake.set(run.id, awake)
    return {
      get seen() {
        return awake.seen
      },
      listen: (resume) => {
        awake.waiting.add(resume)
        return () => void awake.waiting.delete(resume)
      },
      leave: () => {
        if (this.#awake.get(run.id) === awake) this.#awake.delete(run.id)
      },
    }
  }

  /** Signals the run, in one transaction with the steps given. */
  async tell(runId: string, steps: readonly Step[] = []): Promise<Signalled> {
    const { store } = this.#options
    for (let tries = 0; tries < maxTries; tries += 1) {
      const run = await store.get(runs, runId)
      if (run === undefined || run.endedAt !== undefined) return 'over'
      const { match, change } = await this.#prepare(run)
      const done =
        steps.length === 0
          ? await store.update(runs, runId, match, change)
          : await store.transact([...steps, updateStep(runs, runId, match, change)])
      if (done) {
        this.#resume(run, (run.signalSeq ?? 0) + 1)
        return 'woken'
      }
      // Either the run moved on, and it is tried again, or it was one of the steps.
      const after = await store.get(runs, runId)
      if (after?.state === run.state && after.place === run.place && after.signalSeq === run.signalSeq)
        return 'refused'
    }
    return 'refused'
  }

  /** Looks for signals that other processes gave to runs that are awake here. To be called with every heartbeat. */
  async look(): Promise<void> {
    const ids = [...this.#awake].filter(([, { waiting }]) => waiting.size > 0).map(([id]) => id)
    for (let at = 0; at < ids.length; at += maxIds) {
      const found = await this.#options.store.getMany(runs, ids.slice(at, at + maxIds))
      for (const run of found) this.#resume(run, run.signalSeq ?? 0)
    }
  }

  /** The change that makes a run look again. A hint comes before a run that is due. */
  async #prepare(run: RunDocument): Promise<{ match: Match<RunDocument>; change: Change<RunDocument> }> {
    const { id, state, place, signalSeq } = run
    const match = { state, place: place ?? null, signalSeq: signalSeq ?? null }
    const increment = { signalSeq: 1 }
    if (state !== 'waiting' && state !== 'waiting_for_connection') return { match, change: { increment } }
    const wokenAt = this.#options.now()
    // It was begun before those that wait for their first turn, so it goes before them. No two hints of a run are the
    // same: one is still being settled, perhaps, when the next is added.
    const dueAt = Math.max(0, Math.min(run.createdAt, wokenAt) - (signalSeq ?? 0) - 1)
    await this.#options.queue.add([{ runId: id, job: run.job, version: run.jobVersion, dueAt }])
    const set = { state: 'queued' as const, place: places.queued, dueAt: wokenAt, wokenAt }
    return { match, change: { set, increment } }
  }

  #resume(run: RunDocument, seq: number): void {
    const awake = this.#awake.get(run.id)
    // A run that was cancelled must not fall asleep again, whatever else it was told.
    if (awake === undefined || seq <= awake.seen || run.cancelRequested === true) return
    awake.seen = seq
    const waiting = [...awake.waiting]
    awake.waiting.clear()
    for (const resume of waiting) resume()
  }
}

// Tells runs that what they wait for has come. Whoever brings it writes it down first; then the run is made due, or, while
// a worker has it, marked, so that it does not fall asleep unaware. Runs that are awake in this process go on at once.

import type { Logger } from '../../shared/log.ts'
import type { Queue, Wakeup } from '../queue/queue.ts'
import { updateStep, type Step, type Store } from '../store/store.ts'
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

/** A pass that is awake. */
class Seat implements SignalSeat {
  seen: number
  readonly #all: Map<string, Seat>
  readonly #runId: string
  /** Branches that wait; most passes have none. */
  #waiting: Set<() => void> | undefined

  constructor(all: Map<string, Seat>, { id, signalSeq = 0 }: Pick<RunDocument, 'id' | 'signalSeq'>) {
    this.#all = all
    this.#runId = id
    this.seen = signalSeq
  }

  get isWaiting(): boolean {
    return this.#waiting !== undefined && this.#waiting.size > 0
  }

  listen(resume: () => void): () => void {
    const waiting = (this.#waiting ??= new Set())
    waiting.add(resume)
    return () => void waiting.delete(resume)
  }

  leave(): void {
    if (this.#all.get(this.#runId) === this) this.#all.delete(this.#runId)
  }

  /** A signal has come: who waits goes on. */
  resume(seq: number): void {
    this.seen = seq
    const waiting = [...(this.#waiting ?? [])]
    this.#waiting?.clear()
    for (const resume of waiting) resume()
  }
}

/** Signals of one engine. */
export class Signals {
  readonly #options: SignalsOptions
  readonly #awake = new Map<string, Seat>()

  constructor(options: SignalsOptions) {
    this.#options = options
  }

  /** To be called when a pass of the run begins. */
  enter(run: Pick<RunDocument, 'id' | 'signalSeq'>): SignalSeat {
    const seat = new Seat(this.#awake, run)
    this.#awake.set(run.id, seat)
    return seat
  }

  /** Signals the run, in one transaction with the steps given. */
  async tell(runId: string, steps: readonly Step[] = []): Promise<Signalled> {
    const { store } = this.#options
    for (let tries = 0; tries < maxTries; tries += 1) {
      const run = await store.get(runs, runId)
      if (run === undefined || run.endedAt !== undefined) return 'over'
      if (await this.#signal(run, steps)) {
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

  /**
   * The hint comes with the run or behind it: one that is found before the run is due leads nowhere. What a crash leaves
   * without a hint, the sweep finds.
   */
  async #signal(run: RunDocument, steps: readonly Step[]): Promise<boolean> {
    const { store, queue } = this.#options
    const { id, state, place, signalSeq } = run
    const match = { state, place: place ?? null, signalSeq: signalSeq ?? null }
    const { set, hint } = this.#dueNow(run)
    const change = { ...(set === undefined ? {} : { set }), increment: { signalSeq: 1 } }
    if (steps.length === 0) {
      if (!(await store.update(runs, id, match, change))) return false
      if (hint !== undefined) await queue.add([hint])
      return true
    }
    const { inStore } = queue
    const hints = hint === undefined || set === undefined ? [] : [hint]
    const inOne = inStore?.steps(hints) ?? []
    if (!(await store.transact([...steps, updateStep(runs, id, match, change), ...inOne]))) return false
    if (inStore === undefined) await queue.add(hints)
    else if (hints.length > 0) inStore.announce(hints)
    return true
  }

  /** What makes a run that sleeps due. One that is due already gets its hint again, should it have lost it. */
  #dueNow(run: RunDocument): { set?: Partial<RunDocument>; hint?: Wakeup } {
    const { id, job, jobVersion: version, state, signalSeq, createdAt } = run
    const hint = { runId: id, job, version }
    if (state === 'queued') return run.dueAt === undefined ? {} : { hint: { ...hint, dueAt: run.dueAt } }
    if (state !== 'waiting' && state !== 'waiting_for_connection') return {}
    const wokenAt = this.#options.now()
    // It was begun before those that wait for their first turn, so it goes before them. No two hints of a run are the
    // same: one is still being settled, perhaps, when the next is added.
    const dueAt = Math.max(0, Math.min(createdAt, wokenAt) - (signalSeq ?? 0) - 1)
    return {
      set: { state: 'queued', place: places.queued, dueAt: wokenAt, wokenAt },
      hint: { ...hint, dueAt },
    }
  }

  /** Looks for signals that other processes gave to runs that are awake here. To be called with every heartbeat. */
  async look(): Promise<void> {
    const ids = [...this.#awake].filter(([, seat]) => seat.isWaiting).map(([id]) => id)
    for (let at = 0; at < ids.length; at += maxIds) {
      const found = await this.#options.store.getMany(runs, ids.slice(at, at + maxIds))
      for (const run of found) this.#resume(run, run.signalSeq ?? 0)
    }
  }

  #resume(run: RunDocument, seq: number): void {
    const awake = this.#awake.get(run.id)
    // A run that was cancelled must not fall asleep again, whatever else it was told.
    if (awake === undefined || seq <= awake.seen || run.cancelRequested === true) return
    awake.resume(seq)
  }
}

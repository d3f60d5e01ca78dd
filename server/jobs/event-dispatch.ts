// Storing an event and making its runs. A store with cheap transactions takes the event, the hints and the runs in one;
// elsewhere a note and the event are stored first, so that whoever finds the note can finish. A run that this process has
// a free slot for is stored as claimed and needs no hint.

import type { Wakeup } from '../queue/queue.ts'
import { insertStep, vacantStep, type NewDocument, type Step } from '../store/store.ts'
import { pause, type EngineCore } from './core.ts'
import { DispatchNotes } from './dispatch-notes.ts'
import type { EventContent } from './event-document.ts'
import { tellWaits, waitsOf } from './event-waits.ts'
import type { Claim } from './journal.ts'
import { lanesOf, waits, type LaneRef, type WaitDocument } from './lane-records.ts'
import { newBlockedRun, newRun } from './new-run.ts'
import { events, runs, type EventDocument, type RunDocument, type Target } from './records.ts'
import type { JobRegistry } from './registry.ts'
import { eventWaits } from './wait-records.ts'

const chunkSize = 500
/** More than these are not put into one transaction. */
const transactedTargets = 100
/** A run does not wait longer for a slot of this process where workers on other machines may have one. */
const spillMs = 100

/** A worker of this process that may take new runs at once, without a detour through the queue. */
export interface RunTaker {
  /**
   * Resolves when there is a free slot, or when waiting for one is not worth it any more: after a second at most.
   * Undefined when there is nothing to wait for.
   */
  awaitSlot(): Promise<void> | undefined
  /** A claim on a free slot for a run of the job, if there is one and no older run waits for it. */
  reserve(target: Target): Claim | undefined
  /** The run was stored with the claim in it: run it. */
  adopt(run: RunDocument, event: EventDocument, content: EventContent): void
  /** The run was not stored: the slot is free again. */
  giveBack(): void
  /** It is not known whether the run was stored with the claim in it. */
  doubt(runId: string): void
}

/** An event that is to be stored. */
export interface NewEvent {
  /** As it is once it was stored. */
  readonly document: EventDocument
  readonly content: EventContent
}

/** Stores the events of one engine. */
export class EventDispatch {
  readonly #core: EngineCore
  readonly #registry: JobRegistry
  readonly #taker: RunTaker
  readonly #notes: DispatchNotes

  constructor(core: EngineCore, registry: JobRegistry, taker: RunTaker) {
    this.#core = core
    this.#registry = registry
    this.#taker = taker
    this.#notes = new DispatchNotes(core)
  }

  /** Stores the event and starts its runs. False when the event was there before, or somebody waits for it. */
  tryStore(event: NewEvent): Promise<boolean> {
    const { store, queue } = this.#core
    const transacts = store.capabilities.cheapTransactions && queue.inStore !== undefined
    return transacts && event.document.targets.length <= transactedTargets
      ? this.#transact(event)
      : this.insert(event)
  }

  /** The same in several writes, which also tells those who wait for it. False when the event was there before. */
  async insert(event: NewEvent): Promise<boolean> {
    const { document } = event
    const { store } = this.#core
    if (document.targets.length === 0 && document.topic === undefined) return store.insert(events, document)
    // Before the event: one without a note would never be finished.
    const note = await this.#notes.add(document.id)
    const isNew = await store.insert(events, document)
    if (isNew) await Promise.all([this.#startOrQueue(event), this.#tell(document)])
    note.done()
    return isNew
  }

  /**
   * Makes the runs of a stored event, unless they are there, and tells those who wait for it. Safe to repeat, and for
   * several processes at once.
   */
  async dispatch(event: NewDocument<EventDocument>): Promise<void> {
    await this.#makeRuns(event)
    await this.#tell(event)
  }

  async #makeRuns(event: NewDocument<EventDocument>): Promise<void> {
    const { store, queue, now } = this.#core
    for (let from = 0; from < event.targets.length; from += chunkSize) {
      const chunk = event.targets.slice(from, from + chunkSize)
      const createdAt = now()
      const due: Target[] = []
      const blocked: NonNullable<ReturnType<typeof newBlockedRun>>[] = []
      for (const target of chunk) {
        const made = newBlockedRun({ event, target, createdAt }, this.#lanesOf(target, event))
        if (made === undefined) due.push(target)
        else blocked.push(made)
      }
      await queue.add(due.map((target) => hintOf(target, createdAt)))
      await Promise.all([
        ...due.map((target) => store.insert(runs, newRun({ event, target, createdAt }))),
        ...blocked.map(({ run }) => store.insert(runs, run)),
      ])
      // After their runs: a wait whose run is not there would be taken for a stale one.
      await this.#enter(blocked.map(({ wait }) => wait))
    }
  }

  async #tell(event: NewDocument<EventDocument>): Promise<void> {
    if (event.topic !== undefined) await tellWaits(this.#core, event)
  }

  /** Stores the only run of an event as claimed and runs it, where this process has a free slot now or soon. */
  async #startOrQueue({ document, content }: NewEvent): Promise<void> {
    const [target] = document.targets
    if (target === undefined || document.targets.length > 1 || this.#lanesOf(target, document).length > 0)
      return this.#makeRuns(document)
    const slot = this.#taker.awaitSlot()
    if (slot !== undefined) await Promise.race([slot, pause(spillMs)])
    const claim = this.#taker.reserve(target)
    if (claim === undefined) return this.#makeRuns(document)
    const run = newRun({ event: document, target, createdAt: this.#core.now() }, claim)
    if (await this.#storeTaken(run)) this.#taker.adopt(run, document, content)
  }

  /** False when the run was there before: the sweep was faster. */
  async #storeTaken(run: RunDocument): Promise<boolean> {
    let isNew = false
    try {
      isNew = await this.#core.store.insert(runs, run)
    } catch (error) {
      this.#taker.doubt(run.id)
      throw error
    } finally {
      if (!isNew) this.#taker.giveBack()
    }
    return isNew
  }

  #lanesOf({ job, version }: Target, { accountId }: Pick<EventDocument, 'accountId'>): readonly LaneRef[] {
    return lanesOf(this.#registry.limitOf(job, version), accountId)
  }

  async #enter(entered: readonly NewDocument<WaitDocument>[]): Promise<void> {
    if (entered.length === 0) return
    const { store, lanes } = this.#core
    await Promise.all(entered.map((wait) => store.insert(waits, wait)))
    void lanes.admit(entered)
  }

  async #transact({ document, content }: NewEvent): Promise<boolean> {
    const { store, queue, now } = this.#core
    // A run that is stored as claimed costs four writes; one that goes through the queue, seven.
    const slot = document.targets.length === 1 ? this.#taker.awaitSlot() : undefined
    if (slot !== undefined) await slot
    const createdAt = now()
    const steps: Step[] = [insertStep(events, document)]
    if (document.topic !== undefined) {
      // Where a run waits for it, the event is stored as one that is still to be told of.
      const { from, to } = waitsOf(document.topic)
      steps.unshift(vacantStep(eventWaits, from, to))
    }
    const hints: Wakeup[] = []
    const taken: RunDocument[] = []
    const entered: NewDocument<WaitDocument>[] = []
    for (const target of document.targets) {
      const origin = { event: document, target, createdAt }
      const blocked = newBlockedRun(origin, this.#lanesOf(target, document))
      if (blocked !== undefined) {
        entered.push(blocked.wait)
        steps.push(insertStep(runs, blocked.run), insertStep(waits, blocked.wait))
        continue
      }
      const claim = this.#taker.reserve(target)
      const run = newRun(origin, claim)
      if (claim === undefined) hints.push(hintOf(target, createdAt))
      else taken.push(run)
      steps.push(insertStep(runs, run))
    }
    steps.push(...(queue.inStore?.steps(hints) ?? []))
    let done = false
    try {
      done = await store.transact(steps)
    } catch (error) {
      for (const { id } of taken) this.#taker.doubt(id)
      throw error
    } finally {
      if (!done) for (const _ of taken) this.#taker.giveBack()
    }
    if (!done) return false
    if (hints.length > 0) queue.inStore?.announce(hints)
    if (entered.length > 0) void this.#core.lanes.admit(entered)
    for (const run of taken) this.#taker.adopt(run, document, content)
    return true
  }
}

const hintOf = ({ runId, job, version }: Target, dueAt: number): Wakeup => ({ runId, job, version, dueAt })

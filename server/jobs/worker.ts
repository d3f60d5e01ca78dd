// Takes due runs and runs them, at most so many at a time. The claim on a run is one compare-and-set on its record;
// hints of the queue only say where to look. A run whose worker died gets the worker to itself.

import type { ClaimedWakeup } from '../queue/queue.ts'
import { claimRun } from './claim-run.ts'
import { pause, type EngineCore } from './core.ts'
import { Doubts } from './doubts.ts'
import type { RunTaker } from './event-dispatch.ts'
import type { EventContent } from './event-document.ts'
import type { Claim } from './journal.ts'
import { runs, type EventDocument, type RunDocument, type Target } from './records.ts'
import type { JobRegistry } from './registry.ts'
import { RunPass, type ClaimedRun } from './run-pass.ts'
import { SlotWaits } from './slot-waits.ts'
import { Suspects } from './suspects.ts'

const troublePauseMs = 500
/** A queue that is that long not empty is no burst of this process's own senders. */
const longBacklogMs = 300
/** After the deadline of a stop, tasks get this long to answer to their signal. */
const abortGraceMs = 100

/** What a worker needs. */
export interface WorkerOptions {
  readonly core: EngineCore
  readonly registry: JobRegistry
  /** Runs at a time. */
  readonly concurrency: number
}

/** The worker of one engine. */
export class Worker implements RunTaker {
  readonly #core: EngineCore
  readonly #registry: JobRegistry
  readonly #concurrency: number
  readonly #passes = new Map<RunPass, Promise<void>>()
  readonly #suspects = new Suspects<ClaimedRun>((claimed, pauseMs) => this.#handOn(claimed, pauseMs))
  /** Runs that are being claimed. */
  readonly #taking = new Set<string>()
  readonly #doubts: Doubts
  #owner: string | undefined
  #unsubscribe: (() => void) | undefined
  /** Slots in use, promised or waited for. */
  #active = 0
  /** Slots in use. */
  #performing = 0
  /** True while a suspect has the worker to itself. */
  #isAlone = false
  #isLooking = false
  #lookAgain = false
  #isLookPlanned = false
  /** True when the last look found less than there was room for, and nothing was announced since. */
  #isQueueEmpty = false
  /** Since when every look has found as much as there was room for. */
  #backlogSince = Infinity
  /** Senders, each by how it is told to go on. */
  readonly #senders = new SlotWaits<() => void>((goOn) => goOn())
  /** Runs that were stored as this worker's and wait for a slot. */
  readonly #ahead = new SlotWaits<ClaimedRun>((claimed) => this.#giveUp(claimed))

  constructor({ core, registry, concurrency }: WorkerOptions) {
    this.#core = core
    this.#registry = registry
    this.#concurrency = concurrency
    this.#doubts = new Doubts(core, (runId) => this.#holds(runId))
  }

  /** Starts taking runs under the given name. Called again after {@link abandonAll}, under a new one. */
  start(owner: string): void {
    this.#owner = owner
    this.#unsubscribe ??= this.#core.queue.onReady(() => {
      this.#isQueueEmpty = false
      this.#planLook()
    })
    this.#planLook()
  }

  /** Looks for due runs soon. */
  look(): void {
    this.#planLook()
    if (this.#owner !== undefined) void this.#doubts.settle(this.#owner)
  }

  doubt(runId: string): void {
    this.#doubts.add(runId)
  }

  /** Passes that are being made. */
  get passes(): IterableIterator<RunPass> {
    return this.#passes.keys()
  }

  /** Cancels a run that was told to. `absent`: this worker does not have it; `later`: it has yet to begin. */
  cancel(runId: string): 'cancelling' | 'later' | 'absent' {
    const pass = [...this.#passes.keys()].find((one) => one.runId === runId)
    if (!pass) return this.#holds(runId) ? 'later' : 'absent'
    pass.cancel()
    return 'cancelling'
  }

  awaitSlot(): Promise<void> | undefined {
    if (this.#owner === undefined || (this.#isQueueEmpty && this.#roomAhead() > 0)) return undefined
    // Behind others that have waited for so long, there will be no free slot: in the queue every job has its turn.
    if (performance.now() - this.#backlogSince > longBacklogMs) return undefined
    if (this.#senders.size >= this.#concurrency || !this.#senders.isWorthIt) return undefined
    return new Promise((resolve) => this.#senders.add(resolve))
  }

  reserve({ job, version }: Target): Claim | undefined {
    if (this.#owner === undefined || !this.#isQueueEmpty || this.#roomAhead() <= 0) return undefined
    if (this.#registry.find(job, version) === undefined) return undefined
    this.#active += 1
    return { owner: this.#owner, fence: 1 }
  }

  giveBack(): void {
    this.#vacate()
    this.#planLook()
  }

  adopt(run: RunDocument, document: EventDocument, content: EventContent): void {
    const definition = this.#registry.find(run.job, run.jobVersion)
    const { owner, fence } = run
    if (definition === undefined || owner === undefined || fence === undefined) return this.giveBack()
    const claimed = { run, claim: { owner, fence }, definition, event: { document, content } }
    if (owner !== this.#owner) return this.#giveUp(claimed)
    this.#ahead.add(claimed)
    this.#startAhead()
  }

  /** Stops taking runs; lets running tasks end until the deadline; gives the rest back, due at once. */
  async stop(deadlineMs: number): Promise<void> {
    this.#owner = undefined
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
    for (const waiting of this.#suspects.takeAll()) void this.#release(waiting)
    for (const waiting of this.#ahead.take(Infinity)) this.#giveUp(waiting)
    for (const pass of this.#passes.keys()) pass.drain()
    await this.#settled(deadlineMs)
    if (this.#passes.size === 0) return
    for (const pass of this.#passes.keys()) pass.release()
    await this.#settled(deadlineMs + abortGraceMs)
  }

  /** The lease was lost: others own the runs now. */
  abandonAll(): void {
    this.#owner = undefined
    this.#suspects.takeAll()
    this.#active -= this.#ahead.take(Infinity).length
    this.#doubts.clear()
    for (const pass of this.#passes.keys()) pass.abandon()
  }

  async #settled(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))
    // Runs that were being claimed when the stop began may still join.
    while (this.#passes.size > 0 || this.#isLooking) {
      const all = Promise.all([...this.#passes.values(), this.#isLooking ? pause(1) : undefined])
      const isLate = await Promise.race([all.then(() => false), deadline.then(() => true)])
      if (isLate) break
    }
    clearTimeout(timer)
  }

  #room(): number {
    if (this.#isAlone || this.#suspects.size > 0) return 0
    return this.#concurrency - this.#active
  }

  /** Room for runs of this process's own senders, who may be one set of slots ahead. */
  #roomAhead(): number {
    const room = this.#room()
    if (room > 0 || this.#isAlone || this.#suspects.size > 0 || !this.#ahead.isWorthIt) return room
    return 2 * this.#concurrency - this.#active
  }

  /** Looks once in the next turn, however many slots became free in this one. */
  #planLook(): void {
    if (this.#isLookPlanned || this.#owner === undefined) return
    this.#isLookPlanned = true
    setImmediate(() => {
      this.#isLookPlanned = false
      if (this.#isLooking) this.#lookAgain = true
      else void this.#lookNow()
    })
  }

  async #lookNow(): Promise<void> {
    this.#isLooking = true
    try {
      do {
        this.#lookAgain = false
        const { queue } = this.#core
        const room = this.#owner === undefined ? 0 : this.#room()
        if (room <= 0) break
        this.#isQueueEmpty = true
        const hints = await queue.claim(this.#registry.versions, room)
        this.#noteFound(hints.length >= room)
        await Promise.all(hints.map((hint) => this.#take(hint)))
      } while (this.#lookAgain || !this.#isQueueEmpty)
    } catch (error) {
      this.#core.log.warn({ err: error }, 'looking for due runs failed; trying again')
      void pause(troublePauseMs).then(() => this.#planLook())
    } finally {
      this.#isLooking = false
      if (this.#isQueueEmpty) this.#admit()
    }
  }

  #noteFound(isMoreThere: boolean): void {
    if (!isMoreThere) this.#backlogSince = Infinity
    else {
      this.#isQueueEmpty = false
      this.#backlogSince = Math.min(this.#backlogSince, performance.now())
    }
  }

  async #take(hint: ClaimedWakeup): Promise<void> {
    const { queue, now } = this.#core
    const owner = this.#owner
    if (owner === undefined) return queue.postpone(hint, hint.dueAt)
    this.#active += 1
    const limit = this.#registry.limitOf(hint.job, hint.version)
    let run: RunDocument | undefined
    this.#taking.add(hint.runId)
    try {
      run = await claimRun(this.#core, hint, { owner, limit })
      if (run !== undefined) {
        this.#core.metrics.queueLag(now() - Math.max(hint.dueAt, run.wokenAt ?? 0))
        queue.settle(hint).catch(() => undefined)
      }
    } catch (error) {
      this.doubt(hint.runId)
      queue.postpone(hint, now() + troublePauseMs).catch(() => undefined)
      throw error
    } finally {
      this.#taking.delete(hint.runId)
      if (run === undefined) this.#vacate()
    }
    if (run !== undefined) this.#begin(run, owner)
  }

  #holds(runId: string): boolean {
    if (this.#taking.has(runId)) return true
    for (const { run } of [...this.#suspects.items, ...this.#ahead.items]) if (run.id === runId) return true
    for (const pass of this.#passes.keys()) if (pass.runId === runId) return true
    return false
  }

  #begin(run: RunDocument, owner: string): void {
    const definition = this.#registry.find(run.job, run.jobVersion)
    if (definition === undefined) {
      // Its hint bore the digest of another job: nothing here can run it, and its own workers find it by the sweep.
      this.#core.log.error({ run: run.id, job: run.job }, 'a run of an unknown job was claimed')
      this.#vacate()
      return
    }
    const claimed = { run, claim: { owner, fence: run.fence ?? 0 }, definition }
    if (owner !== this.#owner) this.#giveUp(claimed)
    else if (run.suspect === true) {
      this.#suspects.add(claimed)
      this.#vacate()
    } else this.#perform(claimed)
  }

  /** Claimed while the worker was being stopped, or ahead in vain. */
  #giveUp(claimed: ClaimedRun): void {
    this.#vacate()
    void this.#release(claimed)
  }

  /** A suspect has waited for long: it may find a worker that has nothing else to do, and this one goes on. */
  #handOn(claimed: ClaimedRun, pauseMs: number): void {
    void this.#release(claimed, this.#core.now() + pauseMs)
    this.#planLook()
  }

  /** A slot is free again. The last one is what a suspect waits for, however it was used. */
  #vacate(): void {
    this.#active -= 1
    this.#nextSuspect()
  }

  /** Lets one suspect run once everything else is through. */
  #nextSuspect(): void {
    if (this.#isAlone || this.#active > 0) return
    const next = this.#suspects.takeNext()
    if (next === undefined) return
    this.#isAlone = true
    this.#active += 1
    const { run } = next
    this.#taking.add(run.id)
    this.#markAlone(next).then(
      (isOurs) => {
        this.#taking.delete(run.id)
        const alone = { ...next, run: { ...run, alone: true } }
        if (isOurs && next.claim.owner === this.#owner) return this.#perform(alone)
        if (isOurs) void this.#release(alone)
        this.#endAlone()
      },
      () => {
        this.#taking.delete(run.id)
        this.doubt(run.id)
        this.#endAlone()
      },
    )
  }

  async #markAlone({ run, claim }: ClaimedRun): Promise<boolean> {
    // It has ended a process before, and those that wait would be lost with this one.
    const others = run.strikes === undefined ? [] : this.#suspects.takeAll()
    await Promise.all(others.map((other) => this.#release(other)))
    const match = { owner: claim.owner, fence: claim.fence }
    return this.#core.store.update(runs, run.id, match, { set: { alone: true } })
  }

  #endAlone(): void {
    this.#isAlone = false
    this.#vacate()
    this.#planLook()
  }

  #perform(claimed: ClaimedRun): void {
    let isAlone = claimed.run.suspect === true
    this.#performing += 1
    const pass = new RunPass(this.#core, claimed, {
      onIdle: (idle) => {
        this.#performing += idle ? -1 : 1
        if (!idle) this.#active += 1
        else {
          this.#vacate()
          this.#free()
        }
      },
      onCleared: () => {
        if (!isAlone) return
        isAlone = false
        this.#isAlone = false
        this.#free()
      },
      onNotStored: () => this.doubt(claimed.run.id),
    })
    const done = pass.perform().then(() => {
      this.#passes.delete(pass)
      this.#senders.notePass()
      this.#ahead.notePass()
      this.#performing -= 1
      if (isAlone) this.#isAlone = false
      this.#vacate()
      this.#free()
    })
    this.#passes.set(pass, done)
  }

  #free(): void {
    this.#startAhead()
    if (this.#isQueueEmpty) this.#admit()
    else this.#planLook()
  }

  /** Gives slots to the runs that wait for one. */
  #startAhead(): void {
    if (this.#isAlone) return
    const { metrics, now } = this.#core
    for (const claimed of this.#ahead.take(this.#concurrency - this.#performing)) {
      metrics.queueLag(now() - claimed.run.createdAt)
      this.#perform(claimed)
    }
  }

  /** Lets as many senders go on as there is room for. */
  #admit(): void {
    for (const goOn of this.#senders.take(this.#roomAhead())) goOn()
  }

  #release(claimed: ClaimedRun, dueAt?: number): Promise<void> {
    const pass = new RunPass(this.#core, claimed, {
      onIdle: () => undefined,
      onCleared: () => undefined,
      onNotStored: () => this.doubt(claimed.run.id),
    })
    pass.release(dueAt)
    const done = pass.perform().then(() => void this.#passes.delete(pass))
    this.#passes.set(pass, done)
    return done
  }
}

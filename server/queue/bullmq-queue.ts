// The queue on Redis or Valkey, with BullMQ. It holds hints for the next five minutes and nothing that the store does not
// know: Redis may be away, be flushed or be lost, and due runs are found in the store. Hints that Redis can't take are
// kept in this process for its own worker, so adding one never fails.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/log.ts'
import { BullmqLane, hintId, laneName } from './bullmq-lane.ts'
import { KeptHints } from './kept-hints.ts'
import { mostCounted, type ClaimedWakeup, type JobVersion, type Queue, type Wakeup } from './queue.ts'
import { openRedisLink, type RedisLink } from './redis-link.ts'
import { RedisNotices } from './redis-notices.ts'
import type { RedisTarget } from './redis-options.ts'

/** Redis holds what is due within this; the rest waits in the store. */
const horizonMs = 5 * 60_000
/** A hint that comes so late may have been there before, held back by a clock that is behind. */
const lateMs = 10_000
const recoverEveryMs = 10_000
/** A worker that was told of hints and came too late looks less often, up to this. */
const shortestPauseMs = 5
const longestPauseMs = 320
/** `setTimeout` may be early by one. */
const timerMarginMs = 1

/** Where the queue is. */
export interface BullmqQueueOptions {
  readonly target: RedisTarget
  /** Separates the keys of environments that share a Redis. */
  readonly environment: string
  /** The clock of due times, in ms. */
  readonly now: () => number
  readonly log: Logger
}

/**
 * Opens the queue. Redis that is away does not keep it from opening: after three seconds it goes on without, and joins
 * when Redis comes.
 */
export async function openBullmqQueue(options: BullmqQueueOptions): Promise<Queue> {
  const { target, environment, log } = options
  const prefix = `authflow:${environment}`
  const link = await openRedisLink({ target, epochKey: `${prefix}:epoch`, log })
  const queue = new BullmqQueue(link, prefix, options)
  await queue.listen()
  return queue
}

class BullmqQueue implements Queue {
  readonly #link: RedisLink
  readonly #prefix: string
  readonly #now: () => number
  readonly #notices: RedisNotices
  readonly #lanes = new Map<string, BullmqLane>()
  readonly #kept = new KeptHints()
  readonly #listeners = new Set<() => void>()
  readonly #recovery: NodeJS.Timeout
  /** Added in this turn of the event loop, and to be sent together. */
  #batch: ClaimedWakeup[] = []
  #sending: Promise<void> | undefined
  /** Kinds of hints that this process asks for; undefined until it has. */
  #asked: ReadonlySet<string> | undefined
  #rotation = 0
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity
  #notice: NodeJS.Timeout | undefined
  #noticePauseMs = shortestPauseMs
  #wasNoticed = false
  #closed = false

  constructor(link: RedisLink, prefix: string, { target, now }: BullmqQueueOptions) {
    this.#link = link
    this.#prefix = prefix
    this.#now = now
    this.#notices = new RedisNotices({
      link,
      target,
      channel: `${prefix}:ready`,
      onNotice: (kind, inMs) => this.#hear(kind, inMs),
    })
    link.onUp(() => this.#resend())
    this.#recovery = setInterval(() => void this.#recover(), recoverEveryMs).unref()
  }

  get beside(): { readonly horizonMs: number; readonly epoch: string | undefined } {
    return { horizonMs, epoch: this.#link.isUp ? this.#link.epoch : undefined }
  }

  /** Resolves once word from other processes arrives here, or after a while without it. */
  listen(): Promise<void> {
    return this.#notices.open()
  }

  async add(hints: readonly Wakeup[]): Promise<void> {
    this.#assertOpen()
    const now = this.#now()
    const near = hints.filter(({ dueAt }) => dueAt <= now + horizonMs)
    if (near.length === 0) return
    await this.#send(
      near.map(({ runId, job, version, dueAt }) => ({
        id: hintId(runId, dueAt),
        runId,
        job,
        version,
        dueAt,
        postponements: 0,
      })),
    )
    this.#announce(near)
  }

  async claim(jobs: readonly JobVersion[], limit: number): Promise<ClaimedWakeup[]> {
    this.#assertOpen()
    this.#asked = new Set(jobs.map(laneName))
    const found = this.#kept.take(jobs, limit, this.#now())
    if (this.#link.isUp) await this.#fetch(this.#inTurn(jobs), { found, limit })
    if (this.#wasNoticed) {
      this.#wasNoticed = false
      // Somebody else was faster: of many idle workers, few need to look at once.
      this.#noticePauseMs =
        found.length > 0 ? shortestPauseMs : Math.min(longestPauseMs, this.#noticePauseMs * 2)
    }
    return found
  }

  /** A hint left Redis when it was handed out. */
  settle(): Promise<void> {
    return Promise.resolve()
  }

  async forget(wakeup: Wakeup): Promise<void> {
    if (this.#closed || !this.#link.isUp) return
    try {
      await this.#lane(wakeup).remove(hintId(wakeup.runId, wakeup.dueAt))
    } catch (cause) {
      this.#link.fail(cause)
    }
  }

  async postpone(wakeup: ClaimedWakeup, dueAt: number): Promise<void> {
    if (this.#closed) return
    const { runId, postponements } = wakeup
    await this.#send([{ ...wakeup, id: hintId(runId, dueAt), dueAt, postponements: postponements + 1 }])
    this.#announce([{ ...wakeup, dueAt }])
  }

  async size(jobs: readonly JobVersion[]): Promise<number | undefined> {
    this.#assertOpen()
    if (!this.#link.isUp) return undefined
    try {
      const sizes = await Promise.all(jobs.map((job) => this.#lane(job).size()))
      return Math.min(
        mostCounted,
        sizes.reduce((sum, size) => sum + size, 0),
      )
    } catch (cause) {
      this.#link.fail(cause)
      return undefined
    }
  }

  onReady(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const timer of [this.#timer, this.#notice]) clearTimeout(timer)
    clearInterval(this.#recovery)
    this.#listeners.clear()
    await this.#sending
    // Nobody else has what was kept until its time: it would be late by the time that the sweep takes to miss it.
    await this.#sendNow(this.#kept.takeAll())
    this.#notices.close()
    for (const lane of this.#lanes.values()) await lane.close()
    await this.#link.close()
  }

  /** Another job comes first each time, so that a busy one does not keep the others waiting. */
  #inTurn(jobs: readonly JobVersion[]): JobVersion[] {
    this.#rotation += 1
    const first = jobs.length === 0 ? 0 : this.#rotation % jobs.length
    return [...jobs.slice(first), ...jobs.slice(0, first)]
  }

  /** Asks for the hints of all jobs at once, each for its share, until there is enough or there are no more. */
  async #fetch(
    jobs: readonly JobVersion[],
    { found, limit }: { found: ClaimedWakeup[]; limit: number },
  ): Promise<void> {
    let candidates = jobs
    while (candidates.length > 0 && found.length < limit && this.#link.isUp) {
      const room = limit - found.length
      const share = Math.max(1, Math.floor(room / candidates.length))
      const asked = candidates.slice(0, room)
      const pages = await Promise.all(asked.map((job) => this.#lane(job).take(share)))
      for (const page of pages) found.push(...this.#withoutEarly(page))
      // One that gave all it was asked for may have more.
      candidates = [
        ...candidates.slice(room),
        ...asked.filter((_, index) => (pages[index]?.length ?? 0) >= share),
      ]
    }
  }

  /** BullMQ goes by this machine's clock, which may be ahead of the store's. */
  #withoutEarly(page: readonly ClaimedWakeup[]): ClaimedWakeup[] {
    const now = this.#now()
    const early = page.filter(({ dueAt }) => dueAt > now)
    if (early.length === 0) return [...page]
    this.#kept.keep(early)
    this.#wakeAt(earliestOf(early))
    return page.filter(({ dueAt }) => dueAt <= now)
  }

  /** Resolves once the hints are in Redis, or kept here because it does not take them. */
  #send(hints: readonly ClaimedWakeup[]): Promise<void> {
    this.#batch.push(...hints)
    this.#sending ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#sending = undefined
        resolve(this.#sendNow(this.#batch.splice(0)))
      })
    })
    return this.#sending
  }

  async #sendNow(hints: readonly ClaimedWakeup[]): Promise<void> {
    if (!this.#link.isUp) return this.#kept.keep(hints)
    const byKind = new Map<string, ClaimedWakeup[]>()
    for (const hint of hints) {
      const kind = laneName(hint)
      const same = byKind.get(kind)
      if (same === undefined) byKind.set(kind, [hint])
      else same.push(hint)
    }
    await Promise.all([...byKind.values()].map((same) => this.#addToLane(same)))
  }

  async #addToLane(hints: readonly ClaimedWakeup[]): Promise<void> {
    const [first] = hints
    if (first === undefined) return
    const now = this.#now()
    const lane = this.#lane(first)
    try {
      await lane.add(hints, now)
      const late = hints.filter(({ dueAt }) => dueAt < now - lateMs)
      if (late.length > 0) await lane.promote(late.map(({ id }) => id))
    } catch (cause) {
      this.#link.fail(cause)
      // Perhaps they are there all the same: the same hint twice is harmless.
      this.#kept.keep(hints)
    }
  }

  /** Redis is back: it gets what it could not take meanwhile. */
  #resend(): void {
    if (this.#closed) return
    const hints = this.#kept.takeAll()
    if (hints.length > 0) {
      void this.#send(hints)
      this.#announce(hints)
    }
    this.#tell()
  }

  #lane(job: JobVersion): BullmqLane {
    const name = laneName(job)
    let lane = this.#lanes.get(name)
    if (lane === undefined) {
      const onFailure = (cause: unknown): void => this.#link.fail(cause)
      lane = new BullmqLane(job, { client: this.#link.client, prefix: this.#prefix, onFailure })
      this.#lanes.set(name, lane)
    }
    return lane
  }

  async #recover(): Promise<void> {
    if (!this.#link.isUp) return
    const lanes = [...(this.#asked ?? [])].flatMap((name) => this.#lanes.get(name) ?? [])
    await Promise.all(lanes.map((lane) => lane.recover())).catch((cause: unknown) => this.#link.fail(cause))
  }

  #announce(hints: readonly Wakeup[]): void {
    if (this.#closed) return
    const now = this.#now()
    const earliest = earliestOf(hints)
    if (earliest <= now) this.#tell()
    else this.#wakeAt(earliest)
    const byKind = new Map<string, number>()
    for (const hint of hints) {
      const kind = laneName(hint)
      byKind.set(kind, Math.min(byKind.get(kind) ?? Infinity, hint.dueAt))
    }
    for (const [kind, dueAt] of byKind) this.#notices.tell(kind, dueAt - now)
  }

  #hear(kind: string, inMs: number): void {
    if (this.#closed || this.#asked?.has(kind) === false) return
    if (inMs > 0) return this.#wakeAt(this.#now() + inMs)
    this.#notice ??= setTimeout(() => {
      this.#notice = undefined
      this.#wasNoticed = true
      this.#tell()
    }, this.#noticePauseMs).unref()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }

  #wakeAt(dueAt: number): void {
    if (this.#closed || dueAt >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = dueAt
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Infinity
        this.#tell()
      },
      Math.max(0, dueAt - this.#now()) + timerMarginMs,
    ).unref()
  }

  #assertOpen(): void {
    if (this.#closed) throw new AuthFlowError('closed', 'The queue is closed.')
  }
}

const earliestOf = (hints: readonly Wakeup[]): number =>
  hints.reduce((least, { dueAt }) => Math.min(least, dueAt), Infinity)

// The queue that lives in the store itself. A hint is one small document whose id says everything, so that due hints
// are found by a range of ids and nothing is ever sorted:
//
//   8 hex of SHA-256(job, version) + 2 hex partition of the run + 12 hex due time in ms + run id
//
// Workers start at different partitions, so that they seldom read the same hints.

import { createHash } from 'node:crypto'
import { AuthFlowError } from '../../shared/errors.ts'
import { defineSet, insertStep, type Step, type Store, type StoredDocument } from '../store/store.ts'
import { mostCounted, type ClaimedWakeup, type JobVersion, type Queue, type Wakeup } from './queue.ts'

/** A hint as it is stored. The id holds job, version, due time and run. */
interface WakeupDocument extends StoredDocument {
  /** How often it was put off. */
  readonly postponements?: number
}

const wakeups = defineSet<WakeupDocument>('wakeups')

/** Every set that the store queue needs; pass it to `Store.migrate`. */
export const queueSets = [wakeups] as const

/** How many of the 256 partitions are used: enough to part workers, few enough to look into each. */
const partitionCount = 16
const jobDigits = 8
const partitionEnd = jobDigits + 2
const dueEnd = partitionEnd + 12
/** Later ones are looked for again after this; it also keeps the timer within what `setTimeout` takes. */
const longestSleepMs = 60_000
const batchLimit = 1000
/** The store tells of every commit, also of this process's own; so many of them are answered by one look. */
const noticePauseMs = 10

type Listener = () => void

/** Queues of one process on one store tell each other, without the store's help. */
const listenersOfStore = new WeakMap<Store, Set<Listener>>()

/**
 * A queue whose hints are documents of the store. Several queues may share a store, in one process or in many.
 *
 * @param options.now the clock that due times are compared with (default: the store's)
 */
export function createStoreQueue(store: Store, options: { now?: () => number } = {}): Queue {
  return new StoreQueue(store, options.now ?? (() => store.now()))
}

class StoreQueue implements Queue {
  readonly #store: Store
  readonly #now: () => number
  readonly #listeners = new Set<Listener>()
  readonly #shared: Set<Listener>
  readonly #unsubscribe: () => void
  /** Hints handed out and neither settled nor postponed yet. */
  readonly #handedOut = new Set<string>()
  #rotation = Math.floor(Math.random() * partitionCount)
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity
  #notice: NodeJS.Timeout | undefined
  #closed = false

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
    this.#shared = listenersOfStore.get(store) ?? new Set()
    listenersOfStore.set(store, this.#shared)
    this.#shared.add(this.#tell)
    this.#unsubscribe = store.onChange(() => {
      this.#notice ??= setTimeout(() => {
        this.#notice = undefined
        this.#tell()
      }, noticePauseMs).unref()
    })
  }

  async add(hints: readonly Wakeup[]): Promise<void> {
    this.#assertOpen()
    await Promise.all(hints.map((hint) => this.#store.insert(wakeups, { id: wakeupId(hint) })))
    this.#announce(hints)
  }

  readonly inStore = {
    steps: (hints: readonly Wakeup[]): readonly Step[] =>
      hints.map((hint) => insertStep(wakeups, { id: wakeupId(hint) })),
    announce: (hints: readonly Wakeup[]): void => this.#announce(hints),
  }

  async claim(jobs: readonly JobVersion[], limit: number): Promise<ClaimedWakeup[]> {
    this.#assertOpen()
    this.#rotation += 1
    const found: ClaimedWakeup[] = []
    let next = Infinity
    try {
      for (let index = 0; index < jobs.length && found.length < limit; index += 1) {
        // Another job comes first each time, so that a busy one does not keep the others waiting.
        const job = jobs[(index + this.#rotation) % jobs.length]
        if (job !== undefined) next = Math.min(next, await this.#claimOf(job, limit, found))
      }
    } catch (error) {
      // Nobody gets those that were found before.
      for (const { id } of found) this.#handedOut.delete(id)
      throw error
    }
    if (found.length < limit) this.#wakeAt(next)
    return found
  }

  async settle(wakeup: ClaimedWakeup): Promise<void> {
    try {
      await this.#store.remove(wakeups, wakeup.id)
    } finally {
      // Also when the store is away: what is still there must be found again.
      this.#handedOut.delete(wakeup.id)
    }
  }

  async forget(wakeup: Wakeup): Promise<void> {
    await this.#store.remove(wakeups, wakeupId(wakeup))
  }

  async postpone(wakeup: ClaimedWakeup, dueAt: number): Promise<void> {
    const id = wakeupId({ ...wakeup, dueAt })
    try {
      await this.#store.insert(wakeups, { id, postponements: wakeup.postponements + 1 })
      if (id !== wakeup.id) await this.#store.remove(wakeups, wakeup.id)
    } finally {
      this.#handedOut.delete(wakeup.id)
      this.#wakeAt(dueAt)
    }
  }

  size(): Promise<number> {
    this.#assertOpen()
    return this.#store.count(wakeups, { from: '!', to: '~', limit: mostCounted })
  }

  onReady(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#unsubscribe()
    this.#shared.delete(this.#tell)
    this.#listeners.clear()
    clearTimeout(this.#timer)
    clearTimeout(this.#notice)
  }

  /**
   * Collects due hints of one job, partition after partition. A hint that is not due ends its partition, as those
   * behind it are later still. Returns when the earliest of those is due.
   */
  async #claimOf(job: JobVersion, limit: number, found: ClaimedWakeup[]): Promise<number> {
    const prefix = jobPrefix(job)
    const first = this.#rotation % partitionCount
    const turn = await this.#scan(job, { from: prefix + hex(first, 2), to: `${prefix}g` }, limit, found)
    if (first === 0 || found.length >= limit) return turn
    return Math.min(turn, await this.#scan(job, { from: prefix, to: prefix + hex(first, 2) }, limit, found))
  }

  async #scan(
    job: JobVersion,
    bounds: { from: string; to: string },
    limit: number,
    found: ClaimedWakeup[],
  ): Promise<number> {
    const now = this.#now()
    let next = Infinity
    let from = bounds.from
    while (from < bounds.to && found.length < limit) {
      // Those handed out lie in front of the new ones until they are settled.
      const asked = Math.min(batchLimit, limit - found.length + this.#handedOut.size)
      const documents = await this.#store.range(wakeups, from, bounds.to, asked)
      let jump: string | undefined
      for (const document of documents) {
        const dueAt = Number.parseInt(document.id.slice(partitionEnd, dueEnd), 16)
        if (dueAt > now) {
          next = Math.min(next, dueAt)
          jump =
            document.id.slice(0, jobDigits) +
            hex(Number.parseInt(document.id.slice(jobDigits, partitionEnd), 16) + 1, 2)
          break
        }
        if (found.length < limit) this.#handOut(document, { ...job, dueAt }, found)
      }
      if (jump === undefined && documents.length < asked) break
      from = jump ?? `${documents.at(-1)?.id ?? bounds.to}!`
    }
    return next
  }

  #handOut(document: WakeupDocument, hint: JobVersion & { dueAt: number }, found: ClaimedWakeup[]): void {
    if (this.#handedOut.has(document.id)) return
    this.#handedOut.add(document.id)
    const { id, postponements = 0 } = document
    found.push({ id, runId: id.slice(dueEnd), postponements, ...hint })
  }

  #announce(hints: readonly Wakeup[]): void {
    const earliest = hints.reduce((least, hint) => Math.min(least, hint.dueAt), Infinity)
    if (earliest <= this.#now()) for (const tell of this.#shared) tell()
    else this.#wakeAt(earliest)
  }

  readonly #tell = (): void => {
    for (const listener of this.#listeners) listener()
  }

  #wakeAt(dueAt: number): void {
    if (this.#closed || dueAt >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = dueAt
    const delay = Math.min(longestSleepMs, Math.max(0, dueAt - this.#now()))
    this.#timer = setTimeout(() => {
      this.#timerAt = Infinity
      this.#tell()
    }, delay).unref()
  }

  #assertOpen(): void {
    if (this.#closed) throw new AuthFlowError('closed', 'The queue is closed.')
  }
}

function wakeupId(hint: Wakeup): string {
  return (
    jobPrefix(hint) +
    hex(partitionOf(hint.runId), 2) +
    hex(Math.max(0, Math.floor(hint.dueAt)), 12) +
    hint.runId
  )
}

const prefixes = new Map<string, string>()

function jobPrefix({ job, version }: JobVersion): string {
  const name = JSON.stringify([job, version])
  let prefix = prefixes.get(name)
  if (prefix === undefined) {
    prefix = createHash('sha256').update(name).digest('hex').slice(0, jobDigits)
    prefixes.set(name, prefix)
  }
  return prefix
}

/** Run ids are digests: any few of their characters part them evenly. */
function partitionOf(runId: string): number {
  let sum = 0
  for (let index = Math.max(0, runId.length - 4); index < runId.length; index += 1)
    sum += runId.charCodeAt(index)
  return sum % partitionCount
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')

// The order of writes to MongoDB: one FIFO of a store, sorted into lanes. A lane gathers what waits into one command.
// Writes to the same document go one after another; all others at once.

import { AuthFlowError } from '../../shared/errors.ts'
import { toStoreError } from './mongo-errors.ts'

/** How much a lane may gather and have under way. */
export interface LaneOptions {
  readonly maxInFlight: number
  /** (default 500) */
  readonly maxBatch?: number
}

const defaultMaxBatch = 500
const lateCheckMs = 250
const maxBatchBytes = 16 * 1024 * 1024

/** What a write brings: what it touches and how large it is. */
export interface WriteOptions {
  /** Names of the documents. */
  readonly keys: readonly string[]
  /** About, in bytes. */
  readonly size: number
  readonly reject: (error: AuthFlowError) => void
}

interface Waiting extends WriteOptions {
  readonly since: number
  readonly lane: LaneState
  /** Puts the write into its lane's batch. */
  readonly board: () => void
}

/** A lane without the type of its writes. */
interface LaneState {
  isOpen(): boolean
  isFull(): boolean
  depart(): Promise<void>
}

/** Gathers writes of one kind and sends them together. `send` settles each of them and never throws. */
export class Lane<T> implements LaneState {
  readonly #options: LaneOptions
  readonly #send: (items: readonly T[]) => Promise<void>
  #batch: T[] = []
  #bytes = 0
  #inFlight = 0

  constructor(options: LaneOptions, send: (items: readonly T[]) => Promise<void>) {
    this.#options = options
    this.#send = send
  }

  add(item: T, size: number): void {
    this.#batch.push(item)
    this.#bytes += size
  }

  isOpen(): boolean {
    return this.#inFlight < this.#options.maxInFlight
  }

  isFull(): boolean {
    return this.#batch.length >= (this.#options.maxBatch ?? defaultMaxBatch) || this.#bytes >= maxBatchBytes
  }

  async depart(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    this.#bytes = 0
    this.#inFlight++
    try {
      await this.#send(batch)
    } finally {
      this.#inFlight--
    }
  }
}

/** The FIFO. */
export class MongoWrites {
  readonly #busyTimeoutMs: number
  readonly #onWrite: () => void
  readonly #onFlush: ((writes: number, ms: number) => void) | undefined
  #waiting: Waiting[] = []
  readonly #busy = new Set<string>()
  #underWay = 0
  #scheduled = false
  #idle: (() => void)[] = []
  #lateCheck: NodeJS.Timeout | undefined

  constructor(busyTimeoutMs: number, onWrite: () => void, onFlush?: (writes: number, ms: number) => void) {
    this.#busyTimeoutMs = busyTimeoutMs
    this.#onWrite = onWrite
    this.#onFlush = onFlush
  }

  /** Queues a write for the lane. */
  add<T>(lane: Lane<T>, item: T, options: WriteOptions): void {
    const board = (): void => lane.add(item, options.size)
    this.#waiting.push({ ...options, since: performance.now(), lane, board })
    this.#schedule()
  }

  /** Queues a command of its own. */
  run<T>(lane: Lane<() => Promise<void>>, keys: readonly string[], work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const item = async (): Promise<void> => {
        try {
          resolve(await work())
        } catch (error) {
          reject(toStoreError(error))
        }
      }
      this.add(lane, item, { keys, size: 0, reject })
    })
  }

  /** Resolves when nothing waits or is under way. */
  drain(): Promise<void> {
    if (this.#waiting.length === 0 && this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    const latest = performance.now() - this.#busyTimeoutMs
    // A write waits for every earlier one of its documents, also for one that waits itself.
    const blocked = new Set<string>()
    const boarding = new Map<LaneState, string[]>()
    const rest: Waiting[] = []
    for (const waiting of this.#waiting) {
      const { keys, lane } = waiting
      if (waiting.since < latest) {
        waiting.reject(new AuthFlowError('store_busy'))
      } else if (!lane.isOpen() || keys.some((key) => this.#busy.has(key) || blocked.has(key))) {
        for (const key of keys) blocked.add(key)
        rest.push(waiting)
      } else {
        this.#board(waiting, boarding)
      }
    }
    this.#waiting = rest
    for (const [lane, keys] of boarding) this.#depart(lane, keys)
    // Also when nothing arrives: who waits too long is told so.
    if (rest.length > 0 && this.#lateCheck === undefined) {
      this.#lateCheck = setTimeout(this.#checkLate, lateCheckMs)
    }
    this.#checkIdle()
  }

  readonly #checkLate = (): void => {
    this.#lateCheck = undefined
    if (this.#waiting.length > 0) this.#schedule()
  }

  #board(waiting: Waiting, boarding: Map<LaneState, string[]>): void {
    const { keys, lane } = waiting
    for (const key of keys) this.#busy.add(key)
    waiting.board()
    const taken = boarding.get(lane) ?? []
    taken.push(...keys)
    if (lane.isFull()) {
      boarding.delete(lane)
      this.#depart(lane, taken)
    } else boarding.set(lane, taken)
  }

  #depart(lane: LaneState, keys: readonly string[]): void {
    this.#underWay++
    const departedAt = performance.now()
    const arrive = (): void => {
      this.#onFlush?.(keys.length, performance.now() - departedAt)
      this.#underWay--
      for (const key of keys) this.#busy.delete(key)
      if (this.#waiting.length > 0) this.#schedule()
      this.#onWrite()
      this.#checkIdle()
    }
    void lane.depart().then(arrive, arrive)
  }

  #checkIdle(): void {
    if (this.#waiting.length > 0 || this.#underWay > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

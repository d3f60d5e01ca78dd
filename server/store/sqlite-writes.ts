// The write queue of one SQLite connection: writes that arrive together are committed together. The driver is
// synchronous, so a batch is bounded in time, and a lock held by another process is waited for on timers.

import { AuthFlowError } from '../../shared/errors.ts'
import { isBusy, isFileError, rollBack, toStoreError } from './sqlite-driver.ts'
import type { SqlDatabase, SqlStatement } from './sqlite-driver.ts'

const batchMaxVerbs = 200
const batchMaxMs = 20
const retryMinMs = 1
const retryMaxMs = 16

interface Waiting {
  readonly since: number
  /** Does the work and keeps its outcome. Throws what is no {@link AuthFlowError}: the batch can't go on then. */
  readonly attempt: () => void
  /** Settles the promise, once the batch is durable. */
  readonly settle: () => void
  readonly reject: (error: AuthFlowError) => void
}

/** What the queue needs to know. */
export interface WriteQueueOptions {
  /** How long a write may wait for the lock, in ms. */
  readonly busyTimeoutMs: number
  /** Called after every commit. */
  readonly onCommit: () => void
  /** Told of every batch that was committed: how many writes, and the ms from its begin to its commit. */
  readonly onFlush?: ((writes: number, ms: number) => void) | undefined
  /** Called when a batch has begun, and when one was undone. */
  readonly onBegin?: () => void
  readonly onUndone?: () => void
}

/** A write that waits for its batch. */
class Write<T> implements Waiting {
  readonly since = performance.now()
  readonly reject: (error: AuthFlowError) => void
  readonly #work: () => T
  readonly #resolve: (value: T) => void
  #settle: () => void = () => undefined

  constructor(work: () => T, resolve: (value: T) => void, reject: (error: AuthFlowError) => void) {
    this.#work = work
    this.#resolve = resolve
    this.reject = reject
  }

  attempt(): void {
    try {
      const value = this.#work()
      this.#settle = () => this.#resolve(value)
    } catch (error) {
      if (!(error instanceof AuthFlowError)) throw error
      this.#settle = () => this.reject(error)
    }
  }

  settle(): void {
    this.#settle()
  }
}

/** A FIFO of writes, flushed at the next turn of the event loop. */
export class WriteQueue {
  readonly #db: SqlDatabase
  readonly #options: WriteQueueOptions
  readonly #begin: SqlStatement
  readonly #commit: SqlStatement
  #waiting: Waiting[] = []
  #scheduled = false
  #idle: (() => void)[] = []

  constructor(db: SqlDatabase, options: WriteQueueOptions) {
    this.#db = db
    this.#options = options
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
  }

  /**
   * Runs the work inside the next batch; resolves after the commit. The work must finish its checks before its first
   * write: an {@link AuthFlowError} that it throws rejects this write alone and keeps the others. It may run again
   * when the batch has to be repeated.
   */
  add<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(new Write(work, resolve, reject))
      this.#schedule()
    })
  }

  /** Resolves when nothing waits. */
  drain(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    const begunAt = performance.now()
    try {
      this.#begin.run()
    } catch (error) {
      if (isBusy(error)) this.#retryLater()
      else this.#fail(this.#waiting.length, error)
      return
    }
    this.#options.onBegin?.()
    const count = this.#runBatch()
    if (count === 0) return
    try {
      this.#commit.run()
    } catch (error) {
      this.#rollBack()
      if (isBusy(error)) this.#retryLater()
      else this.#fail(count, error)
      return
    }
    this.#options.onFlush?.(count, performance.now() - begunAt)
    for (const write of this.#waiting.splice(0, count)) write.settle()
    this.#next()
    this.#options.onCommit()
  }

  /** How many writes the batch holds; 0 when it was undone. */
  #runBatch(): number {
    const start = performance.now()
    let count = 0
    for (const write of this.#waiting) {
      try {
        write.attempt()
      } catch (error) {
        this.#undo(count, error)
        return 0
      }
      count++
      if (count === batchMaxVerbs || performance.now() - start > batchMaxMs) break
    }
    return count
  }

  /** A statement failed: its write is rejected alone, unless all would fail. A full disk may still take smaller ones. */
  #undo(at: number, error: unknown): void {
    this.#rollBack()
    if (isBusy(error)) return this.#retryLater()
    if (isFileError(error)) return this.#fail(at + 1, error)
    const [failed] = this.#waiting.splice(at, 1)
    failed?.reject(toStoreError(error))
    this.#next()
  }

  #rollBack(): void {
    rollBack(this.#db)
    this.#options.onUndone?.()
  }

  #fail(count: number, error: unknown): void {
    for (const failed of this.#waiting.splice(0, count)) failed.reject(toStoreError(error))
    this.#next()
  }

  #retryLater(): void {
    const latest = performance.now() - this.#options.busyTimeoutMs
    let late = 0
    while ((this.#waiting[late]?.since ?? Infinity) < latest) late++
    for (const waiting of this.#waiting.splice(0, late)) waiting.reject(new AuthFlowError('store_busy'))
    if (this.#waiting.length === 0) return this.#next()
    this.#scheduled = true
    setTimeout(this.#flush, retryDelayMs())
  }

  #next(): void {
    if (this.#waiting.length > 0) return this.#schedule()
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

/** A pause before trying a lock again; jitter keeps processes from meeting again and again. */
export function retryDelayMs(): number {
  return retryMinMs + Math.random() * (retryMaxMs - retryMinMs)
}

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
  /** Does the work; gives what settles the promise once the batch is durable. */
  readonly attempt: () => () => void
  readonly reject: (error: AuthFlowError) => void
}

/** What the queue needs to know. */
export interface WriteQueueOptions {
  /** How long a write may wait for the lock, in ms. */
  readonly busyTimeoutMs: number
  /** Called after every commit. */
  readonly onCommit: () => void
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
      const attempt = (): (() => void) => {
        const value = work()
        return () => resolve(value)
      }
      this.#waiting.push({ since: performance.now(), attempt, reject })
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
    try {
      this.#begin.run()
    } catch (error) {
      if (isBusy(error)) this.#retryLater()
      else this.#fail(this.#waiting.length, error)
      return
    }
    const settle: (() => void)[] = []
    if (!this.#runBatch(settle)) return
    try {
      this.#commit.run()
    } catch (error) {
      rollBack(this.#db)
      if (isBusy(error)) this.#retryLater()
      else this.#fail(settle.length, error)
      return
    }
    this.#waiting.splice(0, settle.length)
    for (const done of settle) done()
    this.#next()
    this.#options.onCommit()
  }

  /** False when the batch was undone. */
  #runBatch(settle: (() => void)[]): boolean {
    const start = performance.now()
    for (const waiting of this.#waiting) {
      try {
        settle.push(waiting.attempt())
      } catch (error) {
        if (error instanceof AuthFlowError) settle.push(() => waiting.reject(error))
        else {
          this.#undo(settle.length, error)
          return false
        }
      }
      if (settle.length === batchMaxVerbs || performance.now() - start > batchMaxMs) break
    }
    return true
  }

  /** A statement failed: its write is rejected alone, unless all would fail. A full disk may still take smaller ones. */
  #undo(at: number, error: unknown): void {
    rollBack(this.#db)
    if (isBusy(error)) return this.#retryLater()
    if (isFileError(error)) return this.#fail(at + 1, error)
    const [failed] = this.#waiting.splice(at, 1)
    failed?.reject(toStoreError(error))
    this.#next()
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

// Tells listeners that something may have been written: at once for this process, by SQLite's data_version for others.

import type { Logger } from '../../shared/log.ts'
import { Listeners } from './listeners.ts'
import type { SqlDatabase, SqlStatement } from './sqlite-driver.ts'

const pollMs = 25

/** Listeners of one connection. The timer runs only while there are any, and keeps no process alive. */
export class SqliteWatch {
  readonly #select: SqlStatement
  readonly #listeners: Listeners
  #timer: NodeJS.Timeout | undefined
  #seen = 0

  constructor(db: SqlDatabase, log: Logger | undefined) {
    this.#select = db.prepare('PRAGMA data_version')
    this.#listeners = new Listeners(log)
  }

  /** Adds a listener; the function given back removes it. */
  add(listener: () => void): () => void {
    const remove = this.#listeners.add(listener)
    this.#start()
    return () => {
      remove()
      if (this.#listeners.size === 0) this.stop()
    }
  }

  /** Calls all listeners. */
  readonly notify = (): void => this.#listeners.notify()

  /** Stops looking. */
  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #start(): void {
    if (this.#timer !== undefined) return
    this.#seen = this.#read() ?? this.#seen
    this.#timer = setInterval(() => this.#look(), pollMs)
    this.#timer.unref()
  }

  #look(): void {
    const version = this.#read()
    if (version === undefined || version === this.#seen) return
    this.#seen = version
    this.notify()
  }

  #read(): number | undefined {
    try {
      return (this.#select.get() as { data_version: number }).data_version
    } catch {
      // Busy for a moment; the next look sees what this one missed.
      return undefined
    }
  }
}

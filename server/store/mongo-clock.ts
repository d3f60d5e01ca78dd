// The database's clock, as far as a client can know it: the local one plus an offset that is sampled now and then.

import type { Db } from 'mongodb'
import type { WithinLimit } from './mongo-limit.ts'

const sampleEveryMs = 10_000

/** The local clock, corrected. */
export class MongoClock {
  readonly #db: Db
  readonly #timer: NodeJS.Timeout
  readonly #within: WithinLimit
  #offsetMs = 0

  constructor(db: Db, within: WithinLimit) {
    this.#db = db
    this.#within = within
    this.#timer = setInterval(() => void this.#trySample(), sampleEveryMs)
    this.#timer.unref()
  }

  /** Now, in ms since 1970. */
  readonly now = (): number => Math.round(Date.now() + this.#offsetMs)

  /** Measures the offset: the server's time lies between question and answer. */
  async sample(): Promise<void> {
    const askedAt = Date.now()
    const { localTime } = await this.#within(() => this.#db.command({ hello: 1 }))
    if (localTime instanceof Date) this.#offsetMs = localTime.getTime() - (askedAt + Date.now()) / 2
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #trySample(): Promise<void> {
    try {
      await this.sample()
    } catch {
      // The last offset serves on; calls to the database tell of its absence.
    }
  }
}

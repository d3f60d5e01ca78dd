// Tells listeners that something may have been written: at once for this process. Others change a «beat» a
// moment after they wrote, and whoever listens reads it, seldom while nothing comes.

import type { Collection } from 'mongodb'
import { randomText } from '../../shared/ids.ts'
import type { Logger } from '../../shared/log.ts'
import { Listeners } from './listeners.ts'
import type { Raw } from './mongo-document.ts'
import type { WithinLimit } from './mongo-limit.ts'

const beatId = 'beat'
const beatLength = 12
/** A writer changes the beat at most this often. */
const beatEveryMs = 100
const lookMinMs = 100
const lookMaxMs = 2000
const slower = 1.5
const jitter = 0.2

/** Listeners of one store. The timers run only while needed, and keep no process alive. */
export class MongoWatch {
  readonly #meta: Collection<Raw>
  readonly #listeners: Listeners
  readonly #within: WithinLimit
  #beatTimer: NodeJS.Timeout | undefined
  #lookTimer: NodeJS.Timeout | undefined
  #delayMs = lookMinMs
  #seen: unknown
  #closed = false

  constructor(
    meta: Collection<Raw>,
    { log, within }: { readonly log?: Logger | undefined; readonly within: WithinLimit },
  ) {
    this.#meta = meta
    this.#within = within
    this.#listeners = new Listeners(log)
  }

  /** Adds a listener; the function given back removes it. */
  add(listener: () => void): () => void {
    const remove = this.#listeners.add(listener)
    this.#delayMs = lookMinMs
    if (this.#lookTimer === undefined) this.#planLook()
    return remove
  }

  /** This store has written. */
  readonly wrote = (): void => {
    this.#listeners.notify()
    if (this.#beatTimer !== undefined || this.#closed) return
    this.#beatTimer = setTimeout(() => void this.#beat(), beatEveryMs * Math.random())
    this.#beatTimer.unref()
  }

  /** Stops all timers; a beat that is due is sent. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#lookTimer)
    if (this.#beatTimer === undefined) return
    clearTimeout(this.#beatTimer)
    await this.#beat()
  }

  async #beat(): Promise<void> {
    this.#beatTimer = undefined
    try {
      const beat = { $set: { beat: randomText(beatLength) } }
      const options = { upsert: true, writeConcern: { w: 1 } }
      await this.#within(() => this.#meta.updateOne({ _id: beatId }, beat, options))
    } catch {
      // Only a hint: those who listen look for themselves after a while.
    }
  }

  #planLook(): void {
    if (this.#closed || this.#listeners.size === 0) {
      this.#lookTimer = undefined
      return
    }
    const delay = this.#delayMs * (1 - jitter + 2 * jitter * Math.random())
    this.#lookTimer = setTimeout(() => void this.#look(), delay)
    this.#lookTimer.unref()
  }

  async #look(): Promise<void> {
    try {
      const row = await this.#within(() =>
        this.#meta.findOne({ _id: beatId }, { readConcern: { level: 'local' } }),
      )
      const changed = row?.['beat'] !== this.#seen
      this.#seen = row?.['beat']
      // At its slowest it calls back unasked: a writer may have died before its beat.
      if (changed || this.#delayMs >= lookMaxMs) this.#listeners.notify()
      this.#delayMs = changed ? lookMinMs : Math.min(lookMaxMs, this.#delayMs * slower)
    } catch {
      this.#delayMs = lookMaxMs
    }
    this.#planLook()
  }
}

// Watches the driver's own watch over its servers. When a socket goes away in the moment in which the driver writes to
// it, the check of that server waits for ever (seen with mongodb 7.9: it waits for a `drain` that a destroyed socket does
// not emit), and every later call fails although the server is back. A new connection of the client mends that.

import type { MongoClient } from 'mongodb'
import type { Logger } from '../../shared/log.ts'
import { withinLimit } from './mongo-limit.ts'

/** How often the driver looks at each server. Ours to know, because it decides when silence is too long. */
export const heartbeatMs = 2000
/** How long the driver takes to connect before it gives up. */
export const connectTimeoutMs = 5000

const lookMs = 1000
/** Each check ends by then, one way or the other. */
const silenceMs = heartbeatMs + connectTimeoutMs + 1000
/** So many looks in a row, so that a loop that stood still itself is not taken for silence. */
const looksMax = 2

/** The watch over one client. */
export class MongoPulse {
  readonly #client: MongoClient
  readonly #log: Logger | undefined
  readonly #heardAt = new Map<string, number>()
  readonly #timer: NodeJS.Timeout
  #silentLooks = 0
  #mending: Promise<void> | undefined

  /** @param client one that has yet to connect: of a server that was found before, nothing might ever be heard */
  constructor(client: MongoClient, log: Logger | undefined) {
    this.#client = client
    this.#log = log
    const hear = (address: string): void => void this.#heardAt.set(address, performance.now())
    // Whose very first check never ends is silent, too.
    client.on('serverOpening', ({ address }) => hear(address))
    client.on('serverHeartbeatSucceeded', ({ connectionId }) => hear(connectionId))
    client.on('serverHeartbeatFailed', ({ connectionId }) => hear(connectionId))
    client.on('serverClosed', ({ address }) => void this.#heardAt.delete(address))
    this.#timer = setInterval(() => this.#look(), lookMs).unref()
  }

  /** Stops watching; resolves when nothing is being mended any more. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#mending
  }

  #look(): void {
    const earliest = performance.now() - silenceMs
    const isSilent = [...this.#heardAt.values()].some((heardAt) => heardAt < earliest)
    this.#silentLooks = isSilent ? this.#silentLooks + 1 : 0
    if (this.#silentLooks < looksMax || this.#mending !== undefined) return
    this.#mending = this.#mend().finally(() => (this.#mending = undefined))
  }

  async #mend(): Promise<void> {
    this.#log?.warn({}, 'the MongoDB driver stopped checking a server; connecting anew')
    try {
      await withinLimit(() => this.#client.close())
      this.#heardAt.clear()
      await withinLimit(() => this.#client.connect())
    } catch (error) {
      this.#log?.warn({ err: error }, 'MongoDB is away; connecting again')
      // Heard of nothing since long: the next look tries again.
      this.#heardAt.set('', -Infinity)
      return
    }
    this.#heardAt.delete('')
    this.#silentLooks = 0
  }
}

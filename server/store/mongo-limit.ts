// Limits on every command to MongoDB. When a socket goes away in the very turn in which the driver writes to it, the
// command never ends (seen with mongodb 7.9: it waits for a `drain` that a destroyed socket does not emit), and none of
// the driver's own limits counts then.

import type { MongoClient } from 'mongodb'
import { AuthFlowError } from '../../shared/errors.ts'

/** How long the driver waits for an answer. */
export const socketTimeoutMs = 20_000

/**
 * The driver sends a command at most twice, and both may take all their time. Shorter than what the tokens of a bulk last,
 * and than what a lane is held for.
 */
const commandLimitMs = 2 * socketTimeoutMs + 5000

/** Runs a command, with a limit. See {@link MongoLimit.within}. */
export type WithinLimit = <T>(command: () => PromiseLike<T>) => Promise<T>

/**
 * What the command gives. What comes after its limit is left unread: whether such a write applied is unknown, as with any
 * answer that got lost.
 *
 * @param onStart given what ends the wait early, with the same error; it does nothing later on
 * @throws {@link AuthFlowError} `store_unavailable` when it has not ended by then; else what the command throws
 */
export function withinLimit<T>(
  command: () => PromiseLike<T>,
  limitMs = commandLimitMs,
  onStart?: (giveUp: () => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      clearTimeout(timer)
      reject(new AuthFlowError('store_unavailable'))
    }
    const timer = setTimeout(giveUp, limitMs)
    onStart?.(giveUp)
    const end = (settle: () => void): void => {
      clearTimeout(timer)
      settle()
    }
    command().then(
      (value) => end(() => resolve(value)),
      (error: unknown) => end(() => reject(error)),
    )
  })
}

/**
 * The limit for the commands of one client, which is shorter once connections were lost. Then every command either has
 * failed, or is sent once more as soon as there is a server again; which of them hang can't be seen, and a few that do stop all
 * writes to a set.
 */
export class MongoLimit {
  readonly #graceMs: number
  readonly #underWay = new Set<() => void>()

  /** @param graceMs how long what was under way may go on then: what the driver takes to find a server, and an answer */
  constructor(client: MongoClient, graceMs: number) {
    this.#graceMs = graceMs
    client.on('connectionPoolCleared', this.#doubt)
    client.on('connectionPoolClosed', this.#doubt)
  }

  /** {@link withinLimit}, with what the client knows. */
  readonly within: WithinLimit = async (command) => {
    let giveUp: (() => void) | undefined
    try {
      return await withinLimit(command, commandLimitMs, (given) => this.#underWay.add((giveUp = given)))
    } finally {
      if (giveUp) this.#underWay.delete(giveUp)
    }
  }

  readonly #doubt = (): void => {
    const doubted = [...this.#underWay]
    if (doubted.length === 0) return
    setTimeout(() => {
      for (const giveUp of doubted) giveUp()
    }, this.#graceMs).unref()
  }
}

// A limit on every command to MongoDB. When a socket goes away in the very turn in which the driver writes to it, the
// command never ends (seen with mongodb 7.9: it waits for a `drain` that a destroyed socket does not emit), and none of
// the driver's own limits counts then.

import { AuthFlowError } from '../../shared/errors.ts'

/** How long the driver waits for an answer. */
export const socketTimeoutMs = 20_000

/**
 * The driver sends a command at most twice, and both may take all their time. Shorter than what the tokens of a bulk last,
 * and than what a lane is held for.
 */
const commandLimitMs = 2 * socketTimeoutMs + 5000

/**
 * What the command gives. What comes after its limit is left unread: whether such a write applied is unknown, as with any
 * answer that got lost.
 *
 * @throws {@link AuthFlowError} `store_unavailable` when it has not ended by then; else what the command throws
 */
export function withinLimit<T>(command: () => PromiseLike<T>, limitMs = commandLimitMs): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new AuthFlowError('store_unavailable')), limitMs)
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

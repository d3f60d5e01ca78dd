// Counts the wrong tokens and keys of whoever sent a request.

import type { IncomingMessage } from 'node:http'
import { isAuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import type { GuessGuard } from '../connect/connect.ts'
import type { ClientAddress } from './client-address.ts'
import type { RateLimiter } from './rate-limits.ts'

/** What the guards of all requests share. */
export interface GuessBounds {
  readonly clients: ClientAddress
  readonly limiter: RateLimiter
}

/**
 * The guard of one request. Whoever guessed too often is turned away before anything is looked up. Behind a proxy that
 * the host did not name, one address may be everybody: there only what is wrong is turned away, so that nobody can lock
 * all the others out.
 */
export function guessGuard(req: IncomingMessage, { clients, limiter }: GuessBounds): GuessGuard {
  return {
    before() {
      if (clients.isOneClient(req)) limiter.checkGuesses(clients.of(req))
    },
    wrong() {
      const address = clients.of(req)
      limiter.checkGuesses(address)
      limiter.countGuess(address)
    },
  }
}

/** Of tokens and links that are none. */
const wrongCodes: readonly ErrorCode[] = ['token_invalid', 'link_invalid']

/** Does what takes a token from elsewhere than the bearer, under the guard. Throws `rate_limited` besides its own. */
export async function countingGuesses<T>(guesses: GuessGuard, work: () => Promise<T>): Promise<T> {
  guesses.before()
  try {
    return await work()
  } catch (error) {
    if (isAuthFlowError(error) && wrongCodes.includes(error.code)) guesses.wrong()
    throw error
  }
}

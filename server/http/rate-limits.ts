// How often who may try what. Counted in this process: with several behind one balancer each counts for itself, so that
// together they let through as many times more.

import { hash, randomBytes } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { AuthFlowError } from '../../shared/errors.ts'
import { refusal } from '../connect/refusal.ts'

/** Bounds for a minute. `false` lifts one. */
export interface RateLimits {
  /** Times that one account may be sent to a provider, 1 to 100,000 (default 10). */
  readonly starts?: number | false
  /** Wrong connect tokens, links and secret keys from one address, 1 to 100,000 (default 20). */
  readonly guesses?: number | false
}

/** Counts and refuses. */
export interface RateLimiter {
  /** Counts one start of the account. Throws `rate_limited`. */
  start(accountId: string): Promise<void>
  /** Throws `rate_limited` while the address has guessed too often. */
  checkGuesses(address: string): void
  /** Counts a wrong token or key; the last one that is allowed closes the address for the rest of its minute. */
  countGuess(address: string): void
}

const windowSeconds = 60
const defaultStarts = 10
const defaultGuesses = 20
const mostPoints = 100_000
/**
 * Who is counted shares one of so many counters, chosen by a key of this process: memory is bounded whoever comes, and
 * nobody can choose with whom to share.
 */
const counters = 65_536

/**
 * Makes it from the option; `false` lifts both bounds.
 *
 * @throws {@link AuthFlowError} `invalid_option` naming `rateLimits`
 */
export function createRateLimiter(option: RateLimits | false = {}): RateLimiter {
  const { starts = defaultStarts, guesses = defaultGuesses } =
    option === false ? { starts: false as const, guesses: false as const } : option
  const secret = randomBytes(32).toString('base64')
  const counterOf = (text: string): number =>
    Number.parseInt(hash('sha256', `${secret}${text}`, 'hex').slice(0, 8), 16) % counters
  const startLimit = limiter('starts', starts)
  const guessLimit = limiter('guesses', guesses)
  const blockedUntil = new Map<number, number>()

  return {
    async start(accountId) {
      const taken = await consume(startLimit, counterOf(accountId))
      if (taken?.refused) throw rateLimited(taken.waitMs)
    },
    checkGuesses(address) {
      if (blockedUntil.size === 0) return
      const counter = counterOf(networkOf(address))
      const until = blockedUntil.get(counter)
      if (until === undefined) return
      const waitMs = until - Date.now()
      if (waitMs > 0) throw rateLimited(waitMs)
      blockedUntil.delete(counter)
    },
    countGuess(address) {
      const counter = counterOf(networkOf(address))
      void consume(guessLimit, counter).then((taken) => {
        if (taken?.left === 0) blockedUntil.set(counter, Date.now() + taken.waitMs)
      })
    },
  }
}

function limiter(name: string, points: number | false): RateLimiterMemory | undefined {
  if (points === false) return undefined
  if (Number.isInteger(points) && points >= 1 && points <= mostPoints) {
    return new RateLimiterMemory({ points, duration: windowSeconds })
  }
  const message = `\`rateLimits.${name}\` must be false or a whole number from 1 to ${mostPoints}.`
  throw new AuthFlowError('invalid_option', message, { details: { option: `rateLimits.${name}` } })
}

interface Taken {
  readonly refused: boolean
  /** Points left in the window. */
  readonly left: number
  /** Until the window ends, in ms. */
  readonly waitMs: number
}

/** Takes a point; undefined where there is no bound. */
async function consume(limit: RateLimiterMemory | undefined, counter: number): Promise<Taken | undefined> {
  try {
    const taken = await limit?.consume(counter)
    return taken && { refused: false, left: taken.remainingPoints, waitMs: taken.msBeforeNext }
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return { refused: true, left: 0, waitMs: refusal.msBeforeNext }
    throw refusal
  }
}

/** Whoever has one IPv6 address has the 2^64 of its network. */
function networkOf(address: string): string {
  if (!address.includes(':') || !ipaddr.IPv6.isValid(address)) return address
  return ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`).toString()
}

const rateLimited = (waitMs: number): AuthFlowError =>
  refusal('rate_limited', undefined, { details: { retryAfterMs: Math.max(1, Math.ceil(waitMs)) } })

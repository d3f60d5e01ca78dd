// When a failed attempt is tried again: the one formula; the presets are in shared/retry.ts. Pure; the engine passes in the randomness.

import type { RetryOptions } from './job.ts'

const defaults = {
  limit: 5,
  factor: 1.8,
  minTimeoutInMs: 1000,
  maxTimeoutInMs: 60_000,
  randomize: true,
} as const

/**
 * Milliseconds to wait after the given attempt failed, or undefined when it was the last one. The first two delays
 * share one base; `limit` counts attempts, so 0 and 1 mean no retry.
 *
 * @param attempt the attempt that failed; 1 is the first
 * @param random a number from 0 up to, not including, 1
 */
export function retryDelay(attempt: number, options: RetryOptions, random: () => number): number | undefined {
  // One by one: a member that is there and undefined is as good as left out.
  const {
    limit = defaults.limit,
    factor = defaults.factor,
    minTimeoutInMs = defaults.minTimeoutInMs,
    maxTimeoutInMs = defaults.maxTimeoutInMs,
    randomize = defaults.randomize,
  } = options
  if (attempt >= limit) return undefined
  const spread = randomize ? 1 + random() : 1
  const base = Math.max(minTimeoutInMs, 1) * factor ** Math.max(attempt - 2, 0)
  return Math.min(maxTimeoutInMs, Math.round(spread * base))
}

// When a failed attempt is tried again: the presets and the one formula. Pure; the engine passes in the randomness.

import type { RetryOptions } from './job.ts'

const defaults = {
  limit: 5,
  factor: 1.8,
  minTimeoutInMs: 1000,
  maxTimeoutInMs: 60_000,
  randomize: true,
} as const

/** Ready-made {@link RetryOptions}. Spread one to change a part of it. */
export const retry = {
  /** 8 attempts, delays grow by 1.8 from half a second to 30 seconds. What integrations use. */
  standardBackoff: { limit: 8, factor: 1.8, minTimeoutInMs: 500, maxTimeoutInMs: 30_000, randomize: true },
  /** 8 attempts, delays double from one second to 30 seconds. */
  exponentialBackoff: { limit: 8, factor: 2, minTimeoutInMs: 1000, maxTimeoutInMs: 30_000, randomize: true },
} as const satisfies Record<string, RetryOptions>

/**
 * Milliseconds to wait after the given attempt failed, or undefined when it was the last one. The first two delays
 * share one base; `limit` counts attempts, so 0 and 1 mean no retry.
 *
 * @param attempt the attempt that failed; 1 is the first
 * @param random a number from 0 up to, not including, 1
 */
export function retryDelay(attempt: number, options: RetryOptions, random: () => number): number | undefined {
  const { limit, factor, minTimeoutInMs, maxTimeoutInMs, randomize } = { ...defaults, ...options }
  if (attempt >= limit) return undefined
  const spread = randomize ? 1 + random() : 1
  const base = Math.max(minTimeoutInMs, 1) * factor ** Math.max(attempt - 2, 0)
  return Math.min(maxTimeoutInMs, Math.round(spread * base))
}

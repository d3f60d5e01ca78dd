// The retry presets, for jobs and integrations alike. The formula is in server/jobs/retry.ts.

/** Ready-made `RetryOptions`. Spread one to change a part of it. */
export const retry = {
  /** 8 attempts, delays grow by 1.8 from half a second to 30 seconds. What integrations use. */
  standardBackoff: { limit: 8, factor: 1.8, minTimeoutInMs: 500, maxTimeoutInMs: 30_000, randomize: true },
  /** 8 attempts, delays double from one second to 30 seconds. */
  exponentialBackoff: { limit: 8, factor: 2, minTimeoutInMs: 1000, maxTimeoutInMs: 30_000, randomize: true },
} as const

// What the adapters share about waiting and leases.

import type { Logger } from '../../shared/log.ts'
import { invalid } from './document.ts'

/** Options that every adapter takes. */
export interface CommonOptions {
  /** (default: nothing is logged) */
  readonly log?: Logger
  /** Told of every batch: how many writes went to the database together, and how long that took, in ms. */
  readonly onFlush?: ((writes: number, ms: number) => void) | undefined
  /** How long a write waits for other writers, and opening for other processes, in ms (default 5000). */
  readonly busyTimeoutMs?: number
  /** How long after its end a lease is still left to its owner, in ms (default 5000). */
  readonly stealMarginMs?: number
}

/** Long enough for another process's largest batch, short enough for a request. */
export const defaultBusyTimeoutMs = 5000

/** Covers an owner that was paused while it renewed, and clocks that run apart a little. */
export const defaultStealMarginMs = 5000

const leaseMaxMs = 24 * 60 * 60 * 1000

/** A lease's length: 1 ms to a day. */
export function checkLeaseMs(leaseMs: number): number {
  if (Number.isInteger(leaseMs) && leaseMs >= 1 && leaseMs <= leaseMaxMs) return leaseMs
  throw invalid(`leaseMs must be an integer from 1 to ${leaseMaxMs}`)
}

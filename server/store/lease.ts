// What the adapters share about leases.

import { invalid } from './document.ts'

const leaseMaxMs = 24 * 60 * 60 * 1000

/** A lease's length: 1 ms to a day. */
export function checkLeaseMs(leaseMs: number): number {
  if (Number.isInteger(leaseMs) && leaseMs >= 1 && leaseMs <= leaseMaxMs) return leaseMs
  throw invalid(`leaseMs must be an integer from 1 to ${leaseMaxMs}`)
}

// Cancelling the runs of a job or of an event, one by one: each is asked what it would be asked alone.

import type { RunDocument } from './records.ts'

/** At the same time; a store has other things to do. */
const atOnce = 50

/** What became of many runs that were to be cancelled. */
export interface CancelledRuns {
  /** Those that were not over yet. */
  readonly cancelledRunIds: readonly string[]
  /** Those that kept changing hands meanwhile: try again. */
  readonly failedToCancelRunIds: readonly string[]
  /** Give it back to go on: there may be more. */
  readonly cursor?: string
}

/** Cancels those of the runs that are not over. */
export async function cancelMany(
  runs: readonly RunDocument[],
  cancel: (id: string) => Promise<unknown>,
): Promise<CancelledRuns> {
  const cancelledRunIds: string[] = []
  const failedToCancelRunIds: string[] = []
  const open = runs.filter(({ endedAt }) => endedAt === undefined)
  for (let from = 0; from < open.length; from += atOnce) {
    const some = open.slice(from, from + atOnce)
    const done = await Promise.allSettled(some.map(({ id }) => cancel(id)))
    for (const [index, { id }] of some.entries())
      (done[index]?.status === 'fulfilled' ? cancelledRunIds : failedToCancelRunIds).push(id)
  }
  return { cancelledRunIds, failedToCancelRunIds }
}

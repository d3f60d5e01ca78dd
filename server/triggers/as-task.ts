// Things that can be done outside of runs and inside: there they are tasks, so that a replay does not do them again.

import { currentIO } from '../jobs/execution.ts'
import type { Json } from '../jobs/job.ts'

/**
 * Does the work; inside a run as a task with the given key.
 *
 * @returns what the work gave; inside a run what JSON makes of it
 */
export function asTask<T extends Json | void>(
  { key, name }: { readonly key: string; readonly name: string },
  work: () => Promise<T>,
): Promise<T> {
  const io = currentIO()
  if (io === undefined) return work()
  return io.runTask(key, work, {
    name,
    retry: { limit: 8, factor: 1.8, minTimeoutInMs: 500, maxTimeoutInMs: 30_000 },
  })
}

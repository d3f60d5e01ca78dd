// Event to finished run with one cached task on SQLite, against BullMQ's empty jobs where TEST_REDIS_URL names a Redis.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { takeTurns, type Effort } from './measure.ts'
import { redisDurability } from './redis.ts'
import { compare, median, notMeasured, round, type BenchResults } from './result.ts'
import { startSubject } from './subject.ts'

const perSecond = z.object({ perSecond: z.number().positive() })
const sqlite = 'SQLite, synchronous=FULL'

async function once(name: string, args: readonly string[]): Promise<number> {
  const subject = startSubject(name, args)
  try {
    return perSecond.parse(await subject.next()).perSecond
  } finally {
    await subject.stop()
  }
}

/** A second process works on the same file. */
async function withWorker(count: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'authflow-bench-'))
  const worker = startSubject('runs', ['worker', count, folder])
  try {
    await worker.next()
    return await once('runs', ['alone', count, folder])
  } finally {
    await worker.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** First event to last finish: same payload, concurrency 50, one process on each side, runs kept. */
export async function measureRuns({ rounds, runs }: Effort): Promise<BenchResults> {
  const count = String(runs)
  const redis = process.env['TEST_REDIS_URL']
  const [alone = [], two = [], bullmq = []] = await takeTurns(rounds, [
    () => once('runs', ['alone', count]),
    () => withWorker(count),
    ...(redis ? [() => once('bullmq', [count, redis])] : []),
  ])
  return {
    runs_sqlite: { value: round(median(alone)), unit: 'runs/s', baseline: `none; ${sqlite}`, ratio: null },
    runs_sqlite_vs_bullmq: redis
      ? compare('runs/s', alone, {
          name: `BullMQ’s empty jobs, removeOnComplete, ${await redisDurability(redis)}; ${sqlite}`,
          values: bullmq,
        })
      : notMeasured('runs/s', 'BullMQ: set TEST_REDIS_URL'),
    runs_two_processes: compare('runs/s', two, { name: `one process; ${sqlite}`, values: alone }),
  }
}

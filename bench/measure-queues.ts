// Event to finished run with one cached task beside other products' empty jobs: on MongoDB with BullMQ as the queue against
// BullMQ itself, and on SQLite against graphile-worker on PostgreSQL. First add to last finish, one process on each side.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { root } from '../scripts/source-files.ts'
import { takeTurns, type Effort } from './measure.ts'
import { startPostgres } from './postgres.ts'
import { redisDurability } from './redis.ts'
import { compare, median, notMeasured, round, type BenchResult, type BenchResults } from './result.ts'
import { startSubject } from './subject.ts'

const measured = z.object({
  perSecond: z.number().positive(),
  writesPerRun: z.number().positive().optional(),
})
const patienceMs = 300_000
const unit = 'runs/s'

type Measured = z.infer<typeof measured>

async function once(name: string, args: readonly string[]): Promise<Measured> {
  const subject = startSubject(name, args)
  try {
    return measured.parse(await subject.next(patienceMs))
  } finally {
    await subject.stop()
  }
}

const speedOf = (name: string, args: readonly string[]) => async (): Promise<number> =>
  (await once(name, args)).perSecond

/** Both comparisons; null with the reason where a server is missing. */
export async function measureQueues(effort: Effort): Promise<BenchResults> {
  return {
    runs_mongo_bullmq_vs_bullmq: await besideBullmq(effort),
    runs_vs_graphile: await besideGraphile(effort),
  }
}

async function besideBullmq({ rounds, runs }: Effort): Promise<BenchResult> {
  const redis = process.env['TEST_REDIS_URL']
  if (!redis) return notMeasured(unit, 'BullMQ: set TEST_REDIS_URL')
  if (!process.env['TEST_MONGODB_URL']) return notMeasured(unit, 'MongoDB: set TEST_MONGODB_URL')
  const writes: number[] = []
  const [ours = [], theirs = []] = await takeTurns(rounds, [
    async () => {
      const { perSecond, writesPerRun = NaN } = await once('runs', ['alone', String(runs), 'mongo'])
      writes.push(writesPerRun)
      return perSecond
    },
    speedOf('bullmq', [String(runs), redis]),
  ])
  const theirRedis = await redisDurability(redis)
  const counted = `${round(median(writes))} writes of MongoDB a run, w: majority`
  return compare(unit, ours, {
    name: `BullMQ’s empty jobs, removeOnComplete, ${theirRedis}; ${counted}`,
    values: theirs,
  })
}

async function besideGraphile({ rounds, runs }: Effort): Promise<BenchResult> {
  if (!existsSync(join(root, 'bench/peers/node_modules/graphile-worker')))
    return notMeasured(unit, 'graphile-worker: npm ci --prefix bench/peers')
  const postgres = await startPostgres()
  if (typeof postgres === 'string') return notMeasured(unit, postgres)
  try {
    const [ours = [], theirs = []] = await takeTurns(rounds, [
      speedOf('runs', ['alone', String(runs)]),
      speedOf('graphile', [String(runs), postgres.url]),
    ])
    const name = `graphile-worker’s empty jobs, in batches, PostgreSQL ${postgres.version}, fsync; SQLite, synchronous=FULL`
    return compare(unit, ours, { name, values: theirs })
  } finally {
    postgres.stop()
  }
}

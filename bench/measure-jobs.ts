// What a run feels of the engine: how soon it begins, how soon it is past its cached tasks, whether others feel it when a
// hundred thousand runs are woken, and what a worker holds in memory.

import { z } from 'zod'
import { takeTurns, type Effort } from './measure.ts'
import { compare, median, round, type BenchResult, type BenchResults } from './result.ts'
import { percentile } from './steady-load.ts'
import { startSubject } from './subject.ts'

const perSecond = 50
const cachedTasks = 1000
const parkedInMemory = 10_000
const longMs = 1_800_000
const sqlite = 'SQLite, synchronous=FULL'

const timed = z.object({ times: z.array(z.number()).nonempty() })
const replayed = z.object({ totalMs: z.number(), codeMs: z.number() })
const woken = timed.extend({ seconds: z.number() })
const resident = z.object({ megabytes: z.number() })

/** One worker with its own SQLite file in each subject. */
export async function measureJobs(effort: Effort): Promise<BenchResults> {
  return {
    event_to_task_p50: await measureLatency(effort),
    replay_1000_tasks: await measureReplay(effort),
    parked_100k_woken: await measureWaking(effort),
    ...(await measureMemory(effort)),
  }
}

/** From `sendEvent` to the first task, embedded: sender and worker are one process. */
async function measureLatency({ rounds, loadMs }: Effort): Promise<BenchResult> {
  const subject = startSubject('event-latency', [String(perSecond)])
  try {
    await subject.next()
    const turn = async (): Promise<readonly number[]> => {
      subject.tell(String(loadMs))
      return timed.parse(await subject.next(longMs)).times
    }
    await turn() // warms up
    const all: (readonly number[])[] = []
    for (let at = 0; at < rounds; at += 1) all.push(await turn())
    const p99 = round(median(all.map((times) => percentile(times, 0.99))))
    return compare(
      'ms',
      all.map((times) => percentile(times, 0.5)),
      { name: `limit of 10 ms; p99 ${p99} ms at ${perSecond}/s; ${sqlite}`, values: all.map(() => 10) },
    )
  } finally {
    await subject.stop()
  }
}

/** From when a sleeping run was due to the end of its last cached task. */
async function measureReplay({ rounds }: Effort): Promise<BenchResult> {
  const subject = startSubject('replay', [String(cachedTasks)])
  try {
    await subject.next()
    const turn = async (): Promise<z.infer<typeof replayed>> => {
      subject.tell('once')
      return replayed.parse(await subject.next(longMs))
    }
    await turn() // warms up
    const all: z.infer<typeof replayed>[] = []
    for (let at = 0; at < rounds * 3; at += 1) all.push(await turn())
    const code = round(median(all.map(({ codeMs }) => codeMs)))
    return compare(
      'ms',
      all.map(({ totalMs }) => totalMs),
      { name: `limit of 50 ms; its code ran ${code} ms of them; ${sqlite}`, values: all.map(() => 50) },
    )
  } finally {
    await subject.stop()
  }
}

/** Other runs' 99th percentile while all parked runs of one account are woken and run, by that before. */
async function measureWaking({ loadMs, stored }: Effort): Promise<BenchResult> {
  const count = stored / 10
  const subject = startSubject('parked', [String(count), String(perSecond)])
  try {
    await subject.next(longMs)
    const turn = async (verb: string): Promise<unknown> => {
      subject.tell(`${verb} ${loadMs * 2}`)
      return subject.next(longMs)
    }
    await turn('others') // warms up
    const before = percentile(timed.parse(await turn('others')).times, 0.99)
    const { times, seconds } = woken.parse(await turn('wake'))
    const [p50, p99] = [0.5, 0.99].map((part) => percentile(times, part))
    if (p50 === undefined || p99 === undefined) throw new Error('No run was measured')
    const pace = `${count.toLocaleString('en')} runs woken and run in ${round(seconds)} s`
    return {
      value: round(p99),
      unit: 'ms',
      baseline: `other runs’ p99 before; p50 ${round(p50)} ms; ${pace}; ${sqlite}`,
      ratio: round(p99 / before),
    }
  } finally {
    await subject.stop()
  }
}

async function measureMemory({ rounds, stored }: Effort): Promise<BenchResults> {
  const parked = Math.min(parkedInMemory, stored)
  const holding = async (runs: number): Promise<number> => {
    const subject = startSubject('resident', [String(runs)])
    try {
      return resident.parse(await subject.next(longMs)).megabytes
    } finally {
      await subject.stop()
    }
  }
  const [idle = [], full = []] = await takeTurns(Math.min(rounds, 3), [
    () => holding(0),
    () => holding(parked),
  ])
  return {
    idle_worker_rss: { value: round(median(idle)), unit: 'MB', baseline: `none; ${sqlite}`, ratio: null },
    parked_10k_rss: compare('MB', full, {
      name: `an idle worker; ${parked.toLocaleString('en')} runs parked; ${sqlite}`,
      values: idle,
    }),
  }
}

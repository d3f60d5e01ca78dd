// How long `getAuth` over HTTP takes at a steady 500 requests a second.

import { loadRequest } from './http-load.ts'
import type { Effort } from './measure.ts'
import { median, notMeasured, round, type BenchResult, type BenchResults } from './result.ts'
import { percentile, steadyLoad } from './steady-load.ts'
import { startSubject } from './subject.ts'

const perSecond = 500

/** The median and the 99th percentile, on both stores. */
export async function measureLatency(effort: Effort): Promise<BenchResults> {
  const missing = notMeasured('ms', 'MongoDB: set TEST_MONGODB_URL')
  const sqlite = await measure('sqlite', effort)
  const mongo = process.env['TEST_MONGODB_URL'] ? await measure('mongo', effort) : undefined
  return {
    getauth_p50_500rps: sqlite.half,
    getauth_p99_500rps: sqlite.tail,
    getauth_p50_500rps_mongo: mongo?.half ?? missing,
    getauth_p99_500rps_mongo: mongo?.tail ?? missing,
  }
}

async function measure(
  kind: string,
  { rounds, loadMs }: Effort,
): Promise<{ half: BenchResult; tail: BenchResult }> {
  const subject = startSubject('getauth', [kind])
  try {
    const request = loadRequest.parse(await subject.next())
    await steadyLoad(request, { perSecond, milliseconds: loadMs }) // warms up
    const halves: number[] = []
    const tails: number[] = []
    for (let at = 0; at < rounds; at += 1) {
      const { times, failures } = await steadyLoad(request, { perSecond, milliseconds: loadMs * 2 })
      if (failures > 0) throw new Error(`${failures} of ${times.length} requests failed`)
      halves.push(percentile(times, 0.5))
      tails.push(percentile(times, 0.99))
    }
    const result = (values: readonly number[]): BenchResult => ({
      value: round(median(values)),
      unit: 'ms',
      baseline: `none; ${kind}, ${perSecond} requests a second`,
      ratio: null,
    })
    return { half: result(halves), tail: result(tails) }
  } finally {
    await subject.stop()
  }
}

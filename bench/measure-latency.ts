// How long `getAuth` over HTTP takes at a steady 500 requests a second.

import { loadRequest } from './http-load.ts'
import type { Effort } from './measure.ts'
import { median, notMeasured, round, type BenchResult, type BenchResults } from './result.ts'
import { percentile, steadyLoad } from './steady-load.ts'
import { startSubject } from './subject.ts'

const perSecond = 500

/** The 99th percentile, on both stores. */
export async function measureLatency(effort: Effort): Promise<BenchResults> {
  const mongo = process.env['TEST_MONGODB_URL']
  return {
    getauth_p99_500rps: await measure('sqlite', effort),
    getauth_p99_500rps_mongo: mongo
      ? await measure('mongo', effort)
      : notMeasured('ms', 'MongoDB: set TEST_MONGODB_URL'),
  }
}

async function measure(kind: string, { rounds, loadMs }: Effort): Promise<BenchResult> {
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
    const p50 = round(median(halves))
    return { value: round(median(tails)), unit: 'ms', baseline: `p50 ${p50} ms; ${kind}`, ratio: null }
  } finally {
    await subject.stop()
  }
}

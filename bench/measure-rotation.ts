// A key rotation of ten thousand connections while 200 requests a second ask for credentials. No request may fail.

import { z } from 'zod'
import { loadRequest } from './http-load.ts'
import type { Effort } from './measure.ts'
import { notMeasured, round, type BenchResult, type BenchResults } from './result.ts'
import { percentile, steadyLoad } from './steady-load.ts'
import { startSubject } from './subject.ts'

const perSecond = 200
const connections = 10_000
const sliceMs = 500
const rotationTimeoutMs = 600_000
const answer = z.object({ perSecond: z.number(), seconds: z.number() })

/** Seconds that a rotation takes, on both stores. */
export async function measureRotation(effort: Effort): Promise<BenchResults> {
  const mongo = process.env['TEST_MONGODB_URL']
  return {
    rotate_10k: await measure('sqlite', effort),
    rotate_10k_mongo: mongo
      ? await measure('mongo', effort)
      : notMeasured('s', 'MongoDB: set TEST_MONGODB_URL'),
  }
}

async function measure(kind: string, { stored }: Effort): Promise<BenchResult> {
  const count = Math.min(connections, stored)
  const subject = startSubject('rotation', [kind, String(count)])
  try {
    const request = loadRequest.parse(await subject.next(rotationTimeoutMs))
    const before = await steadyLoad(request, { perSecond, milliseconds: 4 * sliceMs })
    subject.tell('rotate')
    let result: z.infer<typeof answer> | undefined
    const rotated = subject.next(rotationTimeoutMs).then((line) => (result = answer.parse(line)))
    const times: number[] = []
    let failures = before.failures
    while (result === undefined) {
      const slice = await Promise.race([
        steadyLoad(request, { perSecond, milliseconds: sliceMs }),
        // Rejects when the rotation does.
        rotated.then(() => new Promise<never>(() => undefined)),
      ])
      times.push(...slice.times)
      failures += slice.failures
    }
    if (failures > 0) throw new Error(`${failures} requests failed during the rotation`)
    const shown = `${round(percentile(times, 0.99))} ms, before ${round(percentile(before.times, 0.99))} ms`
    return {
      value: round(result.seconds),
      unit: 's',
      baseline: `${count.toLocaleString('en')} records, ${round(result.perSecond)}/s, ${perSecond} requests/s without a failure, p99 ${shown}; ${kind}`,
      ratio: null,
    }
  } finally {
    await subject.stop()
  }
}

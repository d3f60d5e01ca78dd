// Claiming and finishing one due run with a thousand waiting and with a million: due ones, and ones behind a full lane.

import { z } from 'zod'
import { takeTurns, type Effort } from './measure.ts'
import { median, notMeasured, round, type BenchResult, type BenchResults } from './result.ts'
import { startSubject } from './subject.ts'

const few = 1000
const claimsPerTurn = 250
const fillTimeoutMs = 3_600_000
/** How the runs wait. */
type Shape = 'due' | 'lane'
const shapes = { due: 'due runs', lane: 'runs behind a full lane' } as const

const answer = z.object({ medianMs: z.number() })

/** Time of a claim among many by that among few. */
export async function measureClaims(effort: Effort): Promise<BenchResults> {
  const onMongo = (shape: Shape): Promise<BenchResult> =>
    process.env['TEST_MONGODB_URL']
      ? measure('mongo', shape, effort)
      : Promise.resolve(notMeasured('ms', 'MongoDB: set TEST_MONGODB_URL'))
  return {
    claim_1m_vs_1k: await measure('sqlite', 'due', effort),
    claim_1m_vs_1k_lane: await measure('sqlite', 'lane', effort),
    claim_1m_vs_1k_mongo: await onMongo('due'),
    claim_1m_vs_1k_lane_mongo: await onMongo('lane'),
  }
}

async function measure(kind: string, shape: Shape, { rounds, stored }: Effort): Promise<BenchResult> {
  const subjects = [few, stored].map((count) => startSubject('claims', [kind, String(count), shape]))
  try {
    for (const subject of subjects) await subject.next(fillTimeoutMs)
    const turns = subjects.map((subject) => async () => {
      subject.tell(String(claimsPerTurn))
      return answer.parse(await subject.next(fillTimeoutMs)).medianMs
    })
    await takeTurns(1, turns) // warms up
    const [small = [], full = []] = await takeTurns(rounds * 4, turns)
    const slower = full.map((value, index) => value / (small[index] ?? Number.NaN))
    return {
      value: round(median(full)),
      unit: 'ms',
      baseline: `claim and end of one of ${stored.toLocaleString('en')} ${shapes[shape]} by that of ${few.toLocaleString('en')}, ${kind}`,
      ratio: round(median(slower)),
    }
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()))
  }
}

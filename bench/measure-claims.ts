// Claiming and finishing one due run with a thousand waiting and with a million.

import { z } from 'zod'
import { takeTurns, type Effort } from './measure.ts'
import { median, notMeasured, round, type BenchResult, type BenchResults } from './result.ts'
import { startSubject } from './subject.ts'

const few = 1000
const claimsPerTurn = 250
const fillTimeoutMs = 3_600_000
const answer = z.object({ medianMs: z.number() })

/** Time of a claim among many by that among few. */
export async function measureClaims(effort: Effort): Promise<BenchResults> {
  const mongo = process.env['TEST_MONGODB_URL']
  return {
    claim_1m_vs_1k: await measure('sqlite', effort),
    claim_1m_vs_1k_mongo: mongo
      ? await measure('mongo', effort)
      : notMeasured('ms', 'MongoDB: set TEST_MONGODB_URL'),
  }
}

async function measure(kind: string, { rounds, stored }: Effort): Promise<BenchResult> {
  const subjects = [few, stored].map((count) => startSubject('claims', [kind, String(count)]))
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
      baseline: `claim and end of one of ${stored.toLocaleString('en')} due runs by that of ${few.toLocaleString('en')}, ${kind}`,
      ratio: round(median(slower)),
    }
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()))
  }
}

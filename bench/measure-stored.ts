// `getAuth` with a thousand connections in the store and with a million, accounts picked at random.

import { z } from 'zod'
import { takeTurns, type Effort } from './measure.ts'
import { median, notMeasured, round, type BenchResult, type BenchResults } from './result.ts'
import { startSubject, type Subject } from './subject.ts'

const few = 1000
/** A million sealed records take minutes to make. */
const fillTimeoutMs = 3_600_000
const answer = z.object({ perSecond: z.number() })

/** Time of a call on a full store by that on a small one. */
export async function measureStored(effort: Effort): Promise<BenchResults> {
  const mongo = process.env['TEST_MONGODB_URL']
  const missing = notMeasured('calls/s', 'MongoDB: set TEST_MONGODB_URL')
  const sqlite = await measure('sqlite', effort)
  const onMongo = mongo === undefined ? undefined : await measure('mongo', effort)
  return {
    getauth_1m_vs_1k: sqlite.active,
    getauth_1m_vs_1k_all_active: sqlite.all,
    getauth_1m_vs_1k_mongo: onMongo?.active ?? missing,
    getauth_1m_vs_1k_all_active_mongo: onMongo?.all ?? missing,
  }
}

/**
 * `active`: the same number of accounts is asked for on both stores, which shows what the records cost that lie there.
 * `all`: every account is, so that most keys are derived anew, as more are in use than are kept.
 */
async function measure(
  kind: string,
  { rounds, loadMs, stored }: Effort,
): Promise<{ active: BenchResult; all: BenchResult }> {
  const subjects = [few, stored].map((count) => startSubject('stored', [kind, String(count)]))
  try {
    for (const subject of subjects) await subject.next(fillTimeoutMs)
    const calls = loadMs * 5
    const turnOf = (index: number, active: number) => async () => {
      const subject = subjects[index]
      if (subject === undefined) throw new Error('A subject is missing')
      return callsPerSecond(subject, { calls, active })
    }
    // One after the other: a million accounts that were asked for leave as many audit rows to be written later.
    const [small = [], active = []] = await pair([turnOf(0, few), turnOf(1, few)], rounds * 4)
    const [again = [], all = []] = await pair([turnOf(0, few), turnOf(1, stored)], rounds * 4)
    const result = (base: readonly number[], values: readonly number[], asked: number): BenchResult => {
      const slower = values.map((value, index) => (base[index] ?? Number.NaN) / value)
      const sizes = [stored, few].map((size) => size.toLocaleString('en'))
      return {
        value: round(median(values)),
        unit: 'calls/s',
        baseline: `${kind}, ${sizes[0]} stored and ${asked.toLocaleString('en')} asked for: time of a call by that with ${sizes[1]}`,
        ratio: round(median(slower)),
      }
    }
    return { active: result(small, active, few), all: result(again, all, stored) }
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()))
  }
}

async function pair(turns: readonly (() => Promise<number>)[], rounds: number): Promise<number[][]> {
  await takeTurns(2, turns) // warms up
  return takeTurns(rounds, turns)
}

async function callsPerSecond(subject: Subject, turn: { calls: number; active: number }): Promise<number> {
  subject.tell(JSON.stringify(turn))
  return answer.parse(await subject.next(fillTimeoutMs)).perSecond
}

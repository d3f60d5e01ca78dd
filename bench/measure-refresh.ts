// How often a provider is asked when many callers in many processes find one expired token, against a library that shares
// one refresh among the callers of a process only.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRotating } from '../server/connect/fixtures/rotating.ts'
import { takeTurns, type Effort } from './measure.ts'
import { compare, type BenchResults } from './result.ts'
import { startSubject } from './subject.ts'

const processes = 8
const callers = 50
/** Storms in each round: what must be one is looked at more than once. */
const stormsOfRound = 4

/** Refresh requests of one storm: 8 processes with 50 callers each. */
export async function measureRefresh({ rounds }: Effort): Promise<BenchResults> {
  const provider = await startRotating()
  const folder = mkdtempSync(join(tmpdir(), 'authflow-bench-'))
  const keys = `k1:${randomBytes(32).toString('base64')}`
  const parameters = [folder, keys, provider.origin, provider.person]
  const subjects = Array.from({ length: processes }, () => startSubject('refresh-storm', parameters))
  const storm = (verb: string) => async (): Promise<number> => {
    subjects[0]?.tell('expire')
    await subjects[0]?.next()
    const before = provider.refreshes
    for (const subject of subjects) subject.tell(`${verb} ${callers}`)
    for (const subject of subjects) await subject.next()
    return provider.refreshes - before
  }
  try {
    for (const subject of subjects) await subject.next()
    const [ours = [], alone = []] = await takeTurns(rounds * stormsOfRound, [storm('lease'), storm('flight')])
    return {
      refresh_calls_per_storm: compare('calls', ours, {
        name: `one refresh for each process, no lease; ${processes} processes with ${callers} callers each`,
        values: alone,
      }),
    }
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()))
    await provider.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

// How many runs wait, and for what, for those who watch. Each number is a bounded walk along an index.

import type { JobVersion } from '../queue/queue.ts'
import type { EngineCore } from './core.ts'
import type { RunCensus } from './engine.ts'
import { waits } from './lane-records.ts'
import { places, runs } from './records.ts'

/** Counting stops here: 10,000 entries of an index take a store about a millisecond. */
const countLimit = 10_000

/** Takes the numbers of the store's runs; those of the worker are its own. Throws what the store throws. */
export async function takeCensus(
  core: EngineCore,
  jobs: readonly JobVersion[],
): Promise<Pick<RunCensus, 'waiting' | 'hints' | 'oldestDueMs'>> {
  const { store, queue, now } = core
  const count = (from: string, to: string): Promise<number> =>
    store.count(runs, { index: 'place', from, to, limit: countLimit })
  // `!` comes before whatever another place could go on with.
  const at = (place: string): Promise<number> => count(place, `${place}!`)
  const [queued, asleep, blocked, parked, version, hints, oldest] = await Promise.all([
    at(places.queued),
    at(places.waiting),
    store.count(waits, { from: '!', to: '~', limit: countLimit }),
    count('parked/', 'parked0'),
    at(places.waitingForVersion),
    queue.size(jobs),
    store.list(runs, { index: 'place', equals: places.queued, limit: 1 }),
  ])
  const dueAt = oldest.items[0]?.dueAt
  return {
    waiting: { queued, asleep, blocked, parked, version },
    hints,
    oldestDueMs: dueAt === undefined ? 0 : Math.max(0, now() - dueAt),
  }
}

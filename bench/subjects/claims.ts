// Claiming due runs out of many: `claims.js sqlite|mongo COUNT [lane]`. For each line on its standard input, a number of
// claims, it takes so many runs, one after the other, from the look for a hint to the stored end, and prints the median in
// ms. With `lane` all but one of them wait for the one slot of a lane, and the end of a run includes passing it on.

import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { claimRun } from '../../server/jobs/claim-run.ts'
import { lanesOf, waits, type LimitRule, type WaitDocument } from '../../server/jobs/lane-records.ts'
import { Lanes } from '../../server/jobs/lanes.ts'
import { newBlockedRun, newRun, type RunOrigin } from '../../server/jobs/new-run.ts'
import { jobSets, runIdOf, runs } from '../../server/jobs/records.ts'
import { defaultRetention } from '../../server/jobs/retention.ts'
import { createStoreQueue, queueSets } from '../../server/queue/store-queue.ts'
import { openStore } from '../../server/store/open-store.ts'
import type { NewDocument } from '../../server/store/store.ts'
import { median } from '../result.ts'
import { createBenchStore } from './bench-store.ts'

const [kind = 'sqlite', countText = '1000', shape] = process.argv.slice(2)
const count = Number(countText)
const together = 500
const job = 'bench'
const version = '1.0.0'
const accounts = 100
const owner = 'bench'
const limit: LimitRule | undefined =
  shape === 'lane' ? { name: 'job/bench', limit: 1, since: Date.now() } : undefined

const place = createBenchStore(kind)
const store = await openStore(place.url)
await store.migrate([...jobSets, ...queueSets], 'bench')
const queue = createStoreQueue(store)
const tell = (): void => undefined
const now = (): number => store.now()
const lanes = new Lanes({
  store,
  queue,
  now,
  log: { debug: tell, info: tell, warn: console.error, error: tell },
})
const core = { store, queue, lanes, now }
await fill(count)

process.on('SIGTERM', () => {
  void queue
    .close()
    .then(() => store.close())
    .then(() => place.remove())
    .finally(() => process.exit(0))
})
console.log(JSON.stringify({ ready: true }))

for await (const line of createInterface({ input: process.stdin })) {
  const times: number[] = []
  const claims = Number(line)
  for (let at = 0; at < claims; at += 1) times.push(await claimOne())
  // What was taken is put back behind the others, so that the store stays as full as it was.
  await fill(claims)
  console.log(JSON.stringify({ medianMs: median(times) }))
}

/** Adds runs as the intake stores them: due, or waiting for the lane. */
async function fill(size: number): Promise<void> {
  for (let from = 0; from < size; from += together) {
    const origins = Array.from({ length: Math.min(together, size - from) }, (_, at) =>
      createOrigin(from + at),
    )
    const entered: NewDocument<WaitDocument>[] = []
    await Promise.all(
      origins.map(async (origin) => {
        const blocked = newBlockedRun(origin, lanesOf(limit, origin.event.accountId))
        if (blocked === undefined) {
          await queue.add([{ runId: origin.target.runId, job, version, dueAt: origin.createdAt }])
          return store.insert(runs, newRun(origin))
        }
        entered.push(blocked.wait)
        return Promise.all([store.insert(runs, blocked.run), store.insert(waits, blocked.wait)])
      }),
    )
    await lanes.admit(entered)
  }
}

function createOrigin(index: number): RunOrigin {
  const createdAt = now()
  const id = `${createdAt.toString(16).padStart(12, '0')}${randomBytes(24).toString('base64url')}`
  const common = { eventId: id, name: 'bench', source: 'bench', body: '', targets: [], timestamp: createdAt }
  return {
    event: { ...common, id, createdAt, accountId: `account-${index % accounts}` },
    target: { runId: runIdOf(id, job), job, jobName: 'Bench', version },
    createdAt,
  }
}

/** Ms that one run took from the look for it to its end, as the worker does it. */
async function claimOne(): Promise<number> {
  const started = performance.now()
  const [hint] = await queue.claim([{ job, version }], 1)
  if (hint === undefined) throw new Error('nothing is due')
  const run = await claimRun(core, hint, { owner, limit })
  if (run === undefined) throw new Error('the run of a hint could not be claimed')
  const endedAt = now()
  const set = { state: 'succeeded' as const, endedAt, expireAt: endedAt + defaultRetention.runMs }
  const unset = ['owner' as const, 'place' as const, 'slots' as const]
  const [isOurs] = await Promise.all([
    store.update(runs, run.id, { owner, fence: run.fence ?? null }, { set, unset }),
    queue.settle(hint),
  ])
  if (!isOurs) throw new Error('the run was lost')
  lanes.leave(run)
  await lanes.settled()
  return performance.now() - started
}

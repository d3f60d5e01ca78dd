// Claiming due runs out of many: `claims.js sqlite|mongo COUNT`. For each line on its standard input, a number of claims,
// it takes so many runs, one after the other, from the look for a hint to the stored end, and prints the median in ms.

import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { places, runs, jobSets, runIdOf, type RunDocument } from '../../server/jobs/records.ts'
import { createStoreQueue, queueSets } from '../../server/queue/store-queue.ts'
import { openStore } from '../../server/store/open-store.ts'
import type { NewDocument } from '../../server/store/store.ts'
import { median } from '../result.ts'
import { createBenchStore } from './bench-store.ts'

const [kind = 'sqlite', countText = '1000'] = process.argv.slice(2)
const count = Number(countText)
const together = 500
const job = 'bench'
const version = '1.0.0'
const retentionMs = 30 * 24 * 3_600_000

const place = createBenchStore(kind)
const store = await openStore(place.url)
await store.migrate([...jobSets, ...queueSets], 'bench')
const queue = createStoreQueue(store)
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

/** Adds runs that are due, as the intake stores them. */
async function fill(size: number): Promise<void> {
  for (let from = 0; from < size; from += together) {
    const due = Array.from({ length: Math.min(together, size - from) }, createRun)
    await queue.add(due.map((run) => ({ runId: run.id, job, version, dueAt: run.createdAt })))
    await Promise.all(due.map((run) => store.insert(runs, run)))
  }
}

function createRun(): NewDocument<RunDocument> & { readonly createdAt: number } {
  const now = store.now()
  const event = `${now.toString(16).padStart(12, '0')}${randomBytes(24).toString('base64url')}`
  return {
    id: runIdOf(event, job),
    scope: 'run',
    job,
    jobName: 'Bench',
    jobVersion: version,
    accountId: null,
    event,
    createdAt: now,
    state: 'queued',
    place: places.queued,
    dueAt: now,
  }
}

/** Ms that one run took from the look for it to its end, as the worker does it. */
async function claimOne(): Promise<number> {
  const started = performance.now()
  const [hint] = await queue.claim([{ job, version }], 1)
  if (hint === undefined) throw new Error('nothing is due')
  const owner = 'bench'
  const run = await store.updateAndGet(
    runs,
    hint.runId,
    { state: { in: ['queued', 'waiting'] }, dueAt: { lessThan: store.now() + 1 } },
    {
      set: { state: 'running', owner, place: places.ownedBy(owner) },
      increment: { fence: 1 },
      unset: ['dueAt'],
    },
  )
  if (run === undefined) throw new Error('the run of a hint could not be claimed')
  const endedAt = store.now()
  const [isOurs] = await Promise.all([
    store.update(
      runs,
      run.id,
      { owner, fence: run.fence ?? null },
      {
        set: { state: 'succeeded', endedAt, expireAt: endedAt + retentionMs },
        unset: ['owner', 'place'],
      },
    ),
    queue.settle(hint),
  ])
  if (!isOurs) throw new Error('the run was lost')
  return performance.now() - started
}

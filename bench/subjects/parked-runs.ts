// Runs that wait for one account to connect, by the thousand: stored as the engine stores them, without an execution for
// each. They share one event.

import { createStoreQueue, queueSets } from '../../server/queue/store-queue.ts'
import {
  eventKey,
  jobSets,
  parkingId,
  parkings,
  places,
  runIdOf,
  runs,
  type RunDocument,
} from '../../server/jobs/records.ts'
import { openStore } from '../../server/store/open-store.ts'
import type { NewDocument } from '../../server/store/store.ts'

const environment = 'bench'
const integration = 'bench'
const together = 500
const longestParkMs = 30 * 24 * 3_600_000

/** Where to put them. */
export interface ParkOptions {
  readonly storeUrl: string
  readonly job: string
  readonly accountId: string
  /** Of an event that was sent for the account and started nothing. */
  readonly eventId: string
  readonly count: number
}

/** Adds runs to a store that has been migrated. */
export async function parkRuns({ storeUrl, job, accountId, eventId, count }: ParkOptions): Promise<void> {
  const store = await openStore(storeUrl)
  await store.migrate([...jobSets, ...queueSets], environment)
  const queue = createStoreQueue(store)
  const event = eventKey(environment, accountId, 'authflow', eventId)
  const since = store.now()
  const create = (index: number): NewDocument<RunDocument> => ({
    id: runIdOf(event, job, String(index)),
    scope: 'run',
    job,
    jobName: 'Parked',
    jobVersion: '1.0.0',
    accountId,
    event,
    createdAt: since,
    state: 'waiting_for_connection',
    place: places.parkedOn(integration, accountId),
    parkedAt: since,
    dueAt: since + longestParkMs,
    fence: 1,
  })
  await store.insert(parkings, {
    id: parkingId(integration, accountId),
    scope: 'parking',
    integration,
    accountId,
    since,
  })
  for (let from = 0; from < count; from += together) {
    const size = Math.min(together, count - from)
    const documents = Array.from({ length: size }, (_, offset) => create(from + offset))
    const dueAt = since + longestParkMs
    await queue.add(documents.map(({ id }) => ({ runId: id, job, version: '1.0.0', dueAt })))
    await Promise.all(documents.map((document) => store.insert(runs, document)))
  }
  await queue.close()
  await store.close()
}

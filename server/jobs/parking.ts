// Runs that wait for their account to connect: woken when it does, cancelled when it is disconnected on purpose.

import type { EngineCore } from './core.ts'
import { tellMissing, tellResolved } from './missing-connection.ts'
import { endingPlace, finishEnding, storedWaits } from './run-ending.ts'
import { parkingId, parkings, places, runs, type ParkingDocument, type RunDocument } from './records.ts'

const pageSize = 500
/** Each woken run is due this much later than the one before it, with as much jitter as it is late: some 500 a second. */
const stepMs = 2
const longestSpreadMs = 60_000
/** Runs that are told at a time: what else is to be written meanwhile waits for no more than these. */
const toldAtOnce = 25

/** A connection that changed. */
export interface ConnectionChanged {
  readonly type: 'connected' | 'needs_reauth' | 'disconnected'
  readonly integration: string
  readonly accountId: string
}

/** Tells the runs that wait for the connection, oldest first. Safe to repeat. */
export async function tellParked(core: EngineCore, change: ConnectionChanged): Promise<void> {
  if (change.type === 'needs_reauth') return
  const { store, random } = core
  const { integration, accountId } = change
  const query = { index: 'place', equals: places.parkedOn(integration, accountId), limit: pageSize }
  for (let page = 0; ; page += 1) {
    // What was told has left the place, so that the first page is always new.
    const { items } = await store.list(runs, query)
    const spread = (index: number): number => Math.min(longestSpreadMs, (page * pageSize + index) * stepMs)
    const tell = (run: RunDocument, index: number): Promise<boolean> =>
      change.type === 'connected'
        ? wake(core, run, Math.round(spread(index) * (1 + random())))
        : cancelParked(core, run)
    let isAnyTold = false
    for (let from = 0; from < items.length; from += toldAtOnce) {
      const told = await Promise.all(
        items.slice(from, from + toldAtOnce).map((run, offset) => tell(run, from + offset)),
      )
      isAnyTold ||= told.includes(true)
    }
    if (items.length < pageSize || !isAnyTold) break
  }
  if (change.type === 'connected') await tellResolved(core, parkingId(integration, accountId))
  await forgetParking(core, integration, accountId)
}

/** Wakes runs whose job calls the integration otherwise by now: they ask, and wait, under its new name. Safe to repeat. */
export async function wakeRenamed(
  core: EngineCore,
  { integration, accountId }: Pick<ParkingDocument, 'integration' | 'accountId'>,
  usesIt: (run: RunDocument) => boolean,
): Promise<void> {
  const place = places.parkedOn(integration, accountId)
  const { items } = await core.store.list(runs, { index: 'place', equals: place, limit: pageSize })
  const over = items.filter((run) => !usesIt(run))
  for (const [index, run] of over.entries()) await wake(core, run, index * stepMs)
  if (over.length === items.length && items.length < pageSize)
    await forgetParking(core, integration, accountId)
}

/** Last, so that whoever is cut off before leaves the rest to the sweep. One that parked meanwhile needs it again. */
async function forgetParking(core: EngineCore, integration: string, accountId: string): Promise<void> {
  const { store } = core
  await store.remove(parkings, parkingId(integration, accountId))
  const place = places.parkedOn(integration, accountId)
  const { items } = await store.list(runs, { index: 'place', equals: place, limit: 1 })
  if (items.length > 0) await noteParking(core, integration, accountId)
}

/** Notes that runs wait for the connection, so that the sweep looks at it. The first to wait tells the host. */
export async function noteParking(core: EngineCore, integration: string, accountId: string): Promise<void> {
  const id = parkingId(integration, accountId)
  const parking = { id, scope: 'parking' as const, integration, accountId, since: Math.floor(core.now()) }
  if (await core.store.insert(parkings, parking)) await tellMissing(core, parking)
}

/** Makes a parked run due after `delayMs`. False when it is not parked there any more. */
export async function wake(
  core: EngineCore,
  run: Pick<RunDocument, 'id' | 'job' | 'jobVersion' | 'place'>,
  delayMs = 0,
): Promise<boolean> {
  const { store, queue, now } = core
  const dueAt = now() + delayMs
  const isWoken = await store.update(
    runs,
    run.id,
    { state: 'waiting_for_connection', place: run.place ?? null },
    { set: { state: 'queued', place: places.queued, dueAt }, increment: { signalSeq: 1 } },
  )
  // Behind the run: a hint that is found before it is due leads nowhere. What a crash leaves, the sweep finds.
  if (isWoken) await queue.add([{ runId: run.id, job: run.job, version: run.jobVersion, dueAt }])
  return isWoken
}

/** Ends a parked run. False when it is not parked there any more. */
export async function cancelParked(
  core: EngineCore,
  { id, place }: Pick<RunDocument, 'id' | 'place'>,
): Promise<boolean> {
  const { store, metrics, now, retention } = core
  const run = await store.get(runs, id)
  if (run === undefined) return false
  const endedAt = now()
  const over = { run, entries: storedWaits(run) }
  const ending = endingPlace(over, { state: 'cancelled', endedAt })
  const isDone = await store.update(
    runs,
    id,
    { state: 'waiting_for_connection', place: place ?? null },
    {
      set: {
        state: 'cancelled',
        cancelRequested: true,
        endedAt,
        expireAt: endedAt + retention.runMs,
        ...ending,
      },
      unset: ending === undefined ? ['place', 'dueAt'] : [],
    },
  )
  if (isDone) metrics.runEnded(run.job, 'cancelled', endedAt - run.createdAt)
  if (isDone && ending !== undefined) await finishEnding(core, over)
  return isDone
}

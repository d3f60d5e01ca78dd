// Runs that wait for their account to connect: woken when it does, cancelled when it is disconnected on purpose.

import type { Wakeup } from '../queue/queue.ts'
import type { EngineCore } from './core.ts'
import { connectionName, retentionMs, runs, type RunDocument } from './records.ts'

const pageSize = 500
/** The first page of woken runs goes at once; each further one this much later, with as much jitter. */
const pageSpreadMs = 1000
const longestSpreadMs = 60_000

/** A connection that changed. */
export interface ConnectionChanged {
  readonly type: 'connected' | 'needs_reauth' | 'disconnected'
  readonly integration: string
  readonly accountId: string
}

/** Tells the runs that wait for the connection. Safe to repeat. */
export async function tellParked(core: EngineCore, change: ConnectionChanged): Promise<void> {
  if (change.type === 'needs_reauth') return
  const parkedOn = connectionName(change.integration, change.accountId)
  let cursor: string | undefined
  for (let page = 0; ; page += 1) {
    const query = {
      index: 'parked',
      equals: parkedOn,
      limit: pageSize,
      ...(cursor === undefined ? {} : { cursor }),
    }
    const found = await core.store.list(runs, query)
    await Promise.all(
      found.items.map((run) =>
        change.type === 'connected' ? wake(core, run, page) : cancelParked(core, run),
      ),
    )
    if (found.cursor === undefined) return
    cursor = found.cursor
  }
}

/** Wakes a parked run; one that is about to park learns that it must not. */
export async function wake(core: EngineCore, run: RunDocument, page = 0): Promise<void> {
  const { store, queue, now, random } = core
  if (run.state !== 'waiting_for_connection') return signal(core, run, {})
  const spread = Math.min(longestSpreadMs, page * pageSpreadMs)
  const dueAt =
    now() +
    (spread === 0
      ? 0
      : Math.round(spread + random() * Math.min(pageSpreadMs * page, longestSpreadMs - spread)))
  await queue.add([hintOf(run, dueAt)])
  const woken = await store.update(
    runs,
    run.id,
    { state: 'waiting_for_connection', parkedOn: run.parkedOn ?? null },
    { set: { state: 'queued', dueAt }, increment: { signalSeq: 1 }, unset: ['parkedOn'] },
  )
  if (!woken) await signal(core, run, {})
}

async function cancelParked(core: EngineCore, run: RunDocument): Promise<void> {
  const endedAt = core.now()
  const cancelled = await core.store.update(
    runs,
    run.id,
    { state: 'waiting_for_connection', parkedOn: run.parkedOn ?? null },
    {
      set: { state: 'cancelled', cancelRequested: true, endedAt, expireAt: endedAt + retentionMs },
      increment: { signalSeq: 1 },
      unset: ['parkedOn', 'dueAt'],
    },
  )
  if (!cancelled) await signal(core, run, { cancelRequested: true })
}

/** For a run between writing what it waits for and falling asleep: it will find that it missed something. */
async function signal(core: EngineCore, run: RunDocument, set: { cancelRequested?: true }): Promise<void> {
  const match = { state: 'running', parkedOn: run.parkedOn ?? null }
  await core.store.update(runs, run.id, match, { set, increment: { signalSeq: 1 } })
}

const hintOf = (run: RunDocument, dueAt: number): Wakeup => ({
  runId: run.id,
  job: run.job,
  version: run.jobVersion,
  dueAt,
})

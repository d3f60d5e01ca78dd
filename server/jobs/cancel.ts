// Cancelling runs. One that nobody runs ends in the same write; one that a worker has is marked, and a note tells the
// worker, whichever process it lives in.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Change } from '../store/store.ts'
import type { EngineCore } from './core.ts'
import { loadBeside } from './journal.ts'
import { endingPlace, finishEnding, storedWaits } from './run-ending.ts'
import { cancels, runs, tasks, type RunDocument } from './records.ts'

/** A note is of use while its worker lives; this is for those that died. */
const noteMs = 3_600_000
const notesPerLook = 200
/** A run changes hands at most as often as it is suspended, so this is for a store that keeps losing the race. */
const maxTries = 50

/** How a worker takes word of a cancelled run. */
export type TellWorker = (runId: string) => 'cancelling' | 'later' | 'absent'

/**
 * Cancels the run if it is not over; gives it as it is then. Undefined when there is none.
 *
 * @throws {@link AuthFlowError} `conflict` when it kept changing hands
 */
export async function cancelRun(core: EngineCore, id: string): Promise<RunDocument | undefined> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const run = await core.store.get(runs, id)
    if (run === undefined || run.endedAt !== undefined) return run
    const cancelled = await (run.state === 'running' ? mark(core, run) : end(core, run))
    if (cancelled !== undefined) return cancelled
  }
  throw new AuthFlowError('conflict', 'The run kept changing while it was to be cancelled. Try again.')
}

/** Heeds the notes for a worker: called with every heartbeat, and at once in the process that cancels. */
export async function heedCancels({ store }: EngineCore, owner: string, tell: TellWorker): Promise<void> {
  const notes = await store.range(cancels, `${owner}/`, `${owner}0`, notesPerLook)
  for (const { id, runId } of notes) if (tell(runId) !== 'later') await store.remove(cancels, id)
}

/** Nobody runs it. Its hint is left behind and leads nowhere. */
async function end(core: EngineCore, run: RunDocument): Promise<RunDocument | undefined> {
  const { store, now, metrics, lanes, retention } = core
  const endedAt = now()
  const expireAt = endedAt + retention.runMs
  const over = { run, entries: storedWaits(run) }
  const ending = endingPlace(over, { state: 'cancelled', endedAt })
  const change: Change<RunDocument> = {
    set: { state: 'cancelled', cancelRequested: true, endedAt, expireAt, ...ending },
    unset: [
      ...(ending === undefined ? (['place', 'dueAt'] as const) : []),
      'parkedAt',
      'suspended',
      'slots',
      'waitsFor',
    ],
  }
  const ended = await store.updateAndGet(runs, run.id, { state: run.state, version: run.version }, change)
  if (ended !== undefined) {
    metrics.runEnded(run.job, 'cancelled', endedAt - run.createdAt)
    lanes.forget(run)
    lanes.leave(run)
    if (ending !== undefined) await finishEnding(core, over)
  }
  if (ended?.overflowed === true)
    for (const { id } of await loadBeside(store, run.id))
      await store.update(tasks, id, {}, { set: { expireAt } })
  return ended
}

/** A worker has it. The note comes first: a mark without one would be seen only when the run is next taken up. */
async function mark({ store, now }: EngineCore, run: RunDocument): Promise<RunDocument | undefined> {
  const { id, owner, fence } = run
  if (owner === undefined) return undefined
  await store.insert(cancels, { id: `${owner}/${id}`, runId: id, expireAt: now() + noteMs })
  return store.updateAndGet(
    runs,
    id,
    { state: 'running', owner, fence: fence ?? null },
    { set: { cancelRequested: true }, increment: { signalSeq: 1 } },
  )
}

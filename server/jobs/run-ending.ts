// What is left to do when a run has ended: its parent is told, children that go with it are cancelled, and what it still
// waited for is taken away. The write that ends the run says that this is to be done, so the sweep finishes what a crash
// cuts off.

import { lastOf } from './continue-run.ts'
import type { EngineCore } from './core.ts'
import { forgetEventWait } from './event-waits.ts'
import { entriesOf } from './journal.ts'
import { places, runs, type JournalEntry, type RunDocument } from './records.ts'
import { closeRequestWait } from './request-waits.ts'

/** A run with the last entries of its waits and calls, as far as they are known. */
interface Ended {
  readonly run: RunDocument
  readonly entries: readonly JournalEntry[]
}

/** Children that are to be cancelled with the run. */
const cascading = (entries: readonly JournalEntry[]): string[] =>
  entries.flatMap(({ cascades, children = [] }) => (cascades === true ? children : []))

const openWaits = (entries: readonly JournalEntry[]): JournalEntry[] =>
  entries.filter(({ kind, state }) => state === 'waiting' && (kind === 'event' || kind === 'request'))

/** To be part of the write that ends the run: where the sweep finds it until all is done. Undefined when nothing is left to do. */
export function endingPlace(
  { run, entries }: Ended,
  end: { readonly state: RunDocument['state']; readonly endedAt: number; readonly continuedAs?: string },
): { place: string; dueAt: number } | undefined {
  // Who waits for a run that goes on as another one waits for that.
  const isTold = run.parent?.awaited === true && end.continuedAs === undefined
  const cascades = end.state === 'cancelled' && cascading(entries).length > 0
  if (!isTold && !cascades && openWaits(entries).length === 0) return undefined
  return { place: places.ending, dueAt: end.endedAt }
}

/** Does what is left to do. Safe to repeat. */
export async function finishEnding(core: EngineCore, ended: Ended): Promise<void> {
  try {
    await finish(core, ended)
  } catch (error) {
    core.log.warn({ run: ended.run.id, err: error }, 'what follows the end of a run is left to the sweep')
  }
}

/** One that was left to the sweep. */
export const sweepEnding = (core: EngineCore, run: RunDocument): Promise<void> =>
  finishEnding(core, { run, entries: storedWaits(run) })

async function finish(core: EngineCore, { run, entries }: Ended): Promise<void> {
  const { store, signals, calls } = core
  if (run.parent?.awaited === true) await signals.tell(run.parent.run)
  const ended = await store.get(runs, run.id)
  if (ended?.state === 'cancelled')
    for (const id of cascading(entries)) await calls.cancelRun((await lastOf(core, id))?.id ?? id)
  for (const entry of openWaits(entries))
    await (entry.kind === 'event' ? forgetEventWait(core, run, entry) : closeRequestWait(core, run, entry))
  await store.update(runs, run.id, { place: places.ending }, { unset: ['place', 'dueAt'] })
}

/** The last entries of the waits and calls of a run that nobody has, as far as its own record holds them. */
export function storedWaits(run: RunDocument): JournalEntry[] {
  const last = new Map<string, JournalEntry>()
  for (const entry of entriesOf(run, []))
    if (entry.kind === 'invoke' || entry.kind === 'event' || entry.kind === 'request')
      last.set(entry.path, entry)
  return [...last.values()]
}

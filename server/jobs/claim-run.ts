// The claim on a run that a hint says is due: one compare-and-set on its record. A run that lacks a slot of its lanes
// goes there instead, and comes back when it has them.

import type { ClaimedWakeup } from '../queue/queue.ts'
import type { Match, Store } from '../store/store.ts'
import type { EngineCore } from './core.ts'
import { lanesOf, type LimitRule } from './lane-records.ts'
import { places, runs, type RunDocument } from './records.ts'

/** States in which a run can be taken when it is due. */
const claimableStates = ['queued', 'waiting', 'waiting_for_connection'] as const

/** A hint is there before its run is due: one that is only read, not written to, may be read just before. */
const secondLookMs = 50
/** A hint whose run is not there yet is looked at again ever more seldom, and then forgotten: about one minute. */
const longestPauseMs = 5000
const missingRunLooks = 18
/** Longer ago than a write takes: what such a hint was written for has happened. */
const youngMs = 5000

/** The run, now the owner's; undefined when it is not to be had, and then the hint is dealt with. */
export async function claimRun(
  core: Pick<EngineCore, 'store' | 'queue' | 'lanes' | 'now'>,
  hint: ClaimedWakeup,
  { owner, limit }: { owner: string; limit: LimitRule | undefined },
): Promise<RunDocument | undefined> {
  const { store, now } = core
  const due = { state: { in: claimableStates }, dueAt: { lessThan: now() + 1 } } as const
  if (limit === undefined) {
    const run = await take(store, hint.runId, due, owner)
    if (run === undefined) await drop(core, hint)
    return run
  }
  const run = await store.get(runs, hint.runId)
  const refs = lanesOf(limit, run?.accountId ?? null)
  const isDue = run?.dueAt !== undefined && run.dueAt <= now() && isClaimable(run)
  if (run !== undefined && !isDue && hint.postponements === 0)
    await core.queue.postpone(hint, now() + secondLookMs)
  else if (run === undefined || !isDue) await drop(core, hint)
  else if (refs.every(({ id }) => run.slots?.[id] !== undefined)) {
    const claimed = await store.updateAndGet(runs, run.id, { version: run.version }, claimOf(owner))
    // Changed just now, perhaps so that it is due no more: the hint leads here again.
    if (claimed === undefined) await core.queue.postpone(hint, now())
    return claimed
  } else {
    await core.lanes.enter(run, refs)
    await core.queue.settle(hint)
  }
  return undefined
}

/**
 * Where a write that answers with the record goes by itself, it is written and read in two steps, which go together with
 * those of other runs. In between the record is this owner's, who claims each run once at a time.
 */
async function take(
  store: Store,
  id: string,
  due: Match<RunDocument>,
  owner: string,
): Promise<RunDocument | undefined> {
  if (store.capabilities.cheapTransactions) return store.updateAndGet(runs, id, due, claimOf(owner))
  if (!(await store.update(runs, id, due, claimOf(owner)))) return undefined
  const run = await store.get(runs, id)
  return run?.owner === owner ? run : undefined
}

const isClaimable = ({ state }: RunDocument): boolean => claimableStates.some((each) => each === state)

const claimOf = (owner: string) => ({
  set: { state: 'running' as const, owner, place: places.ownedBy(owner) },
  increment: { fence: 1 },
  unset: ['dueAt' as const],
})

/**
 * The hint led nowhere: its run is over, taken or due later, or not stored yet. Whoever makes a run due writes the hint
 * first, so that one which has only just come may be ahead of its run.
 */
async function drop(
  { store, queue, now }: Pick<EngineCore, 'store' | 'queue' | 'now'>,
  hint: ClaimedWakeup,
): Promise<void> {
  const run = await store.get(runs, hint.runId)
  if (run === undefined) {
    if (hint.postponements >= missingRunLooks) await queue.settle(hint)
    else await queue.postpone(hint, now() + Math.min(longestPauseMs, secondLookMs * 2 ** hint.postponements))
    return
  }
  const isDue = isClaimable(run) && run.dueAt !== undefined && run.dueAt <= now()
  const isYoung = hint.postponements === 0 && now() - hint.dueAt < youngMs
  if (isDue) await queue.postpone(hint, now())
  else if (isYoung && run.endedAt === undefined) await queue.postpone(hint, now() + secondLookMs)
  else await queue.settle(hint)
}

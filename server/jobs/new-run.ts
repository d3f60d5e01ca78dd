// The record of a run as it is stored first: due at once, taken by a worker of this process, or waiting for its lanes.

import type { Mutable } from '../../shared/mutable.ts'
import type { NewDocument } from '../store/store.ts'
import type { Claim } from './journal.ts'
import { waitOf, type LaneRef, type WaitDocument } from './lane-records.ts'
import { places, type EventDocument, type RunDocument, type Target } from './records.ts'

/** What a run is made of. */
export interface RunOrigin {
  readonly event: NewDocument<EventDocument>
  readonly target: Target
  readonly createdAt: number
}

/** A run that is due, or that the holder of the claim runs, as it is once it was stored. */
export function newRun(origin: RunOrigin, claim?: Claim): RunDocument {
  const run = begin(origin, claim === undefined ? 'queued' : 'running')
  if (claim === undefined) {
    run.place = places.queued
    run.dueAt = origin.createdAt
  } else {
    run.place = places.ownedBy(claim.owner)
    run.owner = claim.owner
    run.fence = claim.fence
  }
  return run
}

/** A run that needs slots of the lanes, with the document that gets it the first one. Undefined without lanes. */
export function newBlockedRun(
  origin: RunOrigin,
  lanes: readonly LaneRef[],
): { run: RunDocument; wait: NewDocument<WaitDocument> } | undefined {
  if (lanes.length === 0) return undefined
  const run = begin(origin, 'blocked')
  const wait = waitOf(run, lanes)
  return wait && { run: { ...run, waitsFor: wait }, wait }
}

/** Filled in field by field: one is made for every event, and spreading what may be absent cost more than all the rest. */
function begin({ event, target, createdAt }: RunOrigin, state: RunDocument['state']): Mutable<RunDocument> {
  const run: Mutable<RunDocument> = {
    id: target.runId,
    version: 1,
    scope: 'run',
    job: target.job,
    jobName: target.jobName,
    jobVersion: target.version,
    accountId: event.accountId,
    event: event.id,
    createdAt,
    state,
  }
  if (event.accountAt !== undefined) run.accountAt = event.accountAt
  if (event.parent !== undefined) run.parent = event.parent
  if (event.continues !== undefined) run.continues = event.continues
  return run
}

// The record of a run as it is stored first: due at once, taken by a worker of this process, or waiting for its lanes.

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

/** A run that is due, or that the holder of the claim runs. */
export function newRun(origin: RunOrigin, claim?: Claim): NewDocument<RunDocument> {
  return {
    ...base(origin),
    ...(claim === undefined
      ? { state: 'queued', place: places.queued, dueAt: origin.createdAt }
      : { state: 'running', place: places.ownedBy(claim.owner), ...claim }),
  }
}

/** A run that needs slots of the lanes, with the document that gets it the first one. Undefined without lanes. */
export function newBlockedRun(
  origin: RunOrigin,
  lanes: readonly LaneRef[],
): { run: NewDocument<RunDocument>; wait: NewDocument<WaitDocument> } | undefined {
  if (lanes.length === 0) return undefined
  const common = base(origin)
  const wait = waitOf({ ...common, version: 1 }, lanes)
  return wait && { run: { ...common, state: 'blocked', waitsFor: wait }, wait }
}

function base({ event, target, createdAt }: RunOrigin): Omit<NewDocument<RunDocument>, 'state'> {
  return {
    id: target.runId,
    scope: 'run',
    job: target.job,
    jobName: target.jobName,
    jobVersion: target.version,
    accountId: event.accountId,
    event: event.id,
    createdAt,
    ...(event.accountAt === undefined ? {} : { accountAt: event.accountAt }),
    ...(event.parent === undefined ? {} : { parent: event.parent }),
    ...(event.continues === undefined ? {} : { continues: event.continues }),
  }
}

// `io.continueAsNew`: the next run of a loop, with another payload and everything else as the run before had it.

import { AuthFlowError } from '../../shared/errors.ts'
import type { NewDocument } from '../store/store.ts'
import { persist, type EngineCore } from './core.ts'
import { openBody, sealBody, targetsOf } from './event-document.ts'
import { payloadLimit, toText } from './event-input.ts'
import type { Json } from './job.ts'
import { whereItEnds } from './journal-step.ts'
import {
  digest,
  dispatches,
  eventKey,
  events,
  namedAt,
  runs,
  type EventDocument,
  type PublishedJob,
  type RunDocument,
} from './records.ts'
import type { RunIOOptions } from './run-io.ts'
import { errorsAt, wrongCall } from './wrong-call.ts'

/** Ends the run and starts the next. Never resolves. */
export async function continueAsNew(parts: RunIOOptions, payload: Json): Promise<never> {
  const { core, run, execution } = parts
  const call = { name: 'continueAsNew', key: undefined, job: run.job }
  const tell = errorsAt(call)
  const ended = whereItEnds(execution)
  if (ended !== undefined) await ended
  if (execution.frame.path !== '') throw wrongCall(call, 'call it in the code of the run, not in a task.')
  const proceed = async (): Promise<string> => {
    const next = await core.calls.continueRun(run, payload)
    // Who cancels a loop means all of it.
    if (execution.cancelling) await core.calls.cancelRun(next)
    return next
  }
  const proceeded = persist(proceed, () => !execution.ended).catch((error: unknown) => {
    throw tell(error)
  })
  const continuedAs = await execution.hold(proceeded)
  execution.end({ type: 'finished', output: undefined, continuedAs })
  return execution.never()
}

/** What the next run needs of the engine. */
export interface Continuation {
  /** The job as it is now. */
  readonly job: PublishedJob | undefined
  /** Judges the payload. */
  readonly check: (payload: Json) => void
  /** Makes the runs of an event that is stored. */
  readonly intake: { dispatch(event: NewDocument<EventDocument>): Promise<void> }
}

/**
 * Starts the run that goes on after the given one, once; gives its id. Safe to repeat.
 *
 * @throws {@link AuthFlowError} `job_disabled`, `invalid_payload`, `event_too_large`, `invalid_input`, `not_found`
 */
export async function continueRun(
  core: EngineCore,
  run: RunDocument,
  { payload, next }: { payload: Json; next: Continuation },
): Promise<string> {
  const { store, environment, now } = core
  const { job } = next
  if (job?.enabled !== true) throw new AuthFlowError('job_disabled')
  const text = toText('payload', payload, payloadLimit)
  next.check(JSON.parse(text) as Json)
  const before = await store.get(events, run.event)
  if (before === undefined) throw new AuthFlowError('not_found', 'The event of the run is gone.')
  const { context, from } = openBody(core, before)
  const eventId = `run:${digest('continue', run.id).slice(0, 32)}`
  const id = eventKey(environment, run.accountId, before.source, eventId)
  const targets = targetsOf(id, [job])
  const body = `{"payload":${text},"context":${JSON.stringify(context)}${from ? `,"from":${JSON.stringify(from)}` : ''}}`
  const createdAt = now()
  const event: NewDocument<EventDocument> = {
    id,
    eventId,
    name: before.name,
    source: before.source,
    accountId: run.accountId,
    ...(run.accountId === null ? {} : { accountAt: namedAt(run) }),
    timestamp: createdAt,
    createdAt,
    body: sealBody(core, { id, targets }, body),
    targets,
    expireAt: createdAt + core.retention.eventMs,
    continues: run.id,
    ...(run.parent === undefined ? {} : { parent: run.parent }),
  }
  await store.insert(dispatches, { id, scope: 'dispatch', createdAt })
  // Of two passes that come here, the first one's event counts.
  const isFirst = await store.insert(events, event)
  const stored = isFirst ? event : await store.get(events, id)
  await next.intake.dispatch(stored ?? event)
  await store.remove(dispatches, id)
  return (stored ?? event).targets[0]?.runId ?? ''
}

/** The run that a run has become, however often it went on as a new one. */
export async function lastOf(core: EngineCore, id: string): Promise<RunDocument | undefined> {
  let run = await core.store.get(runs, id)
  while (run?.continuedAs !== undefined) run = await core.store.get(runs, run.continuedAs)
  return run
}

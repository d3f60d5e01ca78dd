// Running again what is over: a replay is a new run of the same event, a resume goes on with the failed run itself.

import { AuthFlowError } from '../../shared/errors.ts'
import { randomText } from '../../shared/ids.ts'
import type { EngineCore } from './core.ts'
import { stepsToResume } from './failed-steps.ts'
import { entriesOf, loadBeside } from './journal.ts'
import { keepEvent } from './live-events.ts'
import {
  events,
  namedAt,
  places,
  runIdOf,
  runs,
  taskId,
  tasks,
  type EventDocument,
  type JournalEntry,
  type PublishedJob,
  type RunDocument,
} from './records.ts'
import { statusOf, unpackError, type PackedError } from './task-error.ts'

/**
 * Starts a new run of the event that started the given one, with the job as it is now.
 *
 * @throws {@link AuthFlowError} `run_not_over`, `unknown_job`, `job_disabled`, `not_found` (the event is gone)
 */
export async function replayRun(
  core: EngineCore,
  run: RunDocument,
  job: PublishedJob | undefined,
): Promise<RunDocument> {
  const { store, queue, now } = core
  assertOver(run)
  if (job === undefined) {
    throw new AuthFlowError(
      'unknown_job',
      `Nobody defines the job ${run.job} any more. Start a process that does, then replay its run.`,
    )
  }
  if (!job.enabled) {
    throw new AuthFlowError(
      'job_disabled',
      `Job ${run.job} ${job.version}, its highest version, is not enabled.`,
    )
  }
  const event = await keepItsEvent(core, run)
  const createdAt = now()
  const id = runIdOf(event.id, run.job, `replay/${randomText(22)}`)
  const replay: Omit<RunDocument, 'version'> = {
    id,
    scope: 'run',
    job: run.job,
    jobName: job.jobName,
    jobVersion: job.version,
    accountId: run.accountId,
    ...(run.accountId === null ? {} : { accountAt: namedAt(run) }),
    event: event.id,
    state: 'queued',
    place: places.queued,
    dueAt: createdAt,
    createdAt,
    replayOf: run.id,
  }
  await queue.add([{ runId: id, job: run.job, version: job.version, dueAt: createdAt }])
  await store.insert(runs, replay)
  return { ...replay, version: 1 }
}

/**
 * Takes a failed run up again: of what failed, only the failure that ended it and the tasks around that are opened, each
 * with its attempts anew; everything else keeps its result, caught failures too.
 *
 * @throws {@link AuthFlowError} `run_not_over`, `run_not_failed`, `not_found` (the event is gone), `conflict`
 */
export async function resumeRun(core: EngineCore, run: RunDocument): Promise<RunDocument> {
  const { store, queue, now } = core
  assertOver(run)
  if (run.state !== 'failed') {
    throw new AuthFlowError(
      'run_not_failed',
      `The run of ${run.job} ${run.state}; only a failed run can be resumed. Replay it.`,
    )
  }
  await keepItsEvent(core, run)
  const journal = await reopen(core, run)
  const dueAt = now()
  const { id, version } = run
  const resumed = await store.updateAndGet(
    runs,
    id,
    { state: 'failed', version },
    {
      set: { state: 'queued', place: places.queued, dueAt, journal, timedFrom: dueAt },
      unset: [...leftAtTheEnd],
      increment: { signalSeq: 1 },
    },
  )
  if (resumed === undefined)
    throw new AuthFlowError('conflict', 'The run was resumed by somebody else just now.')
  // Behind the run: a hint that is found before it is due leads nowhere.
  await queue.add([{ runId: id, job: run.job, version: run.jobVersion, dueAt }])
  return resumed
}

/** What a run's end left in its record. */
const leftAtTheEnd = [
  'endedAt',
  'expireAt',
  'error',
  'failedAt',
  'parkedAt',
  'suspended',
  'suspect',
  'alone',
  'strikes',
  'cancelRequested',
  'slots',
  'waitsFor',
] as const

function assertOver(run: RunDocument): void {
  if (run.endedAt !== undefined) return
  throw new AuthFlowError(
    'run_not_over',
    `The run of ${run.job} is ${run.state}. Wait for its end, or cancel it first.`,
  )
}

/** The event of the run, kept for as long as a new run may need it. */
async function keepItsEvent(core: EngineCore, run: RunDocument): Promise<EventDocument> {
  const { store, now, retention } = core
  await keepEvent(core, run.event, Math.ceil(now() + retention.eventMs))
  const event = await store.get(events, run.event)
  if (event === undefined) {
    throw new AuthFlowError(
      'not_found',
      `The event of the run of ${run.job} was deleted with age. Send a new one.`,
    )
  }
  return event
}

/** The run's own part of the journal with its last failure opened; results beside it are kept for the run. */
async function reopen(core: EngineCore, run: RunDocument): Promise<JournalEntry[][]> {
  const { store } = core
  const beside = run.overflowed === true ? await loadBeside(store, run.id) : []
  const last = new Map<string, JournalEntry>()
  for (const entry of entriesOf(run, beside)) last.set(entry.path, entry)
  const own = new Map<string, JournalEntry>()
  for (const entry of entriesOf(run, [])) own.set(entry.path, entry)
  const opened = new Set<string>()
  for (const path of stepsToResume(last, run.failedAt)) {
    const entry = last.get(path)
    if (entry?.state !== 'failed') continue
    own.set(path, openEntry(core, run, entry))
    opened.add(taskId(run.id, path))
  }
  for (const { id } of beside)
    await (opened.has(id) ? store.remove(tasks, id) : store.update(tasks, id, {}, { unset: ['expireAt'] }))
  return [[...own.values()]]
}

/** As if it was to be tried for the first time now; what is known to have been answered is asked as a new request. */
function openEntry({ vault, now }: EngineCore, run: RunDocument, entry: JournalEntry): JournalEntry {
  const { endedAt: _, cause: __, ...rest } = entry
  const text =
    rest.error === undefined ? '{}' : vault.session('run', run.id).open(rest.error, `error:${rest.path}`)
  const isAnswered = statusOf(unpackError(JSON.parse(text) as PackedError)) !== undefined
  const epoch = (rest.epoch ?? 0) + (isAnswered ? 1 : 0)
  return { ...rest, state: 'retrying', attempt: 0, until: now(), ...(epoch === 0 ? {} : { epoch }) }
}

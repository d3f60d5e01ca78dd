// Runs tasks: once each, with their results kept. Everything that decides whether a callback runs, runs again or never
// runs again is here.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { TaskOutcome } from '../../shared/metrics.ts'
import type { Mutable } from '../../shared/mutable.ts'
import type { EngineCore } from './core.ts'
import type { Execution } from './execution.ts'
import { createFrame, type Frame } from './frames.ts'
import type { Json, OnError, Task, TaskOptions } from './job.ts'
import { ClaimLost, type Journal } from './journal.ts'
import { childPath, digest, type JournalEntry } from './records.ts'
import { storedFailure, storedOutput } from './stored-result.ts'
import { packError, statusOf } from './task-error.ts'
import { checkTaskOptions } from './task-options.ts'
import { canonicalJson } from './canonical-json.ts'
import { wrongCall, type NamedCall } from './wrong-call.ts'
import {
  attemptTask,
  isUnauthorized,
  judgeFailure,
  originOf,
  type Attempt,
  type Base,
  type Failed,
  type TaskCall,
  type Under,
} from './task-attempt.ts'

const maxDepth = 10
const maxKeyLength = 256

/** What running tasks needs. */
export interface TaskRunnerOptions {
  readonly core: EngineCore
  readonly runId: string
  /** Id of the job, for error messages. */
  readonly job: string
  readonly execution: Execution
  readonly journal: Journal
  /** Secrets in use, to be cut out of stored errors. */
  readonly secrets: () => readonly string[]
  /** What `unrepeatable` was when the pass before fell asleep. */
  readonly suspended: Readonly<Record<string, number>>
}

interface Recorded {
  readonly entry: JournalEntry
  /** True when `value` is what was stored; else another worker's result came first. */
  readonly own: boolean
  readonly value?: unknown
}

/** The tasks of one pass of a run. */
export class TaskRunner {
  readonly #options: TaskRunnerOptions
  readonly #underWay = new Map<string, Under>()

  constructor(options: TaskRunnerOptions) {
    this.#options = options
  }

  /** See `IO.runTask`. Resolves with the result as JSON gives it back; undefined where there is none. */
  async run(
    key: string,
    callback: (task: Task) => unknown,
    options: TaskOptions,
    onError?: OnError,
  ): Promise<unknown> {
    const { execution, journal } = this.#options
    if (execution.ended) return execution.never()
    const caller = execution.frame
    // Asleep for good, so that the task around it counts as through.
    if (execution.cancelling) return execution.sleep(caller, Infinity)
    const job = this.#enter({ key, caller, callback, options, onError })
    const entry = journal.get(job.path)
    if (entry !== undefined) assertSame(entry, 'task', job.params, options.connectionKey)
    if (entry?.state === 'succeeded') return storedOutput(journal, entry)
    if (entry?.state === 'failed') throw storedFailure(journal, entry)
    if (needsCredentials(job)) {
      job.caller.call?.renew?.()
      return execution.never()
    }
    try {
      return await this.#perform(job, entry)
    } catch (error) {
      if (!(error instanceof ClaimLost)) throw error
      execution.end({ type: 'lost' })
      return execution.never()
    }
  }

  /** Takes the key for this place. Also for waits. */
  takeKey(caller: Frame, key: string): string {
    if (typeof key !== 'string' || key === '' || key.length > maxKeyLength || !key.isWellFormed()) {
      const given = typeof key === 'string' ? `one of ${key.length} characters` : typeof key
      throw new AuthFlowError(
        'invalid_input',
        `A task of job ${this.#options.job} has ${given} as its key. It must be well-formed text of 1 to ${maxKeyLength} characters.`,
      )
    }
    if (caller.keys.has(key)) {
      throw new AuthFlowError(
        'duplicate_task_key',
        `The key «${key}» was used before at this place in a run of job ${this.#options.job}. Give each task its own, in a loop with its index.`,
      )
    }
    caller.keys.add(key)
    caller.call?.keys.push(key)
    return childPath(caller.path, key)
  }

  #enter(given: Omit<TaskCall, 'path' | 'params'>): TaskCall {
    const call = { name: 'runTask', key: given.key, job: this.#options.job }
    if (typeof given.callback !== 'function') throw wrongCall(call, 'it needs a function to run.')
    checkTaskOptions(call, given.options, given.onError)
    const path = this.takeKey(given.caller, given.key)
    if (given.caller.depth >= maxDepth)
      throw wrongCall(call, `it is nested more than ${maxDepth} deep. Start it outside of the others.`)
    const { params } = given.options
    return { ...given, path, params: params === undefined ? undefined : digestParams(call, params) }
  }

  async #perform(job: TaskCall, entry: JournalEntry | undefined): Promise<unknown> {
    const { execution, journal, core } = this.#options
    const startedAt = entry?.startedAt ?? core.now()
    let last = entry
    if (last === undefined) journal.assertRoom()
    if (last?.state === 'started') last = await this.#afterStart(job, last)
    for (;;) {
      if (last?.state === 'failed') throw storedFailure(journal, last)
      if (last?.state === 'retrying') await execution.sleep(job.caller, last.until ?? 0)
      const settled = journal.settled()
      if (settled !== undefined) await execution.hold(settled)
      if (execution.ended) return execution.never()
      if (execution.draining || execution.cancelling) await execution.sleep(job.caller, core.now())
      const attempt: number = last === undefined ? 1 : last.attempt + (last.state === 'retrying' ? 1 : 0)
      const base = identify(job, { attempt, startedAt }, last)
      const recorded = await this.#once(job, base)
      if (recorded.entry.state === 'succeeded')
        return recorded.own ? recorded.value : storedOutput(journal, recorded.entry)
      last = recorded.entry
    }
  }

  /** One attempt, from entering to its outcome in the journal. */
  async #once(job: TaskCall, given: Base): Promise<Recorded> {
    const { core, runId, execution, journal } = this.#options
    const frame = createFrame(job.caller, job.path, job.caller.call)
    const mayRepeat = job.options.onInterrupt !== 'fail'
    const base = mayRepeat ? given : { ...given, entered: (given.entered ?? 0) + 1 }
    const under: Under = { core, runId, job: this.#options.job, execution, frame, base }
    frame.attempt = base.attempt
    const traced = core.tracing.attempting(base, job.key)
    const begunAt = performance.now()
    execution.enter(frame)
    this.#underWay.set(job.path, under)
    try {
      if (!mayRepeat) await journal.append({ ...base, state: 'started' })
      const attempt = (): Promise<Attempt> => attemptTask(job, under)
      const made = await (traced === undefined ? attempt() : traced.within(attempt))
      if (execution.ended || (!made.ok && isRefused(job, made.error))) {
        traced?.end({ outcome: execution.ended ? 'abandoned' : 'refused' })
        execution.leave(frame)
        if (!execution.ended) job.caller.call?.renew?.()
        return await execution.never()
      }
      const recorded = await this.#record(job, under, made)
      const outcome = outcomeOf(recorded.entry)
      traced?.end({ outcome, ...(made.ok ? {} : { error: made.error }) })
      core.metrics.taskEnded(this.#options.job, outcome, performance.now() - begunAt)
      execution.leave(frame)
      return recorded
    } catch (error) {
      traced?.end({ error })
      execution.leave(frame)
      throw error
    } finally {
      this.#underWay.delete(job.path)
    }
  }

  /** A task that may not be repeated was entered before: properly suspended inside, or cut off. */
  async #afterStart(job: TaskCall, entry: JournalEntry): Promise<JournalEntry | undefined> {
    if (this.#options.suspended[entry.path] === entry.entered) return entry
    const error = new AuthFlowError(
      'task_interrupted',
      `The process stopped while «${job.key}» ran, and it may not run twice.`,
    )
    return this.#fail(job, entry, error)
  }

  /** Tasks whose callbacks run in this process just now. */
  get underWay(): readonly Base[] {
    return [...this.#underWay.values()].map(({ base }) => base)
  }

  /** Those with `onInterrupt: 'fail'` that are asleep inside, by path: they are not cut off when the pass ends. */
  get unrepeatable(): Readonly<Record<string, number>> | undefined {
    const found: Record<string, number> = {}
    for (const { base, frame } of this.#underWay.values()) {
      if (base.entered !== undefined && frame.asleep > 0) found[base.path] = base.entered
    }
    return Object.keys(found).length === 0 ? undefined : found
  }

  async #record(job: TaskCall, under: Under, made: Attempt): Promise<Recorded> {
    const { journal, core, execution } = this.#options
    const { base } = under
    if (!made.ok) return { entry: await this.#recordFailure(job, under, made), own: false }
    const value: unknown = made.text === undefined ? undefined : JSON.parse(made.text)
    const output = made.text === undefined ? {} : { output: journal.seal(made.text, `output:${job.path}`) }
    const given: JournalEntry = { ...base, state: 'succeeded', endedAt: core.now(), ...output }
    const onLost = (error: unknown): void =>
      execution.end(error instanceof ClaimLost ? { type: 'lost' } : { type: 'failed', error })
    try {
      // One that may not run twice is stored before its caller goes on: what is lost of it ends the run.
      if (base.entered === undefined && journal.takeResult(given, onLost))
        return { entry: given, own: true, value }
      const entry = await journal.append(given)
      return { entry, own: entry === given, value }
    } catch (error) {
      if (!isAuthFlowError(error) || error.code !== 'run_too_large') throw error
      return { entry: await this.#fail(job, base, error), own: false }
    }
  }

  async #recordFailure(job: TaskCall, under: Under, made: Failed): Promise<JournalEntry> {
    const { base } = under
    const { error, retryAt } = await judgeFailure(job, under, made)
    if (retryAt === undefined) return this.#fail(job, base, error)
    // A status means that an answer came back, so the next attempt is a new request to the provider, not a repeat.
    const epoch = (base.epoch ?? 0) + (statusOf(made.error) === undefined ? 0 : 1)
    return this.#options.journal.append({
      ...base,
      state: 'retrying',
      until: retryAt,
      ...(epoch === 0 ? {} : { epoch }),
      error: this.#pack(job, error),
    })
  }

  #fail(job: TaskCall, base: Base & { until?: number }, error: unknown): Promise<JournalEntry> {
    const { journal, core } = this.#options
    const { until: _, ...rest } = base
    const cause = originOf(error)
    return journal.append({
      ...rest,
      state: 'failed',
      endedAt: core.now(),
      error: this.#pack(job, error),
      ...(cause === undefined ? {} : { cause }),
    })
  }

  #pack(job: TaskCall, error: unknown): string {
    const { journal, secrets } = this.#options
    return journal.seal(JSON.stringify(packError(error, secrets())), `error:${job.path}`)
  }
}

/** What replay compares of the parameters. */
function digestParams(call: NamedCall, params: Json): string {
  let text: unknown
  try {
    text = canonicalJson(params)
  } catch {
    // Endless, or numbers that JSON does not have.
  }
  if (typeof text !== 'string') throw wrongCall(call, 'params must be JSON.')
  return digest(text).slice(0, 22)
}

/**
 * Checks that what a replay does at a path is what was done there before.
 *
 * @throws {@link AuthFlowError} `replay_mismatch`
 */
export function assertSame(
  entry: JournalEntry,
  kind: JournalEntry['kind'],
  params?: string,
  connection?: string,
): void {
  if (entry.kind === kind && entry.params === params && entry.connection === connection) return
  throw new AuthFlowError(
    'replay_mismatch',
    `«${entry.path}» was a ${entry.kind} with other parameters when the run was here before. Change the job's version.`,
  )
}

/** True when the call through the integration was made without credentials, to see whether it needs any. */
const needsCredentials = ({ caller: { call }, options }: TaskCall): boolean =>
  call !== undefined && call.tokenHash === undefined && options.connectionKey === call.connectionKey

/** True when the credentials were refused and the call through the integration can be made once more. */
const isRefused = (job: TaskCall, error: unknown): boolean =>
  job.caller.call?.renew !== undefined && isUnauthorized(job, error)

const outcomeOf = ({ state }: JournalEntry): TaskOutcome =>
  state === 'succeeded' || state === 'retrying' ? state : 'failed'

/** The entry of an attempt, field by field, as each task has one. Some goes from one attempt to the next. */
function identify(job: TaskCall, times: Pick<Base, 'attempt' | 'startedAt'>, last?: JournalEntry): Base {
  const { name, connectionKey } = job.options
  const base: Mutable<Base> = { path: job.path, kind: 'task', ...times }
  if (name !== undefined && name !== job.key) base.name = String(name).slice(0, 200)
  if (job.params !== undefined) base.params = job.params
  if (connectionKey !== undefined) base.connection = connectionKey
  if (last?.epoch !== undefined) base.epoch = last.epoch
  if (last?.entered !== undefined) base.entered = last.entered
  return base
}

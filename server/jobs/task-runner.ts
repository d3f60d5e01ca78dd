// Runs tasks: once each, with their results kept. Everything that decides whether a callback runs, runs again or never
// runs again is here.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { EngineCore } from './core.ts'
import { createFrame, type Execution, type Frame } from './execution.ts'
import type { OnError, Task, TaskOptions } from './job.ts'
import { ClaimLost, type Journal } from './journal.ts'
import { childPath, digest, type JournalEntry } from './records.ts'
import { retryDelay } from './retry.ts'
import { packError, statusOf, unpackError, type PackedError } from './task-error.ts'
import { canonicalJson } from './canonical-json.ts'

const outputLimit = 1024 * 1024
const maxDepth = 10
const maxKeyLength = 256
const defaultTimeoutMs = 300_000
/** `setTimeout` takes no more. */
const longestTimeoutMs = 2 ** 31 - 1
/** An `onError` that asks for another try at a time of its own is asked at most this often. */
const maxRetriesAtWill = 100
const furthestRetryMs = 30 * 24 * 3_600_000

/** What running tasks needs. */
export interface TaskRunnerOptions {
  readonly core: EngineCore
  readonly runId: string
  readonly execution: Execution
  readonly journal: Journal
  /** Secrets in use, to be cut out of stored errors. */
  readonly secrets: () => readonly string[]
  /** What `unrepeatable` was when the pass before fell asleep. */
  readonly suspended: Readonly<Record<string, number>>
}

/** A task as it is being run. */
interface TaskCall {
  readonly key: string
  readonly path: string
  readonly caller: Frame
  readonly callback: (task: Task) => unknown
  readonly options: TaskOptions
  readonly onError: OnError | undefined
  readonly params: string | undefined
}

interface Failed {
  readonly ok: false
  readonly error: unknown
  /** True when another attempt could not end differently. */
  readonly final: boolean
}

type Attempt = Failed | { readonly ok: true; readonly text: string | undefined }

/** A task under way: its entry without the outcome. */
export type Base = Omit<JournalEntry, 'state' | 'until' | 'output' | 'error'>

interface Recorded {
  readonly entry: JournalEntry
  /** True when `value` is what was stored; else another worker's result came first. */
  readonly own: boolean
  readonly value?: unknown
}

/** Errors that tasks ended with: a parent that fails because of one is not tried again. */
const finalErrors = new WeakSet<object>()

/** The tasks of one pass of a run. */
export class TaskRunner {
  readonly #options: TaskRunnerOptions
  readonly #underWay = new Map<string, Base>()

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
    const job = this.#enter({ key, caller, callback, options, onError })
    const entry = journal.get(job.path)
    if (entry !== undefined) assertSame(entry, 'task', job.params, options.connectionKey)
    if (entry?.state === 'succeeded') return this.#output(entry)
    if (entry?.state === 'failed') throw this.#failure(entry)
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
      throw new AuthFlowError('invalid_input', `A task key must be text of 1 to ${maxKeyLength} characters.`)
    }
    if (caller.keys.has(key)) {
      throw new AuthFlowError(
        'duplicate_task_key',
        `The key «${key}» was used before in this run. Give each task its own.`,
      )
    }
    caller.keys.add(key)
    caller.call?.keys.push(key)
    return childPath(caller.path, key)
  }

  #enter(given: Omit<TaskCall, 'path' | 'params'>): TaskCall {
    const path = this.takeKey(given.caller, given.key)
    if (given.caller.depth >= maxDepth) {
      throw new AuthFlowError('invalid_input', `Tasks may be nested ${maxDepth} deep.`)
    }
    const { params } = given.options
    return {
      ...given,
      path,
      params: params === undefined ? undefined : digest(canonicalJson(params)).slice(0, 22),
    }
  }

  async #perform(job: TaskCall, entry: JournalEntry | undefined): Promise<unknown> {
    const { execution, journal, core } = this.#options
    const startedAt = entry?.startedAt ?? core.now()
    let last = entry
    if (last === undefined) journal.assertRoom()
    if (last?.state === 'started') last = await this.#afterStart(job, last)
    for (;;) {
      if (last?.state === 'failed') throw this.#failure(last)
      if (last?.state === 'retrying') await execution.sleep(job.caller, last.until ?? 0)
      if (execution.draining) await execution.sleep(job.caller, core.now())
      const attempt: number = last === undefined ? 1 : last.attempt + (last.state === 'retrying' ? 1 : 0)
      const base: Base = { ...this.#identify(job), attempt, startedAt, ...carried(last) }
      const recorded = await this.#once(job, base)
      if (recorded.entry.state === 'succeeded')
        return recorded.own ? recorded.value : this.#output(recorded.entry)
      last = recorded.entry
    }
  }

  /** One attempt, from entering to its outcome in the journal. */
  async #once(job: TaskCall, base: Base): Promise<Recorded> {
    const { execution, journal } = this.#options
    const frame = createFrame(job.caller, job.path, job.caller.call)
    execution.enter(frame)
    try {
      if (job.options.onInterrupt === 'fail') base = { ...base, entered: (base.entered ?? 0) + 1 }
      this.#underWay.set(job.path, base)
      if (job.options.onInterrupt === 'fail') {
        await journal.append({ ...base, state: 'started' })
      }
      const made = await this.#attempt(job, frame, base)
      if (execution.ended || (!made.ok && this.#isRefused(job, made.error))) {
        execution.leave(frame)
        if (!execution.ended) job.caller.call?.renew?.()
        return await execution.never()
      }
      const recorded = await this.#record(job, frame, base, made)
      execution.leave(frame)
      return recorded
    } catch (error) {
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
    return [...this.#underWay.values()]
  }

  /** Those with `onInterrupt: 'fail'` among them, by path. When the pass falls asleep, they do so inside. */
  get unrepeatable(): Readonly<Record<string, number>> | undefined {
    const found: Record<string, number> = {}
    for (const { path, entered } of this.#underWay.values()) if (entered !== undefined) found[path] = entered
    return Object.keys(found).length === 0 ? undefined : found
  }

  #identify(job: TaskCall): Pick<JournalEntry, 'path' | 'kind' | 'name' | 'params' | 'connection'> {
    const { name, connectionKey } = job.options
    return {
      path: job.path,
      kind: 'task',
      ...(name === undefined || name === job.key ? {} : { name: String(name).slice(0, 200) }),
      ...(job.params === undefined ? {} : { params: job.params }),
      ...(connectionKey === undefined ? {} : { connection: connectionKey }),
    }
  }

  #task(job: TaskCall, { attempt, epoch = 0 }: Base): TaskHandle {
    const { execution, runId } = this.#options
    return new TaskHandle({
      key: job.key,
      attempt,
      execution,
      identity: () => digest(runId, job.path, epoch),
    })
  }

  async #attempt(job: TaskCall, frame: Frame, base: Base): Promise<Attempt> {
    const { execution } = this.#options
    const task = this.#task(job, base)
    const { timeoutInMs = defaultTimeoutMs } = job.options
    let timer: NodeJS.Timeout | undefined
    try {
      const value = await new Promise((resolve, reject) => {
        timer = execution.startTimer(
          () => {
            reject(new AuthFlowError('task_timeout', `«${job.key}» did not end within ${timeoutInMs} ms.`))
            task.abort()
          },
          Math.min(longestTimeoutMs, Math.max(1, timeoutInMs)),
        )
        // Not resolved with the result itself, which would leave the timeout nothing to reject.
        Promise.resolve(execution.within(frame, () => job.callback(task))).then(resolve, reject)
      })
      return toOutput(job.key, value)
    } catch (error) {
      return {
        ok: false,
        error,
        final: typeof error === 'object' && error !== null && finalErrors.has(error),
      }
    } finally {
      execution.stopTimer(timer)
    }
  }

  /** True when the credentials were refused and the call through the integration can be made once more. */
  #isRefused(job: TaskCall, error: unknown): boolean {
    return job.caller.call?.renew !== undefined && isUnauthorized(job, error)
  }

  async #record(job: TaskCall, frame: Frame, base: Base, made: Attempt): Promise<Recorded> {
    const { journal, core } = this.#options
    if (!made.ok) return { entry: await this.#recordFailure(job, frame, base, made), own: false }
    const value: unknown = made.text === undefined ? undefined : JSON.parse(made.text)
    const output = made.text === undefined ? {} : { output: journal.seal(made.text, `output:${job.path}`) }
    const given: JournalEntry = { ...base, state: 'succeeded', endedAt: core.now(), ...output }
    try {
      const entry = await journal.append(given)
      return { entry, own: entry === given, value }
    } catch (error) {
      if (!isAuthFlowError(error) || error.code !== 'run_too_large') throw error
      return { entry: await this.#fail(job, base, error), own: false }
    }
  }

  async #recordFailure(job: TaskCall, frame: Frame, base: Base, made: Failed): Promise<JournalEntry> {
    const { error, retryAt } = await this.#judge(job, frame, base, made)
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

  /** What a failed attempt leads to: another one at the time given, or the end with the error given. */
  async #judge(
    job: TaskCall,
    frame: Frame,
    base: Base,
    failed: Failed,
  ): Promise<{ error: unknown; retryAt?: number }> {
    const { core, execution } = this.#options
    const { onError } = job
    let error = failed.error
    if (onError !== undefined && !failed.final) {
      try {
        const answer = await execution.within(frame, () => onError(error, this.#task(job, base)))
        if (answer instanceof Error) error = answer
        else if (answer !== undefined && 'skipRetrying' in answer) return { error: answer.error ?? error }
        else if (answer !== undefined && base.attempt < maxRetriesAtWill) {
          return { error, retryAt: Math.min(core.now() + furthestRetryMs, answer.retryAt.getTime()) }
        }
      } catch (thrown) {
        error = thrown
      }
    }
    // Fresh credentials were refused too: the same request can't end differently.
    const final = failed.final || isUnauthorized(job, failed.error)
    const policy = final ? undefined : job.options.retry
    const delay = policy === undefined ? undefined : retryDelay(base.attempt, policy, core.random)
    return delay === undefined ? { error } : { error, retryAt: core.now() + delay }
  }

  #fail(job: TaskCall, base: Base & { until?: number }, error: unknown): Promise<JournalEntry> {
    const { journal, core } = this.#options
    const { until: _, ...rest } = base
    return journal.append({ ...rest, state: 'failed', endedAt: core.now(), error: this.#pack(job, error) })
  }

  #pack(job: TaskCall, error: unknown): string {
    const { journal, secrets } = this.#options
    return journal.seal(JSON.stringify(packError(error, secrets())), `error:${job.path}`)
  }

  #output(entry: JournalEntry): unknown {
    if (entry.output === undefined) return undefined
    return JSON.parse(this.#options.journal.open(entry.output, `output:${entry.path}`))
  }

  #failure(entry: JournalEntry): Error {
    const packed =
      entry.error === undefined ? '{}' : this.#options.journal.open(entry.error, `error:${entry.path}`)
    const error = unpackError(JSON.parse(packed) as PackedError)
    finalErrors.add(error)
    return error
  }
}

interface TaskHandleOptions {
  readonly key: string
  readonly attempt: number
  readonly execution: Execution
  readonly identity: () => string
}

/** The task as callbacks get it. What costs something is made when it is asked for. */
class TaskHandle implements Task {
  readonly key: string
  readonly attempt: number
  readonly #options: TaskHandleOptions
  #controller: AbortController | undefined
  #aborted = false

  constructor(options: TaskHandleOptions) {
    this.key = options.key
    this.attempt = options.attempt
    this.#options = options
  }

  get idempotencyKey(): string {
    return this.#options.identity()
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#options.execution.abortable()
    if (this.#aborted) this.#controller.abort()
    return this.#controller.signal
  }

  abort(): void {
    this.#aborted = true
    this.#controller?.abort()
  }
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

function toOutput(key: string, value: unknown): Attempt {
  let text: string | undefined
  try {
    text = JSON.stringify(value) as string | undefined
  } catch (cause) {
    return {
      ok: false,
      final: true,
      error: new AuthFlowError('invalid_input', `The output of «${key}» is not JSON.`, { cause }),
    }
  }
  if (text !== undefined && text.length * 3 > outputLimit && Buffer.byteLength(text) > outputLimit) {
    return {
      ok: false,
      final: true,
      error: new AuthFlowError('output_too_large', undefined, { details: { limit: outputLimit } }),
    }
  }
  return { ok: true, text }
}

/** True when the call through the integration was made without credentials, to see whether it needs any. */
const needsCredentials = ({ caller: { call }, options }: TaskCall): boolean =>
  call !== undefined && call.tokenHash === undefined && options.connectionKey === call.connectionKey

/** True when the provider refused the credentials that the call was made with. */
const isUnauthorized = ({ caller: { call }, options }: TaskCall, error: unknown): boolean =>
  call !== undefined && options.connectionKey === call.connectionKey && statusOf(error) === 401

/** What goes from one attempt to the next. */
function carried(entry: JournalEntry | undefined): Pick<JournalEntry, 'epoch' | 'entered'> {
  return {
    ...(entry?.epoch === undefined ? {} : { epoch: entry.epoch }),
    ...(entry?.entered === undefined ? {} : { entered: entry.entered }),
  }
}

// One attempt of a task: calls the callback under its timeout, and judges what a failure leads to. Stores nothing.

import { AuthFlowError } from '../../shared/errors.ts'
import type { EngineCore } from './core.ts'
import type { Execution } from './execution.ts'
import type { Frame } from './frames.ts'
import type { OnError, Task, TaskOptions } from './job.ts'
import { digest, type JournalEntry } from './records.ts'
import { retryDelay } from './retry.ts'
import { statusOf } from './task-error.ts'
import { longestRetryMs } from './task-options.ts'
import { wrongCall } from './wrong-call.ts'

const outputLimit = 1024 * 1024
const defaultTimeoutMs = 300_000
/** An `onError` that asks for another try at a time of its own is asked at most this often. */
const maxRetriesAtWill = 100

/** A task as it was asked for. */
export interface TaskCall {
  readonly key: string
  readonly path: string
  readonly caller: Frame
  readonly callback: (task: Task) => unknown
  readonly options: TaskOptions
  readonly onError: OnError | undefined
  readonly params: string | undefined
}

/** A task under way: its entry without the outcome. */
export type Base = Omit<JournalEntry, 'state' | 'until' | 'output' | 'error'>

/** Where an attempt is made. */
export interface Under {
  readonly core: EngineCore
  readonly runId: string
  /** Id of the job, for error messages. */
  readonly job: string
  readonly execution: Execution
  readonly frame: Frame
  readonly base: Base
}

/** An attempt that threw. */
export interface Failed {
  readonly ok: false
  readonly error: unknown
  /** True when another attempt could not end differently. */
  readonly final: boolean
}

/** How an attempt ended. The result is JSON text; absent where there is none. */
export type Attempt = Failed | { readonly ok: true; readonly text: string | undefined }

/** Errors that tasks ended with, and the path of the task whose failure it was at first. */
const finalErrors = new WeakMap<object, string>()
/** An error is looked for among the causes of another so deep. */
const maxCauses = 10

/** A parent that fails because of this error is not tried again. */
export function markFinal(error: Error, path: string): Error {
  finalErrors.set(error, path)
  return error
}

/** The path of the task whose failure the error is, or has as its `cause`. */
export function originOf(error: unknown): string | undefined {
  let each = error
  for (let depth = 0; depth < maxCauses && typeof each === 'object' && each !== null; depth += 1) {
    const path = finalErrors.get(each)
    if (path !== undefined) return path
    each = each instanceof Error ? each.cause : undefined
  }
  return undefined
}

/** Calls the callback. Never rejects. */
export async function attemptTask(job: TaskCall, under: Under): Promise<Attempt> {
  const { execution, frame } = under
  const task = createTask(job, under)
  const { timeoutInMs = defaultTimeoutMs } = job.options
  let timer: NodeJS.Timeout | undefined
  try {
    const result = execution.within(frame, () => job.callback(task))
    // What is there at once can't take too long.
    if (!isThenable(result)) return toOutput(job, under, result)
    const value = await new Promise((resolve, reject) => {
      const watch = (): void => {
        timer = execution.startTimer(() => {
          // Waits of its own inside, and those for a rate limit, are not the task's time.
          if (frame.asleep > 0) return watch()
          reject(timedOut(job, under.job, timeoutInMs))
          task.abort()
        }, timeoutInMs)
      }
      watch()
      // Not resolved with the result itself, which would leave the timeout nothing to reject.
      Promise.resolve(result).then(resolve, reject)
    })
    return toOutput(job, under, value)
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

const timedOut = ({ key }: TaskCall, job: string, timeoutInMs: number): AuthFlowError =>
  new AuthFlowError(
    'task_timeout',
    `«${key}» of job ${job} did not end within ${timeoutInMs} ms. Give it more with \`timeoutInMs\`, or split it into several tasks.`,
  )

const isThenable = (value: unknown): boolean =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') && 'then' in value

/** What a failed attempt leads to: another one at the time given, or the end with the error given. */
export async function judgeFailure(
  job: TaskCall,
  under: Under,
  failed: Failed,
): Promise<{ error: unknown; retryAt?: number }> {
  const { core, execution, frame, base } = under
  const { onError } = job
  let error = failed.error
  if (onError !== undefined && !failed.final) {
    try {
      const answer = await execution.within(frame, () => onError(error, createTask(job, under)))
      if (answer !== undefined) checkAnswer(job, under, answer)
      if (answer instanceof Error) error = answer
      else if (answer !== undefined && 'skipRetrying' in answer) return { error: answer.error ?? error }
      else if (answer !== undefined && base.attempt < maxRetriesAtWill)
        return { error, retryAt: Math.min(core.now() + longestRetryMs, answer.retryAt.getTime()) }
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

/** Refuses an answer of `onError` that says nothing. */
function checkAnswer({ key }: TaskCall, { job }: Under, answer: unknown): void {
  if (answer instanceof Error) return
  const { skipRetrying, error, retryAt } = Object(answer) as Record<string, unknown>
  if (skipRetrying === true && (error === undefined || error instanceof Error)) return
  if (skipRetrying === undefined && retryAt instanceof Date && Number.isFinite(retryAt.getTime())) return
  throw wrongCall(
    { name: 'runTask', key, job },
    'onError must return nothing, an Error, { retryAt: a Date } or { skipRetrying: true }.',
  )
}

/** True when the provider refused the credentials that the call was made with. */
export const isUnauthorized = ({ caller: { call }, options }: TaskCall, error: unknown): boolean =>
  call !== undefined && options.connectionKey === call.connectionKey && statusOf(error) === 401

function createTask({ key, path }: TaskCall, { runId, execution, base }: Under): TaskHandle {
  const { attempt, epoch = 0 } = base
  return new TaskHandle({ key, attempt, execution, identity: () => digest(runId, path, epoch) })
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

function toOutput({ key }: TaskCall, { job }: Under, value: unknown): Attempt {
  let text: string | undefined
  try {
    text = JSON.stringify(value) as string | undefined
  } catch {
    // Endless, or numbers that JSON does not have.
  }
  if (text === undefined && value !== undefined) {
    const call = { name: 'runTask', key, job }
    return {
      ok: false,
      final: true,
      error: wrongCall(call, 'its output is not JSON. Return data alone, or nothing.'),
    }
  }
  if (text !== undefined && text.length * 3 > outputLimit && Buffer.byteLength(text) > outputLimit) {
    return {
      ok: false,
      final: true,
      error: new AuthFlowError(
        'output_too_large',
        `The output of «${key}» of job ${job} has more than 1 MB. Store large data elsewhere and return a reference.`,
        { details: { limit: outputLimit } },
      ),
    }
  }
  return { ok: true, text }
}

// What `run` acts with: tasks, waits, log lines, and the job's integrations by name.

import type { Auth } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import type { AuthOf, Integration } from '../integrations/integration.ts'
import { continueAsNew } from './continue-run.ts'
import type { EngineCore } from './core.ts'
import type { EventDetails, EventInput, EventRecord, EventScope, SendEventOptions } from './engine.ts'
import type { Execution } from './execution.ts'
import { linesOf } from './frames.ts'
import type {
  GetAuthOptions,
  IO,
  Json,
  LogFacts,
  OnError,
  ParallelOptions,
  RandomOptions,
  RunLogger,
  RunStore,
  Status,
  StatusOptions,
  Task,
  TaskOptions,
} from './job.ts'
import type { Journal } from './journal.ts'
import { storeStep, whereItEnds } from './journal-step.ts'
import type {
  AwaitedEvent,
  AwaitedItem,
  InvokeAndWaitOptions,
  InvokeItem,
  JobRef,
  RunInvokeOptions,
  RunResult,
  WaitForEventOptions,
  WaitForRequestOptions,
  WithParent,
} from './outside-io.ts'
import { runParallel } from './parallel.ts'
import { draw, readBounds } from './random.ts'
import { digest, type RunDocument } from './records.ts'
import type { RunConnections } from './run-connections.ts'
import { textOfLine } from './log-text.ts'
import {
  askEvent,
  batchInvoke,
  batchInvokeAndWait,
  invoke,
  invokeAndWait,
  sendEvents,
} from './run-outside.ts'
import { createStatus } from './run-status.ts'
import { createRunStore } from './run-store.ts'
import { withoutSecrets } from './task-error.ts'
import { noOptions } from './task-options.ts'
import type { SignalSeat } from './signals.ts'
import { assertSame, type TaskRunner } from './task-runner.ts'
import { waitForEvent } from './wait-for-event.ts'
import { waitForRequest, type TellAddress } from './wait-for-request.ts'
import { waitUntil } from './wait-until.ts'
import { checkOptions, wrongCall } from './wrong-call.ts'

const longestWaitSeconds = 366 * 24 * 3600
/** A log line is visible to others after this at the latest, in ms. */
const logFlushMs = 1000
const maxLineLength = 10_000

/** What `io` is made of. */
export interface RunIOOptions {
  readonly core: EngineCore
  readonly run: RunDocument
  readonly execution: Execution
  readonly journal: Journal
  readonly runner: TaskRunner
  /** Tells that something came from outside. */
  readonly signals: SignalSeat
}

/** The run shows what fails and nobody awaits; it must not end the process. */
function watched<T>(done: Promise<T>): Promise<T> {
  done.catch(() => undefined)
  return done
}

/** `io` of one pass of a run. Integrations are added by {@link ioClassOf}. */
export class RunIO implements IO {
  readonly #options: RunIOOptions
  #logger: RunLogger | undefined
  /** Set right after construction: connections need `io` for the integrations they clone. */
  connections: RunConnections | undefined
  #flushTimer: NodeJS.Timeout | undefined
  #store: RunStore | undefined

  constructor(options: RunIOOptions) {
    this.#options = options
  }

  get logger(): RunLogger {
    return (this.#logger ??= this.#createLogger())
  }

  /** Its methods work without it, as in `const { info } = io.logger`. */
  #createLogger(): RunLogger {
    const line =
      (level: keyof RunLogger) =>
      (message: string, facts?: LogFacts): Promise<void> =>
        watched(this.#log(level, message, facts))
    return {
      debug: line('debug'),
      info: line('info'),
      log: line('log'),
      warn: line('warn'),
      error: line('error'),
    }
  }

  runTask<T extends Json | void>(
    key: string,
    callback: (task: Task) => Promise<T> | T,
    options: TaskOptions = noOptions,
    onError?: OnError,
  ): Promise<T> {
    return watched(this.#options.runner.run(key, callback, options, onError) as Promise<T>)
  }

  wait(key: string, seconds: number): Promise<void> {
    return watched(this.#wait(key, seconds))
  }

  parallel<Item, T extends Json | void>(
    key: string,
    items: readonly Item[],
    callback: (item: Item, index: number) => Promise<T> | T,
    options: ParallelOptions = {},
  ): Promise<T[]> {
    return watched(runParallel(this.#options, { key, items, callback, options }) as Promise<T[]>)
  }

  try<T, R>(work: () => Promise<T> | T, rescue: (error: unknown) => Promise<R> | R): Promise<T | R> {
    return watched(this.#try(work, rescue))
  }

  async #try<T, R>(work: () => Promise<T> | T, rescue: (error: unknown) => Promise<R> | R): Promise<T | R> {
    if (typeof work !== 'function' || typeof rescue !== 'function')
      throw wrongCall({ name: 'try', key: undefined, job: this.#options.run.job }, 'it needs two functions.')
    try {
      return await work()
    } catch (error) {
      return rescue(error)
    }
  }

  random(key: string, options: RandomOptions = {}): Promise<number> {
    return watched(this.#random(key, options))
  }

  async #random(key: string, options: RandomOptions): Promise<number> {
    const { core, run } = this.#options
    checkOptions({ name: 'random', key, job: run.job }, options)
    const bounds = readBounds({ key, job: run.job }, options)
    return this.runTask(key, () => draw(bounds, core.random), { params: { ...bounds } })
  }

  getAuth<I extends Integration<string, Auth>>(
    integration: I,
    options: GetAuthOptions = {},
  ): Promise<AuthOf<I>> {
    // The integration's own type says which of the kinds it takes.
    return watched(this.#getAuth(integration, options) as Promise<AuthOf<I>>)
  }

  async #getAuth(integration: Integration, options: GetAuthOptions): Promise<Auth> {
    const { execution, run } = this.#options
    const ended = whereItEnds(execution)
    if (ended !== undefined) await ended
    const call = { name: 'getAuth', key: undefined, job: run.job }
    const id: unknown = Object(integration).id
    if (typeof id !== 'string' || this.connections === undefined)
      throw wrongCall(call, "give it one of the job's integrations.")
    checkOptions(call, options)
    return this.connections.getAuth(integration, options.rejectedTokenHash)
  }

  createStatus(key: string, options: StatusOptions): Promise<Status> {
    return watched(createStatus(this.#options, key, options))
  }

  invoke(
    key: string,
    job: JobRef<never, unknown> | string,
    payload: Json,
    options: RunInvokeOptions = {},
  ): Promise<{ readonly id: string }> {
    return watched(invoke(this.#options, key, { job, payload, options }))
  }

  invokeAndWait<Output extends Json>(
    key: string,
    job: JobRef<never, Output> | string,
    payload: Json,
    options: InvokeAndWaitOptions = {},
  ): Promise<RunResult<Output>> {
    const done = invokeAndWait(this.#options, key, { job, payload, options })
    return watched(done as Promise<RunResult<Output>>)
  }

  batchInvoke(
    key: string,
    job: JobRef<never, unknown> | string,
    items: readonly InvokeItem[],
    options: WithParent = {},
  ): Promise<readonly { readonly id: string }[]> {
    return watched(batchInvoke(this.#options, key, { job, items, options }))
  }

  batchInvokeAndWait<Output extends Json>(
    key: string,
    job: JobRef<never, Output> | string,
    items: readonly AwaitedItem[],
    options: InvokeAndWaitOptions = {},
  ): Promise<readonly RunResult<Output>[]> {
    const done = batchInvokeAndWait(this.#options, key, { job, items, options })
    return watched(done as Promise<RunResult<Output>[]>)
  }

  waitForEvent<Payload = Json>(
    key: string,
    options: WaitForEventOptions<Payload>,
  ): Promise<AwaitedEvent<Payload>> {
    return watched(waitForEvent(this.#options, key, options))
  }

  waitForRequest(key: string, tell: TellAddress, options: WaitForRequestOptions = {}): Promise<Json> {
    return watched(waitForRequest(this.#options, { key, tell, options }) as Promise<Json>)
  }

  continueAsNew(payload: Json): Promise<never> {
    return watched(continueAsNew(this.#options, payload))
  }

  waitUntil(key: string, date: Date): Promise<void> {
    return watched(waitUntil(this.#options, key, date))
  }

  async sendEvent(key: string, event: EventInput, options: SendEventOptions = {}): Promise<EventRecord> {
    const done = sendEvents(this.#options, key, { name: 'sendEvent', events: [event], options })
    const [record] = (await watched(done)) as EventRecord[]
    if (record === undefined) throw new RangeError('one event gives one record')
    return record
  }

  sendEvents(
    key: string,
    events: readonly EventInput[],
    options: SendEventOptions = {},
  ): Promise<readonly EventRecord[]> {
    const done = sendEvents(this.#options, key, { name: 'sendEvents', events, options })
    return watched(done as Promise<EventRecord[]>)
  }

  getEvent(key: string, id: string, scope: EventScope = {}): Promise<EventDetails> {
    return watched(askEvent(this.#options, key, { verb: 'getEvent', id, scope }) as Promise<EventDetails>)
  }

  cancelEvent(key: string, id: string, scope: EventScope = {}): Promise<EventDetails> {
    return watched(askEvent(this.#options, key, { verb: 'cancelEvent', id, scope }) as Promise<EventDetails>)
  }

  get store(): RunStore {
    return (this.#store ??= createRunStore(this.#options))
  }

  async #wait(key: string, seconds: number): Promise<void> {
    const { execution, journal, runner, core } = this.#options
    if (execution.ended) return execution.never()
    // No text either, nor null: both compare with numbers.
    if (typeof seconds !== 'number' || !(seconds >= 0 && seconds <= longestWaitSeconds)) {
      const call = { name: 'wait', key, job: this.#options.run.job }
      throw wrongCall(call, `it takes 0 to ${longestWaitSeconds} seconds.`)
    }
    const caller = execution.frame
    if (execution.cancelling) return execution.sleep(caller, Infinity)
    const path = runner.takeKey(caller, key)
    let entry = journal.get(path)
    if (entry !== undefined) assertSame(entry, 'wait', String(seconds))
    else {
      journal.assertRoom()
      const startedAt = core.now()
      entry = {
        path,
        kind: 'wait',
        state: 'waiting',
        attempt: 1,
        params: String(seconds),
        startedAt,
        until: Math.ceil(startedAt + seconds * 1000),
      }
      await storeStep(this.#options, entry)
    }
    if ((entry.until ?? 0) > core.now()) await execution.sleep(caller, entry.until ?? 0)
  }

  /** Lines are known by what they say and how often it was said here, so the same line twice is two lines. */
  async #log(level: keyof RunLogger, message: string, facts: LogFacts = {}): Promise<void> {
    const { execution, journal, core } = this.#options
    if (execution.ended) return execution.never()
    const frame = execution.frame
    const call = { name: `logger.${level}`, key: undefined, job: this.#options.run.job }
    if (typeof message !== 'string')
      throw wrongCall(call, 'the line must be text. Give data as facts, after it.')
    if (typeof facts !== 'object' || facts === null || Array.isArray(facts))
      throw wrongCall(call, 'the facts must be an object.')
    const { text, identity } = textOfLine({ level, message: message.slice(0, maxLineLength), facts }) ?? {}
    if (text === undefined || identity === undefined || text.length > maxLineLength * 2) {
      throw wrongCall(call, `a line and its facts must be JSON of ${maxLineLength} characters. Log less.`)
    }
    const said = digest(identity).slice(0, 12)
    const lines = linesOf(frame)
    const count = (lines.get(said) ?? 0) + 1
    lines.set(said, count)
    const path = `${frame.path}#${said}:${count}`
    if (journal.get(path) !== undefined) return
    journal.assertRoom()
    const at = core.now()
    const line = withoutSecrets(text, this.connections?.secrets ?? [])
    const output = journal.seal(line, `log:${path}`)
    if (core.logsRunLines) this.#repeat(level, line)
    journal.buffer({ path, kind: 'log', state: 'succeeded', attempt: 1, startedAt: at, endedAt: at, output })
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined
      if (!execution.ended) journal.flush().catch(() => execution.end({ type: 'lost' }))
    }, logFlushMs).unref()
  }

  /** Once for the run, except after a crash: a replay finds the line in the journal. */
  #repeat(level: keyof RunLogger, line: string): void {
    const { log } = this.#options.core
    const { message, facts } = JSON.parse(line) as { message: string; facts: Record<string, Json> }
    log[level === 'log' ? 'info' : level]({ by: 'io.logger', facts }, message)
  }

  /** To be called when the pass is over. */
  close(): void {
    clearTimeout(this.#flushTimer)
  }
}

/**
 * The class of `io` for jobs with the given integrations: a member for each, made once per job.
 *
 * @throws {@link AuthFlowError} `invalid_input` when a name is taken by `io` itself
 */
export function ioClassOf(keys: readonly string[]): typeof RunIO {
  class JobIO extends RunIO {}
  for (const key of keys) {
    if (key in RunIO.prototype || key === 'connections' || key === 'then') {
      throw new AuthFlowError(
        'invalid_input',
        `io.${key} is taken: give the integration another name in the job.`,
      )
    }
    Object.defineProperty(JobIO.prototype, key, {
      get(this: RunIO) {
        return this.connections?.bind(key)
      },
    })
  }
  return JobIO
}

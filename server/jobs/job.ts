// What users write: jobs, and what `run` gets. Types only; the engine is in engine.ts.

import type { Auth } from '../../shared/auth.ts'
import type { StatusChange } from '../../shared/run-status.ts'
import type { AuthOf, Integration } from '../integrations/integration.ts'
import type { JobConcurrency } from './concurrency.ts'
import type { OutsideIO } from './outside-io.ts'

/** JSON as tasks return it and events carry it. */
export type Json = string | number | boolean | null | { [key: string]: Json } | Json[]

/** How often and when a failed attempt is tried again. Anything but numbers within these bounds is `invalid_input`. */
export interface RetryOptions {
  /** Attempts, the first included: 0 to 1,000; 0 and 1 mean no retry (default 5). */
  readonly limit?: number
  /** Each delay is so many times the one before: 0 to 1,000 (default 1.8). */
  readonly factor?: number
  /** Delay after the first attempt: 0 to 30 days (default 1000). */
  readonly minTimeoutInMs?: number
  /** No delay is longer: 0 to 30 days (default 60000). */
  readonly maxTimeoutInMs?: number
  /** Spreads the delay between once and twice the base (default true). */
  readonly randomize?: boolean
}

/** Options of {@link IO.runTask}; wrong ones are refused there with `invalid_input`. */
export interface TaskOptions {
  /** For people (default: the key). */
  readonly name?: string
  /** Shown to those who watch the run. Must not hold secrets; part of what replay compares. */
  readonly params?: Json
  /** No retries unless given. */
  readonly retry?: RetryOptions
  /** What happens when the process stops during an attempt: run it again (default), or fail with `task_interrupted`. */
  readonly onInterrupt?: 'retry' | 'fail'
  /** What an attempt may take, waits inside not counted: 1 to 2,147,483,647 (default 300,000). */
  readonly timeoutInMs?: number
  /** Set by `io.<integration>`: the key in the job's `integrations`. */
  readonly connectionKey?: string
}

/** The task as its callback sees it. */
export interface Task {
  /** As it was given to `io.runTask`. */
  readonly key: string
  /** 1 on the first. */
  readonly attempt: number
  /** At most 64 ASCII characters; the same for repeats whose outcome is unknown. Give it to providers that take one. */
  readonly idempotencyKey: string
  /** Aborts at the timeout, at cancel and at shutdown. */
  readonly signal: AbortSignal
}

/**
 * What an `onError` may answer: nothing (default handling), another error, when to try again (also without a retry
 * policy; at most 100 attempts and 30 days ahead), or to give up. Any other answer fails the attempt with `invalid_input`.
 */
export type OnErrorResult =
  void | Error | { readonly retryAt: Date } | { readonly skipRetrying: true; readonly error?: Error }

/** Called with the error of an attempt; awaited. */
export type OnError = (error: unknown, task: Task) => OnErrorResult | Promise<OnErrorResult>

/** What a log line says besides its text: JSON, or an error. Of errors, name, message, `code`, `status` and stack are kept. */
export type LogFacts = Error | Readonly<Record<string, Json | Error>>

/**
 * Log lines of a run, kept sealed with it and written once over all replays; the same line twice is two lines. They are
 * stored with the next step, or within a second. A line is text, its facts are an object; both may have 10,000
 * characters (`invalid_input`).
 */
export interface RunLogger {
  /** For whoever follows the code. */
  debug(message: string, facts?: LogFacts): Promise<void>
  /** What happened. */
  info(message: string, facts?: LogFacts): Promise<void>
  /** What happened, by the name the console has for it. */
  log(message: string, facts?: LogFacts): Promise<void>
  /** What should not happen but did no harm. */
  warn(message: string, facts?: LogFacts): Promise<void>
  /** What went wrong. */
  error(message: string, facts?: LogFacts): Promise<void>
}

/** Options of {@link IO.random}. */
export interface RandomOptions {
  /** The lowest number that may come (default 0). */
  readonly min?: number
  /** The highest (default 1): a whole number may be it, another one is always below. */
  readonly max?: number
  /** Whole numbers only, each as likely as the others (default false). */
  readonly round?: boolean
}

/** Options of {@link IO.getAuth}. */
export interface GetAuthOptions {
  /** `tokenHash` of what the provider has refused: fresh credentials are asked for. */
  readonly rejectedTokenHash?: string
}

/** Options of {@link IO.parallel}. */
export interface ParallelOptions {
  /** For people (default: the key); each branch has its index behind it. */
  readonly name?: string
}

/** What {@link IO.createStatus} begins with. */
export interface StatusOptions extends StatusChange {
  /** For people, 1 to 256 characters. */
  readonly label: string
}

/** A status of the run. */
export interface Status {
  /** Unique in the run; the same on every replay. */
  readonly id: string
  /**
   * Changes what is given; what is left out stays. A step with a key of its own, done once.
   *
   * @throws {@link AuthFlowError} `invalid_input`, `duplicate_task_key`, `replay_mismatch`, `too_many_tasks`
   */
  update(key: string, change: StatusChange): Promise<void>
}

/**
 * Values by name. Each call is a step with a key of its own, done once: a replay reads what the run read, and writes
 * nothing again. Throws what {@link IO.runTask} throws, and `value_too_large`.
 */
export interface ValueStore {
  /** The value as JSON gives it back; undefined where there is none. */
  get(key: string, name: string): Promise<Json | undefined>
  /** True where there is one. */
  has(key: string, name: string): Promise<boolean>
  /** Sets or replaces it: JSON of at most 256 KB under a name of 1 to 256 characters. */
  set(key: string, name: string, value: Json): Promise<void>
  /** Removes it; false where there was none, also where a process died after it had removed it. */
  delete(key: string, name: string): Promise<boolean>
}

/** Values of the environment, outside of runs. */
export interface HostValues {
  /** The value as JSON gives it back; undefined where there is none. Throws `invalid_input`. */
  get(name: string): Promise<Json | undefined>
  /** True where there is one. Throws `invalid_input`. */
  has(name: string): Promise<boolean>
  /** Sets or replaces it: the last one to write wins. Throws `invalid_input`, `value_too_large`. */
  set(name: string, value: Json): Promise<void>
  /** Removes it; false where there was none. Throws `invalid_input`. */
  delete(name: string): Promise<boolean>
}

/** Places to keep values, sealed. Names in one of them mean nothing in the others. */
export interface RunStore {
  /** Of this run alone; gone when the run is. */
  readonly run: ValueStore
  /** Of this job, of all its versions, runs and accounts: put the account's id into names that are not for all of them. */
  readonly job: ValueStore
  /** Of the whole environment; `client.store.global` outside of runs. */
  readonly global: ValueStore
}

/** What every `run` gets to act with. */
export interface IO extends OutsideIO {
  /**
   * Runs the callback once and keeps its result: on replay the stored result comes back and the callback does not run.
   * An attempt that was cut off runs again. The result must be JSON of at most 1 MB, and is what JSON gives back, from
   * the first time on; so is an error: name, message, `code` and `status` remain, other members do not. Tasks may run
   * side by side (`Promise.all`) and inside each other, ten deep; a run may have 10,000 of them.
   *
   * While a task waits for its next attempt, the promise may never settle: the run falls asleep and comes here again in
   * another pass, without any error. Code behind `finally` does not run then.
   *
   * @param key 1 to 256 characters, unique among the tasks at its place; what the result is found by
   * @throws the callback's error once retries are used up; {@link AuthFlowError} `duplicate_task_key`,
   *   `replay_mismatch`, `output_too_large`, `task_timeout`, `task_interrupted`, `too_many_tasks`, `run_too_large`,
   *   `invalid_input` (key, options, nesting, or an output that is not JSON: a function, a symbol, what holds itself)
   */
  runTask<T extends Json | void>(
    key: string,
    callback: (task: Task) => Promise<T> | T,
    options?: TaskOptions,
    onError?: OnError,
  ): Promise<T>
  /**
   * Waits for the given number of seconds (0 to a year and a day), counted from the first time the run comes here,
   * without occupying a worker; survives restarts. The promise may never settle in this pass, see {@link IO.runTask}.
   *
   * @throws {@link AuthFlowError} `duplicate_task_key`, `replay_mismatch`, `too_many_tasks`, `invalid_input`
   */
  wait(key: string, seconds: number): Promise<void>
  /**
   * Calls back for every item, side by side, and gives the results in the order of the items. Each call is a branch: a
   * task whose keys are apart from those of the others, with any tasks and waits in it. Results are kept one by one, as
   * JSON; on replay, finished branches are not called again. At most 1,000 items; none give `[]`.
   *
   * A branch that fails does not stop the others: they come to their end, waits included, and then the error of the
   * first failed one, by its place, is thrown. `runs.resume` takes up all that failed.
   *
   * @throws what a branch threw; {@link AuthFlowError} `invalid_input`, `duplicate_task_key`, `replay_mismatch` (other
   *   items than when the run was here before), `too_many_tasks`, `run_too_large`
   */
  parallel<Item, T extends Json | void>(
    key: string,
    items: readonly Item[],
    callback: (item: Item, index: number) => Promise<T> | T,
    options?: ParallelOptions,
  ): Promise<T[]>
  /**
   * Calls `work`, and `rescue` with the error if it throws. The same as `try` and `catch`: a run that falls asleep in it
   * throws nothing, so neither sees it.
   */
  try<T, R>(work: () => Promise<T> | T, rescue: (error: unknown) => Promise<R> | R): Promise<T | R>
  /**
   * A random number, drawn once and the same on every replay. From 0 up to 1 unless told otherwise. Not for secrets.
   *
   * @throws {@link AuthFlowError} `invalid_input` (`min` above `max`, or no whole number between them), and those of a task
   */
  random(key: string, options?: RandomOptions): Promise<number>
  /**
   * Makes a status that pages of the account and backends may watch (`runs.statuses`). A step, done once.
   *
   * @throws {@link AuthFlowError} `invalid_input`, `duplicate_task_key`, `replay_mismatch`, `too_many_tasks`
   */
  createStatus(key: string, options: StatusOptions): Promise<Status>
  /**
   * Live credentials of the run's account for one of the job's integrations, for what the integration has no method for. Not a
   * step: nothing is kept, and every pass asks again. Call it inside a task, use it at once, and return nothing of it. Where
   * the account is not connected, the run is parked as it is for calls of the integration.
   *
   * @throws {@link AuthFlowError} `unknown_integration` (none of the job's, or one with credentials from code),
   *   `identity_changed`, `unresolved_auth`, and those of `client.getAuth` that waiting does not help
   */
  getAuth<I extends Integration<string, Auth>>(integration: I, options?: GetAuthOptions): Promise<AuthOf<I>>
  /** Values that outlive the pass: of the run, of the job, of the environment. */
  readonly store: RunStore
  /** Log lines that are kept with the run. */
  readonly logger: RunLogger
}

/** Facts about the run. The same on every replay. */
export interface RunContext {
  /** The run; `startedAt` is when its event started it, `isRetry` says that it replays an earlier run. */
  readonly run: { readonly id: string; readonly startedAt: Date; readonly isRetry: boolean }
  /** The job as the run was started with it. */
  readonly job: { readonly id: string; readonly version: string }
  /** The event that started the run; `context` is null where the sender gave none. */
  readonly event: {
    readonly id: string
    readonly name: string
    readonly context: Json
    readonly timestamp: Date
  }
  /** The account the run acts as; absent for runs of the product itself. */
  readonly account?: { readonly id: string }
  /** What fired, for runs of schedules, registrations and endpoints: the key it was registered with. */
  readonly source?: { readonly id: string; readonly metadata: Json }
  /** The environment of the server. */
  readonly environment: { readonly slug: string }
  /** Aborts at cancel and at shutdown. */
  readonly signal: AbortSignal
}

/** Checks a payload: zod's `safeParse`, or anything of its shape. */
export interface PayloadSchema<T> {
  /** The value, checked and perhaps converted, or what is wrong with it and where. Never throws, never a promise. */
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
        readonly success: false
        readonly error: {
          readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]
        }
      }
}

/** A filter of the event filter language: nested objects whose leaves are arrays of values or matchers. */
export interface EventFilter {
  /** Member of the payload: a filter for the object there, or the array of values or matchers for what is there. */
  readonly [key: string]:
    EventFilter | readonly (string | number | boolean | Readonly<Record<string, Json>>)[]
}

/** When a schedule fires. Made by `cronTrigger` and `intervalTrigger`, checked there. */
export type ScheduleRule = (
  | {
      /** By the clock. */
      readonly type: 'cron'
      /** Five fields: minute, hour, day of the month, month, day of the week. */
      readonly cron: string
      /** IANA name of the time zone that the fields are in. */
      readonly timeZone: string
    }
  | {
      /** Every so many seconds, counted from when the rule was first stored. */
      readonly type: 'interval'
      /** Seconds between two times. */
      readonly seconds: number
    }
) & {
  /** What becomes of times at which nobody was there to fire. */
  readonly misfire: 'last' | 'skip' | 'all'
  /** What becomes of a time at which an earlier run of the schedule is not over. */
  readonly overlap: 'skip' | 'queue' | 'allow'
  /** Each schedule fires later than its time by a part of this that is its own, in seconds. */
  readonly spread: number
}

/** The rule that starts a job. Made by `eventTrigger`, `invokeTrigger`, `cronTrigger`, `intervalTrigger`, `httpTrigger` and the classes `DynamicTrigger` and `DynamicSchedule`. */
export interface Trigger<Payload> {
  /** What starts the job. */
  readonly kind: 'event' | 'invoke' | 'schedule' | 'dynamic' | 'http'
  /** Names of the events that start the job. */
  readonly names: readonly string[]
  /** Payloads that the job is for (default: all of them). */
  readonly filter?: EventFilter
  /** The same for the context of the event. */
  readonly contextFilter?: EventFilter
  /** What the payload must be (default: any JSON). */
  readonly schema?: PayloadSchema<Payload>
  /** Where the events come from (default `authflow`). */
  readonly source?: string
  /** With `kind: 'schedule'`: when the job itself fires (a `DynamicSchedule` has none of its own). */
  readonly schedule?: ScheduleRule
}

/** Integrations of a job by the name they have on `io`. */
export type Integrations = Readonly<Record<string, Integration<string, Auth>>>

/** A run that ended by itself, as `onSuccess` and `onFailure` are told of it. */
export interface RunEnd {
  /** The run. */
  readonly run: { readonly id: string; readonly startedAt: Date }
  /** The job as the run was started with it. */
  readonly job: { readonly id: string; readonly version: string }
  /** The account it acted as; absent for runs of the product itself. */
  readonly account?: { readonly id: string }
}

/** What `client.defineJob` takes. */
export interface JobOptions<
  Payload,
  Used extends Integrations = Integrations,
  Output extends Json | void = Json | void,
> {
  /** Stable; letters, digits, `.`, `_`, `-`. */
  readonly id: string
  /** For people. */
  readonly name: string
  /** Three numbers: `1.0.0`. Runs stay with the version they started with. */
  readonly version: string
  /** What starts it. */
  readonly trigger: Trigger<Payload>
  /** What it acts through; the names are those on `io`. */
  readonly integrations?: Used
  /** A job that is not enabled starts no new runs (default true). */
  readonly enabled?: boolean
  /**
   * What becomes of runs of an older version once no worker has had it for 15 minutes: they `wait` for it (default), or go
   * on with the `latest`, which must fit what they have done: a task that is not what it was fails with `replay_mismatch`.
   * The highest version decides.
   */
  readonly onVersionGone?: 'wait' | 'latest'
  /**
   * How long a run may take from its start (`ctx.run.startedAt`, or its being resumed) to its end, waits included: 1 ms to 366
   * days. Then what is under way is aborted, and it fails with `run_timed_out`. Default: as long as it takes.
   */
  readonly timeoutInMs?: number
  /**
   * How many of its runs may run at a time, over all processes and versions: a number, `{ limit, perAccount }`, or a limit
   * that it shares with other jobs (`client.defineConcurrencyLimit`). The others are `blocked` and take turns: one run of
   * each account, the oldest first. A run that sleeps leaves its place; one whose process died keeps it. Default: no limit.
   */
  readonly concurrencyLimit?: JobConcurrency
  /**
   * The work. Called from the top on every pass; what it did in tasks is not done again. What it returns is the run's
   * output (JSON of at most 1 MB); what it throws ends the run as failed.
   */
  readonly run: (payload: Payload, io: IO & Used, ctx: RunContext) => Promise<Output> | Output
  /**
   * Told of a run that succeeded, once that is stored; `output` is null where there is none. Outside the run, without `io`.
   * Called by the process that ended the run, at most once: a process that dies right then calls nothing. What it throws is
   * logged; it has 30 s.
   */
  readonly onSuccess?: (end: RunEnd & { readonly output: Json }) => Promise<void> | void
  /**
   * Told of a run whose code failed, as {@link JobOptions.onSuccess} is; a cancelled run is neither. `error.stack` says where
   * in your code it was thrown, in whichever pass that was; null where what was thrown has none.
   */
  readonly onFailure?: (
    end: RunEnd & {
      readonly error: { readonly code: string; readonly message: string; readonly stack: string | null }
    },
  ) => Promise<void> | void
}

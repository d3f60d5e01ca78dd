// What users write: jobs, and what `run` gets. Types only; the engine is in engine.ts.

import type { Auth } from '../../shared/auth.ts'
import type { Integration } from '../integrations/integration.ts'

/** JSON as tasks return it and events carry it. */
export type Json = string | number | boolean | null | { [key: string]: Json } | Json[]

/** How often and when a failed attempt is tried again. `limit` counts all attempts, the first included. */
export interface RetryOptions {
  /** (default 5) */
  readonly limit?: number
  /** (default 1.8) */
  readonly factor?: number
  /** (default 1000) */
  readonly minTimeoutInMs?: number
  /** (default 60000) */
  readonly maxTimeoutInMs?: number
  /** Spreads the delay between once and twice the base (default true). */
  readonly randomize?: boolean
}

/** Options of {@link IO.runTask}. */
export interface TaskOptions {
  /** For people (default: the key). */
  readonly name?: string
  /** Shown to those who watch the run. Must not hold secrets; part of what replay compares. */
  readonly params?: Json
  /** No retries unless given. */
  readonly retry?: RetryOptions
  /** What happens when the process stops during an attempt: run it again (default), or fail with `task_interrupted`. */
  readonly onInterrupt?: 'retry' | 'fail'
  /** (default 300,000) */
  readonly timeoutInMs?: number
  /** Set by `io.<integration>`: the key in the job's `integrations`. */
  readonly connectionKey?: string
}

/** The task as its callback sees it. */
export interface Task {
  readonly key: string
  /** 1 on the first. */
  readonly attempt: number
  /** At most 64 ASCII characters; the same for repeats whose outcome is unknown. Give it to providers that take one. */
  readonly idempotencyKey: string
  /** Aborts at the timeout, at cancel and at shutdown. */
  readonly signal: AbortSignal
}

/** What an `onError` may answer: nothing (default handling), another error, or when to retry. */
export type OnErrorResult =
  void | Error | { readonly retryAt: Date } | { readonly skipRetrying: true; readonly error?: Error }

/** Called with the error of an attempt; awaited. */
export type OnError = (error: unknown, task: Task) => OnErrorResult | Promise<OnErrorResult>

/** A log line of a run. Lines are kept with the run and written once, also over replays. */
export interface RunLogger {
  debug(message: string, facts?: Record<string, Json>): Promise<void>
  info(message: string, facts?: Record<string, Json>): Promise<void>
  log(message: string, facts?: Record<string, Json>): Promise<void>
  warn(message: string, facts?: Record<string, Json>): Promise<void>
  error(message: string, facts?: Record<string, Json>): Promise<void>
}

/** What every `run` gets to act with. */
export interface IO {
  /**
   * Runs the callback once and keeps its result: on replay the stored result comes back and the callback does not run.
   * An attempt that was cut off runs again. The result must be JSON.
   *
   * @throws the callback's error once retries are used up; {@link AuthFlowError} `duplicate_task_key`,
   *   `replay_mismatch`, `output_too_large`, `task_timeout`, `task_interrupted`
   */
  runTask<T extends Json | void>(
    key: string,
    callback: (task: Task) => Promise<T> | T,
    options?: TaskOptions,
    onError?: OnError,
  ): Promise<T>
  /** Waits for the given number of seconds without occupying a worker; survives restarts. */
  wait(key: string, seconds: number): Promise<void>
  readonly logger: RunLogger
}

/** Facts about the run. The same on every replay, except `execution`. */
export interface RunContext {
  readonly run: { readonly id: string; readonly startedAt: Date; readonly isRetry: boolean }
  readonly job: { readonly id: string; readonly version: string }
  readonly event: {
    readonly id: string
    readonly name: string
    readonly context: Json
    readonly timestamp: Date
  }
  /** The account the run acts as; absent for runs of the product itself. */
  readonly account?: { readonly id: string }
  readonly environment: { readonly slug: string }
  /** Aborts at cancel and at shutdown. */
  readonly signal: AbortSignal
}

/** Checks a payload: zod's `safeParse`, or anything of its shape. */
export interface PayloadSchema<T> {
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
  readonly [key: string]:
    EventFilter | readonly (string | number | boolean | Readonly<Record<string, Json>>)[]
}

/** The rule that starts a job. Made by `eventTrigger`; more kinds come. */
export interface Trigger<Payload> {
  readonly kind: 'event'
  /** Names of the events that start the job. */
  readonly names: readonly string[]
  readonly filter?: EventFilter
  readonly schema?: PayloadSchema<Payload>
  /** Where the events come from (default `authflow`). */
  readonly source?: string
}

/** Integrations of a job by the name they have on `io`. */
export type Integrations = Readonly<Record<string, Integration<string, Auth>>>

/** What `client.defineJob` takes. */
export interface JobOptions<
  Payload,
  Used extends Integrations = Integrations,
  Output extends Json | void = Json | void,
> {
  /** Stable; letters, digits, `.`, `_`, `-`. */
  readonly id: string
  readonly name: string
  /** Three numbers: `1.0.0`. Runs stay with the version they started with. */
  readonly version: string
  readonly trigger: Trigger<Payload>
  readonly integrations?: Used
  /** A job that is not enabled starts no new runs (default true). */
  readonly enabled?: boolean
  readonly run: (payload: Payload, io: IO & Used, ctx: RunContext) => Promise<Output> | Output
}

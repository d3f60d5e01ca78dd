// The job engine as AuthFlow and the HTTP layer see it.

import type { Auth } from '../../shared/auth.ts'
import type { Page, RunState, RunSummary } from '../../shared/flow.ts'
import type { RunStatuses } from '../../shared/run-status.ts'
import type { Integration } from '../integrations/integration.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import type { AuthResolver } from './auth-resolvers.ts'
import type { CancelledRuns } from './cancel-many.ts'
import type { HostValues, Integrations, JobOptions, Json, ScheduleRule } from './job.ts'
import type { InvokeItem } from './outside-io.ts'

/** An event as users send it. */
export interface EventInput {
  /** What happened: `slack.notification`. Case matters; at most 256 characters. */
  readonly name: string
  /** Any JSON of at most 256 KB. */
  readonly payload: Json
  /** More facts about the event, given to runs as `ctx.event.context`. At most 256 KB. */
  readonly context?: Json
  /** Dedup id: the same id again starts nothing (default: random). At most 256 characters. */
  readonly id?: string
  /** (default now) */
  readonly timestamp?: Date
  /** (default `authflow`) */
  readonly source?: string
}

/** A line that a run wrote with `io.logger`. */
export interface RunLogLine {
  /** ISO 8601. */
  readonly at: string
  /** `debug`, `info`, `log`, `warn` or `error`. */
  readonly level: string
  /** As it was written, without the run's credentials. */
  readonly message: string
  /** What was written with it. */
  readonly facts: Readonly<Record<string, Json>>
  /** The task that wrote it, by the keys that lead to it; absent where the run itself did. */
  readonly task?: string
}

/** Options of `sendEvent`. */
export interface SendEventOptions {
  /** The account the runs act as. */
  readonly accountId?: string
  /** When the runs are to start, at most 366 days ahead; one that has passed is at once. */
  readonly deliverAt?: Date
  /** The same in seconds from now; not both. */
  readonly deliverAfter?: number
}

/** Which event is meant besides its id: the same id of another account or source is another event. */
export interface EventScope {
  /** As it was sent with. */
  readonly accountId?: string
  /** As it was sent with (default `authflow`). */
  readonly source?: string
}

/** An event and what became of it. */
export interface EventDetails extends EventRecord {
  /** ISO 8601. */
  readonly createdAt: string
  /** When it was to be delivered, ISO 8601; null where that was at once. */
  readonly deliverAt: string | null
  /** ISO 8601; null unless it was cancelled. */
  readonly cancelledAt: string | null
  /** Its runs that there are; the first thousand. */
  readonly runs: readonly {
    readonly id: string
    readonly job: string
    readonly state: RunState
    /** ISO 8601; null while it is not over. */
    readonly endedAt: string | null
  }[]
}

/** Options of `invoke`. */
export interface InvokeOptions {
  /** The account the run acts as. */
  readonly accountId?: string
  /** The same key again starts nothing and answers with the first run. At most 256 characters. */
  readonly idempotencyKey?: string
  /** Given to the run as `ctx.event.context`. At most 256 KB. */
  readonly context?: Json
}

/** A run as its host may see it. */
export interface RunDetails extends RunSummary {
  /** What its code returned; null where that was nothing, and while it is not over. */
  readonly output: Json
  /** Give it back for more of its tasks; absent when these are the last. */
  readonly cursor?: string
}

/** Which runs of a job to cancel. */
export interface CancelRunsOptions {
  /** Of this account only. */
  readonly accountId?: string
  /** From the call before. */
  readonly cursor?: string
}

/** Which of a run's tasks. */
export interface TaskPage {
  /** 1 to 1000 (default 1000). */
  readonly limit?: number
  /** From the answer before. */
  readonly cursor?: string
}

/** Where an event comes from that no sender sent. */
export interface EventOrigin {
  /** The account the runs act as; null for the product itself. */
  readonly accountId: string | null
  /** When the account had that name, in ms; default now. It may have been renamed since. */
  readonly accountAt?: number | undefined
  /** Given to runs as `ctx.source`. */
  readonly from: { readonly id: string; readonly metadata: Json }
}

/** An event as it was taken in. */
export interface EventRecord {
  /** The sender's own id, or one made here. */
  readonly id: string
  /** As it was sent. */
  readonly name: string
  /** ISO 8601. */
  readonly timestamp: string
  /** The account its runs act as; null for the product itself. */
  readonly accountId: string | null
  /** `delayed` until its time has come, unless it was cancelled before. */
  readonly state: 'delivered' | 'delayed' | 'cancelled'
  /** Runs it started; the same ones when the event was sent before. None while it is delayed. */
  readonly runIds: readonly string[]
}

/** A job that fires by itself. */
export interface ScheduledJob {
  /** The job's id. */
  readonly job: string
  /** The version that says so. */
  readonly version: string
  /** False: nothing is to be fired. */
  readonly enabled: boolean
  /** When it fires. */
  readonly schedule: ScheduleRule
}

/** How many runs there are of which kind just now. */
export interface RunCensus {
  /** Runs that this process's worker executes. */
  readonly executing: number
  /** Runs that it may execute at a time; 0 without a worker. */
  readonly slots: number
  /** Runs in the store by what they wait for; each number stops at 10,000. */
  readonly waiting: {
    /** A worker: they are due, or soon will be. */
    readonly queued: number
    /** A time or a signal. */
    readonly asleep: number
    /** A slot of a concurrency limit. */
    readonly blocked: number
    /** A connection of their account. */
    readonly parked: number
    /** A worker that has their version of the job. */
    readonly version: number
  }
  /** Hints in the queue, of the jobs that this process defines; stops at 10,000. Undefined while the queue is away. */
  readonly hints: number | undefined
  /** How long the run has been due that has been due longest, in ms; 0 when none is. */
  readonly oldestDueMs: number
}

/** Defines jobs, takes events, runs runs. */
export interface JobEngine {
  /**
   * Defines a job, also after the start. Several versions of one job may be defined: events start the highest, runs
   * stay with theirs. A highest version that is not enabled turns the job off.
   *
   * @throws {@link AuthFlowError} `duplicate_job`, `invalid_version`, `invalid_input`, `unknown_integration` (one that
   *   the server does not have)
   */
  defineJob<Payload, Used extends Integrations, Output extends Json | void>(
    options: JobOptions<Payload, Used, Output>,
  ): void
  /**
   * Has runs of this process ask the resolver for credentials of accounts that are not connected to the integration.
   *
   * @throws {@link AuthFlowError} `unknown_integration`, `invalid_input`
   */
  defineAuthResolver<I extends Integration<string, Auth>>(integration: I, resolver: AuthResolver<I>): void
  /**
   * Takes an event in and starts the runs of the jobs that it matches; resolves once both are durable. The same event
   * again (account, source, id, name and payload) answers with the same runs. Where this process's own worker is full
   * of runs that keep ending, it may wait for up to a second.
   *
   * With `deliverAt` or `deliverAfter` the runs start then, of the jobs that match then. Until then the same id sent again
   * replaces payload, context and time (without a time it is delivered at once), and `cancelEvent` takes it back.
   *
   * @throws {@link AuthFlowError} `invalid_payload` (nothing was stored), `event_conflict`, `event_too_large`,
   *   `invalid_input`
   */
  sendEvent(event: EventInput, options?: SendEventOptions): Promise<EventRecord>
  /**
   * Takes up to 1,000 events in; the records come in their order. All are judged before any is stored, and the message of
   * a refusal begins with `events[n]`. A conflict is found while storing, when others of the list may be stored already.
   *
   * @throws {@link AuthFlowError} those of {@link JobEngine.sendEvent}
   */
  sendEvents(events: readonly EventInput[], options?: SendEventOptions): Promise<EventRecord[]>
  /**
   * Starts the job, which must have an `invokeTrigger`, at its highest version; gives the run's id once it is durable.
   *
   * @throws {@link AuthFlowError} `unknown_job`, `job_disabled`, `invalid_payload`, `event_conflict` (the key was used with
   *   another payload), `event_too_large`, `invalid_input`
   */
  invoke(job: string, payload: Json, options?: InvokeOptions): Promise<{ readonly id: string }>
  /**
   * Starts up to 1,000 runs of one job; their ids come in the order of the items. All are judged before any is started, and
   * the message of a refusal begins with `items[n]`.
   *
   * @throws {@link AuthFlowError} those of {@link JobEngine.invoke}
   */
  batchInvoke(job: string, items: readonly InvokeItem[]): Promise<readonly { readonly id: string }[]>
  /**
   * Takes a request in that a run waits for (`io.waitForRequest`), by the token in its address. The first one counts; one
   * that repeats it changes nothing.
   *
   * @param read gives the body; called only where a run waits
   * @throws {@link AuthFlowError} `not_found`, `wait_over`, `conflict`, and what `read` throws
   */
  receiveRequest(token: string, read: () => Promise<Json>): Promise<void>
  /** An event by its sender's id, and what became of it. Throws `not_found`. */
  getEvent(id: string, scope?: EventScope): Promise<EventDetails>
  /** Cancels an event that is still delayed; one that was delivered stays as it is. Throws `not_found`. */
  cancelEvent(id: string, scope?: EventScope): Promise<EventDetails>
  /**
   * Takes an event of a trigger in: like {@link JobEngine.sendEvent}, from a source that begins with `authflow:` and that
   * senders can't name. A payload that a job's schema refuses fails that job's run and no other.
   *
   * @throws {@link AuthFlowError} `event_conflict`, `event_too_large`, `invalid_input`
   */
  takeTriggered(event: EventInput & { readonly source: string }, origin: EventOrigin): Promise<EventRecord>
  /** The jobs of all processes with a rule of their own, each at its highest version; `enabled` as defined. */
  scheduledJobs(): readonly ScheduledJob[]
  /** Newest first. `limit` 1 to 100 (default 20). With several conditions a page may be short and still have a cursor. */
  listRuns(query: {
    accountId?: string
    job?: string
    state?: RunState
    limit?: number
    cursor?: string
  }): Promise<Page<RunSummary>>
  /** Throws `not_found`; also when `accountId` is given and is not the run's. */
  getRun(id: string, accountId?: string): Promise<RunSummary>
  /**
   * The lines of the run's `io.logger`, oldest first, those of a run under way up to a second ago. Throws `not_found`,
   * `unreadable_ciphertext`.
   */
  getRunLog(id: string): Promise<RunLogLine[]>
  /** The same with its output and a page of its tasks. Throws `not_found`, `invalid_input`. */
  describeRun(id: string, page?: TaskPage): Promise<RunDetails>
  /** What a run says of itself. Throws `not_found`; also when `accountId` is given and is not the run's. */
  getRunStatuses(id: string, accountId?: string): Promise<RunStatuses>
  /** Values of the environment, as runs have them by `io.store.global`. */
  readonly values: HostValues
  /**
   * Cancels a run: one that waits ends at once; of one that runs, the signals abort, its waits are dropped, nothing new is
   * begun, and it ends as soon as no task runs. What such a task still brings is stored; one that does not heed its signal
   * is waited for. A run that is over stays as it is. The summary is of the moment the call was taken.
   *
   * @throws {@link AuthFlowError} `not_found`, `conflict`
   */
  cancelRun(id: string): Promise<RunSummary>
  /** Cancels the runs of an event that are not over, the first thousand. Throws `not_found`. */
  cancelRunsForEvent(id: string, scope?: EventScope): Promise<CancelledRuns>
  /** Cancels the runs of a job that are not over: looks at a thousand, newest first, and gives a cursor for the rest. */
  cancelRunsForJob(job: string, options?: CancelRunsOptions): Promise<CancelledRuns>
  /**
   * Starts a new run of the event that started a run that is over, with the highest version of the job; its `ctx.run.isRetry`
   * is true. The old one stays as it is.
   *
   * @throws {@link AuthFlowError} `not_found` (also when the event is gone), `run_not_over`, `unknown_job`, `job_disabled`
   */
  replayRun(id: string): Promise<RunSummary>
  /**
   * Takes a failed run up again where it failed, with its own version: the task whose failure ended it and those around it
   * are tried anew, with all their attempts; everything else keeps its result, failures that the code caught too. Where the
   * run's own code threw, only that runs again.
   *
   * @throws {@link AuthFlowError} `not_found` (also when the event is gone), `run_not_over`, `run_not_failed`, `conflict`
   */
  resumeRun(id: string): Promise<RunSummary>
  /** Starts the worker; repeated calls do nothing. Throws `closed` after a stop. */
  start(): Promise<void>
  /** Stops claiming, lets running tasks end until the deadline (ms from now), then aborts and releases the rest. */
  stop(deadlineMs: number): Promise<void>
  /**
   * The fetch for requests that the integration makes outside of runs, as the identity (default: with credentials from code).
   * They pass the rate limits that those of runs pass, wait up to two seconds for their turn, and throw `rate_limited` with
   * `retryAfterMs` when that comes later.
   */
  limitFetch(fetch: GuardedFetch, integration: Integration, identity?: string): GuardedFetch
  /** To be called when a connection became usable or was ended on purpose: wakes or cancels parked runs. */
  connectionChanged(change: {
    type: 'connected' | 'needs_reauth' | 'disconnected'
    integration: string
    accountId: string
    identityId: string
  }): Promise<void>
  /** Counts runs. Costs a few ms of the store. */
  census(): Promise<RunCensus>
  /** One round of upkeep: dead owners' runs, events not dispatched, due runs without a hint. */
  sweep(): Promise<void>
}

/** How the engine gets credentials: the connect service's `getAuth`. */
export type ResolveAuth = (request: {
  id: string
  accountId: string
  rejectedTokenHash?: string
  /** The run that asks, and when it began in ms. */
  run?: { id: string; createdAt: number }
}) => Promise<Auth>

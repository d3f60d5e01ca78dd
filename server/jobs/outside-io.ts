// What `io` has for acting beyond the run: other runs, events, requests. Types only.

import type {
  EventDetails,
  EventInput,
  EventRecord,
  EventScope,
  InvokeOptions,
  SendEventOptions,
} from './engine.ts'
import type { EventFilter, Json, PayloadSchema, RetryOptions } from './job.ts'

/** A job with the types of its payload and output; what `defineJob` gives. */
export interface JobRef<Payload, Output> {
  /** The job's id. */
  readonly id: string
  /** Never present; carries the types. */
  readonly types?: (payload: Payload) => Output
}

/** What happens to an invoked run when the run that invoked it is cancelled. */
export interface WithParent {
  /** Cancels it too (default: true where the parent waits for it, else false). */
  readonly cancelWithParent?: boolean
}

/** Options of {@link OutsideIO.invoke}. The account is the run's own unless another is given. */
export type RunInvokeOptions = InvokeOptions & WithParent

/** Options of {@link OutsideIO.invokeAndWait}. */
export interface InvokeAndWaitOptions extends WithParent {
  /** The account the run acts as (default: the account of this run). */
  readonly accountId?: string
  /** Given to the run as `ctx.event.context`. At most 256 KB. */
  readonly context?: Json
  /** How long to wait, 0 to a year and a day (default 3600). The run goes on all the same. */
  readonly timeoutInSeconds?: number
}

/** One run of a batch. */
export interface InvokeItem<Payload = Json> extends InvokeOptions {
  /** What the run gets. */
  readonly payload: Payload
}

/** One run of a batch that is waited for. */
export type AwaitedItem<Payload = Json> = Omit<InvokeItem<Payload>, 'idempotencyKey'>

/** How an invoked run ended. */
export type RunResult<Output = Json> =
  | {
      readonly ok: true
      readonly run: { readonly id: string }
      /** What its code returned; null where it returned nothing. */
      readonly output: Output
    }
  | {
      readonly ok: false
      readonly run: { readonly id: string }
      /**
       * Code and message of the error that ended it; `run_cancelled` where it was cancelled, `wait_timeout` where it was not
       * over in time.
       */
      readonly error: { readonly code: string; readonly message: string }
    }

/** Which event to wait for. */
export interface WaitForEventOptions<Payload = Json> {
  /** Its name, as it was sent. */
  readonly name: string
  /** Its source, as it was sent (default `authflow`). */
  readonly source?: string
  /** Its account (default: the account of the run, or none for a run without one). */
  readonly accountId?: string
  /** Payloads that count (default: all). The language of `eventTrigger`'s filter. */
  readonly filter?: EventFilter
  /** The same for the context of the event. */
  readonly contextFilter?: EventFilter
  /** What the payload must be; also its type. An event that does not fit ends the wait with `invalid_payload`. */
  readonly schema?: PayloadSchema<Payload>
  /** Events that were delivered from then on count (default: from the start of the run). */
  readonly since?: Date
  /** How long to wait, 0 to a year and a day (default 3600). */
  readonly timeoutInSeconds?: number
}

/** An event that a run waited for. */
export interface AwaitedEvent<Payload = Json> {
  /** The sender's id. */
  readonly id: string
  /** As it was sent. */
  readonly name: string
  /** As it was sent. */
  readonly source: string
  /** Its account; null where it has none. */
  readonly accountId: string | null
  /** Parsed by the schema, if there is one. */
  readonly payload: Payload
  /** Null where the sender gave none. */
  readonly context: Json
  /** When it happened, as its sender said. */
  readonly timestamp: Date
}

/** Options of {@link OutsideIO.waitForRequest}. */
export interface WaitForRequestOptions {
  /** How long to wait, 0 to a year and a day (default 3600). */
  readonly timeoutInSeconds?: number
  /** Of the call that gives the address away (default: it is made once). */
  readonly retry?: RetryOptions
}

/** The part of `io` that reaches beyond the run. */
export interface OutsideIO {
  /**
   * Starts a job that has an `invokeTrigger`, once however often this run is replayed; gives the run's id and goes on. It
   * acts as the account of this run unless another is given.
   *
   * @throws {@link AuthFlowError} `unknown_job` (after 30 s), `job_disabled`, `invalid_payload`, `event_conflict` (the idempotency key
   *   was used with another payload), `event_too_large`, `invoke_too_deep` (20 runs, each invoked by the one before),
   *   `duplicate_task_key`, `replay_mismatch`, `too_many_tasks`, `invalid_input`
   */
  invoke<Payload extends Json>(
    key: string,
    job: JobRef<Payload, unknown> | string,
    payload: Payload,
    options?: RunInvokeOptions,
  ): Promise<{ readonly id: string }>
  /**
   * Starts a job as {@link invoke} does and waits for the end of its run, without occupying a worker. A run that fails, is
   * cancelled or takes too long is a result with `ok: false`, not an error.
   *
   * @throws {@link AuthFlowError} what {@link invoke} throws, and `invoke_cycle` where the job, or one that waits for it,
   *   is the same
   */
  invokeAndWait<Payload extends Json, Output extends Json>(
    key: string,
    job: JobRef<Payload, Output>,
    payload: Payload,
    options?: InvokeAndWaitOptions,
  ): Promise<RunResult<Output>>
  /** The same by the job's id. */
  invokeAndWait(key: string, job: string, payload: Json, options?: InvokeAndWaitOptions): Promise<RunResult>
  /** Starts up to 1,000 runs of one job; gives their ids in the order of the items. Throws what {@link invoke} throws. */
  batchInvoke<Payload extends Json>(
    key: string,
    job: JobRef<Payload, unknown> | string,
    items: readonly InvokeItem<Payload>[],
    options?: WithParent,
  ): Promise<readonly { readonly id: string }[]>
  /**
   * Starts up to 1,000 runs of one job and waits for the end of all; the results come in the order of the items. One that
   * can't be started fails the batch once the others are over.
   *
   * @throws {@link AuthFlowError} what {@link invokeAndWait} throws
   */
  batchInvokeAndWait<Payload extends Json, Output extends Json>(
    key: string,
    job: JobRef<Payload, Output>,
    items: readonly AwaitedItem<Payload>[],
    options?: Pick<InvokeAndWaitOptions, 'timeoutInSeconds' | 'cancelWithParent'>,
  ): Promise<readonly RunResult<Output>[]>
  /** The same by the job's id. */
  batchInvokeAndWait(
    key: string,
    job: string,
    items: readonly AwaitedItem[],
    options?: Pick<InvokeAndWaitOptions, 'timeoutInSeconds' | 'cancelWithParent'>,
  ): Promise<readonly RunResult[]>
  /**
   * Waits for an event, without occupying a worker. One that came since the start of the run counts too; each event answers
   * one wait of a run, and never the run that it started.
   *
   * @throws {@link AuthFlowError} `wait_timeout`, `invalid_payload` (of the schema), `duplicate_task_key`,
   *   `replay_mismatch`, `too_many_tasks`, `invalid_input`
   */
  waitForEvent<Payload = Json>(
    key: string,
    options: WaitForEventOptions<Payload>,
  ): Promise<AwaitedEvent<Payload>>
  /**
   * Waits for a POST to an address of its own, without occupying a worker; gives the body: JSON, the fields of a form, or
   * text. `tell` is called once, as a task, with the address, and gives it to whoever is to send the request. Who has the
   * address may answer: send it only where you would send a password. The first request counts; those that repeat it get the
   * same answer, later than the timeout they get 410.
   *
   * @throws what `tell` throws; {@link AuthFlowError} `wait_timeout`, `missing_option` (no `baseUrl`),
   *   `duplicate_task_key`, `replay_mismatch`, `too_many_tasks`, `invalid_input`
   */
  waitForRequest(
    key: string,
    tell: (url: string) => Promise<Json | void> | Json | void,
    options?: WaitForRequestOptions,
  ): Promise<Json>
  /**
   * Ends this run and starts the next one of its job in its place, with another payload: for loops that would fill a run
   * with steps. Account, event name, context and the run that waits for it stay; values in `io.store.run` and tasks do not.
   * It does not come back, and `onSuccess` is told of the last run only. Await everything else before: what is under way is
   * not waited for.
   *
   * @throws {@link AuthFlowError} `invalid_payload`, `event_too_large`, `job_disabled`, `invalid_input` (in a task, or a
   *   payload that is no JSON)
   */
  continueAsNew(payload: Json): Promise<never>
  /**
   * Waits until then, without occupying a worker: not at all where it has passed, at most a year and a day.
   *
   * @throws {@link AuthFlowError} `duplicate_task_key`, `replay_mismatch`, `too_many_tasks`, `invalid_input`
   */
  waitUntil(key: string, date: Date): Promise<void>
  /**
   * Sends an event, once however often the run is replayed. Of the run's own account unless another is given.
   *
   * @throws {@link AuthFlowError} those of `client.sendEvent`, `duplicate_task_key`, `replay_mismatch`, `too_many_tasks`
   */
  sendEvent(key: string, event: EventInput, options?: SendEventOptions): Promise<EventRecord>
  /** Sends up to 1,000 events, as {@link sendEvent} does. */
  sendEvents(
    key: string,
    events: readonly EventInput[],
    options?: SendEventOptions,
  ): Promise<readonly EventRecord[]>
  /** An event and what had become of it when the run first came here. Throws `not_found` besides. */
  getEvent(key: string, id: string, scope?: EventScope): Promise<EventDetails>
  /** Takes back an event that is still delayed; one that was delivered stays as it is. Throws `not_found` besides. */
  cancelEvent(key: string, id: string, scope?: EventScope): Promise<EventDetails>
}

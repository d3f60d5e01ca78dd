// What both clients can do: the one in the process (AuthFlow) and the remote one (createClient). Same names, same
// shapes, same errors.

import type { Auth, Connection, Metadata } from '../shared/auth.ts'
import type { ConnectTokenReply, ConnectTokenRequest, Page, RunState, RunSummary } from '../shared/flow.ts'
import type { AuditQuery, AuditRow } from './connect/audit-list.ts'
import type {
  AuthRequest,
  ConfirmPageRequest,
  ConfirmRequest,
  ConnectLink,
  ConnectLinkRequest,
  ConnectPageRequest,
} from './connect/connect.ts'
import type { RenameRequest, RenameStatus } from './connect/rename.ts'
import type { SecretKeyInfo } from './connect/key-uses.ts'
import type { RevokeTokensRequest } from './connect/revoke-tokens.ts'
import type { AuthOf, Integration } from './integrations/integration.ts'
import type { RunStatuses } from '../shared/run-status.ts'
import type { HostValues, Json } from './jobs/job.ts'
import type { InvokeItem } from './jobs/outside-io.ts'
import type { ScheduleBook } from './jobs/schedule-book.ts'
import type { RegistrationApi } from './triggers/registration.ts'
import type { CancelledRuns } from './jobs/cancel-many.ts'
import type {
  CancelRunsOptions,
  EventDetails,
  EventInput,
  EventRecord,
  EventScope,
  InvokeOptions,
  RunDetails,
  RunLogLine,
  SendEventOptions,
  TaskPage,
} from './jobs/engine.ts'

/** Integrations of a server, in order, with their ids as literal types. */
export type IntegrationList = readonly Integration<string, Auth>[]

/** Ids of the integrations. */
export type IntegrationId<I extends IntegrationList> = I[number]['id']

/** What `getAuth` answers for one integration; the union of all where the ids are not known to the type. */
export type AuthFor<I extends IntegrationList, Id extends string> =
  string extends IntegrationId<I> ? AuthOf<I[number]> : AuthOf<Extract<I[number], { readonly id: Id }>>

/** What `getAuth` takes. */
export type GetAuthRequest<Id extends string> = AuthRequest & { readonly id: Id }

/** Which connections to list. All of them when empty. */
export interface ConnectionsQuery {
  /** Of this account only. */
  readonly accountId?: string
  /** Of the integration with this id only. */
  readonly integration?: string
  /** Of this `identity.id` at the provider only; needs `integration`. */
  readonly identity?: string
  /** 1 to 100 (default 20). */
  readonly limit?: number
  /** From the page before. */
  readonly cursor?: string
}

/** Names one connection: there is at most one for each pair. */
export interface ConnectionQuery {
  /** The integration's id. */
  readonly integration: string
  /** The host's account. */
  readonly accountId: string
}

/** Which runs to list. All of them when empty. */
export interface RunsQuery {
  /** Of this account only. */
  readonly accountId?: string
  /** A job's id. */
  readonly job?: string
  /** In this state only. With several conditions a page may be short and still have a cursor. */
  readonly state?: RunState
  /** 1 to 100 (default 20). */
  readonly limit?: number
  /** From the page before. */
  readonly cursor?: string
}

/** Names a run, and a page of its tasks. */
export type RunQuery = TaskPage & { readonly id: string }

/** What a backend can do with an authflow server. Every method throws {@link AuthFlowError} with the same codes. */
export interface ServerApi<I extends IntegrationList> {
  /** Never present; carries the type of the integrations. */
  readonly integrationTypes?: I
  /** Mints connect tokens. */
  readonly connectTokens: {
    /**
     * Mints a connect token for one account, 15 minutes long. Scope `connect:create`.
     *
     * @throws {@link AuthFlowError} `invalid_input`, `unknown_integration`
     */
    create(request: ConnectTokenRequest): Promise<ConnectTokenReply>
    /**
     * Ends one connect token, or all of an account, links too; `revoked` is how many there were. A flow that such a token
     * began can not be finished. Scope `connect:create`. Throws `invalid_input`.
     */
    revoke(request: RevokeTokensRequest): Promise<{ readonly revoked: number }>
  }
  /** The secret keys of the server. */
  readonly secretKeys: {
    /** All that are configured. Scope `admin`. */
    list(): Promise<readonly SecretKeyInfo[]>
  }
  /** Makes links for mails and native apps, where no page of the host has the elements. */
  readonly connectLinks: {
    /**
     * A link for one account to one integration, good for one try. It opens a page with a button; after the provider
     * the browser goes to `returnUrl` with `authflow_flow` added, and `connections.confirm` must be called within 60 s.
     * Scope `connect:create`.
     *
     * @throws {@link AuthFlowError} `invalid_input`, `unknown_integration`, `invalid_fields`, `not_supported`
     */
    create(request: ConnectLinkRequest): Promise<ConnectLink>
  }
  /** Makes and opens pages of the server on which an account connects, for hosts without a front end. */
  readonly connectPages: {
    /**
     * A link to a page for one account, good until one browser was let in. Send the person there: by a redirect, or in a
     * mail. The link sends them to `confirmUrl` with `authflow_visit` added. Scope `connect:create`.
     *
     * @throws {@link AuthFlowError} `not_supported` (the option `connectPages` is not set), `return_url_not_allowed`,
     *   `invalid_input`, `unknown_integration`
     */
    create(request: ConnectPageRequest): Promise<ConnectLink>
    /**
     * Opens the page, if `accountId`, which comes from the session of who is at `confirmUrl` now, is the account that it
     * was made for. Redirect to the URL of the answer at once: it works for 60 s, once, and only in the browser that opened
     * the link. Scope `connect:create`.
     *
     * @throws {@link AuthFlowError} `account_mismatch` (the link still works for the right account), `link_used`,
     *   `link_expired`, `link_invalid`, `invalid_input`
     */
    confirm(request: ConfirmPageRequest): Promise<ConnectLink>
  }
  /** Who is connected, and ending it. */
  readonly connections: {
    /**
     * Finishes a flow that a link began, if `accountId`, which comes from the session of who is at the return URL now, is
     * the account that the link was made for. Scope `connect:create`.
     *
     * @throws {@link AuthFlowError} `account_mismatch` (the flow is over then), `confirmation_expired`, `flow_ended`
     *   (confirmed before), `flow_not_found`, `flow_conflict`, `access_denied`, and whatever else ended the flow
     */
    confirm(request: ConfirmRequest): Promise<Connection>
    /** Newest first; a page may be short and still have a cursor. Scope `connections:write`. */
    list(query?: ConnectionsQuery): Promise<Page<Connection>>
    /** Throws `not_connected`. Scope `connections:write`. */
    get(query: ConnectionQuery): Promise<Connection>
    /**
     * Ends it: the credential is unreadable once this resolves, and the grant is revoked at the provider as soon as it can
     * be reached. With `forget` the record goes too, with identity, fields and metadata, also of one that ended before.
     * Throws `not_connected`. Scope `connections:write`.
     */
    disconnect(query: ConnectionQuery & { readonly forget?: boolean }): Promise<Connection>
    /**
     * Replaces what you noted about it, a JSON object of at most 4 KB; null deletes it. Throws `not_connected`,
     * `invalid_input`. Scope `connections:write`.
     */
    setMetadata(query: ConnectionQuery & { readonly metadata: Metadata | null }): Promise<Connection>
  }
  /** Renames accounts. */
  readonly accounts: {
    /**
     * Gives an account another id with all its connections, sealed anew. What takes longer than 15 s goes on by itself;
     * the same call again tells how far it is. Runs follow; events, audit rows and connect tokens keep the old id.
     * Scope `admin`.
     *
     * @throws {@link AuthFlowError} `already_connected` (both have a connection to one integration), `conflict` (try again),
     *   `invalid_input`
     */
    rename(request: RenameRequest): Promise<RenameStatus>
  }
  /** Renames integrations. */
  readonly integrations: {
    /**
     * Moves all connections of `from` to the configured integration `to`, as {@link ServerApi.accounts} does for an account.
     * Scope `admin`. Throws `unknown_integration` besides.
     */
    rename(request: RenameRequest): Promise<RenameStatus>
  }
  /** Who did what, and when. */
  readonly audit: {
    /** Newest first; a page may be short and still have a cursor. Never holds a secret. Scope `admin`. */
    list(query?: AuditQuery): Promise<Page<AuditRow>>
  }
  /** What became of runs, and what becomes of them. */
  readonly runs: {
    /** Newest first. Scope `jobs:read`. */
    list(query?: RunsQuery): Promise<Page<RunSummary>>
    /** A run with its output and a page of its tasks, 1,000 unless `limit` says less. Throws `not_found`. Scope `jobs:read`. */
    get(query: RunQuery): Promise<RunDetails>
    /** The statuses that it made with `io.createStatus`. Throws `not_found`. Scope `jobs:read`. */
    statuses(query: { readonly id: string }): Promise<RunStatuses>
    /**
     * The lines that it wrote with `io.logger`, oldest first; of a run under way those up to a second ago. Throws
     * `not_found`. Scope `jobs:read`.
     */
    log(query: { readonly id: string }): Promise<readonly RunLogLine[]>
    /**
     * Cancels a run, whichever process has it: one that waits ends at once, one that runs begins nothing new, and its
     * signals abort. A task under way is waited for and its result stored. A run that is over stays as it is. Throws
     * `not_found`. Scope `jobs:write`.
     */
    cancel(query: { readonly id: string }): Promise<RunSummary>
    /** Cancels the runs of an event that are not over, the first thousand. Throws `not_found`. Scope `jobs:write`. */
    cancelForEvent(query: EventScope & { readonly id: string }): Promise<CancelledRuns>
    /**
     * Cancels the runs of a job that are not over. Looks at a thousand, newest first; give `cursor` back until there is none.
     * Scope `jobs:write`.
     */
    cancelForJob(query: CancelRunsOptions & { readonly job: string }): Promise<CancelledRuns>
    /**
     * Starts a new run of the same event, with the job as it is now; the old one, which must be over, stays as it is. Throws
     * `not_found` (also when the event was deleted with age), `run_not_over`, `unknown_job`, `job_disabled`. Scope
     * `jobs:write`.
     */
    replay(query: { readonly id: string }): Promise<RunSummary>
    /**
     * Goes on with a failed run: the task whose failure ended it and those around it are tried anew, everything else keeps
     * its result, failures that the code caught too. Throws `not_found` (also when the event was deleted with age),
     * `run_not_over`, `run_not_failed`, `conflict`. Scope `jobs:write`.
     */
    resume(query: { readonly id: string }): Promise<RunSummary>
  }
  /**
   * Registrations of dynamic triggers, by the triggers' ids. Scope `jobs:read` for `get` and `list`, `jobs:write` for the
   * others. `DynamicTrigger` has the same with types, in the process that defines the trigger.
   */
  readonly registrations: RegistrationApi
  /**
   * Times of dynamic schedules, by the schedules' ids. Scope `jobs:read` for `list`, `jobs:write` for the others. Give any
   * client to `new DynamicSchedule(client, { id })`, which has the same with checked settings.
   */
  readonly schedules: Pick<ScheduleBook, 'register' | 'unregister' | 'list'>
  /** What jobs keep from one run to the next. */
  readonly store: {
    /** Values of the environment: `io.store.global` of runs. Scope `jobs:read` to look, `jobs:write` to change. */
    readonly global: HostValues
  }
  /** Starts runs. */
  readonly events: {
    /** The same as {@link sendEvent}. */
    send(event: EventInput, options?: SendEventOptions): Promise<EventRecord>
    /** The same as {@link sendEvents}. */
    sendMany(events: readonly EventInput[], options?: SendEventOptions): Promise<readonly EventRecord[]>
    /** An event by its sender's id, account and source, and what became of it. Scope `jobs:read`. Throws `not_found`. */
    get(query: EventScope & { readonly id: string }): Promise<EventDetails>
    /**
     * Takes back an event that is still delayed. One that was delivered stays as it is: cancel its runs. Scope
     * `jobs:write`. Throws `not_found`.
     */
    cancel(query: EventScope & { readonly id: string }): Promise<EventDetails>
  }
  /** Gives out credentials. */
  readonly auth: {
    /** The same as {@link getAuth}. */
    get<const Id extends IntegrationId<I>>(request: GetAuthRequest<Id>): Promise<AuthFor<I, Id>>
  }

  /**
   * Takes an event in and starts the runs of the jobs that it matches. The same `id` again starts nothing. With
   * `deliverAt` or `deliverAfter` the runs start then; until then the same `id` replaces payload and time, and
   * `events.cancel` takes it back. Scope `jobs:write`.
   *
   * @throws {@link AuthFlowError} `invalid_payload` (nothing was stored), `event_conflict`, `event_too_large`,
   *   `invalid_input`
   */
  sendEvent(event: EventInput, options?: SendEventOptions): Promise<EventRecord>

  /**
   * Takes up to 1,000 events in. All are judged before any is stored; the records come in the order of the events. Scope
   * `jobs:write`. Throws what {@link sendEvent} throws, with `events[n]` before the message.
   */
  sendEvents(events: readonly EventInput[], options?: SendEventOptions): Promise<readonly EventRecord[]>

  /** The same as `events.get`. */
  getEvent(id: string, scope?: EventScope): Promise<EventDetails>
  /** The same as `events.cancel`. */
  cancelEvent(id: string, scope?: EventScope): Promise<EventDetails>
  /** The same as `runs.get`. */
  getRun(id: string, page?: TaskPage): Promise<RunDetails>
  /** The same as `runs.list`. */
  getRuns(query?: RunsQuery): Promise<Page<RunSummary>>
  /** The same as `runs.statuses`. */
  getRunStatuses(id: string): Promise<RunStatuses>
  /** The same as `runs.cancel`. */
  cancelRun(id: string): Promise<RunSummary>
  /** The same as `runs.cancelForEvent`. */
  cancelRunsForEvent(id: string, scope?: EventScope): Promise<CancelledRuns>
  /** The same as `runs.cancelForJob`. */
  cancelRunsForJob(job: string, options?: CancelRunsOptions): Promise<CancelledRuns>
  /** The same as `runs.replay`. */
  replayRun(id: string): Promise<RunSummary>
  /** The same as `runs.resume`. */
  resumeRun(id: string): Promise<RunSummary>

  /**
   * Starts a job that has an `invokeTrigger`, at its highest version; gives the run's id. The same `idempotencyKey` again
   * starts nothing and answers with the first run. Scope `jobs:write`.
   *
   * @throws {@link AuthFlowError} `unknown_job`, `job_disabled`, `invalid_payload`, `event_conflict` (the key was used with
   *   another payload), `event_too_large`, `invalid_input` (the job has another trigger)
   */
  invoke(job: string, payload: Json, options?: InvokeOptions): Promise<{ readonly id: string }>

  /**
   * Starts up to 1,000 runs of one job; their ids come in the order of the items. All are judged before any is started.
   * Scope `jobs:write`. Throws what {@link invoke} throws, with `items[n]` before the message.
   */
  batchInvoke(job: string, items: readonly InvokeItem[]): Promise<readonly { readonly id: string }[]>

  /**
   * Live credentials of an account, refreshed when needed. Typed by the integration's id. Use them at once; never
   * store or log them. Scope `auth:read`.
   *
   * @throws {@link AuthFlowError} `not_connected`, `needs_reauth`, `insufficient_scope` (send the user through a
   *   flow), `refresh_failed` (try again), `client_misconfigured`, `unknown_integration`, `invalid_input`
   */
  getAuth<const Id extends IntegrationId<I>>(request: GetAuthRequest<Id>): Promise<AuthFor<I, Id>>
}

// The server API in the host's own process: every call that needs nothing but the running parts. AuthFlow adds what
// makes and ends them.

import type { Page, RunSummary } from '../shared/flow.ts'
import type { RunStatuses } from '../shared/run-status.ts'
import type { SecretKeys } from './connect/secret-keys.ts'
import { connectCalls, jobCalls, membersOf } from './host-calls.ts'
import { secretsOf } from './jobs/auth-secrets.ts'
import type { CancelledRuns } from './jobs/cancel-many.ts'
import type {
  CancelRunsOptions,
  EventDetails,
  EventInput,
  EventRecord,
  EventScope,
  InvokeOptions,
  RunDetails,
  SendEventOptions,
  TaskPage,
} from './jobs/engine.ts'
import { assertOutside, assertRepeatable } from './jobs/assert-outside.ts'
import { holdSecrets } from './jobs/execution.ts'
import type { Json } from './jobs/job.ts'
import type { InvokeItem } from './jobs/outside-io.ts'
import type { Running } from './running.ts'
import type {
  AuthFor,
  GetAuthRequest,
  IntegrationId,
  IntegrationList,
  RunsQuery,
  ServerApi,
} from './server-api.ts'
import type { TriggerHost } from './triggers/host.ts'
import type { Keys } from './vault/key-admin.ts'

/** What the calls go to. */
export interface HostApiOptions {
  /** Secret keys, for telling which there are. */
  readonly keys: SecretKeys
  /** The running parts; starts them on the first call. */
  services(): Promise<Running>
}

/** The calls of a server in its own process. {@link AuthFlow} is one. */
export class HostApi<const I extends IntegrationList> implements ServerApi<I> {
  declare readonly integrationTypes?: I
  /** Mints connect tokens. */
  readonly connectTokens: ServerApi<I>['connectTokens']
  /** The secret keys of this server. */
  readonly secretKeys: ServerApi<I>['secretKeys']
  /** Makes links for mails and native apps. */
  readonly connectLinks: ServerApi<I>['connectLinks']
  /** Makes and opens pages of this server on which an account connects. */
  readonly connectPages: ServerApi<I>['connectPages']
  /** Who is connected, and ending it. */
  readonly connections: ServerApi<I>['connections']
  /** Renames accounts. */
  readonly accounts: ServerApi<I>['accounts']
  /** Renames integrations. */
  readonly integrations: ServerApi<I>['integrations']
  /** Who did what, and when. */
  readonly audit: ServerApi<I>['audit']
  /** What became of runs. */
  readonly runs: ServerApi<I>['runs']
  /** What was sent, and taking back what is delayed. `send` is {@link sendEvent}. */
  readonly events: ServerApi<I>['events']
  /** What jobs keep from one run to the next. */
  readonly store: ServerApi<I>['store']
  /** `get` is {@link getAuth}. */
  readonly auth: ServerApi<I>['auth']
  /** What dynamic schedules keep. Use `DynamicSchedule`. */
  readonly schedules: TriggerHost['schedules']
  /** Registrations of dynamic triggers, by the triggers' ids. `DynamicTrigger` has the same with types. */
  readonly registrations: TriggerHost['registrations']
  /** Rotating and retiring encryption keys. */
  readonly keys: Keys

  readonly #services: () => Promise<Running>

  /** Calls nothing yet. */
  constructor({ keys, services }: HostApiOptions) {
    this.#services = services
    const calls = connectCalls(keys, async () => (await services()).connect)
    this.connectTokens = calls.connectTokens
    this.secretKeys = calls.secretKeys
    this.connectLinks = calls.connectLinks
    this.connectPages = calls.connectPages
    this.connections = calls.connections
    this.accounts = calls.accounts
    this.integrations = calls.integrations
    this.audit = calls.audit
    const { runs, events, store } = jobCalls(async () => (await services()).engine)
    this.runs = runs
    this.events = events
    this.store = store
    this.auth = { get: (request) => this.getAuth(request) }
    this.registrations = {
      register: async (registration) => (await this.#registrations()).register(registration),
      unregister: async (name) => (await this.#registrations()).unregister(name),
      get: async (name) => (await this.#registrations()).get(name),
      list: async (query) => (await this.#registrations()).list(query),
      rotateSecret: async (name) => (await this.#registrations()).rotateSecret(name),
    }
    this.schedules = {
      register: async (schedule) => (await this.#services()).schedules.register(schedule),
      unregister: async (schedule, key) => (await this.#services()).schedules.unregister(schedule, key),
      list: async (query) => (await this.#services()).schedules.list(query),
    }
    this.keys = {
      list: async (query) => (await this.#services()).keys.list(query),
      rotate: async (request) => (await this.#services()).keys.rotate(request),
      retire: async (request) => (await this.#services()).keys.retire(request),
    }
  }

  async #registrations(): Promise<Running['triggers']['registrations']> {
    return (await this.#services()).triggers.registrations
  }

  /**
   * Takes an event in and starts the runs of the jobs that it matches. The same `id` again starts nothing. In the code of a
   * run, outside of its tasks, an event needs an `id`, because replays send it again; `io.sendEvent` gives it one.
   *
   * @throws {@link AuthFlowError} `invalid_payload` (nothing was stored), `event_conflict`, `event_too_large`,
   *   `invalid_input`
   */
  async sendEvent(event: EventInput, options?: SendEventOptions): Promise<EventRecord> {
    assertRepeatable('sendEvent', 'id', [event])
    return (await this.#services()).engine.sendEvent(event, options)
  }

  /** Takes up to 1,000 events in, all or none where one is refused. See {@link sendEvent} and `ServerApi.sendEvents`. */
  async sendEvents(events: readonly EventInput[], options?: SendEventOptions): Promise<EventRecord[]> {
    assertRepeatable('sendEvents', 'id', events)
    return (await this.#services()).engine.sendEvents(events, options)
  }

  /** See `ServerApi.getEvent`. */
  async getEvent(id: string, scope: EventScope = {}): Promise<EventDetails> {
    return this.events.get({ ...membersOf('getEvent', scope), id })
  }

  /** See `ServerApi.cancelEvent`. */
  async cancelEvent(id: string, scope: EventScope = {}): Promise<EventDetails> {
    return this.events.cancel({ ...membersOf('cancelEvent', scope), id })
  }

  /** See `ServerApi.getRun`. */
  async getRun(id: string, page: TaskPage = {}): Promise<RunDetails> {
    return this.runs.get({ ...membersOf('getRun', page), id })
  }

  /** See `ServerApi.getRuns`. */
  getRuns(query: RunsQuery = {}): Promise<Page<RunSummary>> {
    return this.runs.list(query)
  }

  /** See `ServerApi.getRunStatuses`. */
  getRunStatuses(id: string): Promise<RunStatuses> {
    return this.runs.statuses({ id })
  }

  /** See `ServerApi.cancelRun`. */
  cancelRun(id: string): Promise<RunSummary> {
    return this.runs.cancel({ id })
  }

  /** See `ServerApi.cancelRunsForEvent`. */
  async cancelRunsForEvent(id: string, scope: EventScope = {}): Promise<CancelledRuns> {
    return this.runs.cancelForEvent({ ...membersOf('cancelRunsForEvent', scope), id })
  }

  /** See `ServerApi.cancelRunsForJob`. */
  async cancelRunsForJob(job: string, options: CancelRunsOptions = {}): Promise<CancelledRuns> {
    return this.runs.cancelForJob({ ...membersOf('cancelRunsForJob', options), job })
  }

  /** Not in the code of a run, outside of its tasks. See `ServerApi.replayRun`. */
  async replayRun(id: string): Promise<RunSummary> {
    assertOutside('client.replayRun', 'Call it in a task.')
    return this.runs.replay({ id })
  }

  /** See `ServerApi.resumeRun`. */
  resumeRun(id: string): Promise<RunSummary> {
    return this.runs.resume({ id })
  }

  /**
   * Starts a job that has an `invokeTrigger`. In the code of a run, outside of its tasks, it needs an `idempotencyKey`.
   * See `ServerApi.invoke`.
   */
  async invoke(job: string, payload: Json, options?: InvokeOptions): Promise<{ readonly id: string }> {
    assertRepeatable('invoke', 'idempotencyKey', [options])
    return (await this.#services()).engine.invoke(job, payload, options)
  }

  /** Starts up to 1,000 runs of one job. See {@link invoke} and `ServerApi.batchInvoke`. */
  async batchInvoke(job: string, items: readonly InvokeItem[]): Promise<readonly { readonly id: string }[]> {
    assertRepeatable('batchInvoke', 'idempotencyKey', items)
    return (await this.#services()).engine.batchInvoke(job, items)
  }

  /**
   * Live credentials of an account, refreshed when needed: one refresh for any number of callers and processes. Typed
   * by the integration's id. Use them at once; never store or log them.
   *
   * @throws {@link AuthFlowError} `not_connected`, `needs_reauth`, `insufficient_scope` (send the user through a
   *   flow), `refresh_failed` (try again), `client_misconfigured`, `unknown_integration`, `invalid_input`
   */
  async getAuth<const Id extends IntegrationId<I>>(request: GetAuthRequest<Id>): Promise<AuthFor<I, Id>> {
    const auth = await (await this.#services()).connect.getAuth(request)
    holdSecrets(secretsOf(auth))
    // The integration's own type says which of the kinds it answers; its methods are what connections are made by.
    return auth as AuthFor<I, Id>
  }
}

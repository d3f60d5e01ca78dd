// The engine put together: what AuthFlow and the HTTP layer hold in their hands.

import type { Auth } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import { checkAccountId } from '../../shared/ids.ts'
import type { Page, RunSummary } from '../../shared/flow.ts'
import type { RunStatuses } from '../../shared/run-status.ts'
import { noMetrics, type Metrics } from '../../shared/metrics.ts'
import { noTracing, type Tracing } from '../../shared/tracing.ts'
import type { Integration } from '../integrations/integration.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import { AuthResolvers, type AuthResolver } from './auth-resolvers.ts'
import { cancelRun, heedCancels } from './cancel.ts'
import { continueRun } from './continue-run.ts'
import { takeCensus } from './census.ts'
import { cancelMany, type CancelledRuns } from './cancel-many.ts'
import type { EngineCalls, EngineCore } from './core.ts'
import { cancelEvent, DelayedEvents, describeEvent } from './delayed-events.ts'
import type {
  CancelRunsOptions,
  EventDetails,
  EventInput,
  EventOrigin,
  EventRecord,
  EventScope,
  InvokeOptions,
  JobEngine,
  RunCensus,
  RunDetails,
  RunLogLine,
  ScheduledJob,
  SendEventOptions,
  TaskPage,
} from './engine.ts'
import { assertInvocable, noSuchEvent, noSuchRun } from './engine-refusals.ts'
import { checkText } from './event-input.ts'
import { EventIntake } from './event-intake.ts'
import { readInvocation, type InvokeRequest } from './invoke-request.ts'
import type { HostValues, Integrations, JobOptions, Json } from './job.ts'
import { Gates } from './gates.ts'
import { HostBreaker } from './host-breaker.ts'
import { Lanes } from './lanes.ts'
import { LiveEvents } from './live-events.ts'
import type { InvokeItem } from './outside-io.ts'
import { tellParked, type ConnectionChanged } from './parking.ts'
import { Presence } from './presence.ts'
import { eventKey, events, runIdPattern, runs, type RunDocument } from './records.ts'
import { defaultSource } from './event-sources.ts'
import { JobRegistry } from './registry.ts'
import { defaultRetention } from './retention.ts'
import { fetchOutside, localIdentity } from './request-gates.ts'
import { receiveRequest } from './request-waits.ts'
import { replayRun, resumeRun } from './rerun.ts'
import { readStatuses } from './run-status.ts'
import { findRuns, type RunListQuery } from './run-list.ts'
import { readRunLog } from './run-log.ts'
import { describe, summarise, type SummaryOptions } from './run-summary.ts'
import { Signals } from './signals.ts'
import type { Base } from './task-attempt.ts'
import { Upkeep } from './upkeep.ts'
import { createHostValues } from './value-records.ts'
import { Worker } from './worker.ts'

const defaultConcurrency = 50
/** Most runs that one call cancels. */
const maxCancelled = 1000
/** Most tasks of a run in one answer. */
const maxTasks = 1000
/** The same for each run of a listing. */
const listedTasks = 100
/** A delayed event is looked for so often by every worker: with each heartbeat. */
const beatMs = 1000

/** Options of {@link createEngine}. */
export interface EngineOptions extends Omit<
  EngineCore,
  | 'lanes'
  | 'gates'
  | 'breaker'
  | 'signals'
  | 'calls'
  | 'raise'
  | 'authResolvers'
  | 'integrationNow'
  | 'now'
  | 'random'
  | 'metrics'
  | 'tracing'
  | 'logsRunLines'
  | 'retention'
> {
  /** Runs at a time in this process, 1 to 1000 (default 50). */
  readonly concurrency?: number
  /** What an integration is called now (default: nothing is renamed). */
  readonly integrationNow?: EngineCore['integrationNow']
  /** The clock of due times (default: the store's). */
  readonly now?: () => number
  /** From 0 up to, not including, 1 (default `Math.random`). */
  readonly random?: () => number
  /** (default: nothing is counted) */
  readonly metrics?: Metrics
  /** (default: nothing is traced) */
  readonly tracing?: Tracing
  /** Lines of `io.logger` go to the log, too (default false). */
  readonly logsRunLines?: boolean
  /** How long runs and events are kept (default 30 days each). */
  readonly retention?: EngineCore['retention']
}

/**
 * An engine on a store that has been migrated with `jobSets`, and with `queueSets` for the store's own queue.
 *
 * @throws {@link AuthFlowError} `invalid_option`
 */
export function createEngine(options: EngineOptions): JobEngine {
  const {
    concurrency = defaultConcurrency,
    integrationNow = async (integration) => integration,
    now = () => options.store.now(),
    random = Math.random,
    metrics = noMetrics,
    tracing = noTracing,
    logsRunLines = false,
    retention = defaultRetention,
  } = options
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 1000) {
    throw new AuthFlowError('invalid_option', 'concurrency must be an integer from 1 to 1000.', {
      details: { option: 'concurrency' },
    })
  }
  const authResolvers = new AuthResolvers(options.integrations)
  const given = { ...options, integrationNow, now, random, metrics, tracing, logsRunLines, retention }
  const core = { ...given, authResolvers }
  const limits = { lanes: new Lanes(core), gates: new Gates(core), breaker: new HostBreaker(core) }
  return new Engine({ ...core, ...limits, signals: new Signals(core) }, concurrency)
}

class Engine implements JobEngine {
  readonly values: HostValues
  readonly #core: EngineCore
  readonly #registry: JobRegistry
  readonly #worker: Worker
  readonly #presence: Presence
  readonly #intake: EventIntake
  readonly #delayed: DelayedEvents
  readonly #upkeep: Upkeep
  readonly #liveEvents: LiveEvents
  readonly #slots: number
  #state: 'new' | 'started' | 'stopped' = 'new'

  constructor(options: Omit<EngineCore, 'raise' | 'calls'>, concurrency: number) {
    const raise: EngineCore['raise'] = async (event, accountId) => {
      await this.sendEvent(event, { accountId })
    }
    const calls: EngineCalls = {
      invokeChild: (request) => this.#invoke(request),
      continueRun: (run, payload) => this.#continueRun(run, payload),
      sendEvents: (all, sendOptions) => this.sendEvents(all, sendOptions),
      getEvent: (id, scope) => this.getEvent(id, scope),
      cancelEvent: (id, scope) => this.cancelEvent(id, scope),
      cancelRun: (id) => this.cancelRun(id),
    }
    const core: EngineCore = { ...options, raise, calls }
    const registry = new JobRegistry(core.integrations)
    const worker = new Worker({ core, registry, concurrency })
    this.values = createHostValues(core)
    this.#core = core
    this.#registry = registry
    this.#worker = worker
    this.#slots = concurrency
    this.#presence = new Presence(core, registry, {
      onJoined: (owner) => worker.start(owner),
      onBeat: (owner) => {
        worker.look()
        this.#delayed
          .look(beatMs * 2)
          .catch((error: unknown) =>
            core.log.warn({ err: error }, 'looking for delayed events failed; trying again'),
          )
        heedCancels(core, owner, (id) => worker.cancel(id)).catch((error: unknown) =>
          core.log.warn({ err: error }, 'looking for cancelled runs failed; trying again'),
        )
        core.signals
          .look()
          .catch((error: unknown) =>
            core.log.warn({ err: error }, 'looking for signals of runs failed; trying again'),
          )
      },
      onLost: () => worker.abandonAll(),
    })
    this.#intake = new EventIntake(core, registry, worker)
    this.#delayed = new DelayedEvents(core, (id) => this.#intake.deliver(id))
    this.#upkeep = new Upkeep({ core, registry, intake: this.#intake })
    this.#liveEvents = new LiveEvents(core)
  }

  defineJob<Payload, Used extends Integrations, Output extends Json | void>(
    options: JobOptions<Payload, Used, Output>,
  ): void {
    this.#registry.define(options)
    this.#worker.look()
  }

  defineAuthResolver<I extends Integration<string, Auth>>(integration: I, resolver: AuthResolver<I>): void {
    this.#core.authResolvers.define(integration, resolver)
  }

  sendEvent(event: EventInput, options?: SendEventOptions): Promise<EventRecord> {
    if (this.#state === 'started') return this.#intake.send(event, options)
    return this.#presence.learn().then(() => this.#intake.send(event, options))
  }

  async sendEvents(all: readonly EventInput[], options?: SendEventOptions): Promise<EventRecord[]> {
    if (this.#state !== 'started') await this.#presence.learn()
    return this.#intake.sendMany(all, options)
  }

  async invoke(job: string, payload: Json, options: InvokeOptions = {}): Promise<{ id: string }> {
    return this.#invoke(readInvocation(job, payload, options))
  }

  async batchInvoke(job: string, items: readonly InvokeItem[]): Promise<{ id: string }[]> {
    if (this.#state !== 'started') await this.#presence.learn()
    assertInvocable(job, this.#registry.highest(job))
    return this.#intake.invokeMany(job, items)
  }

  async #invoke(request: InvokeRequest): Promise<{ id: string }> {
    if (this.#state !== 'started') await this.#presence.learn()
    assertInvocable(request.job, this.#registry.highest(request.job))
    return this.#intake.invoke(request)
  }

  #continueRun(run: RunDocument, payload: Json): Promise<string> {
    const job = this.#registry.highest(run.job)
    const check = (given: Json): void => this.#registry.find(run.job, job?.version ?? '')?.check(given)
    return continueRun(this.#core, run, { payload, next: { job, check, intake: this.#intake } })
  }

  receiveRequest(token: string, read: () => Promise<Json>): Promise<void> {
    return receiveRequest(this.#core, token, read)
  }

  async getEvent(id: string, scope?: EventScope): Promise<EventDetails> {
    const event = await this.#core.store.get(events, this.#eventKey(id, scope))
    if (event === undefined) throw noSuchEvent(id)
    return describeEvent(this.#core, event)
  }

  async cancelEvent(id: string, scope?: EventScope): Promise<EventDetails> {
    const event = await cancelEvent(this.#core, this.#eventKey(id, scope))
    if (event === undefined) throw noSuchEvent(id)
    return describeEvent(this.#core, event)
  }

  #eventKey(id: string, { accountId, source = defaultSource }: EventScope = {}): string {
    const account = accountId === undefined ? null : checkAccountId(accountId)
    return eventKey(this.#core.environment, account, source, id)
  }

  async takeTriggered(
    event: EventInput & { readonly source: string },
    origin: EventOrigin,
  ): Promise<EventRecord> {
    if (this.#state !== 'started') await this.#presence.learn()
    return this.#intake.take(event, origin)
  }

  scheduledJobs(): readonly ScheduledJob[] {
    return this.#registry.scheduled
  }

  async listRuns(query: RunListQuery): Promise<Page<RunSummary>> {
    const page = await findRuns(this.#core.store, query)
    const items = await Promise.all(page.items.map((run) => this.#summarise(run, listedTasks)))
    return { ...page, items }
  }

  async getRun(id: string, accountId?: string): Promise<RunSummary> {
    return this.#summarise(await this.#findRun(id, accountId))
  }

  async describeRun(id: string, { limit = maxTasks, cursor = '0' }: TaskPage = {}): Promise<RunDetails> {
    if (!Number.isInteger(limit) || limit < 1 || limit > maxTasks)
      throw new AuthFlowError('invalid_input', `limit must be an integer from 1 to ${maxTasks}.`)
    if (!/^\d{1,6}$/.test(cursor)) throw new AuthFlowError('invalid_input', 'cursor is not one of an answer.')
    const run = await this.#findRun(id)
    return describe(run, { ...this.#watching(run), steps: { from: Number(cursor), limit } })
  }

  async getRunStatuses(id: string, accountId?: string): Promise<RunStatuses> {
    return readStatuses(this.#core, await this.#findRun(id, accountId))
  }

  async getRunLog(id: string): Promise<RunLogLine[]> {
    return readRunLog(this.#core, await this.#findRun(id))
  }

  async replayRun(id: string): Promise<RunSummary> {
    if (this.#state !== 'started') await this.#presence.learn()
    const run = await this.#findRun(id)
    return this.#summarise(await replayRun(this.#core, run, this.#registry.highest(run.job)))
  }

  async resumeRun(id: string): Promise<RunSummary> {
    return this.#summarise(await resumeRun(this.#core, await this.#findRun(id)))
  }

  async #findRun(id: string, accountId?: string): Promise<RunDocument> {
    const run = runIdPattern.test(id) ? await this.#core.store.get(runs, id) : undefined
    if (run === undefined || (accountId !== undefined && run.accountId !== accountId))
      throw noSuchRun(this.#core)
    return run
  }

  async cancelRunsForEvent(id: string, scope?: EventScope): Promise<CancelledRuns> {
    const { store } = this.#core
    const event = await store.get(events, this.#eventKey(id, scope))
    if (event === undefined) throw noSuchEvent(id)
    const ids = event.targets.slice(0, maxCancelled).map(({ runId }) => runId)
    return cancelMany(await store.getMany(runs, ids), (run) => this.cancelRun(run))
  }

  async cancelRunsForJob(job: string, { accountId, cursor }: CancelRunsOptions = {}): Promise<CancelledRuns> {
    checkText('job', job)
    if (accountId !== undefined) checkAccountId(accountId)
    const from = cursor === undefined ? {} : { cursor }
    const query = { index: 'job', equals: job, order: 'desc', limit: maxCancelled, ...from } as const
    const page = await this.#core.store.list(runs, query)
    const meant = page.items.filter((run) => accountId === undefined || run.accountId === accountId)
    const done = await cancelMany(meant, (run) => this.cancelRun(run))
    return page.cursor === undefined ? done : { ...done, cursor: page.cursor }
  }

  async cancelRun(id: string): Promise<RunSummary> {
    const run = runIdPattern.test(id) ? await cancelRun(this.#core, id) : undefined
    if (run === undefined) throw noSuchRun(this.#core)
    if (run.state === 'running') this.#worker.cancel(id)
    return this.#summarise(run)
  }

  async start(): Promise<void> {
    if (this.#state === 'started') return
    if (this.#state === 'stopped') throw new AuthFlowError('closed', 'The engine was stopped.')
    this.#state = 'started'
    await this.#presence.start()
  }

  async stop(deadlineMs: number): Promise<void> {
    if (this.#state !== 'started') {
      this.#state = 'stopped'
      return this.#core.lanes.settled()
    }
    this.#state = 'stopped'
    this.#delayed.stop()
    await this.#worker.stop(deadlineMs)
    await this.#core.lanes.settled()
    await this.#presence.stop()
  }

  limitFetch(fetch: GuardedFetch, integration: Integration, identity = localIdentity): GuardedFetch {
    return fetchOutside(this.#core, fetch, integration, identity)
  }

  connectionChanged(change: ConnectionChanged): Promise<void> {
    return tellParked(this.#core, change)
  }

  async census(): Promise<RunCensus> {
    const executing = [...this.#worker.passes].length
    const slots = this.#state === 'started' ? this.#slots : 0
    return { executing, slots, ...(await takeCensus(this.#core, this.#registry.versions)) }
  }

  async sweep(): Promise<void> {
    await this.#presence.findDead()
    await this.#presence.findLateClaims()
    await this.#upkeep.round()
    await this.#core.lanes.sweep()
    await this.#liveEvents.round([...this.#worker.passes].map(({ run }) => run))
    this.#worker.look()
  }

  #summarise(run: RunDocument, limit = maxTasks): Promise<RunSummary> {
    return summarise(run, { ...this.#watching(run), steps: { from: 0, limit } })
  }

  #watching(run: RunDocument): Pick<SummaryOptions, 'core' | 'underWay'> {
    let underWay: readonly Base[] = []
    if (run.state === 'running') {
      for (const pass of this.#worker.passes) if (pass.runId === run.id) underWay = pass.underWay
    }
    return { core: this.#core, underWay }
  }
}

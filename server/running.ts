// What runs between start and close: opened in order, closed in reverse, and nothing left behind when opening fails.

import { AuthFlowError } from '../shared/errors.ts'
import type { Logger } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import { noTracing, type Tracing } from '../shared/tracing.ts'
import type { Connect, ConnectionChange } from './connect/connect.ts'
import type { OutgoingEvent } from './connect/connection-events.ts'
import type { ConnectOptions } from './connect/context.ts'
import { createConnect } from './connect/create-connect.ts'
import type { Services } from './http/app.ts'
import type { ReadyRemarks } from './http/health.ts'
import { createEngine } from './jobs/create-engine.ts'
import type { JobEngine } from './jobs/engine.ts'
import type { Json } from './jobs/job.ts'
import type { Retention } from './jobs/retention.ts'
import { createScheduleBook } from './jobs/schedule-book.ts'
import { createTicker } from './jobs/schedule-ticker.ts'
import type { GuardedFetch } from './net/guarded-fetch.ts'
import { openMetrics, type ReadableMetrics } from './metrics.ts'
import { openQueue } from './open-queue.ts'
import type { Settings } from './options.ts'
import { countHints } from './queue/counted-queue.ts'
import type { Queue } from './queue/queue.ts'
import { allSets, sealedSets } from './sealed-sets.ts'
import type { IntegrationList } from './server-api.ts'
import { openStore } from './store/open-store.ts'
import type { Store } from './store/store.ts'
import { startSweeper, type Sweeper } from './sweeper.ts'
import { createTriggers, type Triggers } from './triggers/create-triggers.ts'
import { TriggerDefinitions } from './triggers/definitions.ts'
import { checkCanary } from './vault/canary.ts'
import { createVault } from './vault/create-vault.ts'
import { loadIndexKey } from './vault/index-key.ts'
import { createKeys, type Keys } from './vault/key-admin.ts'
import { announceRing } from './vault/ring-presence.ts'
import type { Vault } from './vault/vault.ts'

/** What a server is opened with. */
export interface RunningOptions {
  readonly settings: Settings
  readonly integrations: IntegrationList
  readonly fetch: GuardedFetch
  readonly log: Logger
  /** (default: nothing is traced) */
  readonly tracing?: Tracing
  /** Runs jobs and upkeep. */
  readonly worker: boolean
  /** Runs at a time (default: the engine's own). */
  readonly concurrency?: number | undefined
  /** The triggers that this process knows. */
  readonly definitions?: TriggerDefinitions
  /** Called before the worker starts: defines the jobs. */
  prepare(engine: JobEngine): void
}

/** The open parts of a server. */
export interface Running extends Services {
  /** Rotating and retiring keys. */
  readonly keys: Keys
  /** The store's clock in ms. */
  now(): number
  /** Ends the worker and the upkeep: running tasks have until the deadline. What is asked meanwhile still works. */
  quiesce(deadlineMs: number): Promise<void>
  /** Closes everything. */
  close(): Promise<void>
}

const expiredPerRound = 1_000

/**
 * Gets the keys, opens the store, migrates it, checks the keys, and starts worker and upkeep if `worker` says so.
 *
 * @throws {@link AuthFlowError} those of the key provider and of the store's opening and migrating,
 *   `environment_mismatch`, `wrong_encryption_key`; everything that was opened is closed then
 */
export async function openRunning(options: RunningOptions): Promise<Running> {
  const { settings, fetch, log } = options
  const { environment } = settings
  const vault = createVault({ keys: await settings.openRing({ environment, fetch }), environment })
  const { metrics, readable } = await openMetrics(settings.metrics !== undefined)
  const store = await openStore(settings.storeUrl, { log, onFlush: metrics.storeFlushed })
  let endPresence = (): Promise<void> => Promise.resolve()
  const close = async (): Promise<void> => {
    await endPresence()
    await store.close()
  }
  try {
    await store.migrate(allSets, environment)
    // Before the keys are checked: whoever retires a key meanwhile sees this process, or it sees that.
    const presence = await announceRing(store, { environment, kids: vault.kids, log })
    endPresence = presence.end
    await checkCanary(store, vault, environment)
    await loadIndexKey(store, vault, environment)
    return await startParts({ store, vault, metrics, readable, close }, options)
  } catch (cause) {
    await close()
    throw cause
  }
}

/** What the parts stand on. */
interface Ground {
  readonly store: Store
  readonly vault: Vault
  readonly metrics: Metrics
  /** Where the host asked for metrics. */
  readonly readable: ReadableMetrics | undefined
  close(): Promise<void>
}

/** The queue, its hints counted where metrics are on. */
async function openHints(
  { store, metrics, readable }: Ground,
  { settings, log }: RunningOptions,
): Promise<Queue> {
  const { queue: target, environment } = settings
  const queue = await openQueue({ target, store, environment, log })
  return readable === undefined ? queue : countHints(queue, metrics)
}

async function startParts(ground: Ground, options: RunningOptions): Promise<Running> {
  const { store, vault, metrics, readable } = ground
  const { settings, integrations, fetch, log, worker, prepare } = options
  const { definitions = new TriggerDefinitions(), tracing = noTracing } = options
  const { environment } = settings
  const queue = await openHints(ground, options)
  const { engine, connect, triggers } = joinParts(
    { store, vault, environment, integrations, log, metrics, tracing, retention: settings.retention },
    { queue, fetch, settings, definitions, concurrency: options.concurrency },
  )
  readable?.watch(() => engine.census())
  const schedules = createScheduleBook({ store })
  const ticker = createTicker({ store, book: schedules, engine, log })
  const check = async (): Promise<ReadyRemarks> => {
    if (!(await store.ping())) throw new AuthFlowError('store_unavailable')
    await checkCanary(store, vault, environment)
    return queue.beside && queue.beside.epoch === undefined ? { queue: 'away' } : {}
  }
  const closeParts = async (): Promise<void> => {
    await connect.close()
    await queue.close()
    await ground.close()
  }
  const work = createWork({ connect, engine, triggers, ticker }, ground.store, log)
  try {
    prepare(engine)
    if (worker) await work.start()
  } catch (cause) {
    await closeParts()
    throw cause
  }
  const sets = { sets: allSets, sealedSets }
  return {
    connect,
    engine,
    schedules,
    triggers,
    now: () => store.now(),
    keys: createKeys({ store, vault, environment, ...sets, onChange: connect.noteKeyChange }),
    check,
    quiesce: work.stop,
    close: closeParts,
    ...(readable ? { metrics: readable } : {}),
  }
}

/** Everything that works by itself once it is started: runs, schedules, deliveries and upkeep. */
interface Work {
  start(): Promise<void>
  /** Ends it, whether it was started or not: running tasks have until the deadline. */
  stop(deadlineMs: number): Promise<void>
}

function createWork(
  parts: Pick<Running, 'connect' | 'engine' | 'triggers'> & {
    readonly ticker: ReturnType<typeof createTicker>
  },
  store: Store,
  log: Logger,
): Work {
  const { connect, engine, triggers, ticker } = parts
  let sweepers: readonly Sweeper[] | undefined
  return {
    async start() {
      await engine.start()
      ticker.start()
      const { deliveries, registrations } = triggers
      sweepers = [
        startUpkeep({ connect, engine, store }, log),
        // Beside the other: providers may keep it waiting.
        startSweeper(
          { deliveries: () => deliveries.sweep(), registrations: () => registrations.sweep() },
          log,
        ),
      ]
    },
    async stop(deadlineMs) {
      const upkeep = [ticker.stop(), ...(sweepers ?? []).map((sweeper) => sweeper.stop())]
      await Promise.all([...upkeep, triggers.deliveries.close(), sweepers && engine.stop(deadlineMs)])
    },
  }
}

/** The connect service and the engine, each of which tells the other what it needs to know. */
function joinParts(
  shared: Pick<ConnectOptions, 'store' | 'vault' | 'environment' | 'integrations' | 'log'> & {
    metrics: Metrics
    tracing: Tracing
    retention: Retention
  },
  own: Pick<RunningOptions, 'fetch' | 'settings'> & {
    readonly queue: Queue
    readonly definitions: TriggerDefinitions
    readonly concurrency: number | undefined
  },
): Pick<Services, 'connect' | 'engine' | 'triggers'> {
  const { queue, fetch, settings, definitions, concurrency } = own
  const engine = createEngine({
    ...shared,
    logsRunLines: settings.logsRunLines,
    queue,
    baseUrl: settings.baseUrl,
    ...(concurrency === undefined ? {} : { concurrency }),
    resolveAuth: ({ run, ...request }) =>
      connect.getAuth(request, run && { run: run.id, since: run.createdAt }),
    findConnection: (query) => connect.findConnection(query),
    integrationNow: (integration, since) => connect.integrationNow(integration, since),
  })
  const connect = createConnect({
    ...shared,
    fetch,
    baseUrl: settings.baseUrl,
    webhooks: settings.webhooks,
    audit: settings.audit,
    pages: settings.connectPages,
    admitStart: (accountId) => settings.bounds.limiter.start(accountId),
    sendEvent: (event) => sendConnectionEvent(engine, event),
    lastUse: {
      concerns: (integration) => definitions.registersAt(integration),
      remove: (connection, auth) => triggers.registrations.tearDown(connection, auth),
    },
    onChange: (change) => tellEngine(engine, connect, change).then(() => tellTriggers(triggers, change)),
  })
  const triggers = createTriggers({
    ...shared,
    baseUrl: settings.baseUrl,
    fetch,
    engine,
    definitions,
    resolveAuth: (request) => connect.getAuth(request),
    findConnection: (query) => connect.findConnection(query),
  })
  return { engine, connect, triggers }
}

function startUpkeep(parts: Pick<Services, 'connect' | 'engine'> & { store: Store }, log: Logger): Sweeper {
  const { connect, engine, store } = parts
  return startSweeper(
    {
      connect: () => connect.sweep(),
      engine: () => engine.sweep(),
      expired: () => store.sweepExpired(expiredPerRound),
    },
    log,
  )
}

/** Runs wait under the name that their account had when they began. */
async function tellEngine(engine: JobEngine, connect: Connect, change: ConnectionChange): Promise<void> {
  const { type, connection, previous } = change
  const { integration, accountId, identity } = connection
  const names = [accountId, ...(await connect.formerNames(accountId))]
  const places = names.map((name) => ({ integration, accountId: name }))
  for (const place of previous ? [previous, ...places] : places) {
    await engine.connectionChanged({ type, ...place, identityId: identity.id })
  }
}

/** Registrations follow their account to its new name before they are looked at. */
async function tellTriggers(
  { registrations }: Triggers,
  { type, connection, previous }: ConnectionChange,
): Promise<void> {
  const { integration, accountId } = connection
  if (previous) await registrations.connectionMoved(previous, { integration, accountId })
  await registrations.connectionChanged({ type, integration, accountId })
}

/** What happens to connections starts jobs, too. The same change again is the same event. */
async function sendConnectionEvent(engine: JobEngine, event: OutgoingEvent): Promise<void> {
  const { id, name, payload, accountId, timestamp } = event
  const facts: Json = JSON.parse(payload)
  await engine.sendEvent({ id, name, payload: facts, timestamp }, { accountId })
}

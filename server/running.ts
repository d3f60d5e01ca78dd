// What runs between start and close: opened in order, closed in reverse, and nothing left behind when opening fails.

import { AuthFlowError } from '../shared/errors.ts'
import type { Logger } from '../shared/log.ts'
import type { ConnectionChange } from './connect/connect.ts'
import { createConnect } from './connect/create-connect.ts'
import { connectSets } from './connect/sets.ts'
import type { Services } from './http/app.ts'
import { createEngine } from './jobs/create-engine.ts'
import type { JobEngine } from './jobs/engine.ts'
import { jobSets } from './jobs/records.ts'
import type { GuardedFetch } from './net/guarded-fetch.ts'
import { openMetrics } from './metrics.ts'
import type { Settings } from './options.ts'
import { createStoreQueue, queueSets } from './queue/store-queue.ts'
import type { IntegrationList } from './server-api.ts'
import { openStore } from './store/open-store.ts'
import type { Store } from './store/store.ts'
import { startSweeper, type Sweeper } from './sweeper.ts'
import { canarySets, checkCanary } from './vault/canary.ts'

/** What a server is opened with. */
export interface RunningOptions {
  readonly settings: Settings
  readonly integrations: IntegrationList
  readonly fetch: GuardedFetch
  readonly log: Logger
  /** Called before the worker starts: defines the jobs. */
  prepare(engine: JobEngine): void
}

/** The open parts of a server. */
export interface Running extends Services {
  /** Ends the worker and the upkeep: running tasks have until the deadline. What is asked meanwhile still works. */
  quiesce(deadlineMs: number): Promise<void>
  /** Closes everything. */
  close(): Promise<void>
}

const expiredPerRound = 1_000

/**
 * Opens the store, migrates it, checks the keys, and starts worker and upkeep unless `worker` is false.
 *
 * @throws {@link AuthFlowError} those of the store's opening and migrating, `environment_mismatch`,
 *   `wrong_encryption_key`; everything that was opened is closed then
 */
export async function openRunning(options: RunningOptions): Promise<Running> {
  const { settings, log } = options
  const store = await openStore(settings.storeUrl, { log })
  try {
    await store.migrate([...connectSets, ...jobSets, ...queueSets, ...canarySets], settings.environment)
    await checkCanary(store, settings.vault, settings.environment)
    return await startParts(store, options)
  } catch (cause) {
    await store.close()
    throw cause
  }
}

async function startParts(store: Store, options: RunningOptions): Promise<Running> {
  const { settings, integrations, fetch, log, prepare } = options
  const { environment, baseUrl, vault } = settings
  const { metrics, readable } = await openMetrics(settings.metrics !== undefined)
  const queue = createStoreQueue(store)
  const shared = { store, vault, environment, integrations, log, metrics }
  const engine = createEngine({
    ...shared,
    queue,
    resolveAuth: (request) => connect.getAuth(request),
    findConnection: (query) => connect.findConnection(query),
  })
  const onChange = (change: ConnectionChange): Promise<void> => tellEngine(engine, change)
  const connect = createConnect({ ...shared, fetch, baseUrl, onChange })
  const check = async (): Promise<void> => {
    if (!(await store.ping())) throw new AuthFlowError('store_unavailable')
    await checkCanary(store, vault, environment)
  }
  const closeParts = async (): Promise<void> => {
    await connect.close()
    await queue.close()
    await store.close()
  }
  let sweeper: Sweeper | undefined
  const quiesce = async (deadlineMs: number): Promise<void> => {
    await Promise.all([sweeper?.stop(), settings.worker ? engine.stop(deadlineMs) : undefined])
  }
  try {
    prepare(engine)
    if (settings.worker) {
      await engine.start()
      sweeper = startUpkeep({ connect, engine, store }, log)
    }
  } catch (cause) {
    await closeParts()
    throw cause
  }
  return { connect, engine, check, quiesce, close: closeParts, ...(readable ? { metrics: readable } : {}) }
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

function tellEngine(engine: JobEngine, { type, connection }: ConnectionChange): Promise<void> {
  const { integration, accountId, identity } = connection
  return engine.connectionChanged({ type, integration, accountId, identityId: identity.id })
}

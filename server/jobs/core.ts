// What all parts of one engine share.

import type { Connection } from '../../shared/auth.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { Tracing } from '../../shared/tracing.ts'
import type { Integration } from '../integrations/integration.ts'
import type { Queue } from '../queue/queue.ts'
import type { Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import type { AuthResolvers } from './auth-resolvers.ts'
import type { EventInput, JobEngine, ResolveAuth } from './engine.ts'
import type { Json } from './job.ts'
import type { Gates } from './gates.ts'
import type { HostBreaker } from './host-breaker.ts'
import type { Lanes } from './lanes.ts'
import type { ParentLink, RunDocument } from './records.ts'
import type { Retention } from './retention.ts'
import type { Signals } from './signals.ts'

/**
 * Tells which connection an account has; sees every change that was written. With `since`, an instant in ms, also under
 * the name that the account got after it.
 */
export type FindConnection = (query: {
  integration: string
  accountId: string
  since?: number
}) => Promise<Connection | undefined>

/** A run to be started by another one. */
export interface ChildRequest {
  readonly job: string
  readonly payload: Json
  readonly context?: Json
  readonly accountId: string | null
  /** When the account was called that; see `namedAt`. */
  readonly accountAt?: number
  /** Of the event: the same one starts nothing again. */
  readonly id: string
  readonly parent: ParentLink
}

/** What runs may ask of the engine. */
export interface EngineCalls extends Pick<
  JobEngine,
  'sendEvents' | 'getEvent' | 'cancelEvent' | 'cancelRun'
> {
  /** Like `JobEngine.invoke`, for a run. */
  invokeChild(request: ChildRequest): Promise<{ readonly id: string }>
  /** Starts the run that goes on after the given one; gives its id. */
  continueRun(run: RunDocument, payload: Json): Promise<string>
}

/** Parts and settings of an engine. */
export interface EngineCore {
  readonly store: Store
  readonly queue: Queue
  readonly vault: Vault
  readonly environment: string
  readonly integrations: readonly Integration[]
  readonly resolveAuth: ResolveAuth
  readonly findConnection: FindConnection
  /** What the integration is called now, of which something at the instant `since`, in ms, had the given name. */
  readonly integrationNow: (integration: string, since: number) => Promise<string>
  /** Credentials that the host's code has. */
  readonly authResolvers: AuthResolvers
  /** Sends an event of the engine's own about the account. */
  readonly raise: (event: EventInput, accountId: string) => Promise<void>
  /** What runs may ask of the engine. */
  readonly calls: EngineCalls
  /** Tells runs that what they wait for has come. */
  readonly signals: Signals
  /** Under which the server is reached; absent where nobody serves requests. */
  readonly baseUrl?: URL
  /** Slots of concurrency limits. */
  readonly lanes: Lanes
  /** Rate limits of providers. */
  readonly gates: Gates
  /** Hosts that answer nobody. */
  readonly breaker: HostBreaker
  readonly log: Logger
  /** Lines of `io.logger` go to the log, too. */
  readonly logsRunLines: boolean
  /** Counts runs, steals and the queue's lag. */
  readonly metrics: Metrics
  /** Follows events, executions and tasks. */
  readonly tracing: Tracing
  /** How long runs and events are kept. */
  readonly retention: Pick<Retention, 'runMs' | 'eventMs'>
  /** The clock of due times, in ms. */
  readonly now: () => number
  /** From 0 up to, not including, 1. */
  readonly random: () => number
}

const firstPauseMs = 50
const longestPauseMs = 1000

/** A pause that does not keep the process alive. */
export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => void setTimeout(resolve, ms).unref())

/**
 * Repeats a write while the store is away, as long as it is still wanted: the result of a task that has happened must
 * not be lost to a store that restarts.
 *
 * @throws the store's error when it is not one that passes, or when nobody wants the write any more
 */
export function persist<T>(write: () => Promise<T>, wanted: () => boolean): Promise<T> {
  return write().catch((error: unknown) => persistAfter(error, write, wanted))
}

async function persistAfter<T>(error: unknown, write: () => Promise<T>, wanted: () => boolean): Promise<T> {
  let last = error
  for (let wait = firstPauseMs; ; wait = Math.min(longestPauseMs, wait * 2)) {
    if (!isAuthFlowError(last) || !last.retryable || last.code === 'closed' || !wanted()) throw last
    await pause(wait)
    try {
      return await write()
    } catch (again) {
      last = again
    }
  }
}

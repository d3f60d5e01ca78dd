// The server a host makes: its configuration, its jobs, and its life from start to close. What it does is in the
// parts; here they come together.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Middleware } from 'koa'
import type { Auth } from '../shared/auth.ts'
import { AuthFlowError, toAuthFlowError } from '../shared/errors.ts'
import type { Logger } from '../shared/log.ts'
import { noTracing, type Tracing } from '../shared/tracing.ts'
import { HostApi } from './host-api.ts'
import { createApp, type HttpApp, type NextHandler, type Services } from './http/app.ts'
import { Drain } from './http/drain.ts'
import { listen, type Listening } from './http/listen.ts'
import { ConcurrencyLimit, type ConcurrencyLimitOptions } from './jobs/concurrency.ts'
import { AuthResolvers, type AuthResolver } from './jobs/auth-resolvers.ts'
import type { JobEngine } from './jobs/engine.ts'
import type { Integration } from './integrations/integration.ts'
import { currentRun } from './jobs/execution.ts'
import type { Integrations, JobOptions, Json } from './jobs/job.ts'
import { createJob, type Job, type OutputOf } from './jobs/job-handle.ts'
import { JobRegistry } from './jobs/registry.ts'
import { TriggerDefinitions } from './triggers/definitions.ts'
import type { TriggerHost } from './triggers/host.ts'
import { endpointOf } from './triggers/http-trigger.ts'
import type { AnyDynamicTrigger } from './triggers/registration.ts'
import { examineStore, type StoreExamination } from './examination.ts'
import { inspectServer, type ServerCheck, type ServerInspection } from './inspection.ts'
import { openLog } from './log.ts'
import { createGuardedFetch, type OwnedGuardedFetch } from './net/guarded-fetch.ts'
import { isLoopbackHost } from './net/url-guard.ts'
import { issuerHash, redirectUriOf } from './oauth/authorize.ts'
import { readOptions, type AuthFlowOptions, type Settings } from './options.ts'
import { openRunning, type Running } from './running.ts'
import { openTracing } from './tracing.ts'
import type { IntegrationId, IntegrationList } from './server-api.ts'

/** Longest time that closing waits for requests and tasks: orchestrators kill after 30 s. */
const drainMs = 25_000

const signals = ['SIGTERM', 'SIGINT'] as const

/** How a server is started. */
export interface StartOptions {
  /** Runs jobs and upkeep in this process (default: the option `worker` of the constructor). */
  readonly worker?: boolean
  /** Runs at a time in this process (default: the option `concurrency` of the constructor). */
  readonly concurrency?: number
}

/** How long after closing the process may take to end by itself. */
const lingerMs = 1_000

/**
 * An authflow server: keeps connections, gives out credentials, runs jobs. `I` carries the integrations with their ids
 * as literal types.
 *
 * Every method that needs the store starts the server first; {@link close} ends it for good.
 */
export class AuthFlow<const I extends IntegrationList> extends HostApi<I> implements TriggerHost {
  readonly #settings: Settings
  readonly #integrations: I
  readonly #log: Logger
  readonly #fetch: OwnedGuardedFetch
  #tracing: Tracing = noTracing
  readonly #drain = new Drain()
  readonly #app: HttpApp
  readonly #registry: JobRegistry
  readonly #resolvers: AuthResolvers
  readonly #definitions = new TriggerDefinitions()
  readonly #limitIds = new Set<string>()
  readonly #jobs: ((engine: JobEngine) => void)[] = []
  readonly #listening = new Set<Listening>()
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#log.info({ signal }, 'Closing.')
    void this.close().finally(() => endBy(signal))
  }
  #opening: Promise<Running> | undefined
  #running: Running | undefined
  #closing: Promise<void> | undefined

  /**
   * Checks the configuration and opens nothing.
   *
   * @throws {@link AuthFlowError} `missing_option`, `invalid_option`, `invalid_base_url`, `missing_encryption_key`,
   *   `invalid_encryption_key`, `duplicate_integration`, `insecure_endpoint`
   */
  constructor(options: AuthFlowOptions<I>) {
    const settings = readOptions(options)
    super({ keys: settings.keys, services: () => this.#services() })
    this.#settings = settings
    this.#integrations = options.integrations
    this.#registry = new JobRegistry(options.integrations)
    this.#resolvers = new AuthResolvers(options.integrations)
    this.#log = openLog({ ...options, around: () => ({ ...currentRun(), ...this.#tracing.here() }) })
    const tracing = (): Tracing => this.#tracing
    const allowLoopback = isLoopbackHost(this.#settings.baseUrl.hostname)
    this.#fetch = createGuardedFetch({ allowLoopback, tracing })
    for (const integration of this.#integrations) integration.useFetch?.(this.#fetch)
    this.#app = createApp({
      ...this.#settings,
      services: () => this.#servicesForRequests(),
      drain: this.#drain,
      log: this.#log,
      tracing,
    })
  }

  /** What this server is configured with, without secrets. Opens nothing. */
  inspect(): ServerInspection {
    return inspectServer(this.#settings, {
      integrations: this.#integrations,
      jobs: this.#registry.versions,
    })
  }

  /**
   * Looks at the store and the keys without starting anything: nothing is created, migrated or announced.
   *
   * @throws {@link AuthFlowError} `store_unavailable`, `wrong_encryption_key`, `environment_mismatch`, `schema_newer`,
   *   `store_read_only`, `store_corrupt`, `missing_peer`, those of a key provider
   */
  examine(): Promise<StoreExamination> {
    return examineStore(this.#settings, this.#fetch)
  }

  /**
   * Checks what `/readyz` checks: the store takes a write and a read, the keys fit it.
   *
   * @throws {@link AuthFlowError} `store_unavailable`, `wrong_encryption_key`, and those of {@link start}
   */
  async check(): Promise<ServerCheck> {
    const running = await this.#services()
    const startedAt = performance.now()
    await running.check()
    return { storeMs: performance.now() - startedAt, clockOffsetMs: running.now() - Date.now() }
  }

  /**
   * Defines a job, before or after the start. Runs of it are taken up by every process that defined it.
   *
   * @returns the job, for starting it by `invoke` and for `io.invoke` and `io.invokeAndWait`, which know its types by it
   * @throws {@link AuthFlowError} `duplicate_job`, `invalid_version`, `invalid_input`, `unknown_integration` (an instance
   *   that is none of this server's)
   */
  defineJob<
    Payload,
    Used extends Integrations = Readonly<Record<never, never>>,
    Output extends Json | void = void,
  >(options: JobOptions<Payload, Used, Output>): Job<Payload, OutputOf<Output>> {
    // The engine needs an open store; its registry does not, and finds every mistake here and now.
    this.#registry.define(options)
    const endpoint = endpointOf(options.trigger)
    if (endpoint) this.#definitions.defineEndpoint(endpoint)
    const define = (engine: JobEngine): void => engine.defineJob(options)
    if (this.#running) define(this.#running.engine)
    this.#jobs.push(define)
    return createJob(options, async () => (await this.#services()).engine)
  }

  /**
   * A limit that jobs share: give it to each of them as `concurrencyLimit`.
   *
   * @throws {@link AuthFlowError} `duplicate_limit`, `invalid_input`
   */
  defineConcurrencyLimit(options: ConcurrencyLimitOptions): ConcurrencyLimit {
    const limit = new ConcurrencyLimit(options)
    if (this.#limitIds.has(limit.id))
      throw new AuthFlowError('duplicate_limit', `There is a concurrency limit ${limit.id} already.`)
    this.#limitIds.add(limit.id)
    return limit
  }

  /**
   * Bring your own auth: has runs of this process ask `resolver` for credentials of accounts that are not connected to the
   * integration. Order: the account's connection, the resolver, the integration's own credentials. What it gives is used
   * and never kept; see {@link AuthResolver}.
   *
   * @returns this client
   * @throws {@link AuthFlowError} `unknown_integration` (an instance that is none of this server's), `invalid_input` (no
   *   function, or the second one for the integration)
   */
  defineAuthResolver<T extends Integration<string, Auth>>(integration: T, resolver: AuthResolver<T>): this {
    // The engine needs an open store; mistakes are found here and now.
    this.#resolvers.define(integration, resolver)
    const define = (engine: JobEngine): void => engine.defineAuthResolver(integration, resolver)
    if (this.#running) define(this.#running.engine)
    this.#jobs.push(define)
    return this
  }

  /**
   * Makes a dynamic trigger known. Called by its constructor.
   *
   * @throws {@link AuthFlowError} `duplicate_trigger`
   */
  defineTrigger(trigger: AnyDynamicTrigger): void {
    this.#definitions.define(trigger)
  }

  /**
   * The address at which a provider sends users back, to be registered there.
   *
   * @param issuer of the authorization server, where the user chooses it (`appAt`)
   * @throws {@link AuthFlowError} `unknown_integration`
   */
  callbackUrl(integration: IntegrationId<I>, issuer?: string): string {
    if (!this.#integrations.some(({ id }) => id === integration))
      throw new AuthFlowError('unknown_integration', undefined, { details: { integration } })
    const { baseUrl } = this.#settings
    return redirectUriOf(baseUrl, integration, issuer === undefined ? undefined : issuerHash(issuer))
  }

  /**
   * Opens the store, migrates it, checks the keys, starts worker and upkeep (`worker: false` leaves those out).
   * Repeated and concurrent calls start once, as the first one says. A start that fails leaves nothing running and may
   * be repeated.
   *
   * @throws {@link AuthFlowError} `wrong_encryption_key`, `environment_mismatch`, `schema_newer`, `store_unavailable`,
   *   `store_read_only`, `store_corrupt`, `invalid_option`, `missing_peer` (what a queue on Redis needs is not
   *   installed), those of a key provider, `closed` (after {@link close})
   */
  async start(options: StartOptions = {}): Promise<void> {
    await this.#services(options)
  }

  /**
   * Listens and starts. SIGTERM and SIGINT then close the server; the process ends when the host has nothing else
   * running.
   *
   * @param port 0 for any free one
   * @param host (default all interfaces)
   * @returns the port listened on
   * @throws {@link AuthFlowError} `port_in_use`, and those of {@link start}; nothing listens then
   */
  async listen(port: number, host?: string): Promise<{ readonly port: number }> {
    const listening = await listen((req, res) => this.#app.handler(req, res), { port, host })
    this.#listening.add(listening)
    try {
      await this.start()
    } catch (cause) {
      this.#listening.delete(listening)
      await listening.end()
      throw cause
    }
    this.#handleSignals()
    this.#log.info({ port: listening.port, baseUrl: this.#settings.baseUrl.href }, 'Listening.')
    return { port: listening.port }
  }

  /** A Koa middleware. Takes the requests under the path of `baseUrl` that are its own; the others go to `next`. */
  koa(): Middleware {
    return this.#app.middleware
  }

  /**
   * A handler for Express, Connect or a plain `node:http` server. Takes the requests under the path of `baseUrl` that
   * are its own; the others go to `next`, or get 404 where there is none.
   */
  callback(): (req: IncomingMessage, res: ServerResponse, next?: NextHandler) => void {
    return this.#app.handler
  }

  /**
   * Closes for good: readiness turns 503, no new connection is taken, held polls are answered, requests and tasks
   * under way have 25 s together. Repeated calls share one promise.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    const deadline = Date.now() + drainMs
    // From here on a second signal ends the process at once, as it would have without us.
    for (const signal of signals) process.off(signal, this.#onSignal)
    this.#drain.begin()
    for (const listening of this.#listening) listening.stop()
    // A start under way is let come to its end: half of it could not be taken back.
    const running = await this.#opening?.catch(() => undefined)
    await Promise.all([running?.quiesce(deadline - Date.now()), this.#drain.idle(deadline - Date.now())])
    await Promise.all([...this.#listening].map((listening) => listening.end()))
    this.#running = undefined
    this.#opening = undefined
    await running?.close()
    await this.#fetch.close()
  }

  /** While closing, what is open still serves what is under way. */
  #services({
    worker = this.#settings.worker,
    concurrency = this.#settings.concurrency,
  }: StartOptions = {}): Promise<Running> {
    if (this.#opening) return this.#opening
    if (this.#closing) return Promise.reject(new AuthFlowError('closed'))
    const opening = this.#open(worker, concurrency)
    this.#opening = opening
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined
    })
    return opening
  }

  async #open(worker: boolean, concurrency: number | undefined): Promise<Running> {
    this.#tracing = await openTracing(this.#settings.spans)
    const running = await openRunning({
      settings: this.#settings,
      integrations: this.#integrations,
      fetch: this.#fetch,
      log: this.#log,
      tracing: this.#tracing,
      worker,
      concurrency,
      definitions: this.#definitions,
      prepare: (engine) => {
        for (const define of this.#jobs) define(engine)
      },
    })
    this.#running = running
    return running
  }

  /** A mistake in the configuration is the operator's business: callers get `internal`, the log has it. */
  async #servicesForRequests(): Promise<Services> {
    try {
      return await this.#services()
    } catch (cause) {
      const error = toAuthFlowError(cause)
      throw error.retryable ? error : new AuthFlowError('internal', undefined, { cause: error })
    }
  }

  #handleSignals(): void {
    for (const signal of signals) {
      if (process.listeners(signal).includes(this.#onSignal)) continue
      process.on(signal, this.#onSignal)
    }
  }
}

/**
 * Ends the process by the signal that was caught, unless the host listens to it too, or nothing is left that keeps the
 * process alive, so that it ends with its own exit code.
 */
function endBy(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 0) return
  setTimeout(() => process.kill(process.pid, signal), lingerMs).unref()
}

// What the integrations have in common: bound to an execution they run tasks with one SDK client, made once, with the
// default retries and with the SDK's errors explained. Which client, and what its errors mean, is up to each.

import type { Auth } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import { retry } from '../../shared/retry.ts'
import type { IO, Json, OnError, Task, TaskOptions } from '../jobs/job.ts'
import { createGuardedFetch, type GuardedFetch, type GuardedRequest } from '../net/guarded-fetch.ts'
import { gateFetch, standardLimits, type ProviderLimits, type RequestGate } from '../net/rate-limits.ts'
import type { Complainant } from './checked-options.ts'
import type { ConnectDefinition, Integration } from './integration.ts'
import { judgeFailure } from './provider-failure.ts'

const sdkTimeoutMs = 30_000
const sdkMaxBytes = 8 * 1024 * 1024

/** What a provider's class tells about itself when it is made. */
export interface ProviderSetup<Id extends string> {
  readonly id: Id
  readonly provider: string
  readonly name: string
  readonly authSource: 'LOCAL' | 'HOSTED'
  readonly connect: ConnectDefinition | undefined
  /** Endpoints that were overridden. */
  readonly endpoints: readonly string[]
  /** (default: one gate for each identity, learnt from the headers that most APIs have) */
  readonly limits?: ProviderLimits | undefined
}

interface Binding<Client> {
  readonly io: IO
  readonly connectionKey: string
  readonly makeClient: () => Promise<Client>
  client: Promise<Client> | undefined
}

/** Base of the provider classes. `Client` is the SDK's. */
export abstract class ProviderIntegration<Id extends string, A extends Auth, Client> implements Integration<
  Id,
  A
> {
  /** The host's own id. */
  readonly id: Id
  /** The provider: its id and its name for people. */
  readonly metadata: { readonly id: string; readonly name: string }
  /** Where credentials come from. */
  readonly authSource: 'LOCAL' | 'HOSTED'
  /** Present when accounts can connect. */
  declare readonly connect?: ConnectDefinition
  /** URLs of the provider that were overridden in the constructor. */
  readonly endpointOverrides: readonly string[]
  /** How many requests the provider allows, and how it says so. */
  readonly rateLimits: ProviderLimits
  #fetch: GuardedFetch | undefined
  #gate: RequestGate | undefined
  #binding: Binding<Client> | undefined
  #fields: Auth['fields'] = {}

  constructor(setup: ProviderSetup<Id>) {
    this.id = setup.id
    this.metadata = { id: setup.provider, name: setup.name }
    this.authSource = setup.authSource
    if (setup.connect) this.connect = setup.connect
    this.endpointOverrides = setup.endpoints
    this.rateLimits = setup.limits ?? standardLimits
  }

  /** In the call of a job: values of the connection that are not secret. Empty for the product's own credentials. */
  protected get fields(): Auth['fields'] {
    return this.#fields
  }

  /** Set once by the server: what the SDK's client must use. Without a server only public https hosts are reached. */
  useFetch(fetch: GuardedFetch): void {
    this.#fetch = fetch
  }

  /** Set by the engine on what {@link cloneForRun} made: what its client asks before every request. */
  useGate(gate: RequestGate): void {
    this.#gate = gate
  }

  /** An instance for one execution of a run. The guide's own shape: a new one, bound to `io` and to the credentials. */
  abstract cloneForRun(io: IO, connectionKey: string, auth?: A): Integration<Id, A>

  /**
   * A client of the provider's SDK that acts with the given auth (`LOCAL`: the constructor's own credential), does not
   * retry by itself, and reaches nothing but what the server allows. For use outside of jobs.
   *
   * @throws {@link AuthFlowError} `missing_peer` when the SDK is not installed, `not_connected` without auth
   */
  abstract createClient(auth?: A): Promise<Client>

  /** An error of the SDK as a coded error; anything else as it is. */
  protected abstract explain(error: unknown): unknown

  /**
   * Runs the callback as a task with the SDK's client: for what has no method of its own. Retried as
   * `retry.standardBackoff` unless `options.retry` says otherwise; rate limits wait as long as the provider asks;
   * refusals that would only repeat are not retried.
   *
   * @param key stable and unique in the run
   * @param onError sees the SDK's own error before the default handling; what it answers wins
   * @throws {@link AuthFlowError} `rate_limited`, `provider_unavailable`, `provider_rejected`, `insufficient_scope`,
   *   `provider_reply_invalid`, `missing_peer`, and those of `io.runTask`
   */
  runTask<T extends Json | void>(
    key: string,
    callback: (client: Client, task: Task) => Promise<T> | T,
    options: TaskOptions = {},
    onError?: OnError,
  ): Promise<T> {
    const binding = this.#bound()
    let thrown: unknown
    return binding.io.runTask(
      key,
      async (task) => {
        thrown = undefined
        try {
          binding.client ??= binding.makeClient()
          return await callback(await binding.client, task)
        } catch (error) {
          thrown = error
          throw this.explain(error)
        }
      },
      { retry: retry.standardBackoff, connectionKey: binding.connectionKey, ...options },
      async (error, task) => {
        const own = onError ? await onError(thrown ?? error, task) : undefined
        return own ?? judgeFailure(error)
      },
    )
  }

  /** Makes the clone act: called by `cloneForRun` on the new instance. */
  protected bindTo(
    original: ProviderIntegration<Id, A, Client>,
    io: IO,
    connectionKey: string,
    auth: A | undefined,
  ): this {
    this.#fetch = original.#fetch
    this.#fields = auth?.fields ?? {}
    this.#binding = { io, connectionKey, makeClient: () => this.createClient(auth), client: undefined }
    return this
  }

  /** The way out for everything of this integration. */
  protected get fetch(): GuardedFetch {
    const fetch = (this.#fetch ??= createGuardedFetch())
    return this.#gate === undefined ? fetch : gateFetch(fetch, this.#gate)
  }

  /** {@link ProviderIntegration.fetch} in the shape that SDKs call: bounds are ours, redirects are not theirs to decide. */
  protected sdkFetch(url: string | URL, init: SdkRequest = {}): Promise<Response> {
    return sdkFetchBy(this.fetch)(url, init)
  }

  /** Who complains, for errors. */
  protected get self(): Complainant {
    return { name: this.metadata.name, id: this.id }
  }

  /** What to throw where a connected account's credentials are needed and there are none. */
  protected notConnected(): AuthFlowError {
    const text = `${this.metadata.name} (${this.id}) acts as connected accounts: it needs the credentials of one.`
    return new AuthFlowError('not_connected', text, { details: { integration: this.id } })
  }

  #bound(): Binding<Client> {
    if (this.#binding) return this.#binding
    const text = `${this.metadata.name} (${this.id}) runs tasks inside of jobs only: use \`io\`, or \`createClient\` elsewhere.`
    throw new AuthFlowError('not_supported', text, { details: { integration: this.id } })
  }
}

/** A fetch as SDKs call it. */
export type SdkFetch = (url: string | URL, init?: SdkRequest) => Promise<Response>

/** The guarded fetch in the shape that SDKs call. */
export const sdkFetchBy =
  (fetch: GuardedFetch): SdkFetch =>
  (url, { method, headers, body, signal } = {}) =>
    fetch(url, {
      timeoutMs: sdkTimeoutMs,
      maxBytes: sdkMaxBytes,
      ...(method === undefined ? {} : { method }),
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    })

/** What SDKs pass to a fetch; anything else they add is dropped. */
export interface SdkRequest {
  readonly method?: string | undefined
  readonly headers?: GuardedRequest['headers']
  readonly body?: GuardedRequest['body']
  readonly signal?: AbortSignal | null | undefined
}

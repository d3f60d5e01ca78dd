// A flow's line to the connect server: tokens, calls and the watch. Loaded, with tRPC, when somebody is about to need
// it, so that a page with a button stays light.

import type { Connection } from '../../shared/auth.ts'
import type { FieldValues } from '../../shared/fields.ts'
import type { ConnectMethod, ConnectPurpose, FlowView, IntegrationView } from '../../shared/flow.ts'
import { createFlowId } from '../../shared/ids.ts'
import { createConnectClient, type ConnectClient } from '../client.ts'
import { configuration } from './configure.ts'
import { ConnectError } from './connect-error.ts'
import type { AuthFlowOptions } from './flow.ts'
import { createTokens, tokenFrom, type ConnectTokens } from './token.ts'
import { watchFlow, type Watch } from './watching.ts'

/** One flow record at the server. */
export interface Attempt {
  readonly id: string
  readonly purpose: ConnectPurpose
  /** The token it began with, which may read it to the end; empty for a flow that was taken up. */
  readonly token: string
  /** The version last seen. */
  version: number
  /** True once the user was sent to the provider: nobody is sent there twice for one flow. */
  posted: boolean
}

/** What the user decided. */
export interface Submission {
  readonly method: ConnectMethod['id']
  readonly values: FieldValues
}

/** The line of one flow. Every method throws {@link ConnectError}. */
export class ServerLine {
  readonly #options: AuthFlowOptions
  readonly #endpoint: string
  readonly #client: ConnectClient
  readonly #tokens: ConnectTokens

  constructor(options: AuthFlowOptions, endpoint: string) {
    this.#options = options
    this.#endpoint = endpoint
    this.#client = createConnectClient(endpoint)
    this.#tokens = createTokens(
      () =>
        options.connectToken ||
        (options.tokenUrl ? tokenFrom(options.tokenUrl) : (configuration()?.connectToken ?? '')),
      () => ({ integration: options.integration, accountId: options.accountId }),
    )
  }

  /** The integration as everybody may see it. */
  describe(): Promise<IntegrationView> {
    return this.#client.describe(this.#options.integration)
  }

  /** The account's connection to the integration, if it has one. */
  async connection(): Promise<Connection | undefined> {
    const own = await this.#call('manage', (token) => this.#client.connections(token))
    return own.find(({ integration }) => integration === this.#options.integration)
  }

  /** Ends the connection. */
  disconnect(): Promise<Connection> {
    return this.#call('manage', (token) => this.#client.disconnect(token, this.#options.integration))
  }

  /** Forgets a token that was good for one success. */
  spend(purpose: ConnectPurpose): void {
    this.#tokens.drop(purpose)
  }

  /**
   * Hands over the values, beginning a flow where `open` is none that can take them. The attempt is told before the
   * server knows of it, so that it can be cancelled.
   */
  deliver(
    submission: Submission,
    open: Pick<Attempt, 'purpose'> & Partial<Attempt>,
    { signal, onBegin }: { readonly signal: AbortSignal; readonly onBegin: (attempt: Attempt) => void },
  ): Promise<FlowView> {
    const { integration, accountId } = this.#options
    return this.#call(open.purpose, async (token) => {
      let { id, version = 0 } = open
      if (!id || open.token !== token || open.posted) {
        id = createFlowId()
        onBegin({ id, purpose: open.purpose, token, version, posted: false })
        const input = { flowId: id, integration, ...(accountId && { accountId }) }
        version = (await this.#client.begin(token, input)).version
        signal.throwIfAborted()
      }
      return this.#client.submit(token, { flowId: id, version, ...submission })
    })
  }

  /** The flow, if it differs from what was seen and may be read. */
  async read(
    { id, version, purpose, token }: Attempt,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<FlowView | undefined> {
    const flows = [{ id, version }]
    const views = await this.#call(
      purpose,
      (bearer) => this.#client.watch(bearer, { flows, waitMs }, signal),
      token,
    )
    return views.find((view) => view.id === id)
  }

  /** Reads the flow whenever it changes, until it is stopped. Failures that will not pass are told once. */
  watch(attempt: Attempt, onView: (view: FlowView) => void, onError: (error: ConnectError) => void): Watch {
    const { integration, accountId = '' } = this.#options
    return watchFlow({
      lock: `authflow ${this.#endpoint} ${integration} ${accountId}`,
      poll: async (waitMs, signal) => {
        try {
          const view = await this.read(attempt, waitMs, signal)
          if (view && !signal.aborted) onView(view)
          return !!view
        } catch (error) {
          if (!signal.aborted && error instanceof ConnectError && !error.retryable) onError(error)
          throw error
        }
      },
    })
  }

  /** Gives the flow up. */
  cancel({ id, purpose, token }: Attempt): Promise<FlowView> {
    return this.#call(purpose, (bearer) => this.#client.cancel(bearer, id), token)
  }

  /** A call with a token of the purpose. One that has expired or is spent is replaced once. */
  async #call<T>(purpose: ConnectPurpose, send: (token: string) => Promise<T>, known?: string): Promise<T> {
    const token = known || (await this.#tokens.get(purpose))
    try {
      return await send(token)
    } catch (error) {
      if (!(error instanceof ConnectError && /^token_(expired|spent)$/.test(error.code))) throw error
      this.#tokens.drop(purpose)
      return send(await this.#tokens.get(purpose))
    }
  }
}

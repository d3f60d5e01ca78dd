// A flow's line to the connect server: its tokens, its calls and its watch.

import type { Connection } from '../../shared/auth.ts'
import type { FieldValues } from '../../shared/fields.ts'
import type { ConnectMethod, ConnectPurpose, FlowView, IntegrationView } from '../../shared/flow.ts'
import { createFlowId } from '../../shared/ids.ts'
import {
  createConnectClient,
  type ConnectCall,
  type ConnectInput,
  type ConnectOutput,
  type Procedure,
} from '../client.ts'
import { resolveEndpoint } from './configure.ts'
import { ConnectError } from './connect-error.ts'
import type { AuthFlowOptions } from './flow.ts'
import { createTokens, withToken, type ConnectTokens, type TokenOptions } from './token.ts'
import { watchFlow, type Watch } from './watching.ts'

/**
 * So many polls are held by all tabs together: over HTTP/1.1 a browser has six connections to a server, and the window at
 * the provider needs one of them to come back by. Any spread of the integrations over them will do.
 */
const pollLines = 4

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
  /** True while more is asked after authorisation: no other flow will do. */
  granted?: boolean
}

/** What the user decided. */
export interface Submission {
  readonly method: ConnectMethod['id']
  readonly values: FieldValues
}

/** Whose line, and where to; read when needed. */
export type LineOptions = TokenOptions & Pick<AuthFlowOptions, 'endpoint' | 'locale' | 'language'>

/** The line of one flow, or of a list of integrations. Every method throws {@link ConnectError}. */
export class ServerLine {
  /** Without a trailing slash. */
  readonly endpoint: string
  readonly #options: LineOptions
  readonly #call: ConnectCall
  /** The flow's tokens. */
  readonly tokens: ConnectTokens

  constructor(options: LineOptions) {
    this.endpoint = resolveEndpoint(options.endpoint)
    this.#options = options
    this.#call = createConnectClient(this)
    this.tokens = createTokens(options)
  }

  /** The language of the window and of the server's texts, as a tag; empty for the browser's. */
  get language(): string {
    const { locale, language } = this.#options
    // `de_AT` is a common mistake, and no header takes everything that may stand in an attribute.
    return (locale || language || document.documentElement.lang).replace(/[^a-z\d]/gi, '-')
  }

  /** The integration as everybody may see it. */
  describe(): Promise<IntegrationView> {
    const { integration = '' } = this.#options
    return this.#call('integrations.describe', { integration })
  }

  /** The account's connections to the integrations of the token. */
  connections(): Promise<Connection[]> {
    return this.#ask('connections.list', undefined, { purpose: 'manage' })
  }

  /** Ends the connection. */
  disconnect(): Promise<Connection> {
    const { integration = '' } = this.#options
    return this.#ask('connections.disconnect', { integration }, { purpose: 'manage' })
  }

  /**
   * Hands over the values, beginning a flow where `open` is none that can take them; without values, one that asks what
   * was asked after authorisation. The attempt is told before the server knows of it, so that it can be cancelled;
   * `isOver` tells that it was.
   */
  deliver(
    submission: Submission | undefined,
    open: Pick<Attempt, 'purpose'> & Partial<Attempt>,
    { onBegin, isOver }: { readonly onBegin: (attempt: Attempt) => void; readonly isOver: () => boolean },
  ): Promise<FlowView | undefined> {
    const { integration = '', accountId } = this.#options
    const { purpose } = open
    return withToken(this.tokens, purpose, async (token) => {
      let { id: flowId, version = 0 } = open
      if (!flowId || (!open.granted && (open.token !== token || open.posted))) {
        flowId = createFlowId()
        onBegin({ id: flowId, purpose, token, version, posted: false })
        const begun = await this.#call(
          'flows.begin',
          { flowId, integration, ...(accountId && { accountId }), configure: !submission },
          { token },
        )
        if (isOver()) return undefined
        if (!submission) return begun
        version = begun.version
      }
      return submission && this.#call('flows.submit', { flowId, version, ...submission }, { token })
    })
  }

  /** The flow, if it differs from what was seen and may be read. */
  async read(attempt: Attempt, waitMs = 0, signal?: AbortSignal): Promise<FlowView | undefined> {
    const { id, version } = attempt
    const views = await this.#ask('flows.watch', { flows: [{ id, version }], waitMs }, attempt, signal)
    return views.find((view) => view.id === id)
  }

  /** Reads the flow whenever it changes, until it is stopped. Failures that will not pass are told once. */
  watch(attempt: Attempt, onView: (view: FlowView) => void, onError: (error: ConnectError) => void): Watch {
    const { integration = '' } = this.#options
    const line = integration.length % pollLines
    return watchFlow(`authflow ${this.endpoint} ${line}`, async (waitMs, signal) => {
      try {
        const view = await this.read(attempt, waitMs, signal)
        if (view && !signal.aborted) onView(view)
        return !!view
      } catch (error) {
        if (!signal.aborted && error instanceof ConnectError && !error.retryable) onError(error)
        throw error
      }
    })
  }

  /** Gives the flow up. */
  cancel(attempt: Attempt): Promise<FlowView> {
    return this.#ask('flows.cancel', { flowId: attempt.id }, attempt)
  }

  /** A call with the token that is known, else with one of the purpose. */
  #ask<Path extends Procedure>(
    path: Path,
    input: ConnectInput<Path>,
    { purpose, token: known }: Pick<Attempt, 'purpose'> & Partial<Attempt>,
    signal?: AbortSignal,
  ): Promise<ConnectOutput<Path>> {
    return withToken(this.tokens, purpose, (token) => this.#call(path, input, { token, signal }), known)
  }
}

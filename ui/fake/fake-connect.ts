// A connect server that is none: it answers the elements inside the page, so that a host can show every state in
// Storybook or in its own tests. Nothing leaves the page, and no window opens.

import type { Connection } from '../../shared/auth.ts'
import type { ErrorCode, ErrorReply } from '../../shared/errors.ts'
import { checkFields, type FieldValues, type FormField } from '../../shared/fields.ts'
import type { ConnectMethod, FieldOptions, FlowView, IntegrationView } from '../../shared/flow.ts'
import { configureAuthFlow } from '../flow/configure.ts'

/**
 * How trying to connect ends. `connects`: after `delayMs`. `waits`: the user is at the provider and does not come back.
 * `verifies`: the server is busy for good. `denied`: consent was refused. `rejected`: the provider takes none of the
 * values. `fails`: the provider is down. `blocked`: the browser opens no window. `unreachable`: no call is answered.
 */
export type FakeOutcome =
  'connects' | 'waits' | 'verifies' | 'denied' | 'rejected' | 'fails' | 'blocked' | 'unreachable'

/** What {@link fakeConnect} takes. */
export interface FakeConnectOptions {
  /** Descriptions of the integrations, as the server would give them. */
  readonly integrations: readonly IntegrationView[]
  /** The account's connections to begin with (default: none). */
  readonly connections?: readonly Connection[]
  /** How connecting ends (default `connects`). */
  readonly outcome?: FakeOutcome
  /**
   * Asked after authorisation; those with choices have them in `schema.enum` (default: nothing). So that a change is
   * offered later, an integration's description has `configureLabel`.
   */
  readonly configure?: readonly FormField[]
  /** What every answer takes, in milliseconds (default 300). */
  readonly delayMs?: number
}

/** The fake. While it is there, the page's `fetch` to it and every `window.open` are its own. */
export interface FakeConnect {
  /** How connecting ends from now on. */
  outcome: FakeOutcome
  /** The account's connections as they are now. */
  readonly connections: readonly Connection[]
  /** Closes the window at the provider, as a user might. */
  closeWindow(): void
  /** Ends the fake: the page's own `fetch` and `open` are back. Safe to repeat. */
  restore(): void
}

const fakeToken = `ctk_ct_${'fake'.repeat(11).slice(0, 43)}`

/** Has all flows of the page connect at a fake. Calls `configureAuthFlow`. One at a time. */
export const fakeConnect = (options: FakeConnectOptions): FakeConnect => new FakeServer(options)

/** Choices of a page of `flows.options`. */
const optionsPage = 100

type Answer = { readonly data: unknown } | { readonly code: ErrorCode; readonly message: string }

class FakeServer implements FakeConnect {
  outcome: FakeOutcome
  readonly #endpoint = new URL('/authflow-fake', location.href).href
  readonly #integrations: readonly IntegrationView[]
  readonly #delayMs: number
  readonly #asked: readonly FormField[]
  readonly #connections = new Map<string, Connection>()
  readonly #flows = new Map<string, FlowView>()
  readonly #fetch = globalThis.fetch
  readonly #open = globalThis.open
  #window: HTMLIFrameElement | undefined

  constructor({
    integrations,
    connections = [],
    outcome = 'connects',
    configure = [],
    delayMs = 300,
  }: FakeConnectOptions) {
    this.outcome = outcome
    this.#asked = configure
    this.#integrations = integrations
    this.#delayMs = delayMs
    for (const connection of connections) this.#connections.set(connection.integration, connection)
    globalThis.fetch = (input, init) => {
      const url = input instanceof Request ? input.url : String(input)
      return url.startsWith(this.#endpoint)
        ? this.#answer(new URL(url), init)
        : this.#fetch.call(globalThis, input, init)
    }
    globalThis.open = () => (this.outcome === 'blocked' ? null : this.#openWindow())
    configureAuthFlow({ endpoint: this.#endpoint, connectToken: fakeToken })
  }

  get connections(): readonly Connection[] {
    return [...this.#connections.values()]
  }

  closeWindow(): void {
    this.#window?.remove()
    this.#window = undefined
  }

  restore(): void {
    this.closeWindow()
    globalThis.fetch = this.#fetch
    globalThis.open = this.#open
  }

  /** An empty frame that is not shown does everything that the flow asks of a window. */
  #openWindow(): Window | null {
    const frame = document.createElement('iframe')
    frame.hidden = true
    document.body.append(frame)
    this.closeWindow()
    this.#window = frame
    if (frame.contentWindow) frame.contentWindow.close = () => frame.remove()
    return frame.contentWindow
  }

  async #answer(url: URL, init: RequestInit | undefined): Promise<Response> {
    const path = url.pathname.split('/').at(-1) ?? ''
    const waits = path === 'flows.watch' ? Math.max(this.#delayMs, 50) : this.#delayMs
    await new Promise((resolve) => setTimeout(resolve, waits))
    init?.signal?.throwIfAborted()
    if (this.outcome === 'unreachable') throw new TypeError('The fake cannot be reached.')
    const text = init?.method === 'POST' ? init.body : url.searchParams.get('input')
    const answer = this.#call(path, typeof text === 'string' ? JSON.parse(text) : {})
    return 'data' in answer
      ? Response.json({ result: { data: answer.data } })
      : Response.json(
          { error: { message: answer.message, code: -32_600, data: { authflow: replyOf(answer) } } },
          { status: 400 },
        )
  }

  #call(path: string, input: FakeInput): Answer {
    switch (path) {
      case 'integrations.describe':
        return this.#describe(input.integration ?? '')
      case 'connections.list':
        return { data: this.connections }
      case 'connections.disconnect':
        return this.#disconnect(input.integration ?? '')
      case 'flows.begin':
        return this.#begin(input)
      case 'flows.submit':
        return this.#change(input.flowId, (flow) => this.#submit(flow, input))
      case 'flows.cancel':
        return this.#change(input.flowId, () => ({ stage: 'cancelled' }))
      case 'flows.options':
        return this.#options(input)
      case 'flows.watch':
        return { data: this.#watch(input.flows ?? []) }
      default:
        return { code: 'not_found', message: 'The fake does not know this.' }
    }
  }

  #describe(id: string): Answer {
    const data = this.#integrations.find((integration) => integration.id === id)
    return data ? { data } : { code: 'unknown_integration', message: `The fake has no integration ${id}.` }
  }

  #disconnect(id: string): Answer {
    const connection = this.#connections.get(id)
    if (!connection) return { code: 'not_connected', message: 'There is no connection.' }
    this.#connections.delete(id)
    return { data: { ...connection, state: 'disconnected' } }
  }

  #begin({ flowId = '', integration = '', configure }: FakeInput): Answer {
    const found = this.#describe(integration)
    if (!('data' in found)) return found
    const { methods } = this.#integrations.find(({ id }) => id === integration) ?? { methods: [] }
    const stage = methods.length > 1 ? 'choose' : 'fields'
    const flow = { id: flowId, integration, version: 1, methods, fields: [], values: {}, errors: [] }
    const connection = this.#connections.get(integration)
    if (configure && !connection) return { code: 'not_connected', message: 'There is no connection.' }
    this.#flows.set(
      flowId,
      configure && connection
        ? { ...flow, ...this.#asks(), method: connection.method, values: connection.fields }
        : { ...flow, stage },
    )
    return { data: this.#flows.get(flowId) }
  }

  #change(id: string | undefined, change: (flow: FlowView) => Partial<FlowView>): Answer {
    const flow = this.#flows.get(id ?? '')
    if (!flow) return { code: 'flow_not_found', message: 'The fake has no such flow.' }
    const changed = { ...flow, ...change(flow), version: flow.version + 1 }
    this.#flows.set(flow.id, changed)
    return { data: changed }
  }

  #submit(flow: FlowView, { method: id, values: given = {} }: FakeInput): Partial<FlowView> {
    if (flow.stage === 'configure') return this.#configure(flow, given)
    const method = flow.methods.find((one) => one.id === id)
    if (!method) return failed('invalid_input', 'No such method.')
    const { values, errors } = checkFields(method.fields, given)
    const shown = Object.fromEntries(
      method.fields.filter(({ secret }) => !secret).map(({ name }) => [name, values[name] ?? '']),
    )
    const taken = { method: method.id, fields: method.fields, values: shown, errors }
    return errors.length > 0 ? { ...taken, stage: 'fields' } : { ...taken, ...this.#outcomeOf(flow, method) }
  }

  /** The choices of a field of {@link FakeConnectOptions.configure} that has any. */
  #options({ flowId = '', field: name = '', search = '', cursor = '0' }: FakeInput): Answer {
    if (this.#flows.get(flowId)?.stage !== 'configure')
      return { code: 'flow_conflict', message: 'The fake is not asking for anything.' }
    const field = this.#asked.find((one) => one.name === name)
    const choices = field?.schema.enum
    if (!choices) return { code: 'invalid_input', message: `The fake has no choices for ${name}.` }
    const sought = search.trim().toLowerCase()
    const found = choices
      .map((value, at) => ({ value, label: field.optionLabels?.[at] ?? value }))
      .filter(({ label }) => label.toLowerCase().includes(sought))
    const end = Number(cursor) + optionsPage
    const options = found.slice(Number(cursor), end)
    return { data: { options, ...(end < found.length && { cursor: String(end) }) } satisfies FieldOptions }
  }

  #configure(flow: FlowView, given: FieldValues): Partial<FlowView> {
    const { values, errors } = checkFields(this.#asked, given)
    return errors.length > 0 ? { errors } : this.#connected(flow, values)
  }

  /** Asks for more, where there is more to ask for. */
  #authorised(flow: FlowView): Partial<FlowView> {
    return this.#asked.length > 0 ? this.#asks() : this.#connected(flow)
  }

  #asks(): Pick<FlowView, 'stage' | 'fields'> {
    return { stage: 'configure', fields: this.#asked }
  }

  #outcomeOf(flow: FlowView, method: ConnectMethod): Partial<FlowView> {
    const [first] = method.fields
    switch (this.outcome) {
      case 'denied':
        return { ...failed('access_denied', 'Access was not granted.'), stage: 'cancelled' }
      case 'fails':
        return failed('provider_unavailable', 'The provider cannot be reached.')
      case 'rejected': {
        if (!first) return failed('credentials_rejected', 'The provider does not accept this.')
        const message = 'The provider does not accept this.'
        return { stage: 'fields', errors: [{ field: first.name, reason: 'rejected', message }] }
      }
      case 'waits':
      case 'blocked':
      case 'verifies': {
        const leaves = method.id === 'oauth2' && this.outcome !== 'verifies'
        return { stage: leaves ? 'authorize' : 'verify', ...(method.id === 'device' && { device }) }
      }
      default:
        return method.id === 'oauth2' ? { stage: 'verify' } : this.#authorised(flow)
    }
  }

  #connected({ integration, id }: FlowView, fields: FieldValues = {}): Partial<FlowView> {
    const now = new Date().toISOString()
    const connection: Connection = {
      id,
      integration,
      accountId: 'fake',
      state: 'active',
      method: 'oauth2',
      identity: { id: 'ada', label: 'ada@example.com', place: 'Acme' },
      scopes: [],
      fields,
      createdAt: now,
      updatedAt: now,
    }
    this.#connections.set(integration, connection)
    return { stage: 'done', connection }
  }

  #watch(asked: readonly { readonly id: string; readonly version: number }[]): FlowView[] {
    const flows = asked.flatMap(({ id }) => this.#flows.get(id) ?? [])
    for (const flow of flows)
      if (flow.stage === 'verify' && this.outcome === 'connects')
        this.#change(flow.id, () => this.#authorised(flow))
    return asked.flatMap(({ id, version }) => {
      const flow = this.#flows.get(id)
      return flow && flow.version > version ? [flow] : []
    })
  }
}

interface FakeInput {
  readonly integration?: string
  readonly flowId?: string
  readonly configure?: boolean
  readonly method?: string
  readonly values?: Readonly<Record<string, string>>
  readonly flows?: readonly { readonly id: string; readonly version: number }[]
  readonly field?: string
  readonly search?: string
  readonly cursor?: string
}

const replyOf = ({ code, message }: { readonly code: ErrorCode; readonly message: string }): ErrorReply => ({
  code,
  message,
  retryable: false,
  details: {},
})

/** What a user types on another device. */
const device = {
  userCode: 'WDJB-MJHT',
  verificationUrl: 'https://example.com/device',
  expiresAt: '2100-01-01T00:00:00.000Z',
}

const failed = (code: ErrorCode, message: string): Partial<FlowView> => ({
  stage: 'failed',
  error: replyOf({ code, message }),
})

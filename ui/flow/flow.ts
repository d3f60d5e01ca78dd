// What a flow is to a page: its options, the snapshot it shows, and its steps. Types, and the pure functions that make
// one snapshot from another.

import type { Connection } from '../../shared/auth.ts'
import type { ErrorReply, FieldError } from '../../shared/errors.ts'
import type { FieldValues, FormField } from '../../shared/fields.ts'
import type { ConnectMethod, DeviceCode, FlowView, IntegrationView, MethodId } from '../../shared/flow.ts'
import type { Mutable } from '../../shared/mutable.ts'
import { localError } from './connect-error.ts'
import { isBusy, type FlowState } from './machine.ts'
import type { PendingFlow } from './pending.ts'
import type { ConnectTokenSource } from './token.ts'

/**
 * What {@link createAuthFlow} takes. Read when needed, so that an object with getters may change them; another
 * integration, account or endpoint needs another flow.
 */
export interface AuthFlowOptions {
  /** The integration's id at the server: `slack-customers`. */
  readonly integration: string
  /** The account as the page claims it; the connect token proves it. */
  readonly accountId?: string | undefined
  /** The connect server (default: the one of `configureAuthFlow`). */
  readonly endpoint?: string | undefined
  /** URL of the host's backend that mints connect tokens: POST with cookies, body `{ integration, integrations, purpose }`. */
  readonly tokenUrl?: string | undefined
  /** A connect token or a function that gets one; goes before `tokenUrl`. */
  readonly connectToken?: ConnectTokenSource | undefined
  /** A window of its own, or the whole page (default `popup`). */
  readonly mode?: 'popup' | 'redirect' | undefined
  /** Where redirect mode comes back to, one of the token's `returnUrls` (default: this page without its query). */
  readonly returnUrl?: string | undefined
  /** Offer this method only. `oauth2` also says that it needs no fields, before the description is loaded. */
  readonly method?: string | undefined
  /** Scopes to ask for, separated by spaces; at most those of the token (default: the integration's). */
  readonly scopes?: string | undefined
  /** Language of the window and of the server's texts (default: `language`). */
  readonly locale?: string | undefined
  /** Language of the markup around (default: the page's, else the browser's). */
  readonly language?: string | undefined
  /** The integration's description, where the page has it already. */
  readonly definition?: IntegrationView | undefined
  /** What the page knows of the connection: `active`, `needs_reauth`, `none`. */
  readonly status?: string | undefined
  /** Who the account is connected as, for people. */
  readonly identity?: string | undefined
}

/** What a flow shows, at one moment. Never changes; every change makes a new one. */
export interface FlowSnapshot {
  /** Where the flow is. */
  readonly state: FlowState
  /** True while somebody else is waited for. */
  readonly busy: boolean
  /** The integration's name; empty until its description is loaded. */
  readonly name: string
  /** Ways to connect; empty until the description is loaded. */
  readonly methods: readonly ConnectMethod[]
  /** The chosen one. */
  readonly method: MethodId | undefined
  /** On a button for {@link ConnectFlow.configure}; empty where there is nothing to change, or not known yet. */
  readonly configureLabel: string
  /** Fields of the chosen method, or of the stage. */
  readonly fields: readonly FormField[]
  /** Values that the server has, never secret ones. */
  readonly values: FieldValues
  /** What the server found wrong with single fields. */
  readonly errors: readonly FieldError[]
  /** What went wrong altogether. */
  readonly error: ErrorReply | undefined
  /** The window at the provider. `lost`: it seems to be gone, which proves nothing. */
  readonly popup: 'none' | 'open' | 'lost'
  /** The account's connection as far as the page knows. */
  readonly connectionState: 'none' | 'active' | 'needs_reauth'
  /** Who the account is connected as, for people; empty when not known. */
  readonly identity: string
  /** Where that is at the provider, for people; empty when not known: `workspace Acme`. */
  readonly place: string
  /** The connection, once the server told it. */
  readonly connection: Connection | undefined
  /** Present while the user is to type a code at the provider; `state` is `verify` then. */
  readonly device: DeviceCode | undefined
  /** The server's flow, for calls of one's own such as `flows.options`; absent before there is one. */
  readonly flowId?: string
}

/** Connecting one account to one integration, without markup: a store with steps. */
export interface ConnectFlow {
  /** The present snapshot; the same object until something changes. */
  getSnapshot(): FlowSnapshot
  /** Calls back after each change. Returns what ends that. */
  subscribe(listener: () => void): () => void
  /** The connection as last told by the server. */
  readonly connection: Connection | undefined
  /** Reads the integration's description, once. Throws {@link ConnectError}. */
  load(): Promise<void>
  /**
   * Reads the account's connection with a token of purpose `manage`, or takes it from all that the page has just learnt
   * of the account's. Throws {@link ConnectError}.
   */
  refresh(known?: readonly Connection[]): Promise<void>
  /**
   * Begins. Call it in a click: where one OAuth method needs no fields it opens the window, otherwise it asks for
   * choice or fields. While the window is open, shows it; while it is lost or blocked, the same as {@link reopen}. An
   * account that is connected reconnects.
   */
  start(): void
  /** Takes one of several methods; its fields are then asked for. */
  choose(method: ConnectMethod['id']): void
  /** Sends values, of the chosen method unless another is named. Call it in a click: OAuth opens its window. */
  submit(values?: FieldValues, method?: ConnectMethod['id']): void
  /**
   * Opens the window, in a click; one that was sent to the provider is replaced, and its flow is over. With a form: true when no window can be opened and the form itself, which then
   * holds everything, should be sent by the browser.
   */
  reopen(form?: HTMLFormElement): boolean
  /** Gives up, here and at the server. */
  cancel(): void
  /** Repeats what failed, with the same values, in a click. */
  retry(): void
  /** Back to the beginning; a flow at the server is given up. */
  reset(): void
  /**
   * Asks again what was asked after authorisation, to change the answer; the user does not go to the provider. Does
   * nothing while something else is going on.
   */
  configure(): void
  /** Begins, replacing the present connection if it is the same identity. */
  reconnect(): void
  /** Ends the connection. Resolves when it is ended, or the snapshot has the error. */
  disconnect(): Promise<void>
  /** {@link start}, and the connection that comes of it. Throws {@link ConnectError} when it fails or is cancelled. */
  connect(): Promise<Connection>
  /** The snapshot in which the flow ended: now, when it has, or when it does. */
  whenSettled(): Promise<FlowSnapshot>
  /** Takes up a flow that was left at the provider before the page was loaded. */
  resume(flow: PendingFlow): Promise<void>
  /** Stops polling, without giving up. Safe to repeat. */
  pause(): void
  /** Polls again where {@link pause} stopped. */
  unpause(): void
}

/** The first snapshot: what the page says it knows. */
export const firstSnapshot = ({ status, identity }: AuthFlowOptions): FlowSnapshot => ({
  state: 'idle',
  busy: false,
  name: '',
  methods: [],
  method: undefined,
  configureLabel: '',
  fields: [],
  values: {},
  errors: [],
  error: undefined,
  popup: 'none',
  connectionState: status === 'active' || status === 'needs_reauth' ? status : 'none',
  identity: identity || '',
  place: '',
  connection: undefined,
  device: undefined,
})

/** The snapshot with changes, and what follows from them. */
export function nextSnapshot(before: FlowSnapshot, patch: Partial<FlowSnapshot>): FlowSnapshot {
  const after = { ...before, ...patch }
  const { state, methods, method } = after
  // What is asked stays while it is being sent, and whatever else is learnt meanwhile.
  const same = method === before.method && (state === before.state || state === 'submitting')
  const fields =
    patch.fields ?? (same ? before.fields : (methods.find(({ id }) => id === method)?.fields ?? []))
  return Object.freeze({ ...after, fields, busy: isBusy(state) })
}

/** What a description says, as a change. `only` limits the methods to one. */
export function fromMethods(
  methods: readonly ConnectMethod[],
  only: string | undefined,
): Partial<FlowSnapshot> {
  const offered = methods.filter(({ id }) => id === only)
  return { methods: offered[0] ? offered : methods }
}

/** What the server says of a connection, as a change. */
export const fromConnection = (connection: Connection | undefined): Partial<FlowSnapshot> =>
  !connection || connection.state === 'disconnected'
    ? { connection: undefined, connectionState: 'none', identity: '', place: '' }
    : {
        connection,
        connectionState: connection.state,
        identity: connection.identity.label,
        place: connection.identity.place ?? '',
      }

/** What the server says of a flow, as a change. */
export function fromView(view: FlowView, only: string | undefined): Partial<Mutable<FlowSnapshot>> {
  const { stage, method, fields, values, errors, error, connection, device } = view
  return {
    state: stage,
    ...fromMethods(view.methods, only),
    ...(method && { method }),
    ...(stage === 'configure' && { fields }),
    ...(connection && fromConnection(connection)),
    values,
    errors,
    device,
    flowId: view.id,
    error:
      error ??
      (errors[0] && localError('invalid_fields', errors[0].message, { details: { fields: errors } })),
  }
}

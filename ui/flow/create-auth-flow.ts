// The flow as a store: it runs the steps, keeps the snapshot, owns the window and the watch. No markup.

import type { Connection } from '../../shared/auth.ts'
import type { ErrorReply } from '../../shared/errors.ts'
import type { FieldValues } from '../../shared/fields.ts'
import {
  flowLifetimeMs,
  isFinalStage,
  type ConnectMethod,
  type ConnectPurpose,
  type FlowView,
  type StartForm,
} from '../../shared/flow.ts'
import { createFlowId } from '../../shared/ids.ts'
import { createConnectClient, type ConnectClient } from '../client.ts'
import { configuration, resolveEndpoint } from './configure.ts'
import { ConnectError, localError } from './connect-error.ts'
import { watchPolicy } from './content-policy.ts'
import {
  firstSnapshot,
  fromConnection,
  fromMethods,
  fromView,
  nextSnapshot,
  type AuthFlowOptions,
  type ConnectFlow,
  type FlowSnapshot,
} from './flow.ts'
import { canMove } from './machine.ts'
import { rememberFlow, type PendingFlow } from './pending.ts'
import { explainPopup, fillStart, openPopup, startInPage, startInPopup } from './popup.ts'
import { createTokens, tokenFrom, type ConnectTokens } from './token.ts'
import { watchFlow, type Watch } from './watching.ts'

/** A flow that does nothing until its first step. Any number may exist; each is for one account and integration. */
export const createAuthFlow = (options: AuthFlowOptions): ConnectFlow => new FlowStore(options)

/** One flow record at the server. */
interface Attempt {
  readonly id: string
  /** The token it began with, which may read it to the end; empty for a flow that was taken up. */
  readonly token: string
  readonly purpose: ConnectPurpose
  readonly begun: number
  version: number
  /** True once the user was sent to the provider: it is not sent there twice. */
  posted: boolean
}

interface Submission {
  readonly method: ConnectMethod['id']
  readonly values: FieldValues
}

const closedCheckMs = 500
/** So many checks in a row: a window that closes because all is done is not «lost», and the news takes a moment. */
const closedChecks = 4

class FlowStore implements ConnectFlow {
  readonly #options: AuthFlowOptions
  readonly #tokens: ConnectTokens
  readonly #listeners = new Set<() => void>()
  #snapshot: FlowSnapshot
  #purpose: ConnectPurpose = 'create'
  #attempt: Attempt | undefined
  #submission: Submission | undefined
  /** Aborted by every step that makes the answers of the one before worthless. */
  #step = new AbortController()
  #popup: Window | null = null
  #watch: Watch | undefined
  #closedTimer: ReturnType<typeof setInterval> | undefined
  #paused = false
  #loading: Promise<void> | undefined

  constructor(options: AuthFlowOptions) {
    this.#options = options
    this.#tokens = createTokens(
      () =>
        options.connectToken ??
        (options.tokenUrl ? tokenFrom(options.tokenUrl) : (configuration()?.connectToken ?? '')),
      () => ({ integration: options.integration, accountId: options.accountId }),
    )
    this.#snapshot = nextSnapshot(firstSnapshot(options), {})
    if (options.definition) void this.load()
  }

  getSnapshot(): FlowSnapshot {
    return this.#snapshot
  }

  get connection(): Connection | undefined {
    return this.#snapshot.connection
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  load(): Promise<void> {
    this.#loading ??= this.#describe().catch((error: unknown) => {
      this.#loading = undefined
      throw error
    })
    return this.#loading
  }

  async refresh(): Promise<void> {
    const { integration } = this.#options
    const own = await this.#call('manage', (token, client) => client.connections(token))
    this.#set(fromConnection(own.find((connection) => connection.integration === integration)))
  }

  start(): void {
    this.#begin(this.#snapshot.connectionState === 'none' ? 'create' : 'reconnect')
  }

  reconnect(): void {
    this.#begin('reconnect')
  }

  choose(method: ConnectMethod['id']): void {
    this.#set({ state: 'fields', method, errors: [], error: undefined })
  }

  submit(values: FieldValues = {}, method = this.#snapshot.method): void {
    const { state } = this.#snapshot
    if (!method || state === 'submitting' || !canMove(state, 'submitting')) return
    this.#submission = { method, values }
    const opens = method === 'oauth2' && this.#options.mode !== 'redirect' && state !== 'configure'
    void this.#send(this.#submission, opens ? openPopup(this.#options.popupFeatures) : null)
  }

  reopen(form?: HTMLFormElement): boolean {
    const { state, method, values } = this.#snapshot
    if (state === 'blocked') {
      this.#popup = openPopup(this.#options.popupFeatures)
      return this.#leave(form)
    }
    if (state !== 'authorize') return false
    if (this.#popup && !this.#popup.closed) this.#popup.focus()
    else {
      this.#giveUp()
      this.submit(this.#submission?.values ?? values, this.#submission?.method ?? method)
    }
    return false
  }

  cancel(): void {
    if (canMove(this.#snapshot.state, 'cancelled')) this.#end('cancelled')
  }

  retry(): void {
    if (this.#submission) this.submit(this.#submission.values, this.#submission.method)
    else this.start()
  }

  reset(): void {
    this.#end('idle')
  }

  async disconnect(): Promise<void> {
    const { integration } = this.#options
    try {
      const ended = await this.#call('manage', (token, client) => client.disconnect(token, integration))
      this.#set({ ...fromConnection(ended), state: 'idle', error: undefined })
    } catch (error) {
      this.#fail(error)
    }
  }

  async connect(): Promise<Connection> {
    this.start()
    const { connection, error, state } = await this.whenSettled()
    if (state === 'done' && connection) return connection
    throw error ? new ConnectError(error) : localError('access_denied')
  }

  whenSettled(): Promise<FlowSnapshot> {
    return new Promise((resolve) => {
      const check = (): void => {
        const { state } = this.#snapshot
        if (state !== 'done' && state !== 'failed' && state !== 'cancelled') return
        unsubscribe()
        resolve(this.#snapshot)
      }
      const unsubscribe = this.subscribe(check)
      check()
    })
  }

  async resume({ id, purpose }: PendingFlow): Promise<void> {
    const signal = this.#nextStep()
    this.#purpose = purpose
    this.#attempt = { id, purpose, token: '', begun: Date.now(), version: 0, posted: true }
    this.#set({ state: 'loading', popup: 'none' })
    try {
      const known = await this.#poll(0, signal)
      if (!known) {
        this.#forget()
        this.#set({ state: 'idle' })
      } else if (this.#attempt) this.#watchAttempt()
    } catch (error) {
      if (!signal.aborted) this.#fail(error)
    }
  }

  pause(): void {
    this.#paused = true
    this.#stopWatch()
  }

  unpause(): void {
    if (!this.#paused) return
    this.#paused = false
    if (/^(authorize|verify)$/.test(this.#snapshot.state)) this.#watchAttempt()
  }

  #set(patch: Partial<FlowSnapshot>): boolean {
    if (patch.state && !canMove(this.#snapshot.state, patch.state)) return false
    this.#snapshot = nextSnapshot(this.#snapshot, patch)
    for (const listener of this.#listeners) listener()
    return true
  }

  #fail(thrown: unknown): void {
    if (!(thrown instanceof ConnectError)) reportError(thrown)
    const { code, message, retryable, details }: ErrorReply =
      thrown instanceof ConnectError ? thrown : localError('internal', thrown)
    const error = { code, message, retryable, details }
    this.#forget()
    this.#popup?.close()
    const errors = details.fields ?? []
    if (!(errors.length > 0 && this.#set({ state: 'fields', errors, error })))
      this.#set({ state: 'failed', error })
  }

  #client(): ConnectClient {
    return createConnectClient(resolveEndpoint(this.#options.endpoint))
  }

  /** A call with a token of the purpose. One that has expired or is spent is replaced once. */
  async #call<T>(
    purpose: ConnectPurpose,
    send: (token: string, client: ConnectClient) => Promise<T>,
    known?: string,
  ): Promise<T> {
    const client = this.#client()
    const token = known || (await this.#tokens.get(purpose))
    try {
      return await send(token, client)
    } catch (error) {
      if (!(error instanceof ConnectError && /^token_(expired|spent)$/.test(error.code))) throw error
      this.#tokens.drop(purpose)
      return send(await this.#tokens.get(purpose), client)
    }
  }

  async #describe(): Promise<void> {
    const { definition, integration, method } = this.#options
    const { name, methods } = definition ?? (await this.#client().describe(integration))
    this.#set({ name, ...fromMethods(methods, method) })
  }

  #begin(purpose: 'create' | 'reconnect'): void {
    const { state } = this.#snapshot
    if (state === 'authorize' || state === 'blocked') return void this.reopen()
    if (!canMove(state, 'loading')) return
    this.#purpose = purpose
    const [method, second] = this.#snapshot.methods
    const simple = method
      ? !second && method.id === 'oauth2' && !method.fields.length
      : this.#options.method === 'oauth2'
    if (simple) return this.submit({}, 'oauth2')
    if (method) return this.#ask()
    const signal = this.#nextStep()
    this.#set({ state: 'loading', error: undefined, errors: [] })
    this.load().then(
      () => signal.aborted || this.#ask(),
      (error: unknown) => signal.aborted || this.#fail(error),
    )
  }

  #ask(): void {
    const { methods, method } = this.#snapshot
    const chosen = methods.length > 1 ? method : methods[0]?.id
    this.#set({ state: chosen ? 'fields' : 'choose', method: chosen, error: undefined, errors: [] })
  }

  async #send({ method, values }: Submission, popup: Window | null): Promise<void> {
    const signal = this.#nextStep()
    this.#popup = popup
    // Only to have the name for the texts; that it cannot be read is no failure of the flow.
    if (!this.#snapshot.name) this.load().catch(() => {})
    this.#set({ state: 'submitting', method, errors: [], error: undefined, popup: 'none' })
    try {
      if (popup) explainPopup(popup, this.#snapshot.name, this.#locale)
      const view = await this.#call(this.#purpose, (token, client) =>
        this.#deliver(token, client, { method, values }, signal),
      )
      if (signal.aborted) return
      if (view.stage === 'authorize') {
        this.#set({ ...fromView(view, this.#options.method), state: 'submitting' })
        this.#leave()
      } else {
        popup?.close()
        this.#show(view)
        if (view.stage === 'verify') this.#watchAttempt()
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(error)
    }
  }

  /** Begins a flow at the server where none is open, and hands over the values. */
  async #deliver(
    token: string,
    client: ConnectClient,
    submission: Submission,
    signal: AbortSignal,
  ): Promise<FlowView> {
    const { integration, accountId } = this.#options
    let attempt = this.#attempt
    if (attempt?.token !== token || attempt.posted) {
      attempt = {
        id: createFlowId(),
        token,
        purpose: this.#purpose,
        begun: Date.now(),
        version: 0,
        posted: false,
      }
      this.#attempt = attempt
      const view = await client.begin(token, {
        flowId: attempt.id,
        integration,
        ...(accountId && { accountId }),
      })
      signal.throwIfAborted()
      attempt.version = view.version
    }
    const view = await client.submit(token, { flowId: attempt.id, version: attempt.version, ...submission })
    attempt.version = view.version
    return view
  }

  /** Sends the user to the provider, if there is a window for it. True when `form` should be sent instead. */
  #leave(form?: HTMLFormElement): boolean {
    const attempt = this.#attempt
    if (!attempt) return false
    const { mode = 'popup', returnUrl = location.origin + location.pathname, scopes = '' } = this.#options
    const action = `${resolveEndpoint(this.#options.endpoint)}/connect/start`
    const data: StartForm = {
      token: attempt.token,
      flow: attempt.id,
      mode,
      locale: this.#locale,
      ...(mode === 'redirect' && { return_url: new URL(returnUrl, location.href).href }),
      scopes,
    }
    const popup = this.#popup
    const alive = popup && !popup.closed
    if (mode === 'redirect') startInPage(action, data)
    else if (alive) {
      watchPolicy(popup.document, () => this.#fail(localError('csp_blocked')))
      startInPopup(popup, action, data)
    } else if (form) fillStart(form, action, data)
    else {
      this.#set({ state: 'blocked' })
      return false
    }
    attempt.posted = true
    rememberFlow(this.#options, attempt)
    this.#set({ state: 'authorize', popup: alive ? 'open' : 'none' })
    this.#watchAttempt()
    return !alive
  }

  get #locale(): string {
    return this.#options.locale || document.documentElement.lang
  }

  #show(view: FlowView): void {
    if (this.#attempt) this.#attempt.version = view.version
    if (!this.#set(fromView(view, this.#options.method)) || !isFinalStage(view.stage)) return
    this.#forget()
    if (view.stage === 'done') {
      // The token was good for one success, and secrets are not kept after it.
      this.#tokens.drop(this.#purpose)
      this.#submission = undefined
    }
  }

  async #poll(waitMs: number, signal: AbortSignal): Promise<boolean> {
    const attempt = this.#attempt
    if (!attempt) return false
    if (Date.now() - attempt.begun > flowLifetimeMs) throw localError('flow_expired')
    const { id, version, purpose, token } = attempt
    const views = await this.#call(
      purpose,
      (bearer, client) => client.watch(bearer, { flows: [{ id, version }], waitMs }, signal),
      token,
    )
    const view = views.find((one) => one.id === id)
    if (view && !signal.aborted) this.#show(view)
    return !!view
  }

  #watchAttempt(): void {
    this.#stopWatch()
    if (this.#paused) return
    const { integration, accountId = '', endpoint } = this.#options
    this.#watch = watchFlow({
      lock: `authflow ${resolveEndpoint(endpoint)} ${integration} ${accountId}`,
      poll: async (waitMs, signal) => {
        try {
          return await this.#poll(waitMs, signal)
        } catch (error) {
          if (!signal.aborted && error instanceof ConnectError && !error.retryable) this.#fail(error)
          throw error
        }
      },
    })
    let missing = 0
    this.#closedTimer = setInterval(() => {
      missing = this.#popup?.closed === false ? 0 : missing + 1
      if (missing === 1) this.#watch?.poke()
      if (missing === closedChecks && this.#snapshot.state === 'authorize') this.#set({ popup: 'lost' })
    }, closedCheckMs)
  }

  #stopWatch(): void {
    clearInterval(this.#closedTimer)
    this.#watch?.stop()
    this.#watch = undefined
  }

  #nextStep(): AbortSignal {
    this.#step.abort()
    this.#step = new AbortController()
    this.#stopWatch()
    return this.#step.signal
  }

  #forget(): void {
    this.#stopWatch()
    this.#attempt = undefined
    rememberFlow(this.#options, undefined)
  }

  /** Forgets the flow and tells the server; its answer matters only if it was faster. */
  #giveUp(): void {
    const attempt = this.#attempt
    const signal = this.#nextStep()
    this.#forget()
    if (!attempt) return
    this.#call(attempt.purpose, (token, client) => client.cancel(token, attempt.id), attempt.token).then(
      (view) => view.stage === 'done' && !signal.aborted && this.#show(view),
      () => {},
    )
  }

  #end(state: 'idle' | 'cancelled'): void {
    this.#popup?.close()
    this.#giveUp()
    this.#submission = undefined
    this.#set({
      state,
      error: undefined,
      errors: [],
      popup: 'none',
      ...(state === 'idle' && { method: undefined }),
    })
  }
}

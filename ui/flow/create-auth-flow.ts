// The flow as a store: it runs the steps, keeps the snapshot, owns the window and the watch. No markup.

import type { Connection } from '../../shared/auth.ts'
import type { FieldValues } from '../../shared/fields.ts'
import {
  isFinalStage,
  type ConnectMethod,
  type ConnectPurpose,
  type FlowView,
  type StartForm,
} from '../../shared/flow.ts'
import { asConnectError, ConnectError, localError, policyError } from './connect-error.ts'
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
import { fillStart, openPopup, startIn, startInPopup } from './popup.ts'
import { ServerLine, type Attempt, type Submission } from './server-line.ts'
import type { Watch } from './watching.ts'

/** A flow that does nothing until its first step. Any number may exist; each is for one account and integration. */
export const createAuthFlow = (options: AuthFlowOptions): ConnectFlow => new FlowStore(options)

const closedCheckMs = 500
/** So many checks in a row: a window that closes because all is done is not «lost», and the news takes a moment. */
const closedChecks = 4

const untroubled = { error: undefined, errors: [] }

class FlowStore implements ConnectFlow {
  readonly #options: AuthFlowOptions
  readonly #listeners = new Set<() => void>()
  #snapshot: FlowSnapshot
  #purpose: ConnectPurpose = 'create'
  #attempt: Attempt | undefined
  /** Repeats what was done last; keeps what the user typed for it until the flow is over. */
  #again: (() => unknown) | undefined
  /** Rises with every step that makes the answers to the one before worthless. */
  #step = 0
  #popup: Window | null = null
  #watch: Watch | undefined
  #closedTimer: ReturnType<typeof setInterval> | undefined
  #paused = false
  #loading: Promise<void> | undefined
  #line: ServerLine | undefined

  constructor(options: AuthFlowOptions) {
    this.#options = options
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
    return (this.#loading ??= this.#describe().catch((error: unknown) => {
      this.#loading = undefined
      throw error
    }))
  }

  async refresh(known?: readonly Connection[]): Promise<void> {
    const connections = known ?? (await this.#server.connections())
    this.#set(
      fromConnection(connections.find(({ integration }) => integration === this.#options.integration)),
    )
  }

  start(): void {
    this.#begin(this.#snapshot.connectionState === 'none' ? 'create' : 'reconnect')
  }

  reconnect(): void {
    this.#begin('reconnect')
  }

  configure(): void {
    if (!canMove(this.#snapshot.state, 'loading')) return
    this.#giveUp()
    this.#purpose = 'reconnect'
    this.#again = () => this.configure()
    this.#send()
  }

  choose(method: ConnectMethod['id']): void {
    this.#set({ ...untroubled, state: 'fields', method })
  }

  submit(values: FieldValues = {}, method = this.#snapshot.method): void {
    const { state } = this.#snapshot
    if (!method || state === 'submitting' || !canMove(state, 'submitting')) return
    const opens = method === 'oauth2' && this.#options.mode !== 'redirect' && state !== 'configure'
    this.#popup = opens ? openPopup() : null
    this.#again = () => this.submit(values, method)
    this.#send({ method, values })
  }

  reopen(form?: HTMLFormElement): boolean {
    const { state, method, values } = this.#snapshot
    if (state === 'blocked') {
      this.#popup = openPopup()
      return this.#leave(form)
    }
    if (state !== 'authorize') return false
    // The window that is out there can neither be closed nor sent elsewhere, and its flow is over.
    this.#giveUp()
    if (this.#again) this.#again()
    else this.submit(values, method)
    return false
  }

  cancel(): void {
    if (canMove(this.#snapshot.state, 'cancelled')) this.#end('cancelled')
  }

  retry(): void {
    // An attempt outlives only what may pass.
    if (this.#attempt) void this.resume(this.#attempt)
    else if (this.#again) this.#again()
    else this.start()
  }

  reset(): void {
    this.#end('idle')
  }

  async disconnect(): Promise<void> {
    try {
      const ended = await this.#server.disconnect()
      this.#set({ ...fromConnection(ended), ...untroubled, state: 'idle' })
    } catch (error) {
      this.#again = () => this.disconnect()
      this.#fail(error)
    }
  }

  async connect(): Promise<Connection> {
    this.start()
    const { connection, error, state } = await this.whenSettled()
    if (state === 'done' && connection) return connection
    throw error ? new ConnectError(error) : localError('access_denied', 'Cancelled.')
  }

  whenSettled(): Promise<FlowSnapshot> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!isFinalStage(this.#snapshot.state)) return
        unsubscribe()
        resolve(this.#snapshot)
      }
      const unsubscribe = this.subscribe(check)
      check()
    })
  }

  resume({ id, purpose }: PendingFlow): Promise<void> {
    const attempt = { id, purpose, token: '', version: 0, posted: true }
    this.#purpose = purpose
    this.#attempt = attempt
    return this.#take(
      { state: 'loading' },
      () => this.#server.read(attempt),
      (view) => {
        if (view) this.#show(view)
        else {
          this.#forget()
          this.#set({ state: 'idle' })
        }
        this.#watchAttempt()
      },
    )
  }

  pause(): void {
    this.#paused = true
    this.#stopWatch()
  }

  unpause(): void {
    this.#paused = false
    if (!this.#watch) this.#watchAttempt()
  }

  #set(patch: Partial<FlowSnapshot>): boolean {
    if (patch.state && !canMove(this.#snapshot.state, patch.state)) return false
    this.#snapshot = nextSnapshot(this.#snapshot, patch)
    for (const listener of this.#listeners) listener()
    return true
  }

  #fail(thrown: unknown): void {
    const error = asConnectError(thrown)
    // The grant waits at the server for another try.
    if (this.#attempt?.granted && error.retryable) return void this.#set({ state: 'failed', error })
    this.#forget()
    this.#popup?.close()
    const errors = error.details.fields ?? []
    if (!errors[0] || !this.#set({ state: 'fields', errors, error })) this.#set({ state: 'failed', error })
  }

  async #describe(): Promise<void> {
    const { definition, method } = this.#options
    const { name, methods, configureLabel = '' } = definition ?? (await this.#server.describe())
    this.#set({ name, configureLabel, ...fromMethods(methods, method) })
  }

  /** Made when it is first needed: the endpoint may be configured late. Throws where there is none. */
  get #server(): ServerLine {
    return (this.#line ??= new ServerLine(this.#options))
  }

  #begin(purpose: ConnectPurpose): void {
    const { state, methods } = this.#snapshot
    if (state === 'authorize' && this.#popup?.closed === false) return this.#popup.focus()
    if (state === 'authorize' || state === 'blocked') return void this.reopen()
    if (!canMove(state, 'loading')) return
    this.#purpose = purpose
    this.#again = undefined
    const [method, second] = methods
    const simple = method
      ? !second && method.id === 'oauth2' && !method.fields[0]
      : this.#options.method === 'oauth2'
    if (simple) return this.submit({}, 'oauth2')
    if (method) return this.#ask()
    void this.#take(
      { state: 'loading' },
      () => this.load(),
      () => this.#ask(),
    )
  }

  /** Takes a step: what it brings counts only until the next one. */
  async #take<T>(
    patch: Partial<FlowSnapshot>,
    work: (isOver: () => boolean) => Promise<T>,
    use: (result: T) => void,
  ): Promise<void> {
    const step = this.#nextStep()
    const isOver = (): boolean => step !== this.#step
    this.#set({ ...untroubled, popup: 'none', ...patch })
    try {
      const result = await work(isOver)
      if (!isOver()) use(result)
    } catch (error) {
      if (!isOver()) this.#fail(error)
    }
  }

  #ask(): void {
    const { methods, method } = this.#snapshot
    const chosen = methods[1] ? method : methods[0]?.id
    this.#set({ ...untroubled, state: chosen ? 'fields' : 'choose', method: chosen })
  }

  /** Without a submission, asks what was asked after authorisation. */
  #send(submission?: Submission): void {
    // Only to have the name for the texts; that it cannot be read is no failure of the flow.
    if (!this.#snapshot.name) this.load().catch(() => {})
    const onBegin = (attempt: Attempt): Attempt => (this.#attempt = attempt)
    void this.#take(
      { state: 'submitting', ...(submission && { method: submission.method }) },
      (isOver) =>
        this.#server.deliver(submission, this.#attempt ?? { purpose: this.#purpose }, { onBegin, isOver }),
      (view) => {
        if (!view) return
        this.#show(view)
        if (view.stage === 'authorize') this.#leave()
        else this.#popup?.close()
        this.#watchAttempt()
      },
    )
  }

  /** Sends the user to the provider, if there is a window for it. True when `form` should be sent instead. */
  #leave(form?: HTMLFormElement): boolean {
    const attempt = this.#attempt
    if (!attempt) return false
    const { mode = 'popup', returnUrl = location.origin + location.pathname, scopes = '' } = this.#options
    const action = `${this.#server.endpoint}/connect/start`
    const data: StartForm = {
      token: attempt.token,
      flow: attempt.id,
      mode,
      locale: this.#server.language,
      ...(mode === 'redirect' && { return_url: new URL(returnUrl, location.href).href }),
      scopes,
    }
    const popup = this.#popup?.closed === false && this.#popup
    if (mode === 'redirect') startIn(document, action, data, '_top')
    else if (popup) startInPopup(popup, action, data, () => this.#fail(policyError()))
    else if (form) fillStart(form, action, data)
    else {
      this.#set({ state: 'blocked' })
      return false
    }
    attempt.posted = true
    rememberFlow(this.#options, attempt)
    const left = (): void => {
      this.#set({ state: 'authorize', popup: popup ? 'open' : 'none' })
      this.#watchAttempt()
    }
    // A form that is taken out of the page, because the state changed, is not sent.
    if (form && !popup) setTimeout(left)
    else left()
    return !popup
  }

  #show(view: FlowView): void {
    const granted = view.stage === 'configure'
    if (this.#attempt) Object.assign(this.#attempt, { version: view.version, granted })
    if (granted) rememberFlow(this.#options, this.#attempt)
    const patch = fromView(view, this.#options.method)
    // Until the user is really sent there, the page is not waiting for the provider.
    if (view.stage === 'authorize' && !this.#attempt?.posted) patch.state = this.#snapshot.state
    if (!this.#set(patch) || !isFinalStage(view.stage)) return
    this.#forget()
    if (view.stage !== 'done') return
    // The token was good for one success, and secrets are not kept after it.
    this.#server.tokens.drop(this.#purpose)
    this.#again = undefined
  }

  /** Follows the flow where the next word is the server's. */
  #watchAttempt(): void {
    this.#stopWatch()
    const { state } = this.#snapshot
    if (!this.#attempt || this.#paused || (state !== 'authorize' && state !== 'verify')) return
    this.#watch = this.#server.watch(
      this.#attempt,
      (view) => this.#show(view),
      (error) => this.#fail(error),
    )
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

  #nextStep(): number {
    this.#stopWatch()
    return ++this.#step
  }

  #forget(): void {
    this.#stopWatch()
    this.#attempt = undefined
    rememberFlow(this.#options, undefined)
  }

  /** Forgets the flow and tells the server; its answer matters only if it was faster. */
  #giveUp(): void {
    const attempt = this.#attempt
    const step = this.#nextStep()
    this.#forget()
    if (!attempt) return
    this.#server.cancel(attempt).then(
      (view) => view.stage === 'done' && step === this.#step && this.#show(view),
      () => {},
    )
  }

  #end(state: 'idle' | 'cancelled'): void {
    this.#popup?.close()
    this.#giveUp()
    this.#again = undefined
    this.#set({ ...untroubled, popup: 'none', state, ...(state === 'idle' && { method: undefined }) })
  }
}

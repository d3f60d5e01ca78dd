// <auth-flow>: holds one flow for the parts inside it, or those that point at it. Renders nothing.

import type { Connection } from '../../shared/auth.ts'
import type { IntegrationView } from '../../shared/flow.ts'
import type { PanelReason } from '../events.ts'
import { onceConfigured } from '../flow/configure.ts'
import { createAuthFlow } from '../flow/create-auth-flow.ts'
import type { AuthFlowOptions, ConnectFlow, FlowSnapshot } from '../flow/flow.ts'
import { cleanReturnUrl, findPending } from '../flow/pending.ts'
import type { ConnectTokenSource } from '../flow/token.ts'
import { AuthElement, linkParts, type AuthPart } from './auth-element.ts'
import { set } from './dom.ts'
import { announce, statusText } from './status-text.ts'

/**
 * Connects one account to one integration.
 *
 * @summary Holds the flow that trigger, panel, form and status show.
 * @tag auth-flow
 * @attr {string} integration - Id of the integration at the server
 * @attr {string} account-id - The account; must match the connect token
 * @attr {string} endpoint - The connect server; must equal the configured one, if one is
 * @attr {string} token-url - URL of the host's backend that mints connect tokens
 * @attr {'popup' | 'redirect'} mode - `popup` (default) or `redirect`
 * @attr {string} return-url - Where redirect mode comes back to
 * @attr {string} method - Offer this method only; `oauth2` also says that it needs no fields
 * @attr {string} scopes - Scopes to ask for, separated by spaces
 * @attr {string} locale - Language of the window and of the server's texts (default: the nearest `lang`)
 * @attr {'eager' | 'visible' | 'intent' | 'none'} load - When to read the description (default `intent`); the first
 *   two read the connection, too
 * @attr {'active' | 'needs_reauth' | 'none'} status - What the page knows of the connection
 * @attr {string} identity - Who the account is connected as, for people
 * @event {AuthFlowEvents['auth-start']} auth-start - A click; nothing was begun yet. Cancelable
 * @event {AuthFlowEvents['auth-open']} auth-open - The panel is about to open. Cancelable
 * @event {AuthFlowEvents['auth-close']} auth-close - The panel is about to close. Cancelable
 * @event {AuthFlowEvents['auth-submit']} auth-submit - Values are about to be sent, and in it. Cancelable
 * @event {AuthFlowEvents['auth-state-change']} auth-state-change - From `detail.from` to `detail.to`
 * @event {AuthFlowEvents['auth-popup-blocked']} auth-popup-blocked - The browser blocked the window. Cancelable
 * @event {AuthFlowEvents['auth-popup-closed']} auth-popup-closed - The window seems to be gone; ends nothing
 * @event {AuthFlowEvents['auth-success']} auth-success - The account is connected: `detail.connection`
 * @event {AuthFlowEvents['auth-error']} auth-error - Something went wrong: `detail.code`
 * @event {AuthFlowEvents['auth-cancel']} auth-cancel - The user gave up
 * @event {AuthFlowEvents['auth-return']} auth-return - A redirect came back; the URL is about to be cleaned. Cancelable
 * @attr {FlowState} data-state - State of the flow, once something happened
 * @attr {'none' | 'active' | 'needs_reauth'} data-connection - State of the connection, likewise
 * @attr {boolean} data-busy - While the page waits for somebody else
 * @attr {boolean} data-open - While the panel is open
 */
export class AuthFlowElement extends AuthElement implements AuthFlowOptions {
  static override properties = {
    integration: {},
    accountId: { attribute: 'account-id' },
    endpoint: {},
    tokenUrl: { attribute: 'token-url' },
    mode: {},
    returnUrl: { attribute: 'return-url' },
    method: {},
    scopes: {},
    locale: {},
    load: {},
    status: {},
    identity: {},
    connectToken: { attribute: false },
    definition: { attribute: false },
  }

  /** Id of the integration at the server. */
  declare integration: string
  /** The account; must match the connect token. */
  declare accountId: string | undefined
  /** The connect server; must equal the configured one, if one is. */
  declare endpoint: string | undefined
  /** URL of the host's backend that mints connect tokens. */
  declare tokenUrl: string | undefined
  /** A window of its own, or the whole page. */
  declare mode: 'popup' | 'redirect' | undefined
  /** Where redirect mode comes back to. */
  declare returnUrl: string | undefined
  /** Offer this method only. */
  declare method: string | undefined
  /** Scopes to ask for, separated by spaces. */
  declare scopes: string | undefined
  /** Language of the window and of the server's texts (default: the nearest `lang`). */
  declare locale: string | undefined
  /** When to read what the server knows (default `intent`). */
  declare load: 'eager' | 'visible' | 'intent' | 'none' | undefined
  /** What the page knows of the connection. */
  declare status: string | undefined
  /** Who the account is connected as, for people. */
  declare identity: string | undefined
  /** A connect token or a function that gets one; goes before `tokenUrl`. */
  declare connectToken: ConnectTokenSource | undefined
  /** The integration's description, where the page has it already. */
  declare definition: IntegrationView | undefined

  /** True while the panel is open. */
  open = false
  /** The parts that show this flow. */
  readonly parts = new Set<AuthPart>()
  #flow: ConnectFlow | undefined
  #key = ''
  #intended = false
  #shown: FlowSnapshot | undefined

  /** Itself. */
  get flowElement(): this {
    return this
  }

  /** The flow itself. Another integration, account or endpoint makes another flow; the old one stops polling. */
  get flow(): ConnectFlow {
    const key = [this.integration, this.accountId, this.endpoint].join('\n')
    if (!this.#flow || key !== this.#key) {
      this.#flow?.pause()
      this.#key = key
      const flow = (this.#flow = createAuthFlow(this))
      let shown = flow.getSnapshot()
      flow.subscribe(() => {
        const before = shown
        shown = flow.getSnapshot()
        if (flow === this.#flow) this.#handleChange(shown, before)
      })
      // The parts may still show the flow before.
      if (this.#shown) this.repaint(shown)
    }
    return this.#flow
  }

  /** The connection as last told by the server; stays readable for listeners that come late. */
  get connection(): Connection | undefined {
    return this.flow.connection
  }

  /** True while the user is asked something. */
  get asks(): boolean {
    return ['choose', 'fields', 'configure'].includes(this.flow.getSnapshot().state)
  }

  /** True once something happened that the parts may show. */
  get touched(): boolean {
    return !!this.#shown
  }

  override connectedCallback(): void {
    super.connectedCallback()
    this.#flow?.unpause()
    linkParts()
    onceConfigured(this.endpoint, () => this.#wake())
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.#flow?.pause()
  }

  protected override updated(changed: Map<PropertyKey, unknown>): void {
    if (this.definition && changed.has('definition')) void this.flow.load().then(() => this.repaint())
    // Ends the polls of the flow before.
    else if (this.#flow) void this.flow
    if (changed.has('id')) linkParts()
  }

  /** The snapshot in which the flow ended: now, when it has, or when it does. */
  whenSettled(): Promise<FlowSnapshot> {
    return this.flow.whenSettled()
  }

  /** Begins, as a click on the trigger does. Call it in a click. */
  start(): void {
    if (this.emit('auth-start', undefined)) this.flow.start()
  }

  /** Reads the description ahead, where `load` says so: the user is about to begin. */
  intend(): void {
    // What cannot be read now is read, and judged, at the click.
    if (this.#intended || (this.load && this.load !== 'intent')) return
    this.#intended = true
    onceConfigured(this.endpoint, () => this.flow.load().catch(() => {}))
  }

  /** Opens the panel. */
  show(reason: PanelReason = 'api'): void {
    if (this.open || !this.emit('auth-open', { reason })) return
    this.open = true
    this.repaint()
  }

  /** Closes the panel. A flow at the provider goes on. */
  close(reason: PanelReason = 'api'): void {
    if (!this.open || !this.emit('auth-close', { reason })) return
    this.open = false
    this.repaint()
  }

  /** Writes the flow's state onto an element, for CSS. */
  mark(element: Element): void {
    const { state, connectionState, busy } = this.flow.getSnapshot()
    set(element, 'data-state', state)
    set(element, 'data-connection', connectionState)
    set(element, 'data-busy', busy)
    set(element, 'data-open', this.open)
  }

  /** The part that a tag names, if this flow has one. */
  findPart(tag: string): AuthPart | undefined {
    return [...this.parts].find(({ localName }) => localName === tag)
  }

  /** Has every part show the flow as it is. */
  repaint(snapshot = this.flow.getSnapshot()): void {
    this.#shown = snapshot
    this.mark(this)
    for (const part of this.parts) part.refresh()
  }

  #handleChange(now: FlowSnapshot, before: FlowSnapshot): void {
    this.repaint(now)
    const { state, error, connection } = now
    if (state !== before.state) {
      this.emit('auth-state-change', { from: before.state, to: state })
      this.#handleState(now)
    }
    // Where nobody else says how the flow stands.
    if (this.isConnected && !this.#statusShows) announce(statusText(now, this.texts))
    if (now.popup === 'lost' && before.popup !== 'lost') this.emit('auth-popup-closed', undefined)
    if (error && error !== before.error) this.emit('auth-error', error)
    if (state === 'done' && before.state !== state && connection) this.emit('auth-success', { connection })
  }

  /** False without an <auth-status>, or with one in the closed panel. */
  get #statusShows(): boolean {
    const status = this.findPart('auth-status')
    return !!status && (this.open || !this.findPart('auth-panel')?.contains(status))
  }

  #handleState({ state, method, methods, fields }: FlowSnapshot): void {
    if (state === 'cancelled') {
      this.emit('auth-cancel', undefined)
      this.close('cancel')
    }
    if (state === 'done') this.close('success')
    // Without a form there is nobody to ask, and nothing to ask for: the click may still count as the gesture.
    if (state === 'fields' && !this.findPart('auth-form') && !methods[1] && !fields[0])
      return this.flow.submit({}, method)
    const tells = state === 'failed' && this.findPart('auth-status') && !this.#statusShows
    if (tells || this.asks || (state === 'blocked' && this.emit('auth-popup-blocked', undefined)))
      this.show('flow')
  }

  /** Takes up a flow that was left at the provider; reads what `load` asks for. */
  #wake(): void {
    if (!this.isConnected || this.touched) return
    const pending = findPending(this, !document.querySelectorAll('auth-flow')[1])
    if (pending) {
      void this.flow.resume(pending)
      if (pending.returned && this.emit('auth-return', undefined)) cleanReturnUrl()
    }
    const read = (): void => {
      // What cannot be read now is read, and judged, at the click.
      this.flow.load().catch(() => {})
      this.flow.refresh().catch(() => {})
    }
    if (this.load === 'eager') read()
    if (this.load === 'visible') {
      const observer = new IntersectionObserver((entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return
        observer.disconnect()
        read()
      })
      // With `display: contents` the element itself has no box.
      for (const element of [this, ...this.children]) observer.observe(element)
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'auth-flow': AuthFlowElement
  }
}

// <auth-connections>: the integrations of an account, each from the author's template with a flow of its own. Renders
// into one child of its own.

import { onceConfigured } from '../flow/configure.ts'
import { createConnections, type ConnectionList } from '../flow/connections.ts'
import type { ConnectTokenSource } from '../flow/token.ts'
import { AuthElement } from './auth-element.ts'
import type { AuthFlowElement } from './auth-flow.ts'
import { frame, make, mount, part, set } from './dom.ts'
import { announce } from './status-text.ts'

/**
 * Lists integrations with the state of each connection. Each is made from the author's `<template>`, which holds an
 * `<auth-flow>` without attributes; `data-part="name"` in it gets the integration's name. A control with
 * `data-auth-action="retry"` beside the template reads the list again.
 *
 * @summary A list of an account's integrations: connect, reconnect, disconnect.
 * @tag auth-connections
 * @attr {string} integrations - Ids of the integrations, separated by spaces
 * @attr {string} account-id - The account; must match the connect token
 * @attr {string} endpoint - The connect server; must equal the configured one, if one is
 * @attr {string} token-url - URL of the host's backend that mints connect tokens; gets `{ integrations, purpose }`
 * @attr {string} item-class - Classes of each integration's element
 * @attr {string} name-class - Classes of what has its name, where the template gives it none
 * @event {AuthFlowEvents['auth-error']} auth-error - The list could not be read; the flows' events bubble through
 * @attr {'idle' | 'loading' | 'ready' | 'failed'} data-state - State of the list
 */
export class AuthConnectionsElement extends AuthElement {
  static override properties = {
    integrations: {},
    accountId: { attribute: 'account-id' },
    endpoint: {},
    tokenUrl: { attribute: 'token-url' },
    connectToken: { attribute: false },
  }

  /** Ids of the integrations, separated by spaces. */
  declare integrations: string | undefined
  /** The account; must match the connect token. */
  declare accountId: string | undefined
  /** The connect server; must equal the configured one, if one is. */
  declare endpoint: string | undefined
  /** URL of the host's backend that mints connect tokens. */
  declare tokenUrl: string | undefined
  /** A connect token or a function that gets one; goes before `tokenUrl`. */
  declare connectToken: ConnectTokenSource | undefined

  readonly #list = frame('data-auth-root')
  #flows: AuthFlowElement[] = []
  #store: ConnectionList | undefined
  #key = ''

  /** Reads the connections again. */
  async refresh(): Promise<void> {
    await this.#store?.refresh()
  }

  /** None: each item has its own. */
  get flowElement(): undefined {
    return undefined
  }

  protected override act(action: string): boolean {
    if (action === 'retry') void this.refresh()
    return true
  }

  protected override updated(): void {
    const { integrations = '', accountId, endpoint, tokenUrl, connectToken, messages } = this
    const own = { accountId, endpoint, tokenUrl, connectToken, messages }
    const key = [integrations, accountId, endpoint].join('\n')
    if (!integrations || key === this.#key) return
    this.#key = key
    const ids = integrations.split(' ')
    const store = createConnections({ integrations: ids, ...own })
    this.#store = store
    this.#list.role = 'list'
    store.subscribe(() => store === this.#store && this.#show(store))
    onceConfigured(endpoint, () => {
      if (store !== this.#store) return
      this.#list.replaceChildren(...ids.map((id) => this.#item(id, own)))
      mount(this, this.#list)
      this.#flows = [...this.#list.querySelectorAll('auth-flow')]
      void store.refresh()
    })
  }

  #item(integration: string, own: Partial<AuthFlowElement>): HTMLElement {
    const template = this.querySelector<HTMLTemplateElement>(':scope > template')
    const item = part(
      'div',
      'item',
      { 'data-integration': integration, role: 'listitem' },
      template ? document.importNode(template.content, true) : '',
    )
    const flow = item.querySelector('auth-flow') ?? item.appendChild(make('auth-flow'))
    Object.assign(flow, { integration, ...own, load: 'none' })
    const name = item.querySelector('[data-part=name]')
    // What cannot be read now is read, and judged, at the click.
    flow.flow.load().then(
      () => name && (name.textContent ||= flow.flow.getSnapshot().name),
      () => {},
    )
    return item
  }

  #show(store: ConnectionList): void {
    const { state, connections, error } = store.getSnapshot()
    set(this, 'data-state', state)
    if (error) {
      announce(this.texts.errors?.[error.code] ?? error.message)
      this.emit('auth-error', error)
    }
    if (state !== 'ready') return
    for (const { flow } of this.#flows) void flow.refresh(connections)
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'auth-connections': AuthConnectionsElement
  }
}

// <auth-status>: says how the flow stands, and helps with the window. Renders into one child of its own.

import type { FlowSnapshot } from '../flow/flow.ts'
import { controlEnglish, fill, type Messages } from '../messages.ts'
import { AuthPart } from './auth-element.ts'
import type { AuthFlowElement } from './auth-flow.ts'
import { frame, make } from './dom.ts'
import { statusText } from './status-text.ts'

/**
 * Shows state, identity and errors in a polite live region, and the buttons that go with them.
 *
 * @summary Says how the flow stands.
 * @tag auth-status
 * @attr {string} for - Id of the flow, where it stands elsewhere
 * @attr {FlowState} data-state - State of the flow, once something happened
 * @attr {'none' | 'active' | 'needs_reauth'} data-connection - State of the connection, likewise
 * @attr {boolean} data-busy - While the page waits for somebody else
 * @attr {boolean} data-open - While the panel is open
 */
export class AuthStatusElement extends AuthPart {
  readonly #root = frame('data-auth-root')
  readonly #region = make('div', { 'data-part': 'status', role: 'status' })
  #helped = ''

  constructor() {
    super()
    this.addEventListener('submit', (event) => {
      event.stopPropagation()
      const form = event.target
      if (!(form instanceof HTMLFormElement && this.flowElement?.flow.reopen(form))) event.preventDefault()
    })
  }

  override get texts(): Messages {
    return { ...controlEnglish, ...super.texts }
  }

  protected show(_: AuthFlowElement, snapshot: FlowSnapshot): void {
    const { state, popup, name } = snapshot
    const text = statusText(snapshot, this.texts)
    // Buttons that stay keep the focus, and the click that is on its way.
    const help = state + popup + (state === 'authorize' || name)
    if (help !== this.#helped) this.#root.replaceChildren(this.#region, ...this.#help(snapshot))
    this.#helped = help
    if (this.#root.parentNode !== this) this.append(this.#root)
    if (this.#region.textContent !== text) this.#region.textContent = text
  }

  #help({ state, popup, name, device }: FlowSnapshot): HTMLElement[] {
    const { texts } = this
    const button = (action: 'cancel' | 'reopen' | 'retry'): HTMLElement =>
      make('button', { type: 'button', 'data-part': action, 'data-auth-action': action }, texts[action])
    const label = fill(texts.continue, { name })
    if (device && state === 'verify') {
      const href = device.verificationUrl
      return [make('a', { 'data-part': 'device', target: '_blank', href }, `${label}: ${device.userCode}`)]
    }
    if (state === 'failed') return [button('retry')]
    if (state === 'authorize')
      return popup === 'lost' ? [button('reopen'), button('cancel')] : [button('cancel')]
    if (state !== 'blocked') return []
    // What the user submits by hand is opened by browsers that let no script open anything.
    return this.closest('form')
      ? [
          make('button', { type: 'button', 'data-part': 'open', 'data-auth-action': 'reopen' }, label),
          button('cancel'),
        ]
      : [make('form', { target: '_blank' }, make('button', { 'data-part': 'open' }, label)), button('cancel')]
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'auth-status': AuthStatusElement
  }
}

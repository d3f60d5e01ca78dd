// <auth-status>: says how the flow stands, and helps with the window. Renders into one child of its own.

import type { FlowSnapshot } from '../flow/flow.ts'
import { controlEnglish, fill, type Messages } from '../messages.ts'
import { AuthPart } from './auth-element.ts'
import type { AuthFlowElement } from './auth-flow.ts'
import { frame, mount, part } from './dom.ts'
import { statusText } from './status-text.ts'

/**
 * Shows state, identity and errors in a polite live region, and the buttons that go with them.
 *
 * @summary Says how the flow stands.
 * @tag auth-status
 * @attr {string} for - Id of the flow, where it stands elsewhere
 * @attr {string} status-class - Classes of the live region
 * @attr {string} cancel-class - Classes of the button that gives up
 * @attr {string} retry-class - Classes of the button that tries again
 * @attr {string} form-class - Classes of the form around that which opens a window that was blocked
 * @attr {string} open-class - Classes of the button that opens a window that was blocked
 * @attr {string} reopen-class - Classes of the button that opens a lost window again
 * @attr {string} configure-class - Classes of the button that changes what was asked
 * @attr {string} device-class - Classes of the link to where a code is typed
 * @attr {FlowState} data-state - State of the flow, once something happened
 * @attr {'none' | 'active' | 'needs_reauth'} data-connection - State of the connection, likewise
 * @attr {boolean} data-busy - While the page waits for somebody else
 * @attr {boolean} data-open - While the panel is open
 */
export class AuthStatusElement extends AuthPart {
  readonly #root = frame('data-auth-root')
  readonly #region = part('div', 'status', { role: 'status' })
  #helped: string | undefined

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
    const text = statusText(snapshot, this.texts)
    const help = this.#help(snapshot)
    const markup = help.map(({ outerHTML }) => outerHTML).join('')
    // Buttons that stay keep the focus, and the click that is on its way.
    if (markup !== this.#helped) this.#root.replaceChildren(this.#region, ...help)
    this.#helped = markup
    mount(this, this.#root)
    if (this.#region.textContent !== text) this.#region.replaceChildren(text)
  }

  #help(snapshot: FlowSnapshot): HTMLElement[] {
    const { state, popup, device, connectionState, configureLabel } = snapshot
    const { texts } = this
    const label = fill(texts.continue, snapshot)
    const button = (name: string, text: string, action = name): HTMLElement =>
      part('button', name, { type: 'button', 'data-auth-action': action }, text)
    const cancel = button('cancel', texts.cancel)
    if (state === 'failed') return [button('retry', texts.retry)]
    if (state === 'authorize') return popup === 'lost' ? [button('reopen', texts.reopen), cancel] : [cancel]
    if (state === 'blocked') {
      // What the user submits by hand is opened by browsers that let no script open anything.
      const open = this.closest('form')
        ? button('open', label, 'reopen')
        : part('form', 'form', { target: '_blank' }, part('button', 'open', {}, label))
      return [open, cancel]
    }
    if (device && state === 'verify') {
      const href = device.verificationUrl
      return [part('a', 'device', { target: '_blank', href }, `${label}: ${device.userCode}`)]
    }
    return connectionState === 'active' && configureLabel ? [button('configure', configureLabel)] : []
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'auth-status': AuthStatusElement
  }
}

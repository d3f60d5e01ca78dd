// What <auth-status> renders: one live region, and the buttons of the state.

import { html, nothing, render, type TemplateResult } from 'lit/html.js'
import type { FlowSnapshot } from '../flow/flow.ts'
import { english, fill, type Messages } from '../messages.ts'
import type { AuthFlowElement } from './auth-flow.ts'
import type { View } from './lazy-view.ts'
import { ownRoot } from './own-root.ts'
import { statusText } from './status-text.ts'

/** The view of one <auth-status>. */
export class StatusView implements View {
  readonly #host: Element
  #root: HTMLElement | undefined

  constructor(host: Element) {
    this.#host = host
  }

  show(flow: AuthFlowElement, snapshot: FlowSnapshot): void {
    const messages: Messages = { ...english, ...flow.messages }
    this.#root = ownRoot(this.#host, this.#root)
    render(
      html`<div data-part="status" role="status">${statusText(snapshot, messages)}</div>
        ${this.#help(snapshot, messages)}`,
      this.#root,
    )
  }

  #help({ state, popup, name }: FlowSnapshot, messages: Messages): TemplateResult | typeof nothing {
    const button = (action: 'cancel' | 'reopen' | 'retry'): TemplateResult =>
      html`<button type="button" data-part=${action} data-auth-action=${action}>${messages[action]}</button>`
    if (state === 'failed') return button('retry')
    if (state === 'authorize')
      return html`${popup === 'lost' ? button('reopen') : nothing} ${button('cancel')}`
    if (state !== 'blocked') return nothing
    const label = fill(messages.continue, { name })
    // A form that the user submits by hand is opened by browsers that allow no script to open anything.
    return this.#host.closest('form')
      ? html`<button type="button" data-part="open" data-auth-action="reopen">${label}</button>
          ${button('cancel')}`
      : html`<form data-part="open-form" target="_blank">
          <button type="submit" data-part="open">${label}</button> ${button('cancel')}
        </form>`
  }
}

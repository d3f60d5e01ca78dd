// <auth-trigger>: the control that begins. The author's own button or link inside it, or the element itself.

import type { FlowSnapshot } from '../flow/flow.ts'
import { AuthPart } from './auth-element.ts'
import type { AuthFlowElement } from './auth-flow.ts'
import { set } from './dom.ts'

/**
 * Begins the flow when it is clicked. Renders nothing.
 *
 * @summary Begins the flow.
 * @tag auth-trigger
 * @attr {string} for - Id of the flow, where it stands elsewhere
 * @attr {string} scopes - Asked for by this trigger instead of the flow's, separated by spaces: more, of a connection that
 *   is there. The connect token must allow them
 * @attr {FlowState} data-state - State of the flow, once something happened
 * @attr {'none' | 'active' | 'needs_reauth'} data-connection - State of the connection, likewise
 * @attr {boolean} data-busy - While the page waits for somebody else
 * @attr {boolean} data-open - While the panel is open
 */
export class AuthTriggerElement extends AuthPart {
  /** True when this element put `role` and `tabindex` on itself, for want of a control. */
  #acts = false

  constructor() {
    super()
    this.addEventListener('click', (event) => this.#handleClick(event))
    this.addEventListener('keydown', (event) => this.#handleKey(event))
  }

  /** The control: the author's own, or this element. */
  get control(): HTMLElement {
    return this.querySelector<HTMLElement>('button,a[href],[role=button]') ?? this
  }

  override refresh(): void {
    const acts = this.control === this
    if (acts !== this.#acts) {
      this.#acts = acts
      // What the author or the server wrote stays.
      set(this, 'role', acts && (this.role ?? 'button'))
      set(this, 'tabindex', acts && (this.getAttribute('tabindex') ?? '0'))
    }
    super.refresh()
  }

  protected show(flow: AuthFlowElement, { busy }: FlowSnapshot): void {
    const { control } = this
    const panel = flow.findPart('auth-panel')
    set(control, 'aria-busy', String(busy))
    if (!panel) return
    set(control, 'aria-expanded', String(flow.open))
    if (panel.id) set(control, 'aria-controls', panel.id)
  }

  #handleClick(event: Event): void {
    const flow = this.flowElement
    if (!flow || event.defaultPrevented) return
    // Inside a host's form the button would submit it; a link would leave the page.
    event.preventDefault()
    const { state } = flow.flow.getSnapshot()
    if (flow.open && state !== 'blocked') return flow.close('trigger')
    if (flow.asks) return flow.show('trigger')
    flow.scopes = this.getAttribute('scopes') ?? flow.scopes
    flow.start()
  }

  #handleKey(event: KeyboardEvent): void {
    if (event.target === this && this.#acts && /^(Enter| )$/.test(event.key)) {
      event.preventDefault()
      this.click()
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'auth-trigger': AuthTriggerElement
  }
}

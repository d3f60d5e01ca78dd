// <auth-panel>: where the form is. Opens as its markup says: a <dialog> inside it, a popover, or in place.

import { AuthPart } from './auth-element.ts'
import type { AuthFlowElement } from './auth-flow.ts'
import { set } from './dom.ts'

const focusable = ':is(input:not([type=hidden]),select,textarea,button):enabled,a[href]'

/**
 * Opens when the flow has something to ask, and closes when it is done. The author writes `hidden`. With a `<dialog>`
 * as child it is modal; with the attribute `popover` it is a popover; else it opens in place. Renders nothing.
 *
 * @summary Shows and hides its content, moves the focus in and back.
 * @tag auth-panel
 * @attr {string} for - Id of the flow, where it stands elsewhere
 * @attr {FlowState} data-state - State of the flow, once something happened
 * @attr {'none' | 'active' | 'needs_reauth'} data-connection - State of the connection, likewise
 * @attr {boolean} data-busy - While the page waits for somebody else
 * @attr {boolean} data-open - While the panel is open
 */
export class AuthPanelElement extends AuthPart {
  #open = false
  /** What had the focus before. */
  #before: Element | null = null
  /** The content may come after the panel: true until the focus is at a control. */
  #seeking = false

  constructor() {
    super()
    this.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !event.defaultPrevented && !this.#dialog)
        this.flowElement?.close('escape')
    })
    // Neither bubbles.
    const handleCancel = (event: Event): void => {
      if (event.target !== this.#dialog) return
      event.preventDefault()
      this.flowElement?.close('escape')
    }
    this.addEventListener('cancel', handleCancel, true)
    this.addEventListener('close', (event) => event.target === this.#dialog && this.#handleClosed(), true)
    this.addEventListener('toggle', ({ newState }) => newState === 'closed' && this.#handleClosed())
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.#open = false
  }

  get #dialog(): HTMLDialogElement | null {
    return this.querySelector<HTMLDialogElement>(':scope > dialog')
  }

  protected show(flow: AuthFlowElement): void {
    if (flow.open !== this.#open) {
      this.#open = flow.open
      if (flow.open) this.#show()
      else this.#hide()
    }
    if (this.#seeking) queueMicrotask(() => this.#seekFocus())
  }

  #show(): void {
    const dialog = this.#dialog
    const surface = dialog ?? this
    const heading = surface.querySelector('h1,h2,h3,h4,h5,h6,[data-part=title]')
    this.#before = document.activeElement
    this.hidden = false
    if (heading && !surface.matches('[aria-label], [aria-labelledby]')) {
      heading.id ||= `${(this.id ||= `auth-panel-${++count}`)}-title`
      set(surface, 'aria-labelledby', heading.id)
    }
    if (dialog) {
      if (!dialog.open) dialog.showModal()
    } else {
      this.role ??= 'group'
      if (this.popover) this.showPopover()
    }
    this.#seeking = true
  }

  #hide(): void {
    const inside = this.contains(document.activeElement) || document.activeElement === document.body
    this.#seeking = false
    this.#dialog?.close()
    if (this.popover) this.hidePopover()
    this.hidden = true
    if (inside && this.#before instanceof HTMLElement) this.#before.focus()
  }

  #seekFocus(): void {
    const form = this.querySelector('auth-form')
    const target =
      this.querySelector<HTMLElement>('[autofocus]') ?? (form ?? this).querySelector<HTMLElement>(focusable)
    this.#seeking = !target
    if (target) target.focus()
    else if (!this.contains(document.activeElement)) {
      this.tabIndex = -1
      this.focus()
    }
  }

  /** The browser closed it: a form with `method=dialog`, a light dismiss. */
  #handleClosed(): void {
    if (this.#open) this.flowElement?.close('close')
  }
}

let count = 0

declare global {
  interface HTMLElementTagNameMap {
    'auth-panel': AuthPanelElement
  }
}

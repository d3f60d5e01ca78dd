// <auth-status>: says how the flow stands, and helps with the window. The view is loaded when there is something to say.

import { LazyPart } from './lazy-view.ts'
import type { StatusView } from './status-view.ts'

/**
 * Shows state, identity and errors in a polite live region, and the buttons that go with them.
 *
 * @summary Says how the flow stands.
 * @tag auth-status
 * @attr for - Id of the flow, where it stands elsewhere
 * @cssPart status, open-form, open, reopen, cancel, retry - `data-part` attributes, not shadow parts
 * @cssState data-state, data-connection, data-busy, data-open - attributes, written once something happened
 */
export class AuthStatusElement extends LazyPart<StatusView> {
  constructor() {
    super()
    this.addEventListener('submit', (event) => {
      event.stopPropagation()
      const form = event.target
      if (!(form instanceof HTMLFormElement && this.flowElement?.flow.reopen(form))) event.preventDefault()
    })
  }

  protected async loadView(): Promise<StatusView> {
    const { StatusView } = await import('./status-view.ts')
    return new StatusView(this)
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'auth-status': AuthStatusElement
  }
}

// Elements that render load what they render with, Lit's templates among it, when there is something to render.

import { localError } from '../flow/connect-error.ts'
import type { FlowSnapshot } from '../flow/flow.ts'
import { AuthPart } from './auth-element.ts'
import type { AuthFlowElement } from './auth-flow.ts'

/** What renders in the place of an element. */
export interface View {
  /** Shows the flow as it is. */
  show(flow: AuthFlowElement, snapshot: FlowSnapshot): void
}

/** Base of <auth-form> and <auth-status>. */
export abstract class LazyPart<V extends View> extends AuthPart {
  /** The view, once it is loaded. */
  protected view: V | undefined
  #loading = false

  /** Loads the view's module. */
  protected abstract loadView(): Promise<V>

  protected show(flow: AuthFlowElement, snapshot: FlowSnapshot): void {
    if (this.view) return this.view.show(flow, snapshot)
    if (this.#loading) return
    this.#loading = true
    this.loadView()
      .then((view) => {
        this.view = view
        // The panel, too, waits for what is rendered.
        this.flowElement?.repaint()
      })
      .catch((error: unknown) => flow.emit('auth-error', localError('network_error', error)))
      .finally(() => (this.#loading = false))
  }
}

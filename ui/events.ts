// The events of the elements, typed. They are dispatched on <auth-flow>, bubble and cross shadow roots. Only what the
// user or the server does makes events; setting a property does not.

import type { Connection } from '../shared/auth.ts'
import type { ErrorReply } from '../shared/errors.ts'
import type { FieldValues } from '../shared/fields.ts'
import type { MethodId } from '../shared/flow.ts'
import type { FlowState } from './flow/machine.ts'

/** Why a panel was opened or closed. */
export type PanelReason = 'flow' | 'trigger' | 'escape' | 'cancel' | 'success' | 'close' | 'api'

/** Every event of the elements. Those marked cancelable do nothing further after `preventDefault()`. */
export interface AuthFlowEvents {
  /** The user clicked the trigger; nothing was begun yet. Cancelable. */
  'auth-start': CustomEvent<undefined>
  /** The panel is about to open. Cancelable. */
  'auth-open': CustomEvent<{ readonly reason: PanelReason }>
  /** The panel is about to close. Cancelable. */
  'auth-close': CustomEvent<{ readonly reason: PanelReason }>
  /** The form is valid and about to be sent. The only event that holds values, secret ones too. Cancelable. */
  'auth-submit': CustomEvent<{ readonly method: MethodId; readonly values: FieldValues }>
  /** The flow went from one state to another. */
  'auth-state-change': CustomEvent<{ readonly from: FlowState; readonly to: FlowState }>
  /** The browser blocked the window; the panel is about to open, to show a button for it. Cancelable. */
  'auth-popup-blocked': CustomEvent<undefined>
  /** The window seems to be gone. A hint: it may have been moved out of the page's sight. */
  'auth-popup-closed': CustomEvent<undefined>
  /** The account is connected. */
  'auth-success': CustomEvent<{ readonly connection: Connection }>
  /** Something went wrong; `details.fields` names the fields at fault, if any. */
  'auth-error': CustomEvent<ErrorReply>
  /** The user gave up. */
  'auth-cancel': CustomEvent<undefined>
  /** A redirect came back; the flow's id is about to be taken out of the page's URL. Cancelable. */
  'auth-return': CustomEvent<undefined>
}

/** The `detail` of an event. */
export type EventDetail<Name extends keyof AuthFlowEvents> = AuthFlowEvents[Name]['detail']

declare global {
  interface HTMLElementEventMap extends AuthFlowEvents {}
  interface DocumentEventMap extends AuthFlowEvents {}
}

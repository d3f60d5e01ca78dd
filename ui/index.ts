// What `authflow/ui` exports: element classes, the flow without elements, and the page's settings. No side effects:
// the elements are defined by `authflow/define`.

export { AuthConnectionsElement } from './elements/auth-connections.ts'
export { registerMessages } from './elements/auth-element.ts'
export { AuthFlowElement } from './elements/auth-flow.ts'
export { AuthFormElement } from './elements/auth-form.ts'
export { AuthPanelElement } from './elements/auth-panel.ts'
export { AuthStatusElement } from './elements/auth-status.ts'
export { AuthTriggerElement } from './elements/auth-trigger.ts'
export type { FieldContext } from './elements/form-markup.ts'
export type { AuthFlowEvents, EventDetail, PanelReason } from './events.ts'
export { configureAuthFlow, type AuthFlowConfiguration } from './flow/configure.ts'
export {
  createConnections,
  type ConnectionList,
  type ConnectionsOptions,
  type ConnectionsSnapshot,
} from './flow/connections.ts'
export { ConnectError } from './flow/connect-error.ts'
export { createAuthFlow } from './flow/create-auth-flow.ts'
export type { AuthFlowOptions, ConnectFlow, FlowSnapshot } from './flow/flow.ts'
export { canMove, isBusy, transitions, type FlowState } from './flow/machine.ts'
export type { PendingFlow } from './flow/pending.ts'
export { resumeAuthFlow } from './flow/resume.ts'
export { createOptionsSearch, type OptionsSearch } from './flow/search-options.ts'
export type { ConnectTokenNeed, ConnectTokenSource } from './flow/token.ts'
export type { Messages } from './messages.ts'
export type { Connection } from '../shared/auth.ts'
export type { FormField } from '../shared/fields.ts'
export type { ConnectMethod, FieldOption, FieldOptions, IntegrationView } from '../shared/flow.ts'

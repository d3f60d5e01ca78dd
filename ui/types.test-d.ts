// What users' own code relies on, checked by `npm run typecheck`.

import type { Connection } from '../shared/auth.ts'
import type { ErrorCode } from '../shared/errors.ts'
import {
  configureAuthFlow,
  createAuthFlow,
  type AuthFlowElement,
  type AuthFormElement,
  type AuthTriggerElement,
  type ConnectFlow,
  type FlowSnapshot,
  type FlowState,
  type Messages,
} from './index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const is = <_T extends true>(): void => {}

// Tags
const flow = document.createElement('auth-flow')
const trigger = document.querySelector('auth-trigger')
is<Equal<typeof flow, AuthFlowElement>>()
is<Equal<typeof trigger, AuthTriggerElement | null>>()

// Events, on the element and on its ancestors
flow.addEventListener('auth-success', (event) => is<Equal<typeof event.detail.connection, Connection>>())
document.addEventListener('auth-error', (event) => is<Equal<typeof event.detail.code, ErrorCode>>())
document.body.addEventListener('auth-state-change', ({ detail }) => is<Equal<typeof detail.to, FlowState>>())
// @ts-expect-error there is no such state
flow.addEventListener('auth-state-change', ({ detail }) => detail.to === 'ready')

// The flow without elements
const store: ConnectFlow = createAuthFlow({
  integration: 'slack',
  accountId: '1',
  tokenUrl: '/connect-token',
})
is<Equal<ReturnType<typeof store.getSnapshot>, FlowSnapshot>>()
is<Equal<Awaited<ReturnType<typeof store.connect>>, Connection>>()
store.subscribe(() => {})()
// @ts-expect-error snapshots never change
store.getSnapshot().state = 'idle'
// @ts-expect-error an integration is needed
createAuthFlow({ accountId: '1' })

// Settings
configureAuthFlow({
  endpoint: 'https://connect.example.com',
  connectToken: async ({ integration, accountId, purpose }) => `${integration} ${accountId} ${purpose}`,
})
// @ts-expect-error an endpoint is needed
configureAuthFlow({})

// Properties
flow.connectToken = () => ({ token: 'ctk_ct_', expiresAt: '' })
flow.messages = { retry: 'Noch einmal', errors: { access_denied: 'Abgelehnt.' } } satisfies Partial<Messages>
// @ts-expect-error no such code
flow.messages = { errors: { no_such_code: '' } }
declare const form: AuthFormElement
form.renderField = ({ field, id, value }) =>
  Object.assign(document.createElement('input'), { name: field.name, id, value })

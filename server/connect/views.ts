// What leaves the connect service: records as those see them who may. No view has a member that could hold a secret.

import type { Connection } from '../../shared/auth.ts'
import type { ConnectMethod, DeviceCode, FlowView, IntegrationView } from '../../shared/flow.ts'
import type { Method } from '../integrations/integration.ts'
import { findMethod, type Connectable } from './context.ts'
import type { ConnectionRecord, FlowRecord, PendingDevice } from './records.ts'

/** A connection without its credentials, as pages may see it. */
export function connectionView(record: Omit<ConnectionRecord, 'version'>): Connection {
  const { id, integration, accountId, state, reason, method, identity, scopes, requested } = record
  return {
    id,
    integration,
    accountId,
    state,
    ...(reason === null ? {} : { reason }),
    method,
    identity,
    scopes,
    ...(requested ? { requestedScopes: requested } : {}),
    fields: fieldsOf(record),
    createdAt: new Date(record.createdAt).toISOString(),
    updatedAt: new Date(record.updatedAt).toISOString(),
  }
}

/** All that is known about the account beside its secrets: from connecting, and from what was asked after it. */
export const fieldsOf = ({
  fields,
  config,
}: Pick<ConnectionRecord, 'fields' | 'config'>): ConnectionRecord['fields'] =>
  config ? { ...fields, ...config } : fields

/** A connection without its credentials, as the host's backends see it: with what they noted about it. */
export function fullConnectionView(record: Omit<ConnectionRecord, 'version'>): Connection {
  const { metadata } = record
  return { ...connectionView(record), ...(metadata ? { metadata } : {}) }
}

/** What a page may know before anybody signs in. */
export function integrationView({ id, provider, name, methods, configure }: Connectable): IntegrationView {
  const { label, fields } = configure ?? {}
  return {
    id,
    provider,
    name,
    methods: methods.map(methodView),
    ...(fields ? { configureLabel: label ?? `Change ${fields.form[0]?.schema.title}` } : {}),
  }
}

/** A flow as its account's browser sees it. */
export function flowView(flow: FlowRecord, integration: Connectable): FlowView {
  return {
    id: flow.id,
    integration: flow.integration,
    version: flow.version,
    stage: flow.stage,
    ...(flow.locale ? { locale: flow.locale } : {}),
    methods: integration.methods.map(methodView),
    ...(flow.method === null ? {} : { method: flow.method }),
    fields: formOf(flow, integration),
    values: flow.values,
    errors: flow.errors,
    ...(flow.device && flow.stage === 'verify' ? { device: deviceView(flow.device) } : {}),
    ...(flow.connection === null ? {} : { connection: flow.connection }),
    ...(flow.error === null ? {} : { error: flow.error }),
  }
}

/** What is asked at the flow's stage. */
function formOf({ stage, method }: FlowRecord, integration: Connectable): FlowView['fields'] {
  if (stage === 'configure') return integration.configure?.fields.form ?? []
  if (stage !== 'fields' || method === null) return []
  return findMethod(integration, method)?.fields?.form ?? []
}

function deviceView({
  userCode,
  verificationUrl,
  verificationUrlComplete,
  endsAt,
}: PendingDevice): DeviceCode {
  return {
    userCode,
    verificationUrl,
    ...(verificationUrlComplete === undefined ? {} : { verificationUrlComplete }),
    expiresAt: new Date(endsAt).toISOString(),
  }
}

function methodView(method: Method): ConnectMethod {
  const { id, label } = method
  const fields = method.fields?.form ?? []
  if ('verify' in method) return { id, label, fields, scopes: [] }
  const asked = method.id === 'clientCredentials' ? method.scopes : method.client.scopes
  const { scopeLabels } = method
  const scopes = asked.map((scope) => ({ scope, label: scopeLabels[scope] ?? scope }))
  return { id, label, fields, scopes, scopeLabels }
}

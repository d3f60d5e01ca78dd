// Takes the choice of a method and the values of its fields. The server judges them before anything navigates; keys are
// verified at the provider and connected here.

import { AuthFlowError, isAuthFlowError, type FieldError } from '../../shared/errors.ts'
import type { FieldsOutcome, FieldValues } from '../../shared/fields.ts'
import type { ConnectMethod, FlowView } from '../../shared/flow.ts'
import type { Method } from '../integrations/integration.ts'
import { completeFlow } from './complete.ts'
import type { ConfigureParts } from './acting.ts'
import { submitConfiguration } from './configure.ts'
import type { TokenCaller } from './connect.ts'
import { findMethod } from './context.ts'
import { beginDevice } from './device-flow.ts'
import { failure, requireOwnFlow, requireStage } from './flow.ts'
import type { FinishParts } from './flow-parts.ts'
import { busyLimitMs } from './flow-store.ts'
import { formGrant } from './form-grant.ts'
import type { FlowRecord } from './records.ts'
import { secretBox, splitValues } from './secrets.ts'
import { flowView } from './views.ts'

/** What the browser submits. */
export interface Submission {
  readonly flowId: string
  /** The version that the browser saw. */
  readonly version: number
  readonly method: ConnectMethod['id']
  readonly values: FieldValues
}

/**
 * Chooses the method and gives its values; at `configure` the answers to what is asked there, see configure.ts. The answer
 * is at stage `fields` with `errors` when values are wrong or the
 * provider rejects a key, `authorize` when the user is to go to the provider, `done` for a key that works, `failed` when
 * it can't be kept. Values may be submitted again until the user is back from the provider.
 *
 * @throws {@link AuthFlowError} those of {@link Tokens.check}; `flow_not_found`, `flow_ended`, `flow_expired`,
 *   `flow_conflict` (another version), `invalid_input` (no such method), `provider_unavailable` and other retryable
 *   codes (a key could not be verified; the flow is at `fields` again)
 */
export async function submitFlow(
  parts: ConfigureParts,
  caller: TokenCaller,
  input: Submission,
): Promise<FlowView> {
  const { context, tokens, flows } = parts
  const token = await tokens.check(caller, { purposes: ['create', 'reconnect'] })
  const flow = requireOwnFlow(token, await flows.find(input.flowId))
  requireStage(flow, ['choose', 'fields', 'authorize', 'configure'])
  if (flow.version !== input.version) throw new AuthFlowError('flow_conflict')
  if (flow.stage === 'configure') return submitConfiguration(parts, { flow, token }, input.values)
  const integration = context.integration(flow.integration)
  const method = findMethod(integration, input.method)
  if (!method) throw new AuthFlowError('invalid_input', `${flow.integration} has no method ${input.method}.`)

  const judged = judgeValues(method, input.values)
  const values = splitValues(method.fields, judged.values)
  const given = { method: method.id, values: values.open, errors: judged.errors, tokenId: token.id }
  if (judged.errors.length > 0) {
    return flowView(await flows.move(flow, { ...given, stage: 'fields', secrets: {} }), integration)
  }
  if (method.id === 'oauth2') {
    const secrets = secretBox(context.vault, 'flow').seal(flow, values.secret)
    return flowView(await flows.move(flow, { ...given, stage: 'authorize', secrets }), integration)
  }
  const busyUntil = context.store.now() + busyLimitMs
  const verifying = await flows.move(flow, { ...given, stage: 'verify', secrets: {}, busyUntil })
  if (method.id === 'device') {
    const scopes = method.client.scopes.filter((scope) => token.scopes?.includes(scope) ?? true)
    const ask = () => beginDevice(parts, verifying, { method, values, scopes })
    return flowView(await tryAtProvider(parts, { flow: verifying, method }, ask), integration)
  }
  const connect = async () => completeFlow(parts, verifying, await formGrant(context, { method, values }))
  return flowView(await tryAtProvider(parts, { flow: verifying, method }, connect), integration)
}

/** Normalises and judges what was typed, and whether the server it names is one that the host has an app at. */
export function judgeValues(method: Method, values: FieldValues): FieldsOutcome {
  const judged = method.fields ? method.fields.parse(values) : { values: {}, errors: [] }
  const [field] = method.fields?.form ?? []
  if (judged.errors.length > 0 || !field || isServed(method, judged.values)) return judged
  const message = 'Accounts there can’t be connected: this app is not registered at that server.'
  return { ...judged, errors: [{ field: field.name, reason: 'host', message }] }
}

/** True unless the user chose an authorization server at which the host has no app. */
function isServed(method: Method, values: FieldsOutcome['values']): boolean {
  if (method.id !== 'oauth2' || !method.appAt) return true
  return method.appAt(method.issuer?.(values) ?? '') !== undefined
}

/** Does what the flow went to `verify` for; an error puts it back to its form, or ends it. */
async function tryAtProvider(
  parts: FinishParts,
  { flow, method }: { readonly flow: FlowRecord; readonly method: Method },
  work: () => Promise<FlowRecord>,
): Promise<FlowRecord> {
  const { context, flows } = parts
  try {
    return await work()
  } catch (error) {
    if (isAuthFlowError(error) && error.code === 'credentials_rejected') {
      return flows.move(flow, { stage: 'fields', busyUntil: null, errors: rejections(method, error) })
    }
    if (isAuthFlowError(error) && error.retryable) {
      await flows.tryMove(flow, { stage: 'fields', busyUntil: null })
      throw error
    }
    if (!isAuthFlowError(error)) context.log.error({ err: error, flowId: flow.id }, 'verifying a key failed')
    return (await flows.tryMove(flow, failure(error))) ?? (await reread(parts, flow))
  }
}

/** The provider's complaints, at the fields they are about; without any, at the first secret field. */
function rejections(method: Method, error: AuthFlowError): readonly FieldError[] {
  const form = method.fields?.form ?? []
  const names = new Set(form.map((field) => field.name))
  const told = error.details.fields?.filter(({ field }) => names.has(field)) ?? []
  if (told.length > 0) return told
  const secret = form.find((field) => field.secret) ?? form[0]
  return secret ? [{ field: secret.name, reason: 'rejected', message: error.message }] : []
}

async function reread({ flows }: FinishParts, { id }: FlowRecord): Promise<FlowRecord> {
  const flow = await flows.find(id)
  if (!flow) throw new AuthFlowError('flow_not_found')
  return flow
}

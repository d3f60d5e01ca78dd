// What is asked after authorisation: its choices, loaded as the account, and its answers. The credentials are those of
// the grant that waits in the flow, or of the connection when what was answered before is to be changed.

import { AuthFlowError, isAuthFlowError, type FieldError } from '../../shared/errors.ts'
import type { FieldOptions, FlowView, OptionsQuery } from '../../shared/flow.ts'
import type { Configuration, ConfiguringAuth, ConfiguringContext } from '../integrations/integration.ts'
import { updateStep } from '../store/store.ts'
import { changeSteps, changeTime } from './changes.ts'
import { completeFlow } from './complete.ts'
import type { TokenCaller } from './connect.ts'
import { connectionIdOf } from './connection-id.ts'
import type { ConnectContext } from './context.ts'
import { failure, requireOwnFlow, requireStage } from './flow.ts'
import type { FinishParts, WaitingParts } from './flow-parts.ts'
import { busyLimitMs, endOf } from './flow-store.ts'
import type { GetAuth } from './get-auth.ts'
import type { Grant } from './grant.ts'
import type { ConnectionRecord, FlowRecord, TokenRecord } from './records.ts'
import { connectionSet, flowSet, tokenSet } from './sets.ts'
import { openGrant } from './staged-grant.ts'
import { connectionView, flowView } from './views.ts'

/** For steps that act as the account. */
export interface ConfigureParts extends WaitingParts {
  readonly getAuth: GetAuth
}

/** Which choices. */
export interface OptionsRequest extends OptionsQuery {
  readonly flowId: string
  readonly field: string
}

/** Choices of one page, and the length of their texts; what an integration gives beyond that is left out. */
const maxOptions = 1000
const maxValueLength = 512
const maxLabelLength = 256
const maxCursorLength = 1024
const sweepSize = 50

/**
 * A page of the choices of a field, as the account sees them.
 *
 * @throws {@link AuthFlowError} those of {@link Tokens.check}; `flow_not_found`, `flow_ended`, `flow_expired`,
 *   `flow_conflict` (not at `configure`), `invalid_input` (no such choice), `rate_limited` (too many at once), and those of
 *   the provider
 */
export async function listOptions(
  parts: ConfigureParts,
  caller: TokenCaller,
  { flowId, field, search = '', cursor }: OptionsRequest,
): Promise<FieldOptions> {
  const { context, tokens, flows, hub } = parts
  const token = await tokens.check(caller, { purposes: ['create', 'reconnect'] })
  const flow = requireOwnFlow(token, await flows.find(flowId))
  requireStage(flow, ['configure'])
  const configure = configurationOf(context, flow)
  if (!configure.fields.form.some(({ name, options }) => options && name === field)) {
    throw new AuthFlowError('invalid_input', `${field} is no field whose choices can be asked for.`)
  }
  const giveBack = hub.hold(`options ${flow.id}`)
  if (!giveBack) throw new AuthFlowError('rate_limited', undefined, { details: { retryAfterMs: 1_000 } })
  try {
    const asked = { field, search: search.trim(), cursor }
    return bounded(await asProvider(async () => configure.options(asked, await actingFor(parts, flow))))
  } finally {
    giveBack()
  }
}

/**
 * Takes the answers: connects the grant that waits, or changes the connection. The view is at `configure` with `errors`
 * when they are wrong.
 *
 * @throws {@link AuthFlowError} `flow_conflict`, and retryable ones of the provider (the flow is at `configure` again)
 */
export async function submitConfiguration(
  parts: ConfigureParts,
  { flow, token }: { readonly flow: FlowRecord; readonly token: TokenRecord },
  given: FlowRecord['values'],
): Promise<FlowView> {
  const { context, flows } = parts
  const integration = context.integration(flow.integration)
  const configure = configurationOf(context, flow)
  const { values, errors } = configure.fields.parse(given)
  if (errors.length > 0) return flowView(await flows.move(flow, { errors, tokenId: token.id }), integration)
  const busyUntil = context.store.now() + busyLimitMs
  const move = { stage: 'verify' as const, errors: [], tokenId: token.id, busyUntil }
  const verifying = await flows.move(flow, move)
  try {
    const acting = await actingFor(parts, verifying)
    const config = await asProvider(async () => (await configure.settle?.(values, acting)) ?? values)
    const grant = openGrant(context, verifying)
    const done = grant
      ? await completeFlow(parts, verifying, grant, config)
      : await changeConfig(parts, verifying, config)
    return flowView(done, integration)
  } catch (error) {
    return flowView(await settleTrouble(parts, { flow: verifying, configure }, error), integration)
  }
}

/** Back to the form where the account can do something about it; anything else ends the flow. */
async function settleTrouble(
  { context, flows }: FinishParts,
  { flow, configure }: { readonly flow: FlowRecord; readonly configure: Configuration },
  error: unknown,
): Promise<FlowRecord> {
  const back = { stage: 'configure' as const, busyUntil: null }
  const complaints = complaintsOf(configure, error)
  if (complaints.length > 0) return flows.move(flow, { ...back, errors: complaints })
  if (isAuthFlowError(error) && error.retryable) {
    await flows.tryMove(flow, back)
    throw error
  }
  if (!isAuthFlowError(error)) context.log.error({ err: error, flowId: flow.id }, 'configuring failed')
  const ended = (await flows.tryMove(flow, failure(error))) ?? (await flows.find(flow.id))
  if (!ended) throw new AuthFlowError('flow_not_found')
  return ended
}

/** What the provider has against single fields. */
function complaintsOf({ fields }: Configuration, error: unknown): readonly FieldError[] {
  if (!isAuthFlowError(error) || error.code !== 'credentials_rejected') return []
  const names = new Set(fields.form.map(({ name }) => name))
  return error.details.fields?.filter(({ field }) => names.has(field)) ?? []
}

/** Writes other answers into the connection and ends the flow, in one transaction. */
async function changeConfig(
  { context, flows }: FinishParts,
  flow: FlowRecord,
  config: NonNullable<ConnectionRecord['config']>,
): Promise<FlowRecord> {
  const { store } = context
  const id = connectionIdOf(flow.integration, flow.accountId)
  const record = await store.get(connectionSet, id)
  if (record?.state !== 'active') throw new AuthFlowError('not_connected')
  const change = { config, updatedAt: changeTime(context, record) }
  const after = { ...record, ...change }
  const token = await store.get(tokenSet, flow.tokenId)
  const actor = { name: flow.actor, key: token?.mintedBy ?? null }
  const end = { ...endOf(store.now()), stage: 'done' as const, errors: [], connection: connectionView(after) }
  const written = await store.transact([
    updateStep(connectionSet, id, { version: record.version }, { set: change }),
    updateStep(flowSet, flow.id, { version: flow.version, stage: 'verify' }, { set: end }),
    updateStep(tokenSet, flow.tokenId, { revokedAt: null }, { increment: { finished: 1 } }),
    ...changeSteps(context, { action: 'connection.configured', actor, connection: after }),
  ])
  const done = written ? await flows.find(flow.id) : undefined
  if (!done) throw new AuthFlowError('conflict')
  flows.changed(flow.id)
  return done
}

/** Ends flows that nobody came back to, so that the grants in them do not stay open at the provider. */
export async function sweepStaged({ context, flows }: FinishParts): Promise<void> {
  const query = { index: 'openGrants', equals: true, to: context.store.now(), limit: sweepSize }
  const { items } = await context.store.list(flowSet, query)
  await flows.findMany(items.map(({ id }) => id))
}

/** What the integration asks for. Throws `flow_conflict` when it asks for nothing any more. */
function configurationOf(context: ConnectContext, { integration }: FlowRecord): Configuration {
  const { configure } = context.integration(integration)
  if (!configure) throw new AuthFlowError('flow_conflict')
  return configure
}

/** The credentials to ask with. Throws those of `getAuth`. */
async function actingFor(
  { context, getAuth }: ConfigureParts,
  flow: FlowRecord,
): Promise<ConfiguringContext> {
  const { fetch } = context
  const grant = openGrant(context, flow)
  if (grant) return { fetch, auth: authOfGrant(grant) }
  return { fetch, auth: await getAuth({ id: flow.integration, accountId: flow.accountId }) }
}

function authOfGrant({ method, secrets, fields, scopes, identity }: Grant): ConfiguringAuth {
  const base = { fields, scopes, identity }
  const secret = (name: string): string => secrets[name] ?? ''
  switch (method) {
    case 'oauth2':
      return { ...base, type: 'oauth2', accessToken: secret('accessToken') }
    case 'apiKey':
      return { ...base, type: 'apiKey', apiKey: secret('field.apiKey') }
    case 'basic': {
      const username = fields['username'] ?? secret('field.username')
      return { ...base, type: 'basic', username, password: secret('field.password') }
    }
  }
}

/** Calls a hook; what it trips over is the provider's answer. */
async function asProvider<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (isAuthFlowError(error)) throw error
    throw new AuthFlowError('provider_reply_invalid', undefined, { cause: error })
  }
}

function bounded({ options, cursor }: FieldOptions): FieldOptions {
  const fitting = options.filter(({ value }) => value !== '' && value.length <= maxValueLength)
  const shown = fitting
    .slice(0, maxOptions)
    .map(({ value, label }) => ({ value, label: label.slice(0, maxLabelLength) }))
  return { options: shown, ...(cursor && cursor.length <= maxCursorLength ? { cursor } : {}) }
}

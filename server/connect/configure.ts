// What is asked after authorisation: its choices, loaded as the account, and its answers. The credentials are those of
// the grant that waits in the flow, or of the connection when what was answered before is to be changed.

import { AuthFlowError, isAuthFlowError, type FieldError } from '../../shared/errors.ts'
import type { FieldOptions, FlowView, OptionsQuery } from '../../shared/flow.ts'
import type { Configuration } from '../integrations/integration.ts'
import { updateStep } from '../store/store.ts'
import { actingFor, asProvider, type ConfigureParts } from './acting.ts'
import { changeSteps, changeTime } from './changes.ts'
import { loadPage } from './choices.ts'
import { completeFlow } from './complete.ts'
import type { TokenCaller } from './connect.ts'
import { connectionIdOf } from './connection-id.ts'
import type { ConnectContext } from './context.ts'
import { failure, requireOwnFlow, requireStage } from './flow.ts'
import type { FinishParts } from './flow-parts.ts'
import { busyLimitMs, endOf } from './flow-store.ts'
import type { ConnectionRecord, FlowRecord, TokenRecord } from './records.ts'
import { connectionSet, flowSet, tokenSet } from './sets.ts'
import { openGrant } from './staged-grant.ts'
import { connectionView, flowView } from './views.ts'

/** Which choices. */
export interface OptionsRequest extends OptionsQuery {
  readonly flowId: string
  readonly field: string
}

const sweepSize = 50
/** When to try again after too many asked at once, in ms. */
const retryMs = 1_000

/**
 * A page of the choices of a field, as the account sees them, for searching.
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
  const { flow, configure, giveBack } = await enter(parts, caller, flowId)
  try {
    if (!configure.fields.form.some(({ name, options }) => options && name === field)) {
      throw new AuthFlowError('invalid_input', `${field} is no field whose choices can be asked for.`)
    }
    const asked = { field, search: search.trim(), cursor }
    return await loadPage(configure, asked, await actingFor(parts, flow))
  } finally {
    giveBack()
  }
}

/** The flow, if it is asked something now and not asked about too often at once: `giveBack` when that is over. */
async function enter(
  { context, tokens, flows, hub }: ConfigureParts,
  caller: TokenCaller,
  flowId: string,
): Promise<{ flow: FlowRecord; configure: Configuration; giveBack: () => void }> {
  const token = await tokens.check(caller, { purposes: ['create', 'reconnect'] })
  const flow = requireOwnFlow(token, await flows.find(flowId))
  requireStage(flow, ['configure'])
  const configure = configurationOf(context, flow)
  const giveBack = hub.hold(`options ${flow.id}`)
  if (giveBack) return { flow, configure, giveBack }
  throw new AuthFlowError('rate_limited', undefined, { details: { retryAfterMs: retryMs } })
}

/**
 * Takes the answers: connects the grant that waits, or changes the connection. The view is at `configure` with `errors`
 * when they are wrong, or when the provider can't judge them just now.
 *
 * @throws {@link AuthFlowError} `flow_conflict`, `flow_not_found`
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
  const errors = complaintsOf(configure, error)
  if (errors.length > 0) return flows.move(flow, { stage: 'configure', busyUntil: null, errors })
  if (!isAuthFlowError(error)) context.log.error({ err: error, flowId: flow.id }, 'configuring failed')
  const ended = (await flows.tryMove(flow, failure(error))) ?? (await flows.find(flow.id))
  if (!ended) throw new AuthFlowError('flow_not_found')
  return ended
}

/** What the provider has against single fields; what may pass is told at the first. */
function complaintsOf({ fields: { form } }: Configuration, error: unknown): readonly FieldError[] {
  const [first] = form
  if (!isAuthFlowError(error) || !first) return []
  if (error.retryable) return [{ field: first.name, reason: 'unavailable', message: error.message }]
  if (error.code !== 'credentials_rejected') return []
  const names = new Set(form.map(({ name }) => name))
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

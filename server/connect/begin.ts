// Begins a flow, and cancels one.

import { AuthFlowError } from '../../shared/errors.ts'
import { flowLifetimeMs, isFinalStage, type FlowView } from '../../shared/flow.ts'
import { flowIdPattern } from '../../shared/ids.ts'
import type { NewDocument } from '../store/store.ts'
import type { TokenCaller } from './connect.ts'
import { connectionIdOf } from './connection-id.ts'
import type { Connectable, ConnectContext } from './context.ts'
import { covers, firstStage, requireOwnFlow } from './flow.ts'
import type { FlowParts } from './flow-parts.ts'
import { readableAfterEndMs } from './flow-store.ts'
import { needsReauth } from './needs-reauth.ts'
import type { ConnectionRecord, FlowRecord, TokenRecord } from './records.ts'
import { connectionSet } from './sets.ts'
import { flowView } from './views.ts'

const flowPurposes = ['create', 'reconnect'] as const

/** What begins a flow. */
export interface BeginRequest {
  /** Made by the browser. */
  readonly flowId: string
  readonly integration: string
  readonly accountId?: string
  /** True for a flow that begins at `configure`, to change what was answered there. Needs purpose `reconnect`. */
  readonly configure?: boolean
}

/**
 * Begins a flow under the id that the browser made, or gives back the one that is there. The flow keeps account,
 * purpose and actor of the token.
 *
 * @throws {@link AuthFlowError} those of {@link Tokens.check}; `unknown_integration`, `account_mismatch`,
 *   `already_connected` (purpose create), `not_connected` (purpose reconnect), `invalid_input`, `flow_not_found` (the
 *   id is another account's); to configure: `purpose_not_allowed`, `needs_reauth`, `not_supported` (nothing to answer)
 */
export async function beginFlow(
  { context, tokens, flows }: FlowParts,
  caller: TokenCaller,
  input: BeginRequest,
): Promise<FlowView> {
  if (!flowIdPattern.test(input.flowId))
    throw new AuthFlowError('invalid_input', 'flowId must be 22 characters of base64url.')
  const integration = context.integration(input.integration)
  const token = await tokens.check(caller, { purposes: flowPurposes, integration: integration.id })
  if (input.accountId !== undefined && input.accountId !== token.accountId)
    throw new AuthFlowError('account_mismatch')

  const existing = await flows.find(input.flowId)
  if (existing) return flowView(requireSame(existing, token, integration.id), integration)
  const { configure = false } = input
  const connection = await requireStartable(context, token, integration.id)
  const first = configure ? configureStage(token, integration, connection) : firstStage(integration)
  await tokens.use(token)
  const begin = { ...first, integration: integration.id, now: context.store.now() }
  const flow = newFlow(input.flowId, token, begin)
  if (await flows.insert(flow)) return flowView({ ...flow, version: 1 }, integration)
  const winner = await flows.find(input.flowId)
  return flowView(requireSame(winner, token, integration.id), integration)
}

/**
 * Ends a flow on the user's wish. One that is over already is given back as it is.
 *
 * @throws {@link AuthFlowError} those of {@link Tokens.check}; `flow_not_found`, `flow_conflict`
 */
export async function cancelFlow(
  { context, tokens, flows }: FlowParts,
  caller: TokenCaller,
  input: { readonly flowId: string },
): Promise<FlowView> {
  const { record, dead } = await tokens.present(caller)
  const found = await flows.find(input.flowId)
  // Whoever just succeeded in another window gets the result and not a complaint about the spent token.
  if (dead && !(found && isFinalStage(found.stage) && found.beganWith === record.id)) throw dead
  const token = dead ? record : await tokens.check(caller, { purposes: flowPurposes })
  const flow = requireOwnFlow(token, found)
  const integration = context.integration(flow.integration)
  if (isFinalStage(flow.stage)) return flowView(flow, integration)
  return flowView(await flows.move(flow, { stage: 'cancelled' }), integration)
}

function requireSame(flow: FlowRecord | undefined, token: TokenRecord, integration: string): FlowRecord {
  const same =
    flow && covers(token, flow) && flow.integration === integration && flow.purpose === token.purpose
  if (!same) throw new AuthFlowError('flow_not_found')
  return flow
}

/** Where a flow begins that changes what was answered after authorisation. */
function configureStage(
  { purpose }: TokenRecord,
  { id, configure }: Connectable,
  connection: ConnectionRecord | undefined,
): Pick<FlowRecord, 'stage' | 'method' | 'values'> {
  if (purpose !== 'reconnect')
    throw new AuthFlowError('purpose_not_allowed', 'Configuring needs a token of purpose reconnect.')
  if (!configure) throw new AuthFlowError('not_supported', `${id} asks for nothing after authorisation.`)
  if (connection?.state === 'needs_reauth') throw needsReauth(connection)
  if (connection?.state !== 'active') throw new AuthFlowError('not_connected')
  const { via, method } = connection
  const names = new Set(configure.fields.form.map(({ name }) => name))
  const values = Object.fromEntries(
    Object.entries(connection.config ?? {}).filter(([name]) => names.has(name)),
  )
  return { stage: 'configure', method: via ?? method, values }
}

/**
 * The account's connection, if it has one. Throws `already_connected` (purpose create) or `not_connected` (purpose
 * reconnect) where a flow makes no sense.
 */
export async function requireStartable(
  { store }: ConnectContext,
  token: Pick<TokenRecord, 'accountId' | 'purpose'>,
  integration: string,
): Promise<ConnectionRecord | undefined> {
  const { accountId, purpose } = token
  const connection = await store.get(connectionSet, connectionIdOf(integration, accountId))
  const details = { integration, accountId }
  if (purpose === 'create' && connection?.state === 'active')
    throw new AuthFlowError('already_connected', undefined, { details })
  if (purpose === 'reconnect' && !connection) throw new AuthFlowError('not_connected', undefined, { details })
  return connection
}

/** A flow as it begins, with account, purpose and actor of its token. */
export function newFlow(
  id: string,
  token: TokenRecord,
  begin: Pick<FlowRecord, 'stage' | 'method' | 'integration'> &
    Partial<Pick<FlowRecord, 'values'>> & { readonly now: number },
): NewDocument<FlowRecord> {
  const { now, values = {}, ...first } = begin
  return {
    id,
    ...first,
    values,
    accountId: token.accountId,
    purpose: token.purpose === 'reconnect' ? 'reconnect' : 'create',
    actor: token.actor,
    locale: token.locale ?? null,
    beganWith: token.id,
    tokenId: token.id,
    secrets: {},
    errors: [],
    connection: null,
    error: null,
    createdAt: now,
    endsAt: now + flowLifetimeMs,
    busyUntil: null,
    expireAt: now + flowLifetimeMs + readableAfterEndMs,
  }
}

// Keeps a verified grant: the connection, the flow's end, the spent token and the audit row in one transaction. Until
// it is written nothing has changed; an old connection stays as it was when the new grant is refused.

import type { Metadata } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import { insertStep, updateStep, type NewDocument, type Step } from '../store/store.ts'
import { changeSteps, changeTime } from './changes.ts'
import { connectionIdOf, credentialLeaseOf } from './connection-id.ts'
import type { ConnectContext } from './context.ts'
import { requireStage } from './flow.ts'
import type { FinishParts } from './flow-parts.ts'
import { endOf } from './flow-store.ts'
import type { Grant } from './grant.ts'
import { identityKeyOf } from './identity-key.ts'
import type { ConnectionRecord, FlowRecord } from './records.ts'
import { noRefresh } from './refresh-state.ts'
import { secretBox } from './secrets.ts'
import { connectionSet, flowSet, tokenSet } from './sets.ts'
import { placeGrant, tellMembersOf } from './shared-grant.ts'
import { givenUp, sealGrant } from './staged-grant.ts'
import { callOffSteps } from './teardown-overlap.ts'
import { connectionView } from './views.ts'

/** Tries against others who change the same connection at the same time. */
const maxTries = 5
/** How long a grant that waits for an answer outlives its flow, in ms: until a process is there to give it up. */
const stagedKeepMs = 24 * 3_600_000

/**
 * Swaps the grant in and ends the flow, which must be in `verify`. A grant that is refused is given up at the provider.
 * Where the integration asks for more first, the grant waits in the flow instead, at `configure`.
 *
 * @param config what was asked, once it was answered
 * @throws {@link AuthFlowError} `already_connected`, `not_connected`, `identity_changed`, `token_spent`, `flow_ended`,
 *   `flow_conflict`; nothing was changed then
 */
export async function completeFlow(
  parts: FinishParts,
  flow: FlowRecord,
  grant: Grant,
  config?: Configured,
): Promise<FlowRecord> {
  const { context, flows } = parts
  try {
    if (!config && (await asksFirst(context, flow, grant))) return await stageGrant(parts, flow, grant)
    for (let tries = 0; tries < maxTries; tries += 1) {
      const record = await trySwap(parts, flow, { ...grant, ...(config ? { config } : {}) })
      if (!record) continue
      flows.changed(flow.id)
      await context.changed({ type: 'connected', connection: connectionView(record) })
      await tellMembersOf(context, record)
      const done = await flows.find(flow.id)
      if (done) return done
    }
    throw new AuthFlowError('flow_conflict')
  } catch (error) {
    // One that waits in its flow goes with the flow.
    if (!flow.grantOpen) await giveUp(parts, flow, grant)
    throw error
  }
}

type Configured = NonNullable<ConnectionRecord['config']>

/** A grant with what was asked beside it. */
interface ConfiguredGrant extends Grant {
  readonly config?: Configured | null
}

/**
 * True where the integration asks for something that the connection does not have. A flow that the host has to confirm
 * is asked nothing: its page is gone.
 */
async function asksFirst(context: ConnectContext, flow: FlowRecord, grant: Grant): Promise<boolean> {
  const { configure } = context.integration(flow.integration)
  if (!configure || flow.confirmation) return false
  const existing = await context.store.get(connectionSet, connectionIdOf(flow.integration, flow.accountId))
  judge(existing, flow, grant)
  const config = keptConfig(existing)
  return !config || configure.fields.parse(config).errors.length > 0
}

/** What was asked before holds until the account disconnects. */
const keptConfig = (existing: ConnectionRecord | undefined): Configured | null =>
  (existing?.state === 'disconnected' ? null : existing?.config) ?? null

async function stageGrant(
  { context, flows }: FinishParts,
  flow: FlowRecord,
  grant: Grant,
): Promise<FlowRecord> {
  return flows.move(flow, {
    stage: 'configure',
    secrets: sealGrant(context, flow, grant),
    grantOpen: true,
    busyUntil: null,
    errors: [],
    // Longer than the flow: the sweep ends the grant of one that nobody comes back to.
    expireAt: flow.endsAt + stagedKeepMs,
  })
}

/** A grant that can't be kept is not left open at the provider; whether that works does not change the outcome. */
async function giveUp({ context, teardowns }: FinishParts, flow: FlowRecord, grant: Grant): Promise<void> {
  const { integration } = flow
  const lost = givenUp(context, flow, grant)
  try {
    await teardowns.abandon(lost)
  } catch (error) {
    const { connectionId } = lost
    context.log.warn({ err: error, integration, connectionId }, 'a refused grant could not be given up')
  }
}

/** The connection as written; undefined when it moved meanwhile and another try makes sense. */
async function trySwap(
  parts: FinishParts,
  flow: FlowRecord,
  grant: ConfiguredGrant,
): Promise<NewDocument<ConnectionRecord> | undefined> {
  const { context } = parts
  const { store } = context
  const id = connectionIdOf(flow.integration, flow.accountId)
  const existing = await store.get(connectionSet, id)
  judge(existing, flow, grant)
  const token = await store.get(tokenSet, flow.tokenId)
  // A new fence ends a refresh of the old grant that may be going on: its result is not accepted any more.
  const fence = await store.takeFence(credentialLeaseOf(id))
  const metadata = token?.metadata ?? existing?.metadata ?? null
  const config = grant.config ?? keptConfig(existing)
  const draft = connectionOf(context, { id, existing, fence, metadata }, flow, { ...grant, config })
  const { record, steps: sharing } = await placeGrant(context, draft, { existing, grant })
  const swap = existing ? replaceStep(existing, record) : insertStep(connectionSet, record)
  const steps = [swap, ...sharing, endStep(flow, record, store.now()), ...spendSteps(flow, store.now())]
  const isNew = !existing || existing.state === 'disconnected'
  const told = changeSteps(context, {
    action: isNew ? 'connection.connected' : 'connection.reconnected',
    actor: { name: flow.actor, key: token?.mintedBy ?? null },
    connection: record,
  })
  const { integration, identityKey } = record
  const callOff = await callOffSteps(context, { integration, identityKey }, grant)
  if (await store.transact([...steps, ...told, ...callOff])) return record
  await explain(parts, flow)
  return undefined
}

/** Throws why the flow can't be finished for good; returns when only the connection was in the way. */
async function explain({ context, flows }: FinishParts, flow: FlowRecord): Promise<void> {
  const now = await flows.find(flow.id)
  if (!now) throw new AuthFlowError('flow_not_found')
  requireStage(now, ['verify'])
  if (now.version !== flow.version) throw new AuthFlowError('flow_conflict')
  const token = await context.store.get(tokenSet, flow.tokenId)
  if (typeof token?.revokedAt === 'number') throw new AuthFlowError('token_revoked')
  if (token?.spentAt !== null) throw new AuthFlowError('token_spent')
}

function judge(existing: ConnectionRecord | undefined, flow: FlowRecord, grant: Grant): void {
  const details = { integration: flow.integration, accountId: flow.accountId }
  if (!existing) {
    if (flow.purpose === 'reconnect') throw new AuthFlowError('not_connected', undefined, { details })
    return
  }
  if (flow.purpose === 'create' && existing.state === 'active') {
    throw new AuthFlowError('already_connected', undefined, { details })
  }
  // After a deliberate disconnect the account may choose anew; everything that repairs a connection keeps its identity.
  const mayChange = flow.purpose === 'create' && existing.state === 'disconnected'
  if (!mayChange && existing.identity.id !== grant.identity.id) {
    throw new AuthFlowError('identity_changed', undefined, { details })
  }
}

function connectionOf(
  context: ConnectContext,
  place: {
    readonly id: string
    readonly existing: ConnectionRecord | undefined
    readonly fence: number
    readonly metadata: Metadata | null
  },
  flow: FlowRecord,
  grant: ConfiguredGrant,
): NewDocument<ConnectionRecord> {
  const updatedAt = changeTime(context, place.existing)
  const { integration, accountId } = flow
  const { secrets, ...rest } = grant
  return {
    ...rest,
    id: place.id,
    kind: 'connection',
    integration,
    accountId,
    state: 'active',
    reason: null,
    identityKey: identityKeyOf(context, integration, grant.identity.id),
    metadata: place.metadata,
    grantId: null,
    createdAt: place.existing?.createdAt ?? updatedAt,
    updatedAt,
    secrets: secretBox(context.vault, 'credential').seal({ id: place.id, integration, accountId }, secrets),
    credFence: place.fence,
    ...noRefresh,
  }
}

function replaceStep(existing: ConnectionRecord, record: NewDocument<ConnectionRecord>): Step {
  const { id, ...set } = record
  return updateStep(
    connectionSet,
    id,
    { version: existing.version, credFence: { lessThan: record.credFence } },
    { set },
  )
}

function endStep(flow: FlowRecord, record: NewDocument<ConnectionRecord>, now: number): Step {
  const set = { ...endOf(now), stage: 'done' as const, errors: [], connection: connectionView(record) }
  return updateStep(flowSet, flow.id, { version: flow.version, stage: 'verify' }, { set })
}

/** A token for connecting is good for one success, whichever of its flows comes first; one that was revoked for none. */
function spendSteps(flow: FlowRecord, now: number): Step[] {
  const match = { spentAt: null, revokedAt: null }
  const finished = { increment: { finished: 1 } }
  const change = flow.purpose === 'create' ? { ...finished, set: { spentAt: now } } : finished
  return [updateStep(tokenSet, flow.tokenId, match, change)]
}

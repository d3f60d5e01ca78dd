// One grant at the provider for several connections, such as a Slack workspace's bot token. The credential lives in a
// record of its own, in the shape of a connection, so that it is leased, fenced and refreshed as any other; its
// connections hold nothing but its id. Who joins, leaves and is told when it breaks is decided here.

import type { ConnectionState } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { insertStep, removeStep, updateStep, type NewDocument, type Step } from '../store/store.ts'
import { ourselves } from './audit.ts'
import { changeSteps, changeTime } from './changes.ts'
import { credentialLeaseOf } from './connection-id.ts'
import { findMethod, type ConnectContext } from './context.ts'
import { compositeDigest } from './digest.ts'
import type { Grant } from './grant.ts'
import { identityKeyOf } from './identity-key.ts'
import type { ConnectionRecord } from './records.ts'
import { endedCredential } from './refresh-state.ts'
import { secretBox } from './secrets.ts'
import { connectionSet } from './sets.ts'
import { connectionView } from './views.ts'

/** Members changed in one transaction. */
const membersAtOnce = 200

/** Id of the one credential that an identity's connections share. */
const grantIdOf = (integration: string, identityId: string): string =>
  `grant_${compositeDigest(integration, identityId)}`

/** True when connections that came by this grant share it with all others of the identity. */
function isShared(context: ConnectContext, integration: string, { via }: Pick<Grant, 'via'>): boolean {
  const method = findMethod(context.integration(integration), via)
  return method !== undefined && !('verify' in method) && method.grantScope === 'identity'
}

/** A connection that is about to be written, and what is written with it. */
export interface Joining {
  readonly record: NewDocument<ConnectionRecord>
  readonly steps: readonly Step[]
}

/** The connection as it was, and its new grant. */
export interface Placing {
  readonly existing: ConnectionRecord | undefined
  readonly grant: Grant
}

/**
 * The connection as it is to be written, with the steps that put its credential where it belongs: nowhere else, or into
 * the record that it shares. Everybody who shares it uses the new credential from then on; call {@link tellMembersOf}
 * once it is written.
 */
export async function placeGrant(
  context: ConnectContext,
  draft: NewDocument<ConnectionRecord>,
  placing: Placing,
): Promise<Joining> {
  const { existing, grant } = placing
  const joining = isShared(context, draft.integration, grant)
    ? await joinGrant(context, draft, placing)
    : { record: draft, steps: [] }
  // What it shared before and shares no more.
  const before = existing?.state === 'disconnected' ? null : existing?.grantId
  if (!existing || !before || before === joining.record.grantId) return joining
  const left = await leaveSteps(context, existing, before)
  return { ...joining, steps: [...joining.steps, ...(left?.steps ?? [])] }
}

async function joinGrant(
  context: ConnectContext,
  draft: NewDocument<ConnectionRecord>,
  { existing, grant }: Placing,
): Promise<Joining> {
  const { store } = context
  const grantId = grantIdOf(draft.integration, draft.identity.id)
  const found = await store.get(connectionSet, grantId)
  const fence = await store.takeFence(credentialLeaseOf(grantId))
  const isHolder = existing?.grantId === grantId && existing.state !== 'disconnected'
  const holders = (found?.holders ?? 0) + (isHolder ? 0 : 1)
  // What the account chose is its own.
  const { config: _, ...shared } = draft
  const credential: NewDocument<ConnectionRecord> = {
    ...shared,
    id: grantId,
    kind: 'grant',
    accountId: '',
    metadata: null,
    holders,
    createdAt: found?.createdAt ?? draft.createdAt,
    secrets: secretBox(context.vault, 'credential').seal(
      { ...draft, id: grantId, accountId: '' },
      grant.secrets,
    ),
    credFence: fence,
  }
  const { id, ...set } = credential
  const match = { version: found?.version ?? 0, credFence: { lessThan: fence } }
  return {
    record: { ...draft, grantId, secrets: {}, expiresAt: null },
    steps: [found ? updateStep(connectionSet, id, match, { set }) : insertStep(connectionSet, credential)],
  }
}

/** What leaving a shared grant takes. */
export interface Leaving {
  /** True when nobody else uses it: it is to be ended at the provider. */
  readonly last: boolean
  readonly grant: ConnectionRecord
  readonly steps: readonly Step[]
}

/** The steps by which a connection leaves. Of several that leave at once exactly one is the last. */
export async function leaveSteps(
  context: ConnectContext,
  member: ConnectionRecord,
  grantId: string,
): Promise<Leaving | undefined> {
  const { store } = context
  const grant = await store.get(connectionSet, grantId)
  if (!grant || grant.state === 'disconnected') return undefined
  const { holders = 1, version } = grant
  if (holders > 1) {
    const step = updateStep(connectionSet, grantId, { holders }, { set: { holders: holders - 1 } })
    return { last: false, grant, steps: [step] }
  }
  const fence = await store.takeFence(credentialLeaseOf(grantId))
  const set = {
    ...endedCredential,
    credFence: fence,
    holders: 0,
    updatedAt: changeTime(context, member),
  }
  const step = updateStep(connectionSet, grantId, { version, credFence: { lessThan: fence } }, { set })
  return { last: true, grant, steps: [step] }
}

/** A connection, and the record that has its credential: the connection itself, or the shared one. */
export interface Held {
  readonly member: ConnectionRecord
  readonly credential: ConnectionRecord
}

/**
 * Where the connection's credential is. A connection that was not told yet that the shared one broke, or works again, is
 * told on the way. Undefined when the connection is gone, or its credential is.
 */
export async function credentialOf(
  context: ConnectContext,
  member: ConnectionRecord,
): Promise<Held | undefined> {
  const { store } = context
  if (!member.grantId) return { member, credential: member }
  const credential = await store.get(connectionSet, member.grantId)
  if (!credential || credential.state === 'disconnected') return undefined
  if (credential.state === member.state) return { member, credential }
  await tellMembers(context, credential)
  const told = await store.get(connectionSet, member.id)
  return told?.grantId === member.grantId && told.state !== 'disconnected'
    ? { member: told, credential }
    : undefined
}

/** {@link tellMembers} of the grant that the connection shares, if it shares one. */
export async function tellMembersOf(
  context: ConnectContext,
  { grantId }: Pick<ConnectionRecord, 'grantId'>,
): Promise<void> {
  const grant = grantId ? await context.store.get(connectionSet, grantId) : undefined
  if (grant) await tellMembers(context, grant)
}

/**
 * Tells every connection of the grant what the grant is now. Repeating it does nothing; a process that dies on the way
 * leaves the rest to whoever asks for their credential next.
 */
export async function tellMembers(context: ConnectContext, grant: ConnectionRecord): Promise<void> {
  const { state, reason } = grant
  if (state === 'disconnected') return
  for (;;) {
    const members = await membersIn(context, grant.id, state === 'active' ? 'needs_reauth' : 'active')
    if (members.length === 0) return
    const written = await context.store.transact(
      members.flatMap((member) => changeMember(context, member, { state, reason })),
    )
    if (!written) continue
    for (const member of members) {
      const connection = connectionView({ ...member, state, reason })
      await context.changed({ type: state === 'active' ? 'connected' : 'needs_reauth', connection })
    }
  }
}

/** Every connection that shares the grant, or did. */
export async function membersOf({ store }: ConnectContext, grantId: string): Promise<ConnectionRecord[]> {
  const found: ConnectionRecord[] = []
  const query = { index: 'byGrant', equals: grantId, limit: membersAtOnce }
  let page = await store.list(connectionSet, query)
  for (;;) {
    found.push(...page.items)
    if (page.cursor === undefined) return found
    page = await store.list(connectionSet, { ...query, cursor: page.cursor })
  }
}

/** The shared credential under the name of another integration, and the steps that move it there. */
export function movedGrant(
  context: ConnectContext,
  grant: ConnectionRecord,
  integration: string,
): { readonly id: string; readonly steps: () => Promise<readonly Step[]> } {
  const { store, vault } = context
  const id = grantIdOf(integration, grant.identity.id)
  const steps = async (): Promise<readonly Step[]> => {
    const { version, ...rest } = grant
    const box = secretBox(vault, 'credential')
    const place = { id, integration, accountId: '' }
    const target = await store.get(connectionSet, id)
    // Two live credentials of one identity can't become one without asking the provider.
    if (target && target.state !== 'disconnected' && grant.state !== 'disconnected') {
      throw new AuthFlowError('already_connected', undefined, { details: { integration } })
    }
    const moved = {
      ...rest,
      ...place,
      identityKey: identityKeyOf(context, integration, grant.identity.id),
      secrets: box.seal(place, box.openAll(grant, grant.secrets)),
      credFence: await store.takeFence(credentialLeaseOf(id)),
      updatedAt: changeTime(context, grant),
    }
    const gone = removeStep(connectionSet, grant.id, { version })
    if (!target) return [gone, insertStep(connectionSet, moved)]
    if (grant.state === 'disconnected') return [gone]
    const { id: _, ...set } = moved
    return [gone, updateStep(connectionSet, id, { version: target.version }, { set })]
  }
  return { id, steps }
}

/** Some of those in the state. */
async function membersIn(
  context: ConnectContext,
  grantId: string,
  state: ConnectionState,
): Promise<ConnectionRecord[]> {
  const members = await membersOf(context, grantId)
  return members.filter((member) => member.state === state).slice(0, membersAtOnce)
}

function changeMember(
  context: ConnectContext,
  member: ConnectionRecord,
  { state, reason }: { readonly state: ConnectionState; readonly reason: string | null },
): Step[] {
  const set = { state, reason, updatedAt: changeTime(context, member) }
  return [
    updateStep(connectionSet, member.id, { version: member.version }, { set }),
    ...changeSteps(context, {
      action: state === 'active' ? 'connection.recovered' : 'connection.needs_reauth',
      actor: ourselves,
      connection: { ...member, ...set },
      ...(reason === null ? {} : { reason }),
    }),
  ]
}

/** An error about a shared credential, as it concerns the connection that asked. */
export function asMember(error: unknown, { accountId }: ConnectionRecord): unknown {
  if (!isAuthFlowError(error) || error.details.accountId !== '') return error
  return new AuthFlowError(error.code, error.message, {
    cause: error,
    details: { ...error.details, accountId },
  })
}

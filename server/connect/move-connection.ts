// Moves a connection to another name: of its account or of its integration. Names are part of what every secret is sealed
// for, so the secrets are opened and sealed anew; record, secrets, pending teardowns and the audit row change in one
// transaction, and whoever reads meanwhile finds the connection under exactly one name.

import { AuthFlowError } from '../../shared/errors.ts'
import { insertStep, removeStep, updateStep, type NewDocument, type Step } from '../store/store.ts'
import type { Actor } from './audit.ts'
import { changeSteps, changeTime } from './changes.ts'
import { connectionIdOf, credentialLeaseOf } from './connection-id.ts'
import type { ConnectionKey } from './connections.ts'
import type { ConnectContext } from './context.ts'
import { identityKeyOf } from './identity-key.ts'
import type { ConnectionRecord, TeardownRecord } from './records.ts'
import { secretBox } from './secrets.ts'
import { connectionSet, teardownSet } from './sets.ts'
import { connectionView } from './views.ts'

const pageSize = 100

/** A connection on its way to another name. */
export interface Move {
  readonly record: ConnectionRecord
  readonly to: ConnectionKey
  readonly actor: Actor
  /** Id of the shared credential there, where it has one. */
  readonly grantId?: string | null
}

/** What a move writes. */
export interface MoveSteps {
  readonly steps: readonly Step[]
  /** The connection as it will be. */
  readonly moved: NewDocument<ConnectionRecord>
}

/**
 * The steps of a move. The caller sees to it that no refresh of the credential is under way.
 *
 * @throws {@link AuthFlowError} `already_connected` when the target has a connection; `unreadable_ciphertext`
 */
export async function moveSteps(context: ConnectContext, move: Move): Promise<MoveSteps> {
  const { store } = context
  const { record, to, actor } = move
  const id = connectionIdOf(to.integration, to.accountId)
  const target = await store.get(connectionSet, id)
  if (target && target.state !== 'disconnected' && record.state !== 'disconnected') {
    const message = 'The name that the connection is to get has a connection. Disconnect one of them.'
    throw new AuthFlowError('already_connected', message, { details: { ...to } })
  }
  const { integration, accountId } = record
  const moved = await renamed(context, move, id)
  const gone = removeStep(connectionSet, record.id, { version: record.version })
  // What ended long ago gives way to what the target has.
  if (target && record.state === 'disconnected') return { moved, steps: [gone] }
  const { id: _, ...set } = moved
  const told = changeSteps(context, {
    action: 'connection.renamed',
    actor,
    connection: moved,
    data: { previous: { integration, accountId } },
  })
  const arrived = target
    ? updateStep(connectionSet, id, { version: target.version }, { set })
    : insertStep(connectionSet, moved)
  return { moved, steps: [gone, arrived, ...told, ...(await teardownSteps(context, record, moved))] }
}

/** Tells the job engine and whoever else listens in this process that a connection has a new name. */
export async function tellMoved(context: ConnectContext, { record }: Move, moved: MoveSteps): Promise<void> {
  const { integration, accountId, state } = record
  // One that ended before has nothing new to tell: nobody is to take it for being ended just now.
  if (state === 'disconnected') return
  await context.changed({
    type: state === 'active' ? 'connected' : state,
    connection: connectionView(moved.moved),
    previous: { integration, accountId },
  })
}

async function renamed(
  context: ConnectContext,
  { record, to, grantId = record.grantId ?? null }: Move,
  id: string,
): Promise<NewDocument<ConnectionRecord>> {
  const { version: _, ...rest } = record
  const place = { id, integration: to.integration, accountId: to.accountId }
  const box = secretBox(context.vault, 'credential')
  return {
    ...rest,
    ...place,
    grantId,
    identityKey: identityKeyOf(context, to.integration, record.identity.id),
    secrets: box.seal(place, box.openAll(record, record.secrets)),
    // Greater than whatever a connection of that name had before.
    credFence: await context.store.takeFence(credentialLeaseOf(id)),
    updatedAt: changeTime(context, record),
  }
}

/** Grants that are still to be ended follow, or an integration that is no more would keep them from it. */
async function teardownSteps(
  context: ConnectContext,
  from: ConnectionRecord,
  to: NewDocument<ConnectionRecord>,
): Promise<Step[]> {
  const query = { index: 'byConnection', equals: from.id, limit: pageSize }
  const { items } = await context.store.list(teardownSet, query)
  return items
    .filter(({ kind }) => kind === 'teardown')
    .map((record) => updateStep(teardownSet, record.id, { version: record.version }, { set: follow(record) }))

  function follow(record: TeardownRecord): Partial<Omit<TeardownRecord, 'id' | 'version'>> {
    const { integration, accountId } = to
    const box = secretBox(context.vault, 'teardown')
    const secrets = box.openAll(record, record.secrets)
    return {
      connectionId: to.id,
      integration,
      accountId,
      // Whose it is can be said without asking only if it is the connection's own identity.
      identityKey: record.identityKey === from.identityKey ? to.identityKey : null,
      secrets: box.seal({ id: record.id, integration, accountId }, secrets),
    }
  }
}

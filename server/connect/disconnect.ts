// Ending a connection, and deleting what is left of one. The credential leaves the record in the same write; its grant
// is ended at the provider afterwards, by a teardown, for as long as that takes.

import type { Connection } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import { removeStep, updateStep, type Step } from '../store/store.ts'
import { auditStep, type Actor } from './audit.ts'
import { changeSteps, changeTime } from './changes.ts'
import { credentialLeaseOf } from './connection-id.ts'
import { findRecord, notConnected, type ConnectionKey } from './connections.ts'
import type { ConnectContext } from './context.ts'
import type { ConnectionRecord } from './records.ts'
import { endedCredential } from './refresh-state.ts'
import { secretBox } from './secrets.ts'
import { connectionSet } from './sets.ts'
import { leaveSteps } from './shared-grant.ts'
import type { Teardowns } from './teardown.ts'
import { connectionView } from './views.ts'

const maxTries = 10

/** What ends a connection works with. */
export interface DisconnectParts {
  readonly context: ConnectContext
  readonly teardowns: Teardowns
}

/** Which connection to end, and on whose wish. */
export interface DisconnectRequest {
  readonly key: ConnectionKey
  readonly actor: Actor
  /** True: the record goes too, with identity, fields and metadata. */
  readonly forget?: boolean
}

/**
 * Ends a connection: its credential is unreadable once this resolves, whether or not the provider can be reached.
 *
 * @throws {@link AuthFlowError} `not_connected` when there is none or it is disconnected already; with `forget` only
 *   when there is no record
 */
export async function disconnect(parts: DisconnectParts, request: DisconnectRequest): Promise<Connection> {
  const { context } = parts
  const { key, forget = false } = request
  for (let tries = 0; tries < maxTries; tries += 1) {
    const record = await findRecord(context, key)
    if (!record || (record.state === 'disconnected' && !forget)) throw notConnected(key)
    const ended =
      record.state === 'disconnected'
        ? await forgetEnded(context, record, request.actor)
        : await end(parts, record, request)
    if (ended) return ended
  }
  throw new AuthFlowError('conflict')
}

/** The connection as it ended; undefined when somebody else changed it meanwhile. */
async function end(
  { context, teardowns }: DisconnectParts,
  record: ConnectionRecord,
  { actor, forget = false }: DisconnectRequest,
): Promise<Connection | undefined> {
  const { store } = context
  // The fence ends a refresh that may be going on. If it saved after the read, the version does not match and the next
  // round takes the newer tokens along.
  const fence = await store.takeFence(credentialLeaseOf(record.id))
  const change = {
    ...endedCredential,
    credFence: fence,
    updatedAt: changeTime(context, record),
  }
  const after = { ...record, ...change }
  const match = { version: record.version, credFence: { lessThan: fence } }
  const given = await giveUpSteps({ context, teardowns }, record)
  const written = await store.transact([
    forget
      ? removeStep(connectionSet, record.id, match)
      : updateStep(connectionSet, record.id, match, { set: change }),
    ...changeSteps(context, { action: 'connection.disconnected', actor, connection: after }),
    ...(forget ? [forgottenStep(context, after, actor)] : []),
    ...given.steps,
  ])
  if (!written) return undefined
  if (given.teardownId !== undefined) teardowns.runSoon(given.teardownId)
  const connection = connectionView(after)
  await context.changed({ type: 'disconnected', connection })
  return connection
}

/** Deletes the record of a connection that ended before. */
async function forgetEnded(
  context: ConnectContext,
  record: ConnectionRecord,
  actor: Actor,
): Promise<Connection | undefined> {
  const written = await context.store.transact([
    removeStep(connectionSet, record.id, { version: record.version }),
    forgottenStep(context, { ...record, updatedAt: changeTime(context, record) }, actor),
  ])
  return written ? connectionView(record) : undefined
}

const forgottenStep = (
  context: ConnectContext,
  connection: Omit<ConnectionRecord, 'version'>,
  actor: Actor,
): Step =>
  auditStep(connection.updatedAt, { action: 'connection.forgotten', actor, connection }, context.audit.days)

/** Steps that give the credential up: to a teardown, or to those who share it. */
async function giveUpSteps(
  { context, teardowns }: DisconnectParts,
  record: ConnectionRecord,
): Promise<{ readonly steps: readonly Step[]; readonly teardownId?: string }> {
  const left = record.grantId ? await leaveSteps(context, record, record.grantId) : undefined
  if (left && !left.last) return { steps: left.steps }
  const noted = noteGrant(context, teardowns, { record, holder: left?.grant ?? record })
  return {
    steps: [...(left?.steps ?? []), ...(noted ? [noted.step] : [])],
    ...(noted ? { teardownId: noted.id } : {}),
  }
}

/** A credential that can't be read any more is dropped: disconnecting must not depend on a lost key. */
function noteGrant(
  context: ConnectContext,
  teardowns: Teardowns,
  { record, holder }: { readonly record: ConnectionRecord; readonly holder: ConnectionRecord },
): ReturnType<Teardowns['note']> {
  const { id: connectionId, integration, accountId, identityKey, fields, via } = record
  const { scopes } = holder
  try {
    const secrets = secretBox(context.vault, 'credential').openAll(holder, holder.secrets)
    const place = { connectionId, integration, accountId, identityKey, ...(via === undefined ? {} : { via }) }
    return teardowns.note({ ...place, fields, scopes, secrets })
  } catch (error) {
    context.log.warn(
      { err: error, connectionId, integration },
      'the grant of a connection can not be ended at the provider',
    )
    return undefined
  }
}

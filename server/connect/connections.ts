// Connections: reading them, and ending one. There is one record per integration and account; ending it keeps the record
// and moves the credential out in the same write.

import type { Connection } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Page } from '../../shared/flow.ts'
import { checkAccountId } from '../../shared/ids.ts'
import { updateStep } from '../store/store.ts'
import { auditStep, type Actor } from './audit.ts'
import { connectionIdOf, credentialLeaseOf } from './connection-id.ts'
import type { ConnectContext } from './context.ts'
import type { ConnectionRecord } from './records.ts'
import { noRefresh } from './refresh-state.ts'
import { secretBox } from './secrets.ts'
import { connectionSet } from './sets.ts'
import type { Teardowns } from './teardown.ts'
import { connectionView } from './views.ts'

const defaultLimit = 20
const maxLimit = 100
const maxTries = 10

/** Which connection: there is at most one. */
export interface ConnectionKey {
  readonly integration: string
  readonly accountId: string
}

/** What to list. */
export interface ConnectionQuery {
  readonly accountId?: string
  readonly integration?: string
  /** 1 to 100 (default 20). */
  readonly limit?: number
  readonly cursor?: string
}

/** Connections of one connect service. */
export interface Connections {
  /** Newest first, in every state. Throws `invalid_input`. */
  list(query: ConnectionQuery): Promise<Page<Connection>>
  /** Those of the account to the integrations that are not disconnected. */
  listOf(accountId: string, integrations: readonly string[]): Promise<Connection[]>
  find(key: ConnectionKey): Promise<Connection | undefined>
  /** Throws `not_connected`. */
  get(key: ConnectionKey): Promise<Connection>
  /**
   * Ends a connection: its credential is unreadable once this resolves, whether or not the provider can be reached.
   *
   * @throws {@link AuthFlowError} `not_connected` when there is none or it is disconnected already
   */
  disconnect(key: ConnectionKey, actor: Actor): Promise<Connection>
}

/** The connections of a connect service. */
export function createConnections(context: ConnectContext, teardowns: Teardowns): Connections {
  const find = async (key: ConnectionKey): Promise<Connection | undefined> => {
    const record = await findRecord(context, key)
    return record && connectionView(record)
  }
  return {
    find,
    list: (query) => listConnections(context, query),
    async listOf(accountId, integrations) {
      const ids = integrations.map((integration) => connectionIdOf(integration, accountId))
      const records = await context.store.getMany(connectionSet, ids)
      return records.filter(({ state }) => state !== 'disconnected').map(connectionView)
    },
    async get(key) {
      const found = await find(key)
      if (!found) throw notConnected(key)
      return found
    },
    disconnect: (key, actor) => disconnect(context, teardowns, { key, actor }),
  }
}

/** The record of a pair, if there is one. Throws `invalid_input` for something that is no account id. */
export async function findRecord(
  { store }: ConnectContext,
  { integration, accountId }: ConnectionKey,
): Promise<ConnectionRecord | undefined> {
  return store.get(connectionSet, connectionIdOf(integration, checkAccountId(accountId)))
}

/** The error for a pair without a usable connection. */
export const notConnected = ({ integration, accountId }: ConnectionKey): AuthFlowError =>
  new AuthFlowError('not_connected', undefined, { details: { integration, accountId } })

async function listConnections(context: ConnectContext, query: ConnectionQuery): Promise<Page<Connection>> {
  const { accountId, integration, limit = defaultLimit, cursor } = query
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
    throw new AuthFlowError('invalid_input', `limit must be a whole number from 1 to ${maxLimit}.`)
  }
  if (accountId !== undefined && integration !== undefined) {
    const record = await findRecord(context, { accountId, integration })
    return { items: record ? [connectionView(record)] : [] }
  }
  const page = await context.store.list(connectionSet, {
    ...indexFor(query),
    order: 'desc',
    limit,
    ...(cursor === undefined ? {} : { cursor }),
  })
  const items = page.items.map(connectionView)
  return page.cursor === undefined ? { items } : { items, cursor: page.cursor }
}

function indexFor({ accountId, integration }: ConnectionQuery): { index: string; equals: string } {
  if (accountId !== undefined) return { index: 'byAccount', equals: checkAccountId(accountId) }
  if (integration !== undefined) return { index: 'byIntegration', equals: integration }
  return { index: 'all', equals: 'connection' }
}

async function disconnect(
  context: ConnectContext,
  teardowns: Teardowns,
  request: { readonly key: ConnectionKey; readonly actor: Actor },
): Promise<Connection> {
  const { store } = context
  const { key, actor } = request
  for (let tries = 0; tries < maxTries; tries += 1) {
    const record = await findRecord(context, key)
    if (!record || record.state === 'disconnected') throw notConnected(key)
    // The fence ends a refresh that may be going on. If it saved after the read, the version does not match and the next
    // round takes the newer tokens along.
    const fence = await store.takeFence(credentialLeaseOf(record.id))
    const now = store.now()
    const change: Partial<ConnectionRecord> = {
      ...noRefresh,
      state: 'disconnected',
      reason: null,
      secrets: {},
      expiresAt: null,
      credFence: fence,
      updatedAt: now,
    }
    const note = noteGrant(context, teardowns, record)
    const match = { version: record.version, credFence: { lessThan: fence } }
    const written = await store.transact([
      updateStep(connectionSet, record.id, match, { set: change }),
      auditStep(now, {
        action: 'connection.disconnected',
        actor,
        connection: record,
        identityId: record.identity.id,
      }),
      ...(note ? [note.step] : []),
    ])
    if (!written) continue
    if (note) teardowns.runSoon(note.id)
    const connection = connectionView({ ...record, ...change })
    await context.changed({ type: 'disconnected', connection })
    return connection
  }
  throw new AuthFlowError('conflict')
}

/** A credential that can't be read any more is dropped: disconnecting must not depend on a lost key. */
function noteGrant(
  context: ConnectContext,
  teardowns: Teardowns,
  record: ConnectionRecord,
): ReturnType<Teardowns['note']> {
  const { id: connectionId, integration, accountId, identityKey, fields, scopes } = record
  try {
    const secrets = secretBox(context.vault, 'credential').openAll(record, record.secrets)
    return teardowns.note({ connectionId, integration, accountId, identityKey, fields, scopes, secrets })
  } catch (error) {
    context.log.warn(
      { err: error, connectionId, integration },
      'the grant of a connection can not be ended at the provider',
    )
    return undefined
  }
}

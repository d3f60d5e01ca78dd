// Connections: reading them, and what the host notes about them. There is one record per integration and account.

import type { Connection, Metadata } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Page } from '../../shared/flow.ts'
import { checkAccountId } from '../../shared/ids.ts'
import { updateStep, type ListQuery } from '../store/store.ts'
import type { Actor } from './audit.ts'
import { changeSteps, changeTime } from './changes.ts'
import { connectionIdOf } from './connection-id.ts'
import type { ConnectContext } from './context.ts'
import { identityKeyOf } from './identity-key.ts'
import { checkMetadata } from './metadata.ts'
import type { ConnectionRecord } from './records.ts'
import { connectionSet } from './sets.ts'
import { connectionView, fullConnectionView } from './views.ts'

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
  /** `identity.id` at the provider; needs `integration`. */
  readonly identity?: string
  /** 1 to 100 (default 20). */
  readonly limit?: number
  readonly cursor?: string
}

/** Connections of one connect service. */
export interface Connections {
  /**
   * Newest first, in every state; a page may hold fewer than there are and still have a cursor. Throws `invalid_input`.
   */
  list(query: ConnectionQuery): Promise<Page<Connection>>
  /** Those of the account to the integrations that are not disconnected, as pages may see them. */
  listOf(accountId: string, integrations: readonly string[]): Promise<Connection[]>
  find(key: ConnectionKey): Promise<Connection | undefined>
  /** Throws `not_connected`. */
  get(key: ConnectionKey): Promise<Connection>
  /** Replaces what the host noted; null deletes it. Throws `not_connected`, `invalid_input`. */
  setMetadata(key: ConnectionKey, metadata: Metadata | null, actor: Actor): Promise<Connection>
}

/** The connections of a connect service. */
export function createConnections(context: ConnectContext): Connections {
  const find = async (key: ConnectionKey): Promise<Connection | undefined> => {
    const record = await findRecord(context, key)
    return record && fullConnectionView(record)
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
    setMetadata: (key, metadata, actor) => setMetadata(context, key, { metadata, actor }),
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
  const { accountId, integration, identity, limit = defaultLimit, cursor } = query
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
    throw new AuthFlowError('invalid_input', `limit must be a whole number from 1 to ${maxLimit}.`)
  }
  if (accountId !== undefined && integration !== undefined) {
    const record = await findRecord(context, { accountId, integration })
    const isWanted = record && (identity === undefined || record.identity.id === identity)
    return { items: isWanted ? [fullConnectionView(record)] : [] }
  }
  const page = await context.store.list(connectionSet, {
    ...indexFor(context, query),
    order: 'desc',
    limit,
    ...(cursor === undefined ? {} : { cursor }),
  })
  const items = page.items.filter(({ kind }) => kind === 'connection').map(fullConnectionView)
  return page.cursor === undefined ? { items } : { items, cursor: page.cursor }
}

function indexFor(
  context: ConnectContext,
  { accountId, integration, identity }: ConnectionQuery,
): Pick<ListQuery<ConnectionRecord>, 'index' | 'equals'> {
  if (identity !== undefined) {
    if (integration === undefined) {
      throw new AuthFlowError(
        'invalid_input',
        'identity needs an integration: ids are those of one provider.',
      )
    }
    return { index: 'byIdentity', equals: identityKeyOf(context, integration, identity) }
  }
  if (accountId !== undefined) return { index: 'byAccount', equals: checkAccountId(accountId) }
  if (integration !== undefined) return { index: 'byIntegration', equals: integration }
  return { index: 'all', equals: 'connection' }
}

async function setMetadata(
  context: ConnectContext,
  key: ConnectionKey,
  { metadata, actor }: { readonly metadata: Metadata | null; readonly actor: Actor },
): Promise<Connection> {
  const checked = metadata === null ? null : checkMetadata(metadata)
  for (let tries = 0; tries < maxTries; tries += 1) {
    const record = await findRecord(context, key)
    if (!record) throw notConnected(key)
    const set = { metadata: checked, updatedAt: changeTime(context, record) }
    const after = { ...record, ...set }
    const written = await context.store.transact([
      updateStep(connectionSet, record.id, { version: record.version }, { set }),
      ...changeSteps(context, { action: 'connection.metadata_changed', actor, connection: after }),
    ])
    if (written) return fullConnectionView(after)
  }
  throw new AuthFlowError('conflict')
}

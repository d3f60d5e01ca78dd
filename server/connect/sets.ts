// The sets of the connect service with their indexes.

import { defineSet, type DocumentSet, type StoredDocument } from '../store/store.ts'
import type {
  AuditRecord,
  AuthorizationRecord,
  ConnectionRecord,
  FlowRecord,
  KeyUseRecord,
  NoticeRecord,
  RenameRecord,
  TeardownRecord,
  TokenRecord,
} from './records.ts'

/** Connect tokens, by digest. */
export const tokenSet = defineSet<TokenRecord>('connect_tokens', { byAccount: ['accountId', 'expiresAt'] })

/** Uses of secret keys, by the key's id. */
export const keyUseSet = defineSet<KeyUseRecord>('secret_key_uses')

/** Flows, by the id the browser made. */
export const flowSet = defineSet<FlowRecord>('flows', {
  openDevices: ['deviceOpen', 'createdAt'],
  openGrants: ['grantOpen', 'endsAt'],
})

/** Trips to the provider, by digest of `state`. */
export const authorizationSet = defineSet<AuthorizationRecord>('authorizations')

/** Connections with their credentials, by digest of integration and account. */
export const connectionSet = defineSet<ConnectionRecord>('connections', {
  all: ['kind', 'createdAt'],
  byAccount: ['accountId', 'createdAt'],
  byIntegration: ['integration', 'createdAt'],
  byIdentity: ['identityKey', 'createdAt'],
  byGrant: ['grantId', 'createdAt'],
  openRefreshes: ['refreshOpen', 'refreshStartedAt'],
})

/** Grants that are to be ended at the provider. */
export const teardownSet = defineSet<TeardownRecord>('teardowns', {
  due: ['kind', 'dueAt'],
  byConnection: ['connectionId', 'createdAt'],
  byIdentity: ['identityKey', 'createdAt'],
})

/** The audit trail. */
export const auditSet = defineSet<AuditRecord>('audit', {
  all: ['kind', 'at'],
  byConnection: ['connectionId', 'at'],
  byAccount: ['accountId', 'at'],
  byIntegration: ['integration', 'at'],
  byAction: ['action', 'at'],
})

/** Changes that somebody is still to be told of. */
export const noticeSet = defineSet<NoticeRecord>('connection_notices', {
  due: ['target', 'dueAt'],
  lane: ['lane', 'at'],
})

/** Accounts and integrations that got other names. */
export const renameSet = defineSet<RenameRecord>('renames', {
  open: ['open', 'dueAt'],
  byFrom: ['fromKey', 'startedAt'],
  byTo: ['toKey', 'startedAt'],
})

/** Every set of the connect service, for {@link Store.migrate}. */
export const connectSets: readonly DocumentSet<StoredDocument>[] = [
  tokenSet,
  keyUseSet,
  flowSet,
  authorizationSet,
  connectionSet,
  teardownSet,
  auditSet,
  noticeSet,
  renameSet,
]

// Gives out live credentials. They are opened for the caller and kept nowhere.

import type { Auth } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { checkAccountId } from '../../shared/ids.ts'
import type { AuthRequest } from './connect.ts'
import { connectionIdOf } from './connection-id.ts'
import { notConnected } from './connections.ts'
import { findMethod, type ConnectContext } from './context.ts'
import { matchesDigest, sha256 } from './digest.ts'
import { identify } from './grant.ts'
import { isRenewable } from './grant-method.ts'
import { markNeedsReauth, needsReauth } from './needs-reauth.ts'
import { readTogether } from './read-together.ts'
import type { ConnectionRecord } from './records.ts'
import { refreshNeed } from './refresh-state.ts'
import type { Refresher } from './refreshing.ts'
import { fieldsOfSecrets, secretBox, type SecretBox } from './secrets.ts'
import { connectionSet } from './sets.ts'
import { asMember, credentialOf, type Held } from './shared-grant.ts'
import { fieldsOf } from './views.ts'

/** Gives out the credentials of connections. */
export type GetAuth = (request: AuthRequest) => Promise<Auth>

/**
 * The `getAuth` of a connect service.
 *
 * A token that expires soon is refreshed first; one that the caller reports as rejected is refreshed once, if it is
 * still the current one. Credentials without a refresh are then tried at the provider, and only if it refuses them the
 * connection is marked.
 */
export function createGetAuth(context: ConnectContext, refresher: Refresher): GetAuth {
  const box = secretBox(context.vault, 'credential')
  const checks = new Map<string, Promise<void>>()
  const read = readTogether(context.store, connectionSet)
  const give = async (found: ConnectionRecord, rejected: string | undefined): Promise<Auth> => {
    const isRejected = (read: ConnectionRecord): boolean =>
      rejected !== undefined && matchesDigest(secretText(box, read), rejected)
    const refreshable = isRenewable(found)
    if (!refreshable && isRejected(found)) {
      await shared(checks, found.id, () => checkAtProvider(context, box, found))
      return authOf(box, found)
    }
    const fresh = refreshNeed(found, context.store.now(), isRejected(found)) === 'none'
    return authOf(box, fresh ? found : await refresher.refresh(found, isRejected))
  }
  return async (request) => {
    const integration = context.integration(request.id)
    const key = { integration: integration.id, accountId: request.accountId }
    const found = await read(connectionIdOf(key.integration, checkAccountId(key.accountId)))
    if (!found || found.state === 'disconnected') throw notConnected(key)
    const held = await credentialOf(context, found)
    if (!held) throw notConnected(key)
    requireUsable(held, request)
    const { member, credential } = held
    try {
      const auth = await give(credential, request.rejectedTokenHash)
      return member === credential ? auth : { ...auth, ...factsOf(member) }
    } catch (error) {
      throw asMember(error, member)
    }
  }
}

/** What an answer says of the connection itself, where the credential is another record's. */
const factsOf = (member: ConnectionRecord): Pick<Auth, 'connectionId' | 'fields' | 'identity'> => ({
  connectionId: member.id,
  fields: fieldsOf(member),
  identity: member.identity,
})

/** Judges before anything is opened or refreshed. Throws `needs_reauth`, `identity_changed`, `insufficient_scope`. */
function requireUsable({ member, credential }: Held, { identityId, scopes = [] }: AuthRequest): void {
  if (member.state === 'needs_reauth') throw needsReauth(member)
  const { integration, accountId, identity } = member
  if (identityId !== undefined && identityId !== identity.id) {
    throw new AuthFlowError('identity_changed', undefined, { details: { integration, accountId } })
  }
  requireScopes(member, credential, scopes)
}

/** Keys whose scopes nobody tells are let through. */
function requireScopes(
  member: ConnectionRecord,
  credential: ConnectionRecord,
  needed: readonly string[],
): void {
  const { integration, accountId, method } = member
  const { scopes: granted, requested } = credential
  if (method !== 'oauth2' && granted.length === 0) return
  const missingScopes = needed.filter((scope) => !granted.includes(scope))
  if (missingScopes.length === 0) return
  // A flow that asks for the missing ones alone would lose the others at most providers.
  const scopes = [...new Set([...(requested ?? granted), ...needed])]
  throw new AuthFlowError('insufficient_scope', undefined, {
    details: { integration, accountId, missingScopes, scopes },
  })
}

/** One check for callers who ask at the same time. */
async function shared(
  running: Map<string, Promise<void>>,
  id: string,
  check: () => Promise<void>,
): Promise<void> {
  const existing = running.get(id)
  if (existing) return existing
  const started = check().finally(() => running.delete(id))
  running.set(id, started)
  return started
}

/**
 * Asks the provider whether credentials that can't be refreshed still work.
 *
 * @throws {@link AuthFlowError} `needs_reauth` when they don't; `refresh_failed` when the provider can't tell just now
 */
async function checkAtProvider(
  context: ConnectContext,
  box: SecretBox,
  record: ConnectionRecord,
): Promise<void> {
  const method = findMethod(context.integration(record.integration), record.via ?? record.method)
  if (!method) return
  const { accessToken = '', ...others } = box.openAll(record, record.secrets)
  const provider = { fetch: context.fetch, fields: { ...record.fields, ...fieldsOfSecrets(others) } }
  try {
    await identify(() =>
      'verify' in method ? method.verify(provider) : method.identify({ accessToken }, provider),
    )
  } catch (error) {
    if (!isAuthFlowError(error) || error.code !== 'credentials_rejected') {
      throw new AuthFlowError('refresh_failed', undefined, { cause: error })
    }
    const reason = 'credentials_rejected'
    if (await markNeedsReauth(context, record, reason)) throw needsReauth({ ...record, reason })
    throw new AuthFlowError('refresh_failed', undefined, { cause: error })
  }
}

/** The secret that {@link Auth.tokenHash} is made of. */
function secretText(box: SecretBox, record: ConnectionRecord): string {
  const open = (field: string): string => box.open(record, record.secrets, field) ?? ''
  switch (record.method) {
    case 'oauth2':
      return open('accessToken')
    case 'apiKey':
      return open('field.apiKey')
    case 'basic':
      return `${usernameOf(box, record)}:${open('field.password')}`
  }
}

function usernameOf(box: SecretBox, record: ConnectionRecord): string {
  return record.fields['username'] ?? box.open(record, record.secrets, 'field.username') ?? ''
}

function authOf(box: SecretBox, record: ConnectionRecord): Auth {
  const secret = secretText(box, record)
  const base = {
    connectionId: record.id,
    fields: fieldsOf(record),
    scopes: record.scopes,
    expiresAt: record.expiresAt === null ? null : new Date(record.expiresAt).toISOString(),
    identity: record.identity,
    tokenHash: sha256(secret),
  }
  switch (record.method) {
    case 'oauth2':
      return { ...base, type: 'oauth2', accessToken: secret }
    case 'apiKey':
      return { ...base, type: 'apiKey', apiKey: secret }
    case 'basic': {
      const username = usernameOf(box, record)
      return { ...base, type: 'basic', username, password: secret.slice(username.length + 1) }
    }
  }
}

// The last use of credentials that were given up: what was made with them at the provider is removed before the grant
// ends. Nobody else can read them by then.

import type { Auth } from '../../shared/auth.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import type { ConnectContext } from './context.ts'
import { sha256 } from './digest.ts'
import type { TeardownRecord } from './records.ts'
import { connectionSet } from './sets.ts'

/** What is done with credentials before they are gone. */
export interface LastUse {
  /** True when something may have been made at the provider with this integration's credentials. */
  concerns(integration: string): boolean
  /** Removes what the account has there. May be repeated. */
  remove(connection: { integration: string; accountId: string }, auth: Auth): Promise<void>
}

/** Ending the grant is not held up for longer: after so many tries it ends, and with it what it could do. */
const maxAttempts = 5

/**
 * Lets what was made with the credentials be removed, unless the account has connected anew meanwhile.
 *
 * @throws the provider's error where trying again may help
 */
export async function useForTheLastTime(
  { lastUse, store, log }: ConnectContext,
  record: TeardownRecord,
  secrets: { readonly accessToken: string; readonly others: Readonly<Record<string, string>> },
): Promise<void> {
  const { integration, accountId, connectionId } = record
  if (!lastUse?.concerns(integration)) return
  const connection = await store.get(connectionSet, connectionId)
  if (connection && connection.state !== 'disconnected') return
  const { accessToken, others } = secrets
  const { apiKey } = others
  const secret = accessToken === '' ? apiKey : accessToken
  if (secret === undefined) return
  const base = {
    connectionId,
    fields: record.fields,
    scopes: record.scopes,
    expiresAt: null,
    // A record that was forgotten tells nobody any more; nothing that is removed here depends on who it was.
    identity: connection?.identity ?? { id: '', label: '' },
    tokenHash: sha256(secret),
  }
  const auth: Auth =
    accessToken === ''
      ? { ...base, type: 'apiKey', apiKey: secret }
      : { ...base, type: 'oauth2', accessToken: secret }
  try {
    await lastUse.remove({ integration, accountId }, auth)
  } catch (error) {
    if (isAuthFlowError(error) && error.retryable && record.attempts < maxAttempts) throw error
    log.warn(
      { err: error, integration, connectionId },
      'what was made with a connection could not be removed',
    )
  }
}

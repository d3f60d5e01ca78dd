// The method that a connection was made by: its tokens are renewed, and its grant is ended, the same way.

import type { OAuthMethod } from '../integrations/integration.ts'
import { methodAt, type Connectable } from './context.ts'
import type { ConnectionRecord } from './records.ts'

/** What tells the method of a connection. */
export type MadeBy = Pick<ConnectionRecord, 'via'>

/**
 * The method with the host's app where the values lead to; undefined when the integration does not have it any more, or
 * gave no token.
 *
 * @throws {@link AuthFlowError} `client_misconfigured` when the host has no app there any more
 */
export function grantMethodOf(
  { methods }: Connectable,
  { via = 'oauth2' }: MadeBy,
  fields: Readonly<Record<string, string>>,
): OAuthMethod | undefined {
  const method = methods.find(({ id }) => id === via)
  if (!method || 'verify' in method) return undefined
  return method.id === 'oauth2' ? methodAt(method, fields) : method
}

/** True when there is something to get a new access token with. */
export const isRenewable = ({ via, secrets }: Pick<ConnectionRecord, 'via' | 'secrets'>): boolean =>
  via === 'clientCredentials' || secrets['refreshToken'] !== undefined

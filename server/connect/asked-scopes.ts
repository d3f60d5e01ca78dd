// What a flow asks for at the provider. A connection that is authorised again asks for all that it was given, too: most
// providers make a token for what the last request named, so that asking for one more scope alone would lose the others.

import { connectionIdOf } from './connection-id.ts'
import type { ConnectContext } from './context.ts'
import type { FlowRecord, TokenRecord } from './records.ts'
import { connectionSet } from './sets.ts'

/**
 * The scopes with those that the connection asked for before, which have been consented to; never more than the token
 * names where it names any. A connection that was disconnected begins anew.
 */
export async function withEarlierScopes(
  { store }: Pick<ConnectContext, 'store'>,
  { integration, accountId }: Pick<FlowRecord, 'integration' | 'accountId'>,
  { scopes, token }: { readonly scopes: readonly string[]; readonly token: Pick<TokenRecord, 'scopes'> },
): Promise<readonly string[]> {
  const record = await store.get(connectionSet, connectionIdOf(integration, accountId))
  if (!record || record.state === 'disconnected') return scopes
  const earlier = (record.requested ?? []).filter((scope) => token.scopes?.includes(scope) ?? true)
  return [...new Set([...earlier, ...scopes])]
}

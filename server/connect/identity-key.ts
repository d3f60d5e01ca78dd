// Names an identity without telling it: what connections of one identity are found by.

import type { ConnectContext } from './context.ts'

/**
 * Keyed digest of an integration and an identity there, under the index key of the store: the same after the encryption
 * keys were rotated, another one in another environment.
 */
export function identityKeyOf(
  { vault }: Pick<ConnectContext, 'vault'>,
  integration: string,
  identityId: string,
): string {
  return vault.blindIndex('identity', integration, identityId)
}

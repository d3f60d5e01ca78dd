// The key of blind indexes: made once per environment, kept in the store sealed by the ring. Rotating the ring seals it
// anew and leaves it what it is; were it derived from the ring, every digest in the store would have to change at once.

import { randomBytes } from 'node:crypto'
import { AuthFlowError } from '../../shared/errors.ts'
import { defineSet, type DocumentSet, type Store, type StoredDocument } from '../store/store.ts'
import { keyBytes } from './primitives.ts'
import type { SealContext, Vault } from './vault.ts'

/** The sealed index key of an environment, which is its id. */
export interface IndexKeyDocument extends StoredDocument {
  /** base64url of the key, sealed. */
  readonly sealed: string
}

/** Index keys by environment. */
export const indexKeySet = defineSet<IndexKeyDocument>('vault_index_keys')

/** Every set of this file, for `migrate`. */
export const indexKeySets: readonly DocumentSet<StoredDocument>[] = [indexKeySet]

/** Where an index key is sealed for. */
export const indexKeyContext = (id: string): SealContext => ({
  recordType: 'index_key',
  recordId: id,
  integration: '',
  accountId: '',
  field: 'sealed',
})

/**
 * Gives the vault the index key of the environment, making it where there is none. Of several processes that make one
 * at once, one wins and all use its key. Call it after `checkCanary` and before `blindIndex`.
 *
 * @throws {@link AuthFlowError} `unreadable_ciphertext` for a record that was altered or is not this environment's
 */
export async function loadIndexKey(store: Store, vault: Vault, environment: string): Promise<void> {
  const id = encodeURIComponent(environment)
  const found = (await store.get(indexKeySet, id)) ?? (await makeIndexKey(store, vault, id))
  vault.useIndexKey(Buffer.from(vault.open(found.sealed, indexKeyContext(id)), 'base64url'))
}

async function makeIndexKey(
  store: Store,
  vault: Vault,
  id: string,
): Promise<Pick<IndexKeyDocument, 'sealed'>> {
  const sealed = vault.seal(randomBytes(keyBytes).toString('base64url'), indexKeyContext(id))
  if (await store.insert(indexKeySet, { id, sealed })) return { sealed }
  const winner = await store.get(indexKeySet, id)
  if (winner) return winner
  throw new AuthFlowError('store_unavailable', 'The index key was written and cannot be read.')
}

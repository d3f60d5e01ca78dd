// The vault's own sealed values, for the rotation of keys. Canaries are sealed with the key they stand for and stay so.

import type { IndexKeyDocument } from './index-key.ts'
import { indexKeyContext, indexKeySet } from './index-key.ts'
import type { SealedSet } from './sealed-set.ts'
import type { SealedRecordType } from './vault.ts'

const indexKeys: SealedSet<IndexKeyDocument> = {
  set: indexKeySet,
  busy: () => undefined,
  reseal: ({ id, sealed }, vault) => ({ sealed: vault.reseal(sealed, indexKeyContext(id)) }),
}

/** Sets with sealed values by the kind of record they are sealed for. */
export const vaultSealedSets = {
  canary: [],
  index_key: [indexKeys],
} as const satisfies Partial<Record<SealedRecordType, readonly SealedSet[]>>

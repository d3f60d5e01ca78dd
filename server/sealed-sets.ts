// Every set of the product, and those with sealed values. The compiler wants an entry for each kind of record that the
// vault seals; what is sealed in a set that is not here, retiring a key finds and names.

import { connectSealedSets } from './connect/sealed.ts'
import { connectSets } from './connect/sets.ts'
import { jobSets } from './jobs/records.ts'
import { scheduleSets } from './jobs/schedule-records.ts'
import { jobSealedSets } from './jobs/sealed.ts'
import { queueSets } from './queue/store-queue.ts'
import type { DocumentSet, StoredDocument } from './store/store.ts'
import { triggerSealedSets, triggerSets } from './triggers/registration-records.ts'
import { canarySets } from './vault/canary.ts'
import { indexKeySets } from './vault/index-key.ts'
import { processSets } from './vault/ring-presence.ts'
import { rotationSets } from './vault/rotation-record.ts'
import type { SealedSet } from './vault/sealed-set.ts'
import { vaultSealedSets } from './vault/sealed.ts'
import type { SealedRecordType } from './vault/vault.ts'

/** Every set that a server stores in, for `migrate`. */
export const allSets: readonly DocumentSet<StoredDocument>[] = [
  ...connectSets,
  ...jobSets,
  ...scheduleSets,
  ...triggerSets,
  ...queueSets,
  ...canarySets,
  ...indexKeySets,
  ...processSets,
  ...rotationSets,
]

const byRecordType: Readonly<Record<SealedRecordType, readonly SealedSet[]>> = {
  ...vaultSealedSets,
  ...connectSealedSets,
  ...jobSealedSets,
  ...triggerSealedSets,
}

/** Every set with sealed values, for the rotation of keys. */
export const sealedSets: readonly SealedSet[] = Object.values(byRecordType).flat()

// Looking at the store of a server without being one: nothing is created, migrated or announced.

import { AuthFlowError } from '../shared/errors.ts'
import type { GuardedFetch } from './net/guarded-fetch.ts'
import type { ServerCheck } from './inspection.ts'
import type { Settings } from './options.ts'
import { allSets, sealedSets } from './sealed-sets.ts'
import { openStore, storeExists } from './store/open-store.ts'
import { canarySet, examineCanaries } from './vault/canary.ts'
import { createVault } from './vault/create-vault.ts'
import { createKeys } from './vault/key-admin.ts'
import type { KeyState } from './vault/retire-key.ts'

/** What was found of a store. */
export interface StoreExamination {
  /** `none`: no server was ever started on it. `older`: the next start of this version changes it. */
  readonly schema: 'none' | 'older' | 'current'
  /** How the store answers; absent for `none`. */
  readonly answers?: ServerCheck
  /** The keys of the ring and those that the store knows; empty for `none`. */
  readonly keys: readonly KeyState[]
}

/**
 * Looks at it.
 *
 * @throws {@link AuthFlowError} those of the key provider and of the store's opening, `environment_mismatch`,
 *   `schema_newer`, `wrong_encryption_key`, `store_unavailable`
 */
export async function examineStore(settings: Settings, fetch: GuardedFetch): Promise<StoreExamination> {
  const { environment, storeUrl } = settings
  const vault = createVault({ keys: await settings.openRing({ environment, fetch }), environment })
  if (!storeExists(storeUrl)) return { schema: 'none', keys: [] }
  const store = await openStore(storeUrl)
  try {
    const { missing, changed } = await store.examine(allSets, environment)
    if (missing.includes(canarySet.name)) return { schema: 'none', keys: [] }
    await examineCanaries(store, vault, environment)
    const startedAt = performance.now()
    if (!(await store.ping())) throw new AuthFlowError('store_unavailable')
    const answers = { storeMs: performance.now() - startedAt, clockOffsetMs: store.now() - Date.now() }
    const keys = createKeys({ store, vault, environment, sets: allSets, sealedSets })
    const schema = missing.length + changed.length > 0 ? 'older' : 'current'
    return { schema, answers, keys: await keys.list() }
  } finally {
    await store.close()
  }
}

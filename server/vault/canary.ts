// Canaries: one sealed row per key, so that a server with the wrong key stops at start instead of at the first
// customer. A row says whether its key ever wrote, and whether it was retired since.

import { AuthFlowError } from '../../shared/errors.ts'
import { defineSet, type DocumentSet, type Store, type StoredDocument } from '../store/store.ts'
import type { SealContext, Vault } from './vault.ts'

/** The canary of one key. */
export interface CanaryDocument extends StoredDocument {
  readonly kid: string
  /** A known text, sealed with the key. */
  readonly sealed: string
  /** True once the key stood first in some ring: the store may hold values that only it opens. */
  readonly wrote: boolean
  /**
   * Absent while the key is in use. `retiring`: it may write no more, and what it sealed is being counted. `retired`:
   * it sealed nothing that is left, so that it may be missing from the ring.
   */
  readonly retirement?: 'retiring' | 'retired'
}

/** Canaries by environment and key. */
export const canarySet = defineSet<CanaryDocument>('vault_canaries')

/** Every set of this file, for `migrate`. */
export const canarySets: readonly DocumentSet<StoredDocument>[] = [canarySet]

const canaryText = 'authflow canary'

/** More keys than a ring may have; a store outlives some. */
const maxCanaries = 1000

/**
 * Makes sure that the ring opens what the store holds: every canary of a key of the ring opens, and no key that wrote
 * is missing from the ring. Leaves a canary for each key that has none. A key that only reads may be missing: it is
 * being rolled out, and processes of before must still be able to restart. A retired key may be missing and may read,
 * but not write. Safe with several processes at once; repeating it is cheap.
 *
 * @throws {@link AuthFlowError} `wrong_encryption_key` with the key's id in the message; nothing was written then
 */
export async function checkCanary(store: Store, vault: Vault, environment: string): Promise<void> {
  const rows = await examineCanaries(store, vault, environment)
  const known = new Set(rows.map((row) => row.kid))
  for (const kid of vault.kids) if (!known.has(kid)) await leaveCanary(store, vault, { kid, environment })
  await store.update(
    canarySet,
    canaryId(environment, vault.currentKid),
    { wrote: false },
    { set: { wrote: true } },
  )
}

/** Makes sure that the ring opens what the store holds, and leaves nothing; the canaries. Throws `wrong_encryption_key`. */
export async function examineCanaries(
  store: Store,
  vault: Vault,
  environment: string,
): Promise<CanaryDocument[]> {
  const rows = await listCanaries(store, environment)
  for (const row of rows) checkRow(row, vault, environment)
  return rows
}

/** The canaries of an environment: the keys that its store has known. */
export const listCanaries = (store: Store, environment: string): Promise<CanaryDocument[]> =>
  // All ids of one environment lie between its `/` and the character after it.
  store.range(
    canarySet,
    `${encodeURIComponent(environment)}/`,
    `${encodeURIComponent(environment)}0`,
    maxCanaries,
  )

function checkRow(row: CanaryDocument, vault: Vault, environment: string): void {
  if (!vault.kids.includes(row.kid)) {
    if (row.wrote && row.retirement !== 'retired')
      throw wrongKey(`The store holds values of the encryption key \`${row.kid}\`, which is not configured.`)
    return
  }
  if (row.retirement !== undefined && row.kid === vault.currentKid) {
    throw new AuthFlowError(
      'wrong_encryption_key',
      `The encryption key \`${row.kid}\` was retired and may write no more. Put another key first in \`encryptionKeys\`.`,
      { details: { option: 'encryptionKeys' } },
    )
  }
  if (!opens(row, vault, environment)) {
    throw wrongKey(`The encryption key \`${row.kid}\` is not the one that the store was written with.`)
  }
}

/** Another process may be faster with another key under the same id, so what is there in the end is checked. */
async function leaveCanary(
  store: Store,
  vault: Vault,
  { kid, environment }: { kid: string; environment: string },
): Promise<void> {
  const id = canaryId(environment, kid)
  const sealed = vault.sealWith(kid, canaryText, canaryContext(id))
  if (await store.insert(canarySet, { id, kid, sealed, wrote: false })) return
  const winner = await store.get(canarySet, id)
  if (winner) checkRow(winner, vault, environment)
}

function opens(row: CanaryDocument, vault: Vault, environment: string): boolean {
  try {
    const named = row.sealed.startsWith(`v1.${row.kid}.`)
    return named && vault.open(row.sealed, canaryContext(canaryId(environment, row.kid))) === canaryText
  } catch {
    return false
  }
}

/** Id of the canary of a key. */
export const canaryId = (environment: string, kid: string): string =>
  `${encodeURIComponent(environment)}/${kid}`

const canaryContext = (recordId: string): SealContext => ({
  recordType: 'canary',
  recordId,
  integration: '',
  accountId: '',
  field: 'sealed',
})

const wrongKey = (message: string): AuthFlowError =>
  new AuthFlowError(
    'wrong_encryption_key',
    `${message} Add the key it was written with to \`encryptionKeys\`.`,
    {
      details: { option: 'encryptionKeys' },
    },
  )

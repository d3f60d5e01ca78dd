// Canaries: one sealed row per key, so that a server with the wrong key stops at start instead of at the first
// customer. A row says whether its key ever wrote; retiring a key (later) removes its row.

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
}

const canarySet = defineSet<CanaryDocument>('vault_canaries')

/** The vault's sets, for `migrate`. */
export const canarySets: readonly DocumentSet<StoredDocument>[] = [canarySet]

const canaryText = 'authflow canary'

/** More keys than a ring may have; a store outlives some. */
const maxCanaries = 1000

/**
 * Makes sure that the ring opens what the store holds: every canary of a key of the ring opens, and no key that wrote
 * is missing from the ring. Leaves a canary for each key that has none. A key that only reads may be missing: it is
 * being rolled out, and processes of before must still be able to restart. Safe with several processes at once;
 * repeating it is cheap.
 *
 * @throws {@link AuthFlowError} `wrong_encryption_key` with the key's id in the message; nothing was written then
 */
export async function checkCanary(store: Store, vault: Vault, environment: string): Promise<void> {
  const rows = await listCanaries(store, environment)
  for (const row of rows) checkRow(row, vault, environment)
  const known = new Set(rows.map((row) => row.kid))
  for (const kid of vault.kids) if (!known.has(kid)) await leaveCanary(store, vault, { kid, environment })
  await store.update(
    canarySet,
    canaryId(environment, vault.currentKid),
    { wrote: false },
    { set: { wrote: true } },
  )
}

/** All ids of one environment lie between its `/` and the character after it. */
const listCanaries = (store: Store, environment: string): Promise<CanaryDocument[]> =>
  store.range(
    canarySet,
    `${encodeURIComponent(environment)}/`,
    `${encodeURIComponent(environment)}0`,
    maxCanaries,
  )

function checkRow(row: CanaryDocument, vault: Vault, environment: string): void {
  if (!vault.kids.includes(row.kid)) {
    if (row.wrote)
      throw wrongKey(`The store holds values of the encryption key \`${row.kid}\`, which is not configured.`)
    return
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

const canaryId = (environment: string, kid: string): string => `${encodeURIComponent(environment)}/${kid}`

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

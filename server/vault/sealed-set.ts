// Which sets hold sealed values, and how those of one document are sealed anew. Each module declares its own sets;
// `server/sealed-sets.ts` has them all.

import type { Change, DocumentSet, StoredDocument } from '../store/store.ts'
import { sealedKid } from './envelope.ts'
import type { Vault } from './vault.ts'

/** A set with sealed values, for the rotation of keys. */
export interface SealedSet<T extends StoredDocument = StoredDocument> {
  readonly set: DocumentSet<T>
  /**
   * Why the document can't be changed now, in a few words such as `an open refresh`; undefined when it can. The rotation
   * comes back to it. A change raises the document's version, and a process may hold what it read for a while.
   */
  busy(document: T): string | undefined
  /**
   * The fields with sealed values, every value given through `vault.reseal` or `session.reseal`. Written only if the
   * document has not changed since.
   *
   * @throws {@link AuthFlowError} `unreadable_ciphertext`
   */
  reseal(document: T, vault: Vault): NonNullable<Change<T>['set']>
}

/** What is sealed in a document. */
export interface SealedContent {
  /** Values by id of their key. */
  readonly values: ReadonlyMap<string, number>
  /** Characters of text that were looked at. */
  readonly size: number
}

/** Finds sealed values wherever they stand in a document; they are recognised by their shape. */
export function findSealed(document: StoredDocument): SealedContent {
  const values = new Map<string, number>()
  const pending: unknown[] = [document]
  let size = 0
  while (pending.length > 0) {
    const value = pending.pop()
    if (typeof value === 'string') {
      size += value.length
      const kid = sealedKid(value)
      if (kid !== undefined) values.set(kid, (values.get(kid) ?? 0) + 1)
    } else if (typeof value === 'object' && value !== null) pending.push(...Object.values(value))
  }
  return { values, size }
}

// Reads a whole set in pages that fit into memory, whatever the size of its documents.

import type { DocumentSet, Store, StoredDocument } from '../store/store.ts'

const firstPageSize = 20
const maxPageSize = 200
/** Characters of text that a page should have at most. */
const pageCharacters = 4 * 1024 * 1024
/** After every id: ids are printable ASCII, of which the tilde is the last. */
const end = '\x7f'

/** How a set is read. */
export interface Scan<T extends StoredDocument> {
  /** Where to begin: the cursor of a page before (default: at the first document). */
  readonly from?: string
  /**
   * Takes a page; the next one is read when it has resolved. `cursor` is where to go on after it.
   *
   * @returns characters of text in the page
   */
  onPage(documents: readonly T[], cursor: string): Promise<number> | number
}

/** Reads the documents of a set in id order. What is inserted behind the place where the scan is, is not seen. */
export async function scanSet<T extends StoredDocument>(
  store: Store,
  set: DocumentSet<T>,
  { from = '', onPage }: Scan<T>,
): Promise<void> {
  let limit = firstPageSize
  let cursor = from
  for (;;) {
    const documents = await store.range(set, cursor, end, limit)
    const last = documents.at(-1)
    if (last === undefined) return
    // The smallest id after it: the space is the first printable character.
    cursor = `${last.id} `
    const characters = await onPage(documents, cursor)
    if (documents.length < limit) return
    const each = Math.max(1, characters / documents.length)
    limit = Math.max(1, Math.min(maxPageSize, Math.floor(pageCharacters / each)))
  }
}

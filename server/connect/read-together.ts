// Reads that are asked for in one turn of the event loop, done as one. Under load that is one round trip to the database
// for many callers; and their answers leave together, where otherwise each would wake its receiver on its own, which costs
// more than all the rest of a read.

import type { DocumentSet, Store, StoredDocument } from '../store/store.ts'

/** Most documents of one read. */
const mostAtOnce = 100

interface Waiting<T> {
  readonly id: string
  readonly resolve: (document: T | undefined) => void
  readonly reject: (error: unknown) => void
}

/**
 * A `store.get` on the set that waits for the end of the turn, so that it sees every write that was acknowledged before
 * it was asked. Callers who ask for the same document may get the same object; a failed read fails for all who asked
 * with it.
 */
export function readTogether<T extends StoredDocument>(
  store: Store,
  set: DocumentSet<T>,
): (id: string) => Promise<T | undefined> {
  let waiting: Waiting<T>[] = []
  const flush = (): void => {
    const asked = waiting
    waiting = []
    for (let at = 0; at < asked.length; at += mostAtOnce) {
      void read(store, set, asked.slice(at, at + mostAtOnce))
    }
  }
  return (id) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(flush)
      waiting.push({ id, resolve, reject })
    })
}

/** Never rejects. */
async function read<T extends StoredDocument>(
  store: Store,
  set: DocumentSet<T>,
  asked: readonly Waiting<T>[],
): Promise<void> {
  try {
    const documents = await store.getMany(set, [...new Set(asked.map(({ id }) => id))])
    const found = new Map(documents.map((document) => [document.id, document]))
    for (const { id, resolve } of asked) resolve(found.get(id))
  } catch (error) {
    for (const { reject } of asked) reject(error)
  }
}

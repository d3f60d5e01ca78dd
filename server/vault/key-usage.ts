// What a key still seals, counted over every set of the store: proof, where a list of places that were thought of would
// be a promise.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DocumentSet, Store, StoredDocument } from '../store/store.ts'
import { canarySet } from './canary.ts'
import { scanSet } from './scan-set.ts'
import { findSealed } from './sealed-set.ts'

/** Values that one key seals in one set. */
export interface KeyUsage {
  /** Id of the key. */
  readonly kid: string
  /** Name of the set, such as `connections`. */
  readonly set: string
  /** Documents with at least one such value. */
  readonly documents: number
  /** Such values in all of them. */
  readonly values: number
}

/** What a count is told and told by. */
export interface CountOptions {
  /** Every set of the store. */
  readonly sets: readonly DocumentSet<StoredDocument>[]
  /** Called after each page with the set that is being read. */
  readonly onProgress?: ((progress: { readonly set: string; readonly seen: number }) => void) | undefined
  /** Ends the count; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Counts sealed values by key and set, canaries aside. Reads every document of the store once. */
export async function countKeyUsage(store: Store, options: CountOptions): Promise<KeyUsage[]> {
  const { sets, onProgress, signal } = options
  const usage = new Map<string, { documents: number; values: number }>()
  const kids = new Set<string>()
  for (const set of sets) {
    if (set.name === canarySet.name) continue
    let seen = 0
    await scanSet(store, set, {
      onPage: async (documents) => {
        signal?.throwIfAborted()
        let characters = 0
        for (const document of documents) {
          const content = findSealed(document)
          characters += content.size
          for (const [kid, values] of content.values) {
            kids.add(kid)
            const key = `${kid}/${set.name}`
            const before = usage.get(key) ?? { documents: 0, values: 0 }
            usage.set(key, { documents: before.documents + 1, values: before.values + values })
          }
        }
        seen += documents.length
        onProgress?.({ set: set.name, seen })
        await nextTurn()
        return characters
      },
    })
  }
  return [...kids].flatMap((kid) =>
    sets.flatMap((set) => {
      const counts = usage.get(`${kid}/${set.name}`)
      return counts ? [{ kid, set: set.name, ...counts }] : []
    }),
  )
}

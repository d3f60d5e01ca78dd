// One walk through the sets with sealed values. Every document is changed by a compare-and-set on its version, so that
// nothing that was written meanwhile is lost; what can't be changed now is counted with the reason.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { isAuthFlowError } from '../../shared/errors.ts'
import type { Store, StoredDocument } from '../store/store.ts'
import { scanSet } from './scan-set.ts'
import { findSealed, type SealedSet } from './sealed-set.ts'
import type { RotationPlace } from './rotation-record.ts'
import type { Vault } from './vault.ts'

/** Documents sealed anew before others get their turn: about 3 ms for connections. */
const sliceSize = 16
const maxTries = 5

/** Documents that still have values of another key than the one that writes. */
export interface RotationLeft {
  /** Name of the set, such as `connections`. */
  readonly set: string
  /** Such as `an open refresh`, or `unreadable` for values that no key of the ring opens. */
  readonly reason: string
  /** How many there are. */
  readonly documents: number
}

/** What a walk works with. */
export interface PassOptions {
  readonly store: Store
  readonly vault: Vault
  readonly sealedSets: readonly SealedSet[]
  /** Ends the walk after the current page. */
  readonly signal: AbortSignal
  /** Called after each page. */
  onPage(place: RotationPlace): Promise<void>
}

/** One walk, with what it has found so far. */
export class RotationPass {
  readonly #options: PassOptions
  readonly #left = new Map<string, { set: string; reason: string; documents: number }>()
  /** Documents looked at. */
  seen = 0
  /** Documents sealed anew. */
  resealed = 0

  constructor(options: PassOptions) {
    this.#options = options
  }

  /** What could not be sealed anew, by set and reason. */
  get left(): RotationLeft[] {
    return [...this.#left.values()]
  }

  /** Walks from a place on, to the end or until the signal. */
  async walk(from?: RotationPlace): Promise<void> {
    const { sealedSets, signal } = this.#options
    const first = Math.max(
      0,
      sealedSets.findIndex(({ set }) => set.name === from?.set),
    )
    for (const sealed of sealedSets.slice(first)) {
      if (signal.aborted) return
      await this.#walkSet(sealed, sealed.set.name === from?.set ? from.cursor : '')
    }
  }

  async #walkSet(sealed: SealedSet, from: string): Promise<void> {
    const { store, signal, onPage } = this.#options
    const stopped = new Error('stopped')
    const scan = scanSet(store, sealed.set, {
      from,
      onPage: async (documents, cursor) => {
        if (signal.aborted) throw stopped
        const handled: Promise<number>[] = []
        for (let at = 0; at < documents.length; at += sliceSize) {
          const slice = documents.slice(at, at + sliceSize).map((document) => this.#handle(sealed, document))
          // What one of them throws is thrown below; until then it must not count as unhandled.
          for (const one of slice) one.catch(() => undefined)
          handled.push(...slice)
          await nextTurn()
        }
        // The writes of a page are under way together: a store takes them in few round trips.
        const sizes = await Promise.all(handled)
        this.seen += documents.length
        await onPage({ set: sealed.set.name, cursor })
        return sizes.reduce((sum, size) => sum + size, 0)
      },
    })
    await scan.catch((error: unknown) => {
      if (error !== stopped) throw error
    })
  }

  /** Seals one document anew; resolves with the characters that it had. */
  async #handle(sealed: SealedSet, document: StoredDocument): Promise<number> {
    const { vault } = this.#options
    const { values, size } = findSealed(document)
    if (hasOther(values, vault.currentKid)) {
      const reason = await this.#reseal(sealed, document)
      if (reason === undefined) this.resealed += 1
      else this.#note(sealed.set.name, reason)
    }
    return size
  }

  /** Why it could not be done; undefined when it was, or when there is nothing left to do. */
  async #reseal(sealed: SealedSet, first: StoredDocument): Promise<string | undefined> {
    const { store, vault } = this.#options
    let document: StoredDocument | undefined = first
    for (let tries = 0; tries < maxTries; tries += 1) {
      if (!document || !hasOther(findSealed(document).values, vault.currentKid)) return undefined
      const busy = sealed.busy(document)
      if (busy !== undefined) return busy
      let set: ReturnType<SealedSet['reseal']>
      try {
        set = sealed.reseal(document, vault)
      } catch (error) {
        if (isAuthFlowError(error) && error.code === 'unreadable_ciphertext') return 'unreadable'
        throw error
      }
      // A value that the declaration does not know of would stay behind without anybody noticing.
      if (hasOther(findSealed({ ...document, ...set }).values, vault.currentKid)) return 'undeclared'
      const { id, version }: StoredDocument = document
      if (await store.update(sealed.set, id, { version }, { set })) return undefined
      document = await store.get(sealed.set, id)
    }
    return 'changing all the time'
  }

  #note(set: string, reason: string): void {
    const key = `${set}/${reason}`
    const documents = (this.#left.get(key)?.documents ?? 0) + 1
    this.#left.set(key, { set, reason, documents })
  }
}

function hasOther(values: ReadonlyMap<string, number>, kid: string): boolean {
  for (const other of values.keys()) if (other !== kid) return true
  return false
}

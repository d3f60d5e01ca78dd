// Reads of ranges of ids: the same range that many ask for in one turn of the event loop is read once. Fifty senders of one
// event ask with one command whether somebody waits for it.

import type { Fields } from './document.ts'

/** Documents with `from <= id < to`, in id order, at most `limit`. */
export interface IdRange {
  readonly from: string
  readonly to: string
  readonly limit: number
}

type Read = (range: IdRange) => Promise<Fields[]>

/** Shares the reads of ranges of one collection. */
export class MongoRanges {
  readonly #read: Read
  readonly #asked = new Map<string, Promise<Fields[]>>()

  constructor(read: Read) {
    this.#read = read
  }

  /** The documents, the caller's own. Sees every write that was done before the call. */
  async get(range: IdRange): Promise<Fields[]> {
    const key = JSON.stringify([range.from, range.to, range.limit])
    const asked = this.#asked.get(key)
    if (asked !== undefined) return structuredClone(await asked)
    const found = new Promise<Fields[]>((resolve) => {
      setImmediate(() => {
        this.#asked.delete(key)
        resolve(this.#read(range))
      })
    })
    this.#asked.set(key, found)
    return found
  }
}

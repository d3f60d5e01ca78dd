// Reads of documents by their ids: what is asked for in one turn of the event loop is asked together. A worker that takes
// fifty runs reads them with one command.

import type { Fields } from './document.ts'

/** Where documents are read. */
export interface Readable {
  find(id: string, nowMs: number): Promise<Fields | undefined>
  findMany(ids: readonly string[], nowMs: number): Promise<Fields[]>
}

/** Callers of one id. */
type Callers = { resolve(fields: Fields | undefined): void; reject(cause: unknown): void }[]

/** More go into another command: a document may have several MB. */
const mostTogether = 200

/** Gathers the reads of one collection. */
export class MongoReads {
  readonly #from: Readable
  readonly #now: () => number
  #waiting = new Map<string, Callers>()

  constructor(from: Readable, now: () => number) {
    this.#from = from
    this.#now = now
  }

  /** The document, or undefined. Sees every write that was done before the call. */
  get(id: string): Promise<Fields | undefined> {
    return new Promise((resolve, reject) => {
      const callers = this.#waiting.get(id)
      if (callers !== undefined) return void callers.push({ resolve, reject })
      if (this.#waiting.size === 0) setImmediate(() => this.#depart())
      this.#waiting.set(id, [{ resolve, reject }])
      if (this.#waiting.size >= mostTogether) this.#depart()
    })
  }

  #depart(): void {
    const all = this.#waiting
    if (all.size === 0) return
    this.#waiting = new Map()
    this.#read([...all.keys()]).then(
      (found) => {
        for (const [id, [first, ...others]] of all) {
          const fields = found.get(id)
          // Each caller has a document of its own.
          for (const { resolve } of others) resolve(structuredClone(fields))
          first?.resolve(fields)
        }
      },
      (cause: unknown) => {
        for (const callers of all.values()) for (const { reject } of callers) reject(cause)
      },
    )
  }

  async #read(ids: readonly string[]): Promise<Map<string, Fields>> {
    const [only = ''] = ids
    const one = ids.length === 1 ? await this.#from.find(only, this.#now()) : undefined
    const found =
      ids.length === 1 ? (one === undefined ? [] : [one]) : await this.#from.findMany(ids, this.#now())
    return new Map(found.map((fields) => [String(fields['id']), fields]))
  }
}

// Those who want to know of changes, in both adapters.

import type { Logger } from '../../shared/log.ts'

/** A set of callbacks that can't harm each other. */
export class Listeners {
  readonly #log: Logger | undefined
  readonly #entries = new Set<() => void>()

  constructor(log: Logger | undefined) {
    this.#log = log
  }

  get size(): number {
    return this.#entries.size
  }

  /** Adds a callback, perhaps once more; the function given back removes it. */
  add(listener: () => void): () => void {
    const entry = (): void => listener()
    this.#entries.add(entry)
    return () => void this.#entries.delete(entry)
  }

  /** Calls all of them. One that throws is logged, and the others are called all the same. */
  readonly notify = (): void => {
    for (const entry of this.#entries) {
      try {
        entry()
      } catch (error) {
        this.#log?.error({ err: error }, 'a listener of store changes threw')
      }
    }
  }
}

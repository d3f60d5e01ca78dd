// A map that forgets what was not used for longest.

/** Keeps at most `limit` entries; the least recently used one goes first. */
export class BoundedCache<T> {
  readonly #entries = new Map<string, T>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  /** The entry, which counts as used now; undefined when it is unknown or was forgotten. */
  get(key: string): T | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry
  }

  /** Adds or replaces an entry. */
  set(key: string, entry: T): void {
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    if (this.#entries.size <= this.#limit) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }

  /** All entries, the least recently used one first. */
  values(): Iterable<T> {
    return this.#entries.values()
  }
}

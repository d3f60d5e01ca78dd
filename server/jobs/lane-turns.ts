// Whose turn it is in a lane: runs that ran before first, then one of each account in turn, oldest first. Found by ranges
// of ids, so that it costs the same however many wait.

import type { Store } from '../store/store.ts'
import { newRuns, placeOf, resumedRuns, waits, type WaitDocument } from './lane-records.ts'

/** Behind every id that begins with the text before it and a slash: `0` follows `/`. */
const end = '0'

/** The next ones of a lane. */
export interface NextTurns {
  readonly waits: WaitDocument[]
  /** Key of the account that is served last of these. */
  readonly cursor: string | undefined
}

/** The next `count` runs of the lane after the account that was served last. */
export async function nextTurns(
  store: Store,
  lane: string,
  { cursor, count }: { cursor: string | undefined; count: number },
): Promise<NextTurns> {
  const [first] = await store.range(waits, `${lane}/`, lane + end, 1)
  if (first === undefined) return { waits: [], cursor }
  const isAllNew = placeOf(first.id).section === newRuns
  const section = new Section(store, `${lane}/${isAllNew ? newRuns : resumedRuns}`)
  const found = await section.take(cursor, count)
  const last = found.at(-1)
  const served = last === undefined ? cursor : placeOf(last.id).account
  if (isAllNew || found.length >= count) return { waits: found, cursor: served }
  const others = await new Section(store, `${lane}/${newRuns}`).take(served, count - found.length)
  const later = others.at(-1)
  return { waits: [...found, ...others], cursor: later === undefined ? served : placeOf(later.id).account }
}

/** One section of a lane. */
class Section {
  readonly #store: Store
  readonly #prefix: string

  constructor(store: Store, prefix: string) {
    this.#store = store
    this.#prefix = prefix
  }

  /** One wait of each account after the given one, then a second of each, and so on. */
  async take(after: string | undefined, count: number): Promise<WaitDocument[]> {
    const heads = await this.#heads(after, count)
    const found = [...heads]
    let open = heads
    while (open.length > 0 && found.length < count) {
      const each = Math.ceil((count - found.length) / open.length)
      const pages = await Promise.all(open.map((last) => this.#following(last, each)))
      for (let at = 0; at < each; at += 1)
        for (const page of pages) {
          const wait = page[at]
          if (wait !== undefined && found.length < count) found.push(wait)
        }
      open = pages.flatMap((page) => (page.length === each ? (page.at(-1) ?? []) : []))
    }
    return found
  }

  /** The first wait of each account in turn, from behind the given one round to it. */
  async #heads(after: string | undefined, count: number): Promise<WaitDocument[]> {
    const found: WaitDocument[] = []
    const whole = { from: this.#prefix, to: `${this.#prefix}~` }
    const split = after === undefined ? whole.from : `${this.#prefix}${after}${end}`
    for (const { from, to } of [
      { from: split, to: whole.to },
      { from: whole.from, to: split },
    ]) {
      let next = from
      while (found.length < count && next < to) {
        const [head] = await this.#store.range(waits, next, to, 1)
        if (head === undefined) break
        found.push(head)
        next = `${this.#prefix}${placeOf(head.id).account}${end}`
      }
    }
    return found
  }

  #following(last: WaitDocument, limit: number): Promise<WaitDocument[]> {
    return this.#store.range(waits, `${last.id}!`, `${this.#prefix}${placeOf(last.id).account}${end}`, limit)
  }
}

// Wakes those who wait for flows to change: at once for changes of this process, soon for those of others. It also bounds
// how many may wait.

import type { Store } from '../store/store.ts'
import { flowSet } from './sets.ts'

/** Waiting calls per connect token, and in all. */
const maxHeldPerToken = 2
const maxHeld = 2000
/** Other processes' changes are looked for at most this often. */
const lookEveryMs = 100
/** The store reads at most this many documents at once. */
const readAtOnce = 1000

/** A flow and the version that the waiting caller has seen. */
export interface SeenFlow {
  readonly id: string
  readonly version: number
}

/** Wakes a waiting call. */
type Wake = () => void

/** What the hub needs of a store. */
type WatchedStore = Pick<Store, 'getMany' | 'onChange'>

/** Where flows are waited for. */
export class FlowHub {
  readonly #store: WatchedStore
  /** By flow, so that a look costs as much as there are flows, however many wait; with the version each has seen. */
  readonly #waiters = new Map<string, Map<Wake, number>>()
  readonly #held = new Map<string, number>()
  readonly #stopListening: () => void
  #heldInAll = 0
  #closed = false
  #looking = false
  #lookTimer: NodeJS.Timeout | undefined

  constructor(store: WatchedStore) {
    this.#store = store
    this.#stopListening = store.onChange(() => this.#lookSoon())
  }

  /** True once nobody is kept waiting any more. */
  get closed(): boolean {
    return this.#closed
  }

  /** To be called after every write to a flow. */
  notify(flowId: string): void {
    for (const wake of this.#waiters.get(flowId)?.keys() ?? []) wake()
  }

  /**
   * Takes one of the places to wait with, or undefined when the token or the process has none left. The caller gives it
   * back by what it gets.
   */
  hold(tokenId: string): (() => void) | undefined {
    const own = this.#held.get(tokenId) ?? 0
    if (this.#closed || own >= maxHeldPerToken || this.#heldInAll >= maxHeld) return undefined
    this.#held.set(tokenId, own + 1)
    this.#heldInAll += 1
    return () => {
      this.#heldInAll -= 1
      const left = (this.#held.get(tokenId) ?? 1) - 1
      if (left === 0) this.#held.delete(tokenId)
      else this.#held.set(tokenId, left)
    }
  }

  /**
   * Begins to wait. The promise resolves when one of the flows changed since this call, after `ms`, when the signal
   * aborts, or when the hub closes. Begin before reading the flows: no change in between is missed.
   */
  wait(flows: readonly SeenFlow[], ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#closed || signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        this.#remove(flows, wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      signal?.addEventListener('abort', wake, { once: true })
      this.#add(flows, wake)
    })
  }

  /** Answers everybody who waits, now and later. */
  close(): void {
    this.#closed = true
    this.#stopListening()
    clearTimeout(this.#lookTimer)
    for (const flowId of this.#waiters.keys()) this.notify(flowId)
  }

  #add(flows: readonly SeenFlow[], wake: Wake): void {
    for (const { id, version } of flows) {
      const waiters = this.#waiters.get(id) ?? new Map<Wake, number>()
      this.#waiters.set(id, waiters.set(wake, version))
    }
  }

  #remove(flows: readonly SeenFlow[], wake: Wake): void {
    for (const { id } of flows) {
      const waiters = this.#waiters.get(id)
      waiters?.delete(wake)
      if (waiters?.size === 0) this.#waiters.delete(id)
    }
  }

  #lookSoon(): void {
    if (this.#closed || this.#waiters.size === 0 || this.#lookTimer) return
    this.#lookTimer = setTimeout(() => void this.#lookOnce(), lookEveryMs)
    this.#lookTimer.unref()
  }

  async #lookOnce(): Promise<void> {
    this.#lookTimer = undefined
    // The next look takes up what changes during this one: a slow store is not asked for the same many times over.
    if (this.#looking) {
      this.#lookSoon()
      return
    }
    this.#looking = true
    // A store that can't be read now is no reason to stop waiting: the next change looks again.
    await this.#look().catch(() => undefined)
    this.#looking = false
  }

  async #look(): Promise<void> {
    const ids = [...this.#waiters.keys()]
    for (let at = 0; at < ids.length; at += readAtOnce) {
      for (const { id, version } of await this.#store.getMany(flowSet, ids.slice(at, at + readAtOnce))) {
        for (const [wake, seen] of this.#waiters.get(id) ?? []) if (seen !== version) wake()
      }
    }
  }
}

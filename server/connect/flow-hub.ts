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

interface Waiter {
  readonly flows: ReadonlyMap<string, number>
  readonly wake: () => void
}

/** Where flows are waited for. */
export class FlowHub {
  readonly #store: Store
  readonly #waiters = new Set<Waiter>()
  readonly #held = new Map<string, number>()
  readonly #stopListening: () => void
  #heldInAll = 0
  #closed = false
  #lookTimer: NodeJS.Timeout | undefined

  constructor(store: Store) {
    this.#store = store
    this.#stopListening = store.onChange(() => this.#lookSoon())
  }

  /** True once nobody is kept waiting any more. */
  get closed(): boolean {
    return this.#closed
  }

  /** To be called after every write to a flow. */
  notify(flowId: string): void {
    for (const waiter of this.#waiters) if (waiter.flows.has(flowId)) waiter.wake()
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
        this.#waiters.delete(waiter)
        resolve()
      }
      const waiter: Waiter = { flows: new Map(flows.map(({ id, version }) => [id, version])), wake }
      const timer = setTimeout(wake, ms)
      signal?.addEventListener('abort', wake, { once: true })
      this.#waiters.add(waiter)
    })
  }

  /** Answers everybody who waits, now and later. */
  close(): void {
    this.#closed = true
    this.#stopListening()
    clearTimeout(this.#lookTimer)
    for (const waiter of this.#waiters) waiter.wake()
  }

  #lookSoon(): void {
    if (this.#closed || this.#waiters.size === 0 || this.#lookTimer) return
    this.#lookTimer = setTimeout(() => {
      this.#lookTimer = undefined
      // A store that can't be read now is no reason to stop waiting: the next change looks again.
      this.#look().catch(() => undefined)
    }, lookEveryMs)
    this.#lookTimer.unref()
  }

  async #look(): Promise<void> {
    const ids = [...new Set([...this.#waiters].flatMap(({ flows }) => [...flows.keys()]))]
    for (let at = 0; at < ids.length; at += readAtOnce) {
      for (const { id, version } of await this.#store.getMany(flowSet, ids.slice(at, at + readAtOnce))) {
        for (const waiter of this.#waiters) {
          const seen = waiter.flows.get(id)
          if (seen !== undefined && seen !== version) waiter.wake()
        }
      }
    }
  }
}

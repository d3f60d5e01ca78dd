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

/** Where flows are waited for. */
export interface FlowHub {
  /** To be called after every write to a flow. */
  notify(flowId: string): void
  /**
   * Takes one of the places to wait with, or undefined when the token or the process has none left. The caller gives it
   * back by `release`.
   */
  hold(tokenId: string): { release(): void } | undefined
  /**
   * Begins to wait. The promise resolves when one of the flows changed since this call, after `ms`, when the signal
   * aborts, or when the hub closes. Begin before reading the flows: no change in between is missed.
   */
  wait(flows: readonly SeenFlow[], ms: number, signal?: AbortSignal): Promise<void>
  readonly closed: boolean
  /** Answers everybody who waits, now and later. */
  close(): void
}

interface Waiter {
  readonly flows: ReadonlyMap<string, number>
  readonly wake: () => void
}

/** The hub over a store. */
export function createFlowHub(store: Store): FlowHub {
  const waiters = new Set<Waiter>()
  const held = new Map<string, number>()
  let heldInAll = 0
  let closed = false
  let lookTimer: NodeJS.Timeout | undefined

  const look = async (): Promise<void> => {
    const ids = [...new Set([...waiters].flatMap(({ flows }) => [...flows.keys()]))]
    for (let at = 0; at < ids.length; at += readAtOnce) {
      for (const { id, version } of await store.getMany(flowSet, ids.slice(at, at + readAtOnce))) {
        for (const waiter of waiters) {
          const seen = waiter.flows.get(id)
          if (seen !== undefined && seen !== version) waiter.wake()
        }
      }
    }
  }
  const lookSoon = (): void => {
    if (closed || waiters.size === 0 || lookTimer) return
    lookTimer = setTimeout(() => {
      lookTimer = undefined
      // A store that can't be read now is no reason to stop waiting: the next change looks again.
      look().catch(() => undefined)
    }, lookEveryMs)
    lookTimer.unref()
  }
  const stopListening = store.onChange(lookSoon)

  return {
    get closed() {
      return closed
    },
    notify(flowId) {
      for (const waiter of waiters) if (waiter.flows.has(flowId)) waiter.wake()
    },
    hold(tokenId) {
      const own = held.get(tokenId) ?? 0
      if (closed || own >= maxHeldPerToken || heldInAll >= maxHeld) return undefined
      held.set(tokenId, own + 1)
      heldInAll += 1
      let released = false
      return {
        release() {
          if (released) return
          released = true
          heldInAll -= 1
          const left = (held.get(tokenId) ?? 1) - 1
          if (left === 0) held.delete(tokenId)
          else held.set(tokenId, left)
        },
      }
    },
    wait(flows, ms, signal) {
      if (closed || signal?.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const wake = (): void => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', wake)
          waiters.delete(waiter)
          resolve()
        }
        const waiter: Waiter = { flows: new Map(flows.map(({ id, version }) => [id, version])), wake }
        const timer = setTimeout(wake, ms)
        signal?.addEventListener('abort', wake, { once: true })
        waiters.add(waiter)
      })
    },
    close() {
      closed = true
      stopListening()
      clearTimeout(lookTimer)
      for (const waiter of waiters) waiter.wake()
    },
  }
}

// Knows what is under way, so that closing can answer what is held, wait for what runs, and turn away what comes
// after.

import type { ServerResponse } from 'node:http'

/** Counts requests and holds long polls. One per server. */
export class Drain {
  #active = 0
  #draining = false
  readonly #held = new Set<AbortController>()
  readonly #idle = new Set<() => void>()

  /** True from {@link begin} on. */
  get draining(): boolean {
    return this.#draining
  }

  /** Counts a request until its response was handed over, or its connection is gone. */
  track(response: ServerResponse): void {
    if (response.destroyed) return
    this.#active++
    response.once('close', () => {
      this.#active--
      if (this.#active === 0) for (const resolve of this.#idle) resolve()
    })
  }

  /**
   * Runs a long poll with a signal that aborts when the caller leaves or draining begins, whichever is first.
   * (`AbortSignal.any` on a signal that lives as long as the server leaks in Node 20.)
   */
  async hold<T>(caller: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    const abort = (): void => controller.abort()
    if (this.#draining || caller?.aborted) abort()
    caller?.addEventListener('abort', abort)
    this.#held.add(controller)
    try {
      return await work(controller.signal)
    } finally {
      this.#held.delete(controller)
      caller?.removeEventListener('abort', abort)
    }
  }

  /** Ends every held poll now and those to come at once. Repeated calls do nothing. */
  begin(): void {
    this.#draining = true
    for (const controller of this.#held) controller.abort()
  }

  /** Resolves when no request is under way, or after `timeoutMs`; true in the first case. */
  async idle(timeoutMs: number): Promise<boolean> {
    if (this.#active === 0) return true
    const { promise, resolve } = settled()
    const timer = setTimeout(resolve, timeoutMs)
    this.#idle.add(resolve)
    await promise
    clearTimeout(timer)
    this.#idle.delete(resolve)
    return this.#active === 0
  }
}

function settled(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

// Watches a flow on the server: a long poll, held by one tab per endpoint, account and integration, and read at once
// whenever something hints at news. Timers and listeners exist only between start and stop.

import { pollChannelName } from '../../shared/flow.ts'

/** Reads the flow once, holding for up to `waitMs`; true when it brought news. May throw: tried again later. */
export type Poll = (waitMs: number, signal: AbortSignal) => Promise<boolean>

/** A running watch. */
export interface Watch {
  /** Reads at once. */
  poke(): void
  /** Ends the watch and its poll. Safe to repeat. */
  stop(): void
}

const holdMs = 25_000
// A poll that comes back sooner than this without news was not held: the server has too many, or another tab leads.
const leaderPauseMs = 2_000
const followerPauseMs = 5_000
const longestPauseMs = 30_000
/** The lock is granted within a moment where nobody holds it; a read before that would be cut off at once. */
const lockMs = 50

/**
 * Polls until it is stopped. Pauses while the page is in the back-forward cache.
 *
 * @param lock name that tabs share which could poll for one another
 */
export const watchFlow = (lock: string, poll: Poll): Watch => new FlowWatch(lock, poll)

class FlowWatch implements Watch {
  readonly #lock: string
  readonly #poll: Poll
  readonly #life = new AbortController()
  readonly #channel = new BroadcastChannel(pollChannelName)
  /** Rises when the polling begins and when it ends: what belongs to another number is over. */
  #run = 0
  #round = new AbortController()
  #leads = false
  #release = (): void => {}

  constructor(lock: string, poll: Poll) {
    this.#lock = lock
    this.#poll = poll
    this.#channel.onmessage = () => this.poke()
    for (const type of ['focus', 'online', 'visibilitychange', 'pagehide', 'pageshow']) {
      addEventListener(type, (event) => this.#handle(event), { signal: this.#life.signal })
    }
    void this.#start()
  }

  poke(): void {
    this.#round.abort()
  }

  stop(): void {
    this.#life.abort()
    this.#halt()
    this.#channel.close()
  }

  #handle(event: Event): void {
    if (event.type === 'pagehide') this.#halt()
    else if ('persisted' in event) void (event.persisted && this.#start())
    else if (document.visibilityState === 'visible') this.poke()
  }

  #halt(): void {
    this.#run++
    this.#release()
    this.poke()
  }

  /** Asks for the lock, which is held until the polling ends. */
  #lead(run: number): void {
    this.#leads = !navigator.locks
    const hold = (): Promise<void> | undefined => {
      if (run !== this.#run) return undefined
      this.#leads = true
      this.poke()
      return new Promise((resolve) => (this.#release = resolve))
    }
    navigator.locks?.request(this.#lock, { signal: this.#life.signal }, hold).catch(() => {})
  }

  async #start(): Promise<void> {
    const run = ++this.#run
    let failures = 0
    let pause = lockMs
    this.#lead(run)
    for (;;) {
      this.#round = new AbortController()
      if (pause > 0) {
        const timer = setTimeout(() => this.poke(), pause)
        await new Promise((resolve) => (this.#round.signal.onabort = resolve))
        clearTimeout(timer)
      }
      if (run !== this.#run) return
      const { signal } = (this.#round = new AbortController())
      const begun = Date.now()
      try {
        const news = await this.#poll(this.#leads ? holdMs : 0, signal)
        failures = 0
        pause = news ? 0 : (this.#leads ? leaderPauseMs : followerPauseMs) - (Date.now() - begun)
        if (news && this.#leads) this.#channel.postMessage('')
      } catch {
        pause = signal.aborted ? 0 : Math.min(1000 * 2 ** failures++, longestPauseMs)
      }
    }
  }
}

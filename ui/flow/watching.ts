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
export function watchFlow(lock: string, poll: Poll): Watch {
  const life = new AbortController()
  const { signal } = life
  const channel = new BroadcastChannel(pollChannelName)
  let round = new AbortController()
  let release = (): void => {}
  let run = 0

  const poke = (): void => round.abort()
  const halt = (): void => {
    run++
    release()
    poke()
  }
  const start = async (): Promise<void> => {
    const mine = ++run
    let leads = !navigator.locks
    let failures = 0
    let pause = lockMs
    const lead = (): Promise<void> | undefined => {
      if (mine !== run) return undefined
      leads = true
      poke()
      return new Promise((resolve) => (release = resolve))
    }
    navigator.locks?.request(lock, { signal }, lead).catch(() => {})
    for (;;) {
      round = new AbortController()
      if (pause > 0) await sleep(pause, round.signal)
      if (mine !== run) return
      round = new AbortController()
      const { signal: now } = round
      const begun = Date.now()
      try {
        const news = await poll(leads ? holdMs : 0, now)
        failures = 0
        pause = news ? 0 : (leads ? leaderPauseMs : followerPauseMs) - (Date.now() - begun)
        if (news && leads) channel.postMessage('')
      } catch {
        pause = now.aborted ? 0 : Math.min(1000 * 2 ** failures++, longestPauseMs)
      }
    }
  }

  channel.onmessage = poke
  for (const type of ['focus', 'online', 'visibilitychange', 'pagehide', 'pageshow']) {
    const handle = (event: Event): void => {
      if (type === 'pagehide') halt()
      else if ('persisted' in event) void (event.persisted && start())
      else if (document.visibilityState === 'visible') poke()
    }
    addEventListener(type, handle, { signal })
  }
  void start()
  return {
    poke,
    stop() {
      life.abort()
      halt()
      channel.close()
    },
  }
}

/** Resolves after the time, or when the signal aborts. */
const sleep = (ms: number, signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
    signal.addEventListener('abort', resolve)
  })

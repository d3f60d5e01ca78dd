// Watches a flow on the server: a long poll, held by one tab per endpoint, account and integration, and read at once
// whenever something hints at news. Timers and listeners exist only between start and stop.

import { pollChannelName } from '../../shared/flow.ts'

/** What {@link watchFlow} takes. */
export interface WatchOptions {
  /** Name that tabs share which could poll for one another. */
  readonly lock: string
  /** Reads the flow once, holding for up to `waitMs`; true when it brought news. May throw: tried again later. */
  readonly poll: (waitMs: number, signal: AbortSignal) => Promise<boolean>
}

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

/** Polls until it is stopped. Pauses while the page is in the back-forward cache. */
export function watchFlow({ lock, poll }: WatchOptions): Watch {
  const life = new AbortController()
  let session = new AbortController()
  let round = new AbortController()
  const poke = (): void => {
    if (document.visibilityState === 'visible') round.abort()
  }
  const channel = new BroadcastChannel(pollChannelName)
  channel.onmessage = () => round.abort()

  const run = async (signal: AbortSignal): Promise<void> => {
    let leads = !navigator.locks
    round = new AbortController()
    // Never released by hand: it ends with the session, and the next tab takes over.
    navigator.locks
      ?.request(lock, { signal }, () => {
        leads = true
        round.abort()
        return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      })
      .catch(() => {})
    // The lock is granted within a moment where nobody holds it; a read before that would be cut off at once.
    await sleep(50, AbortSignal.any([round.signal, signal]))
    let failures = 0
    while (!signal.aborted) {
      round = new AbortController()
      const { signal: now } = round
      const begun = Date.now()
      let pause = 0
      try {
        const news = await poll(leads ? holdMs : 0, AbortSignal.any([now, signal]))
        failures = 0
        if (!news) pause = (leads ? leaderPauseMs : followerPauseMs) - (Date.now() - begun)
        else if (leads) channel.postMessage('')
      } catch {
        if (!now.aborted) pause = Math.min(1000 * 2 ** failures++, longestPauseMs)
      }
      if (pause > 0) await sleep(pause, AbortSignal.any([now, signal]))
    }
  }

  for (const type of ['focus', 'online', 'visibilitychange'])
    addEventListener(type, poke, { signal: life.signal })
  addEventListener('pagehide', () => session.abort(), { signal: life.signal })
  addEventListener(
    'pageshow',
    ({ persisted }) => {
      if (persisted) void run((session = new AbortController()).signal)
    },
    { signal: life.signal },
  )
  void run(session.signal)

  return {
    poke: () => round.abort(),
    stop() {
      life.abort()
      session.abort()
      channel.close()
    },
  }
}

/** Resolves after the time, or when the signal aborts. */
const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })

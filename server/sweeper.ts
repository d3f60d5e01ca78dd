// Upkeep in rounds: what a crashed process left, what is due without a hint, what has expired.

import type { Logger } from '../shared/log.ts'

/** Short enough that a run of a killed process goes on within seconds of its lease's end. */
const pauseMs = 2_000

/** A running sweeper. */
export interface Sweeper {
  /** Starts no further round and waits for the current one. Repeated calls do nothing. */
  stop(): Promise<void>
}

/** Runs the chores one after the other, at once and then in rounds. A chore that fails is logged and tried next time. */
export function startSweeper(chores: Readonly<Record<string, () => Promise<unknown>>>, log: Logger): Sweeper {
  const stopping = new AbortController()
  const { signal } = stopping
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      for (const [chore, work] of Object.entries(chores)) {
        if (signal.aborted) return
        await work().catch((cause: unknown) => log.warn({ chore, err: cause }, 'A chore failed.'))
      }
      await pause(signal)
    }
  }
  const done = run()
  return {
    stop: () => {
      stopping.abort()
      return done
    },
  }
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, pauseMs)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}

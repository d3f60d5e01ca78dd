// Rounds of upkeep that talk to providers. A provider that hangs must not hold up whoever calls the round, so a round is
// waited for only a moment and goes on by itself.

import { setTimeout as delay } from 'node:timers/promises'
import type { ConnectContext } from './context.ts'

/** How long a caller waits for a round, in ms. */
const waitMs = 2_000

/** One chore of a round. */
export type Chore = () => Promise<void>

/**
 * A round over the chores, which run side by side. A call while a round is going on joins that one.
 *
 * @returns a function that resolves when the round has ended, or after 2 s while it goes on; it throws what a chore threw
 *   in that time, later errors are logged
 */
export function createUpkeep(context: ConnectContext, chores: readonly Chore[]): () => Promise<void> {
  let round: Promise<void> | undefined
  return async () => {
    const current = (round ??= runAll(chores).finally(() => (round = undefined)))
    const waiting = new AbortController()
    const patience = delay(waitMs, 'late', { signal: waiting.signal, ref: false }).catch(() => 'late')
    try {
      if ((await Promise.race([current, patience])) === 'late') {
        context.background('a round of upkeep', () => current)
      }
    } finally {
      waiting.abort()
    }
  }
}

/** Runs all, then throws the first error: one chore's failure keeps no other from its work. */
async function runAll(chores: readonly Chore[]): Promise<void> {
  const results = await Promise.allSettled(chores.map((chore) => chore()))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

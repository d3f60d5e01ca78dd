// Hints that are in this process's memory and nowhere else: those that Redis could not take, and those that it gave out
// before their time. Whatever is lost from here is still a due run in the store.

import type { ClaimedWakeup, JobVersion } from './queue.ts'

/** More are not kept; the oldest go first. */
const mostKept = 10_000

/** Some hints by their ids. */
export class KeptHints {
  readonly #hints = new Map<string, ClaimedWakeup>()

  /** Keeps them. */
  keep(hints: readonly ClaimedWakeup[]): void {
    for (const hint of hints) this.#hints.set(hint.id, hint)
    for (const id of this.#hints.keys()) {
      if (this.#hints.size <= mostKept) break
      this.#hints.delete(id)
    }
  }

  /** Takes out those of the jobs that are due, at most `limit`. */
  take(jobs: readonly JobVersion[], limit: number, now: number): ClaimedWakeup[] {
    if (this.#hints.size === 0) return []
    const taken: ClaimedWakeup[] = []
    for (const [id, hint] of this.#hints) {
      if (taken.length >= limit) break
      const isAsked = jobs.some(({ job, version }) => job === hint.job && version === hint.version)
      if (!isAsked || hint.dueAt > now) continue
      this.#hints.delete(id)
      taken.push(hint)
    }
    return taken
  }

  /** Takes all out. */
  takeAll(): ClaimedWakeup[] {
    const all = [...this.#hints.values()]
    this.#hints.clear()
    return all
  }
}

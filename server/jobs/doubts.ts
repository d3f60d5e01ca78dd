// Runs that may be this worker's without its running them, because the answer to a write of theirs got lost.

import type { EngineCore } from './core.ts'
import { hintOf } from './hint-feeder.ts'
import { places, runs } from './records.ts'

/** A write whose answer got lost may still be done for so long. */
const doubtMs = 60_000

/** The doubtful runs of one worker. */
export class Doubts {
  readonly #core: EngineCore
  readonly #holds: (runId: string) => boolean
  /** Until when to look. */
  readonly #runs = new Map<string, number>()
  #isSettling = false

  /** @param holds tells whether the worker knows of the run */
  constructor(core: EngineCore, holds: (runId: string) => boolean) {
    this.#core = core
    this.#holds = holds
  }

  /** Looks after the run for a while. */
  add(runId: string): void {
    this.#runs.set(runId, this.#core.now() + doubtMs)
  }

  /** They are somebody else's to look after. */
  clear(): void {
    this.#runs.clear()
  }

  /** Makes runs due again that a failed write left behind as the owner's. Never rejects. */
  async settle(owner: string): Promise<void> {
    if (this.#isSettling || this.#runs.size === 0) return
    this.#isSettling = true
    const { store, queue, now, log } = this.#core
    try {
      for (const [id, until] of this.#runs) {
        const run = await store.get(runs, id)
        if (run?.owner === owner && !this.#holds(id)) {
          const dueAt = now()
          const match = { owner, fence: run.fence ?? null }
          const set = { state: 'queued' as const, place: places.queued, dueAt }
          if (await store.update(runs, id, match, { set, unset: ['owner', 'alone'] })) {
            await queue.add([hintOf(run, dueAt)])
            log.warn({ run: id }, 'a run was left behind by a failed write; it is due again')
          }
        } else if (now() > until) this.#runs.delete(id)
      }
    } catch (error) {
      log.debug({ err: error }, 'looking for runs left behind failed; trying again')
    } finally {
      this.#isSettling = false
    }
  }
}

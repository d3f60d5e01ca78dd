// A queue that tells how many hints go through it, for hosts that ask for metrics. It is the other one in all else.

import type { Metrics } from '../../shared/metrics.ts'
import type { ClaimedWakeup, JobVersion, Queue, Wakeup } from './queue.ts'

/** The queue, counted. */
export function countHints(queue: Queue, metrics: Pick<Metrics, 'hintsCounted'>): Queue {
  return new CountedQueue(queue, metrics)
}

class CountedQueue implements Queue {
  declare readonly inStore?: NonNullable<Queue['inStore']>
  readonly #queue: Queue
  readonly #metrics: Pick<Metrics, 'hintsCounted'>

  constructor(queue: Queue, metrics: Pick<Metrics, 'hintsCounted'>) {
    this.#queue = queue
    this.#metrics = metrics
    const { inStore } = queue
    if (inStore !== undefined)
      this.inStore = {
        steps: (wakeups) => inStore.steps(wakeups),
        announce: (wakeups) => {
          metrics.hintsCounted('added', wakeups.length)
          inStore.announce(wakeups)
        },
      }
  }

  get beside(): NonNullable<Queue['beside']> | undefined {
    return this.#queue.beside
  }

  async add(wakeups: readonly Wakeup[]): Promise<void> {
    await this.#queue.add(wakeups)
    this.#metrics.hintsCounted('added', wakeups.length)
  }

  async claim(jobs: readonly JobVersion[], limit: number): Promise<ClaimedWakeup[]> {
    const claimed = await this.#queue.claim(jobs, limit)
    this.#metrics.hintsCounted('taken', claimed.length)
    return claimed
  }

  settle(wakeup: ClaimedWakeup): Promise<void> {
    return this.#queue.settle(wakeup)
  }

  forget(wakeup: Wakeup): Promise<void> {
    return this.#queue.forget(wakeup)
  }

  async postpone(wakeup: ClaimedWakeup, dueAt: number): Promise<void> {
    await this.#queue.postpone(wakeup, dueAt)
    this.#metrics.hintsCounted('postponed', 1)
  }

  size(jobs: readonly JobVersion[]): Promise<number | undefined> {
    return this.#queue.size(jobs)
  }

  onReady(listener: () => void): () => void {
    return this.#queue.onReady(listener)
  }

  close(): Promise<void> {
    return this.#queue.close()
  }
}

// Events are deleted with age, and runs read theirs whenever they go on: here they are kept for those that are not over,
// however long they sleep, wait in line, or take.

import type { EngineCore } from './core.ts'
import { nextAccount, waitingSince, waits } from './lane-records.ts'
import { events, places, runs, type RunDocument } from './records.ts'

/** An event is looked after when it would be deleted within this. */
const usualMarginMs = 7 * 24 * 3_600_000
const pageSize = 500
const everyMs = 3_600_000

type Keeping = Pick<EngineCore, 'store' | 'now' | 'retention'>

const marginMs = ({ retention }: Keeping): number => Math.min(usualMarginMs, retention.eventMs / 2)

/** Keeps an event at least until the time given. False when it is gone, or kept for longer anyway. */
export const keepEvent = (
  { store }: Pick<Keeping, 'store'>,
  id: string,
  expireAt: number,
): Promise<boolean> => store.update(events, id, { expireAt: { lessThan: expireAt } }, { set: { expireAt } })

/** Keeps the event of a run that falls asleep until then. Writes nothing where that is soon enough. */
export async function keepForSleeper(core: Keeping, run: RunDocument, dueAt: number): Promise<void> {
  const { eventMs } = core.retention
  if (dueAt + marginMs(core) < run.createdAt + eventMs) return
  await keepEvent(core, run.event, dueAt + eventMs)
}

/** Looks after the events of runs that have been waiting or under way for very long. */
export class LiveEvents {
  readonly #core: Keeping
  #lookedAt = -Infinity

  constructor(core: Keeping) {
    this.#core = core
  }

  /** One round, at most every hour. `executing`: runs that this process executes. */
  async round(executing: Iterable<RunDocument>): Promise<void> {
    const now = this.#core.now()
    if (now - this.#lookedAt < everyMs) return
    this.#lookedAt = now
    const { eventMs } = this.#core.retention
    // An event is not older than its run's last wake, so what became due after that has time.
    const old = Math.floor(now - (eventMs - marginMs(this.#core)))
    await this.#keepOf([...executing])
    for (const place of [places.queued, places.waiting, places.waitingForVersion])
      await this.#keepOverdue(place, old)
    await this.#keepBlocked(old)
  }

  /** Those that nobody has taken although they have been due since then. */
  async #keepOverdue(place: string, to: number): Promise<void> {
    const query = { index: 'place', equals: place, to, limit: pageSize }
    let cursor: string | undefined
    do {
      const page = await this.#core.store.list(runs, cursor === undefined ? query : { ...query, cursor })
      await this.#keepOf(page.items)
      cursor = page.cursor
    } while (cursor !== undefined)
  }

  /** Those that wait for a slot. The waits of an account lie side by side, the oldest first. */
  async #keepBlocked(old: number): Promise<void> {
    const { store } = this.#core
    let from = '!'
    for (;;) {
      const page = await store.range(waits, from, '~', pageSize)
      const late = page.filter(({ id }) => waitingSince(id) < old)
      if (late.length > 0)
        await this.#keepOf(
          await store.getMany(
            runs,
            late.map(({ runId }) => runId),
          ),
        )
      const last = page.at(-1)
      if (page.length < pageSize || last === undefined) return
      from = waitingSince(last.id) < old ? `${last.id}!` : nextAccount(last.id)
    }
  }

  async #keepOf(live: readonly RunDocument[]): Promise<void> {
    const { store, now, retention } = this.#core
    const soon = { expireAt: { lessThan: Math.floor(now() + marginMs(this.#core)) } }
    const change = { set: { expireAt: Math.ceil(now() + retention.eventMs) } }
    await Promise.all(
      [...new Set(live.map(({ event }) => event))].map((id) => store.update(events, id, soon, change)),
    )
  }
}

// What somebody has to look after: events whose dispatch was cut off, due runs that lost their hint, parked runs whose
// connection came back unheard, runs of versions that nobody can run any more. Everything here is safe to repeat.

import type { Wakeup } from '../queue/queue.ts'
import type { EngineCore } from './core.ts'
import type { EventIntake } from './event-intake.ts'
import { wake } from './parking.ts'
import { events, runs, type RunDocument } from './records.ts'
import type { JobRegistry } from './registry.ts'

/** Whoever sends an event gets this long to dispatch it. */
const pendingAfterMs = 5000
/** A run is late when it has been due for this long. */
const lateAfterMs = 30_000
const goneAfterMs = 15 * 60_000
const pageSize = 500

/** What upkeep needs. */
export interface UpkeepOptions {
  readonly core: EngineCore
  readonly registry: JobRegistry
  readonly intake: EventIntake
}

/** Rounds of upkeep. */
export class Upkeep {
  readonly #options: UpkeepOptions
  /** Where the last round stopped looking through parked runs. */
  #parkedCursor: string | undefined

  constructor(options: UpkeepOptions) {
    this.#options = options
  }

  /** One round. Looks at a bounded number of records of each kind. */
  async round(): Promise<void> {
    await this.#finishDispatch()
    for (const state of ['queued', 'waiting', 'waiting_for_connection'] as const) await this.#remindOf(state)
    await this.#lookForVersions()
    await this.#lookForConnections()
  }

  async #finishDispatch(): Promise<void> {
    const { core, intake } = this.#options
    const to = core.now() - pendingAfterMs
    const { items } = await core.store.list(events, { index: 'pending', equals: true, to, limit: pageSize })
    for (const event of items) await intake.dispatch(event)
  }

  async #remindOf(state: RunDocument['state']): Promise<void> {
    const { core, registry } = this.#options
    const { store, queue, now, log } = core
    const { items } = await store.list(runs, {
      index: 'due',
      equals: state,
      to: now() - lateAfterMs,
      limit: pageSize,
    })
    const isGone = (run: RunDocument): boolean =>
      now() - (run.dueAt ?? 0) > goneAfterMs && !registry.isRunnable(run.job, run.jobVersion)
    await queue.add(items.filter((run) => !isGone(run)).map((run) => hintOf(run, run.dueAt ?? now())))
    for (const run of items.filter(isGone)) {
      log.error(
        { run: run.id, job: run.job, version: run.jobVersion },
        'no worker can run this version of the job',
      )
      await store.update(runs, run.id, { state }, { set: { state: 'waiting_for_version' } })
    }
  }

  async #lookForVersions(): Promise<void> {
    const { core, registry } = this.#options
    const { store, queue, now } = core
    const { items } = await store.list(runs, { index: 'due', equals: 'waiting_for_version', limit: pageSize })
    const back = items.filter((run) => registry.isRunnable(run.job, run.jobVersion))
    const dueAt = now()
    await queue.add(back.map((run) => hintOf(run, dueAt)))
    const change = { set: { state: 'queued' as const, dueAt } }
    await Promise.all(back.map((run) => store.update(runs, run.id, { state: 'waiting_for_version' }, change)))
  }

  async #lookForConnections(): Promise<void> {
    const { core } = this.#options
    const cursor = this.#parkedCursor === undefined ? {} : { cursor: this.#parkedCursor }
    const query = { index: 'due', equals: 'waiting_for_connection', limit: pageSize, ...cursor }
    const page = await core.store.list(runs, query)
    this.#parkedCursor = page.cursor
    const isUsable = new Map<string, Promise<boolean>>()
    for (const run of page.items) {
      const { parkedOn, accountId } = run
      if (parkedOn === undefined || accountId === null) continue
      const integration = parkedOn.slice(0, parkedOn.indexOf('/'))
      const known = isUsable.get(parkedOn) ?? this.#isUsable(integration, accountId)
      isUsable.set(parkedOn, known)
      if (await known) await wake(core, run)
    }
  }

  async #isUsable(integration: string, accountId: string): Promise<boolean> {
    const connection = await this.#options.core.findConnection({ integration, accountId })
    return connection?.state === 'active'
  }
}

const hintOf = (run: RunDocument, dueAt: number): Wakeup => ({
  runId: run.id,
  job: run.job,
  version: run.jobVersion,
  dueAt,
})

// What somebody has to look after: events whose dispatch was cut off, due runs that lost their hint, parked runs whose
// connection came back unheard, runs of versions that nobody can run any more. Everything here is safe to repeat.

import type { EngineCore } from './core.ts'
import type { EventIntake } from './event-intake.ts'
import { HintFeeder, hintOf } from './hint-feeder.ts'
import { tellMissing } from './missing-connection.ts'
import { tellParked, wakeRenamed } from './parking.ts'
import {
  dispatches,
  events,
  parkings,
  places,
  runs,
  type DispatchDocument,
  type RunDocument,
} from './records.ts'
import type { JobRegistry } from './registry.ts'
import { sweepEnding } from './run-ending.ts'

/** Whoever sends an event gets this long to dispatch it. */
const pendingAfterMs = 5000
/** An event that is not stored so long after its note was never stored. */
const forgottenAfterMs = 60_000
/** A run is late when it has been due for this long. */
const lateAfterMs = 30_000
const goneAfterMs = 15 * 60_000
const pageSize = 500
/** Each costs a look at its connection, and most are told of without this. */
const parkingsPerRound = 50

/** What upkeep needs. */
export interface UpkeepOptions {
  readonly core: EngineCore
  readonly registry: JobRegistry
  readonly intake: EventIntake
}

/** Rounds of upkeep. */
export class Upkeep {
  readonly #options: UpkeepOptions
  readonly #feeder: HintFeeder
  /** Where the last round stopped looking at connections. */
  #parkingCursor: string | undefined

  constructor(options: UpkeepOptions) {
    this.#options = options
    this.#feeder = new HintFeeder(options.core)
  }

  /** One round. Looks at a bounded number of records of each kind. */
  async round(): Promise<void> {
    const { beside } = this.#options.core.queue
    await this.#finishDispatch()
    await this.#finishEndings()
    // Hints in the store are as safe as the runs, and adding them again costs nothing: everybody may.
    const role = beside === undefined ? 'leader' : await this.#feeder.feed(beside)
    if (role === 'leader') for (const state of ['queued', 'waiting'] as const) await this.#remindOf(state)
    await this.#lookForVersions()
    await this.#lookForConnections()
  }

  /** What was cut off behind the end of a run. */
  async #finishEndings(): Promise<void> {
    const { core } = this.#options
    const { items } = await core.store.list(runs, {
      index: 'place',
      equals: places.ending,
      to: core.now() - pendingAfterMs,
      limit: pageSize,
    })
    for (const run of items) await sweepEnding(core, run)
  }

  async #finishDispatch(): Promise<void> {
    const { core } = this.#options
    const to = core.now() - pendingAfterMs
    const { items } = await core.store.list(dispatches, {
      index: 'all',
      equals: 'dispatch',
      to,
      limit: pageSize,
    })
    for (const note of items) await this.#finishNote(note)
  }

  /** Of an event that is not there nothing was taken in, unless its sender is slower than any write may be. */
  async #finishNote({ id, createdAt, events: ids = [id] }: DispatchDocument): Promise<void> {
    const { core, intake } = this.#options
    const found = await core.store.getMany(events, ids)
    for (const event of found) await intake.dispatch(event)
    const stored = new Set(found.map((event) => event.id))
    const missing = ids.filter((event) => !stored.has(event))
    if (missing.length === 0 || core.now() - createdAt > forgottenAfterMs)
      await core.store.remove(dispatches, id)
    else if (found.length > 0) await core.store.update(dispatches, id, {}, { set: { events: missing } })
  }

  async #remindOf(state: 'queued' | 'waiting'): Promise<void> {
    const { core, registry } = this.#options
    const { queue, now } = core
    const items = await this.#late(state)
    const isGone = (run: RunDocument): boolean =>
      now() - (run.dueAt ?? 0) > goneAfterMs && !registry.isRunnable(run.job, run.jobVersion)
    await queue.add(items.filter((run) => !isGone(run)).map((run) => hintOf(run, run.dueAt ?? now())))
    for (const run of items.filter(isGone)) await this.#setAside(run, state)
  }

  async #late(state: 'queued' | 'waiting'): Promise<readonly RunDocument[]> {
    const { store, queue, now } = this.#options.core
    const to = now() - lateAfterMs
    if (queue.beside !== undefined) return this.#feeder.late(state, to)
    return (await store.list(runs, { index: 'place', equals: places[state], to, limit: pageSize })).items
  }

  /** Nobody has had the run's version for a while: it waits for it, or goes on with the highest if the job says so. */
  async #setAside(run: RunDocument, state: 'queued' | 'waiting'): Promise<void> {
    const { core, registry } = this.#options
    const { store, log } = core
    const facts = { run: run.id, job: run.job, version: run.jobVersion }
    const heir = registry.heirOf(run.job)
    if (heir !== undefined) {
      log.warn(
        { ...facts, heir },
        'no worker can run this version of the job; the run goes on with the highest',
      )
      return this.#bequeath(run, heir, state)
    }
    const set = { state: 'waiting_for_version' as const, place: places.waitingForVersion }
    // Others can use its slots meanwhile.
    if (!(await store.update(runs, run.id, { state, version: run.version }, { set, unset: ['slots'] })))
      return
    core.lanes.leave(run)
    log.error(facts, 'no worker can run this version of the job')
    await this.#forgetHint(run)
  }

  async #bequeath(run: RunDocument, version: string, state: RunDocument['state']): Promise<void> {
    const { store, queue, now } = this.#options.core
    const dueAt = now()
    const set = { state: 'queued' as const, place: places.queued, dueAt, jobVersion: version }
    // Behind the run: a hint that is found before it is due leads nowhere. What a crash leaves, the sweep finds.
    if (!(await store.update(runs, run.id, { state, jobVersion: run.jobVersion }, { set }))) return
    await queue.add([hintOf({ ...run, jobVersion: version }, dueAt)])
    await this.#forgetHint(run)
  }

  /** Nobody asks for hints of a version that is gone, so this one would stay for good. */
  async #forgetHint(run: RunDocument): Promise<void> {
    if (run.dueAt !== undefined) await this.#options.core.queue.forget(hintOf(run, run.dueAt))
  }

  async #lookForVersions(): Promise<void> {
    const { core, registry } = this.#options
    const { store, queue, now } = core
    const { items } = await store.list(runs, {
      index: 'place',
      equals: places.waitingForVersion,
      limit: pageSize,
    })
    for (const run of items) {
      const heir = registry.isRunnable(run.job, run.jobVersion) ? undefined : registry.heirOf(run.job)
      if (heir !== undefined) await this.#bequeath(run, heir, 'waiting_for_version')
    }
    const back = items.filter((run) => registry.isRunnable(run.job, run.jobVersion))
    const dueAt = now()
    const change = { set: { state: 'queued' as const, place: places.queued, dueAt } }
    await Promise.all(back.map((run) => store.update(runs, run.id, { state: 'waiting_for_version' }, change)))
    await queue.add(back.map((run) => hintOf(run, dueAt)))
  }

  async #lookForConnections(): Promise<void> {
    const { core } = this.#options
    const cursor = this.#parkingCursor === undefined ? {} : { cursor: this.#parkingCursor }
    const query = { index: 'all', equals: 'parking', limit: parkingsPerRound, ...cursor }
    const page = await core.store.list(parkings, query)
    this.#parkingCursor = page.cursor
    for (const parking of page.items) {
      const { integration, accountId, since } = parking
      if (parking.told !== true) await tellMissing(core, parking)
      const connection = await core.findConnection({ integration, accountId, since })
      if (connection?.state === 'active')
        await tellParked(core, { type: 'connected', integration, accountId })
      else await this.#remindParked(integration, accountId)
      if (connection === undefined && (await core.integrationNow(integration, 0)) !== integration)
        await wakeRenamed(core, parking, (run) => this.#uses(run, integration))
    }
  }

  /** True also for a job that this process does not have: another one will know. */
  #uses({ job, jobVersion }: RunDocument, integration: string): boolean {
    const definition = this.#options.registry.find(job, jobVersion)
    return (
      definition === undefined || Object.values(definition.integrations).some(({ id }) => id === integration)
    )
  }

  /** Those that have waited for as long as they may. */
  async #remindParked(integration: string, accountId: string): Promise<void> {
    const { store, queue, now } = this.#options.core
    const place = places.parkedOn(integration, accountId)
    const { items } = await store.list(runs, {
      index: 'place',
      equals: place,
      to: now() - lateAfterMs,
      limit: pageSize,
    })
    await queue.add(items.map((run) => hintOf(run, run.dueAt ?? now())))
  }
}

// A worker's place among the others: its name, its lease, what it publishes, and the search for those that died.
// A lease lasts three seconds and is renewed every second; the runs of a worker whose lease ended are due again.

import { AuthFlowError } from '../../shared/errors.ts'
import type { EngineCore } from './core.ts'
import { hintOf } from './hint-feeder.ts'
import { places, runs, workers, type PublishedJob, type RunDocument, type WorkerDocument } from './records.ts'
import type { JobRegistry } from './registry.ts'
import { endingPlace, finishEnding, storedWaits } from './run-ending.ts'
import type { Lease, Match } from '../store/store.ts'
import { startWatchdog, type Watchdog } from './watchdog.ts'
import { createWorkerName, isKnownDead } from './worker-name.ts'

const leaseMs = 3000
const beatMs = 1000
/** Starting a thread costs 30 ms, which nobody should wait for. */
const watchdogDelayMs = 2000
/** A dead worker is remembered this long: a frozen process may claim one more run before it notices. */
const rememberDeadMs = 3_600_000
const maxStrikes = 3
/**
 * A run rests after each strike, each time for twice as long, so that the process it ended is back before the next one
 * goes: one that is gone is soon started again, one that has only fallen silent may hang until its watchdog ends it.
 */
const firstRestMs = { gone: 10_000, silent: 30_000 } as const
const learnAgainMs = 5000
const pageSize = 200
const listLimit = 1000

/** What happens to a worker. */
export interface PresenceListener {
  /** The worker has a name and may take runs. */
  readonly onJoined: (owner: string) => void
  /** Another second has passed. */
  readonly onBeat: (owner: string) => void
  /** The lease was lost: nothing under the old name is to be trusted. */
  readonly onLost: () => void
}

/** One worker among the others. */
export class Presence {
  readonly #core: EngineCore
  readonly #registry: JobRegistry
  readonly #listener: PresenceListener
  /** Under which the leases of the dead are taken; never a worker's own name, who would get it back while alive. */
  readonly #heir = createWorkerName()
  #lease: Lease | undefined
  #timer: NodeJS.Timeout | undefined
  #watchdogTimer: NodeJS.Timeout | undefined
  #watchdog: Watchdog | undefined
  #beating: Promise<void> | undefined
  #stopped = true
  #published = ''
  #learntAt = -Infinity

  constructor(core: EngineCore, registry: JobRegistry, listener: PresenceListener) {
    this.#core = core
    this.#registry = registry
    this.#listener = listener
  }

  /** Joins, then looks for the dead at once: a process that was killed and started again finds its own runs. */
  async start(): Promise<void> {
    this.#stopped = false
    await this.#join()
    await this.findDead()
    this.#timer = setInterval(() => this.#beatSoon(), beatMs).unref()
    this.#watchdogTimer = setTimeout(() => {
      this.#watchdog = startWatchdog()
      this.#watchdog.beat()
    }, watchdogDelayMs).unref()
  }

  /** Leaves. Runs that are still owned are found by the others at once. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    this.#timer = undefined
    clearTimeout(this.#watchdogTimer)
    await this.#watchdog?.stop()
    this.#watchdog = undefined
    await this.#beating
    const lease = this.#lease
    this.#lease = undefined
    if (lease === undefined) return
    await this.#requeueOf(lease.owner)
    await this.#remember(lease.owner)
    await this.#core.store.releaseLease(lease)
  }

  /** Makes the runs of dead workers due again, and learns what the living can run. */
  async findDead(): Promise<void> {
    const { others, late } = await this.#look()
    for (const worker of others) if (late.has(worker.id)) await this.#bury(worker)
  }

  /** Learns what workers can run, for a process that has none itself. */
  async learn(): Promise<void> {
    const { now } = this.#core
    if (this.#timer !== undefined || now() - this.#learntAt < learnAgainMs) return
    await this.#look()
  }

  async #look(): Promise<{ others: WorkerDocument[]; late: Set<string> }> {
    const { store, now } = this.#core
    this.#learntAt = now()
    const { items } = await store.list(workers, {
      index: 'all',
      equals: 'worker',
      order: 'desc',
      limit: listLimit,
    })
    const gone = items.filter(({ dead }) => dead === true)
    const others = items.filter(({ id, dead }) => id !== this.#lease?.owner && dead !== true)
    const isLate = ({ id, seenAt }: WorkerDocument): boolean => isKnownDead(id) || now() - seenAt > leaseMs
    const late = new Set(others.filter(isLate).map(({ id }) => id))
    const live = others.filter(({ id }) => !late.has(id))
    this.#registry.learn(jobsOf(live), jobsOf([...others, ...gone]))
    return { others, late }
  }

  /** Runs that frozen workers claimed after they had been found dead. */
  async findLateClaims(): Promise<void> {
    const { items } = await this.#core.store.list(workers, {
      index: 'all',
      equals: 'worker',
      order: 'desc',
      limit: listLimit,
    })
    for (const worker of items) if (worker.dead === true) await this.#requeueOf(worker.id)
  }

  async #join(): Promise<void> {
    const { store, now } = this.#core
    const owner = createWorkerName()
    const lease = await store.acquireLease(leaseName(owner), owner, leaseMs)
    if (lease === undefined) return
    const jobs = this.#registry.published
    await store.insert(workers, { id: owner, scope: 'worker', startedAt: now(), seenAt: now(), jobs })
    this.#published = JSON.stringify(jobs)
    this.#lease = lease
    if (!this.#stopped) this.#listener.onJoined(owner)
  }

  #beatSoon(): void {
    this.#watchdog?.beat()
    this.#beating ??= this.#beat()
      .catch((error: unknown) =>
        this.#core.log.warn({ err: error }, 'the heartbeat of the worker failed; trying again'),
      )
      .finally(() => (this.#beating = undefined))
  }

  async #beat(): Promise<void> {
    const { store, now, log } = this.#core
    const lease = this.#lease
    if (lease === undefined) return this.#stopped ? undefined : this.#join()
    const text = JSON.stringify(this.#registry.published)
    const jobs = text === this.#published ? {} : { jobs: this.#registry.published }
    const [isOurs] = await Promise.all([
      store.renewLease(lease, leaseMs),
      store.update(workers, lease.owner, {}, { set: { seenAt: now(), ...jobs } }),
    ])
    this.#published = text
    if (!isOurs) {
      log.warn({ worker: lease.owner }, 'the worker was given up for dead; joining again under a new name')
      this.#lease = undefined
      this.#listener.onLost()
      await this.#requeueOf(lease.owner)
      if (!this.#stopped) await this.#join()
    }
    await this.findDead()
    if (this.#lease !== undefined) this.#listener.onBeat(this.#lease.owner)
  }

  async #bury({ id }: WorkerDocument): Promise<void> {
    const { store, log, metrics } = this.#core
    // Taking the lease proves that it has ended. A process that is known to be gone needs no proof.
    const lease = isKnownDead(id) ? undefined : await store.acquireLease(leaseName(id), this.#heir, leaseMs)
    if (lease === undefined && !isKnownDead(id)) return
    const count = await this.#requeueOf(id)
    await this.#remember(id)
    if (lease !== undefined) await store.releaseLease(lease)
    metrics.leaseStolen('worker')
    metrics.leaseStolen('run', count)
    log.info({ worker: id, runs: count }, 'a worker died; its runs go on elsewhere')
  }

  async #remember(worker: string): Promise<void> {
    const { store, now } = this.#core
    await store.update(workers, worker, {}, { set: { dead: true, expireAt: now() + rememberDeadMs } })
  }

  async #requeueOf(owner: string): Promise<number> {
    let count = 0
    for (;;) {
      const { items } = await this.#core.store.list(runs, {
        index: 'place',
        equals: places.ownedBy(owner),
        limit: pageSize,
      })
      await Promise.all(items.map((run) => this.#requeue(run)))
      count += items.length
      if (items.length < pageSize) return count
    }
  }

  /** A crash makes a run suspect; only one while it ran alone counts against it. */
  async #requeue(run: RunDocument): Promise<void> {
    const { store, queue, now, random } = this.#core
    const match = { owner: run.owner ?? null, fence: run.fence ?? null }
    const strikes = (run.strikes ?? 0) + (run.alone === true ? 1 : 0)
    if (strikes >= maxStrikes) return this.#setAside(run, match)
    const rest = restMs(strikes, run.owner ?? '')
    const dueAt = Math.ceil(now() + rest + (rest / 2) * random())
    const set = {
      state: 'queued' as const,
      place: places.queued,
      dueAt,
      suspect: true,
      ...(strikes === 0 ? {} : { strikes }),
    }
    // Behind the run: a hint that is found before it is due leads nowhere. What a crash leaves, the sweep finds.
    if (await store.update(runs, run.id, match, { set, unset: ['owner', 'alone'] }))
      await queue.add([hintOf(run, dueAt)])
  }

  async #setAside(run: RunDocument, match: Match<RunDocument>): Promise<void> {
    const { store, vault, lanes, metrics, now, log, retention } = this.#core
    const { code, message } = new AuthFlowError('crash_loop')
    const error = vault.session('run', run.id).seal(JSON.stringify({ code, message }), 'error')
    const end = { state: 'failed' as const, error, endedAt: now(), expireAt: now() + retention.runMs }
    const over = { run, entries: storedWaits(run) }
    const ending = endingPlace(over, end)
    const gone = ending === undefined ? (['place'] as const) : []
    const change = { set: { ...end, ...ending }, unset: ['owner', 'alone', 'slots', ...gone] as const }
    log.error({ run: run.id, job: run.job }, 'a run was set aside because it keeps killing its process')
    if (!(await store.update(runs, run.id, match, change))) return
    metrics.runEnded(run.job, 'failed', end.endedAt - run.createdAt)
    lanes.leave(run)
    if (ending !== undefined) await finishEnding(this.#core, over)
  }
}

const restMs = (strikes: number, owner: string): number =>
  strikes === 0 ? 0 : firstRestMs[isKnownDead(owner) ? 'gone' : 'silent'] * 2 ** (strikes - 1)

const jobsOf = (all: readonly WorkerDocument[]): PublishedJob[] => all.flatMap(({ jobs }) => jobs)

const leaseName = (worker: string): string => `worker/${worker}`

// How a pass of a run ended, as it is stored: over, asleep until a time, or parked until an account connects. Every
// write names the claim.

import { isAuthFlowError } from '../../shared/errors.ts'
import { noMetrics, type RunOutcome } from '../../shared/metrics.ts'
import type { Change } from '../store/store.ts'
import { persist, type EngineCore } from './core.ts'
import type { Lacking, Outcome } from './execution.ts'
import { ClaimLost, loadBeside, type Claim, type Journal } from './journal.ts'
import { keepForSleeper } from './live-events.ts'
import { cancelParked, noteParking, wake } from './parking.ts'
import { namedAt, places, runs, tasks, type JournalEntry, type RunDocument } from './records.ts'
import { endingPlace, finishEnding, storedWaits } from './run-ending.ts'
import { originOf } from './task-attempt.ts'
import { packError } from './task-error.ts'

/** A run whose connection seems fine but was refused looks again after this, not at once. */
const secondLookMs = 1000
/** Storing how a pass ended takes less. */
const soonMs = 1000

/** A pass that has ended. */
export interface Ending {
  readonly core: EngineCore
  readonly run: RunDocument
  readonly claim: Claim
  /** Absent when the pass ended before it was opened. */
  readonly journal: Journal | undefined
  /** The run's `signalSeq` up to which the pass has been told; 0 is none. */
  readonly seen: number
  /** Tasks that may not be repeated and are asleep inside. */
  readonly suspended: Readonly<Record<string, number>> | undefined
  /** It has to be over by then, in ms; Infinity is no limit. */
  readonly deadline: number
  /** See {@link RunDocument.tickets}. */
  readonly tickets: RunDocument['tickets']
  /** To be cut out of error messages. */
  readonly secrets: readonly string[]
}

/**
 * Stores the outcome and gives up the claim.
 *
 * @throws {@link ClaimLost} when the run is another worker's
 */
export function storeOutcome(ending: Ending, outcome: Outcome): Promise<void> {
  const writer = new OutcomeWriter(ending)
  const done = writer.store(outcome)
  const { core, run } = ending
  if (run.slots === undefined) return done
  // Only when its record does not name them any more.
  return done.then(() => (writer.keepsSlots ? undefined : core.lanes.leave(run)))
}

/** What is told of the error that ended a run. */
export function shownError(error: unknown, secrets: readonly string[]): { code: string; message: string } {
  const { message, name } = packError(error, secrets)
  if (isAuthFlowError(error)) return { code: error.code, message }
  return { code: 'run_failed', message: name === 'Error' ? message : `${name}: ${message}` }
}

class OutcomeWriter {
  readonly #ending: Ending
  /** True for a run that is due again at once: it goes on with the slots that it has. */
  keepsSlots = false

  constructor(ending: Ending) {
    this.#ending = ending
  }

  store(outcome: Outcome): Promise<void> {
    const written = outcome.type === 'lost' ? undefined : this.#ending.journal?.written()
    return written === undefined ? this.#store(outcome) : written.then(() => this.#store(outcome))
  }

  #store(outcome: Outcome): Promise<void> {
    switch (outcome.type) {
      case 'lost':
        return Promise.reject(new ClaimLost())
      case 'cancelled':
        return this.#finish({ state: 'cancelled' })
      case 'finished': {
        const { output, continuedAs } = outcome
        const sealed = output === undefined ? {} : { output: this.#seal(output, 'output') }
        const next = continuedAs === undefined ? {} : { continuedAs }
        return this.#finish({ state: 'succeeded', ...sealed, ...next })
      }
      case 'failed':
        return this.#fail(outcome.error)
      case 'asleep':
        return this.#sleep(outcome.dueAt, outcome.lacking)
    }
  }

  #fail(error: unknown): Promise<void> {
    const failedAt = originOf(error)
    const sealed = this.#sealError(error)
    return this.#finish({ state: 'failed', error: sealed, ...(failedAt === undefined ? {} : { failedAt }) })
  }

  #finish(
    end: { state: RunOutcome } & Pick<RunDocument, 'output' | 'error' | 'failedAt' | 'continuedAs'>,
  ): Promise<void> {
    const endedAt = this.#ending.core.now()
    const expireAt = endedAt + this.#ending.core.retention.runMs
    const over = { run: this.#ending.run, entries: this.#waits() }
    const ending = endingPlace(over, { ...end, endedAt })
    const stored = this.#update(this.#closing({ ...end, endedAt, expireAt, ...ending }))
    const done = ending === undefined ? stored : stored.then(() => finishEnding(this.#ending.core, over))
    const { metrics } = this.#ending.core
    if (metrics !== noMetrics) {
      const { job, createdAt } = this.#ending.run
      done.then(() => metrics.runEnded(job, end.state, endedAt - createdAt)).catch(() => undefined)
    }
    const isOverflowed = this.#ending.run.overflowed === true || this.#ending.journal?.overflowed === true
    return isOverflowed ? done.then(() => this.#expireBeside(expireAt)) : done
  }

  #waits(): JournalEntry[] {
    const { journal, run } = this.#ending
    if (journal === undefined) return storedWaits(run)
    return journal.ofKinds('invoke', 'event', 'request')
  }

  async #expireBeside(expireAt: number): Promise<void> {
    const { store } = this.#ending.core
    for (const { id } of await loadBeside(store, this.#ending.run.id))
      await store.update(tasks, id, {}, { set: { expireAt } })
  }

  /** Falls asleep, unless something happened that this pass has not seen: then the run is due at once. */
  async #sleep(due: number, lacking: Lacking | undefined): Promise<void> {
    const { now } = this.#ending.core
    const dueAt = Math.max(0, Math.ceil(Math.min(due, this.#ending.deadline)))
    const { suspended, tickets } = this.#ending
    const set = {
      ...(lacking === undefined ? {} : { parkedAt: lacking.since }),
      ...(suspended === undefined ? {} : { suspended }),
      ...(tickets === undefined ? {} : { tickets }),
    }
    await persist(
      () => keepForSleeper(this.#ending.core, this.#ending.run, dueAt),
      () => true,
    )
    if (lacking?.integration !== undefined) return this.#park({ ...set, dueAt }, lacking.integration)
    // A hint that is found before the run is due leads nowhere, so one for now comes behind the run; what a crash leaves
    // without one, the sweep finds.
    const isSoon = dueAt <= now() + soonMs
    if (!isSoon) await this.#hint(dueAt)
    const state = dueAt <= now() ? 'queued' : 'waiting'
    const { slots } = this.#ending.run
    const kept = state === 'queued' && slots !== undefined ? { slots } : {}
    this.keepsSlots = 'slots' in kept
    const sleeps = await this.#unlessSignalled({ ...set, ...kept, dueAt, state, place: places[state] })
    if (sleeps && isSoon) await this.#hint(dueAt)
  }

  /** Writes its own record first, then looks at the connection: whoever connects meanwhile sees one or is seen. */
  async #park(set: Partial<RunDocument> & { dueAt: number }, integration: string): Promise<void> {
    const { findConnection } = this.#ending.core
    const { run } = this.#ending
    const accountId = run.accountId ?? ''
    await persist(
      () => noteParking(this.#ending.core, integration, accountId),
      () => true,
    )
    await this.#hint(set.dueAt)
    const place = places.parkedOn(integration, accountId)
    if (!(await this.#unlessSignalled({ ...set, state: 'waiting_for_connection', place }))) return
    const connection = await findConnection({ integration, accountId, since: namedAt(run) })
    // One that looks fine but was refused before is not asked again at once.
    const delay = run.parkedAt === undefined ? 0 : secondLookMs
    if (connection?.state === 'active') await wake(this.#ending.core, { ...run, place }, delay)
    // Disconnected on purpose after the run began: it would have been cancelled, had it been parked by then.
    const isGone = connection?.state === 'disconnected' && Date.parse(connection.updatedAt) >= run.createdAt
    if (isGone) await cancelParked(this.#ending.core, { ...run, place })
  }

  /** Falls asleep as told; when a signal came that this pass has not seen, the run is due at once instead. */
  async #unlessSignalled(set: Partial<RunDocument>): Promise<boolean> {
    const { store, now } = this.#ending.core
    const { run, claim } = this.#ending
    const match = {
      owner: claim.owner,
      fence: claim.fence,
      signalSeq: this.#ending.seen === 0 ? null : this.#ending.seen,
    }
    const closing = this.#closing(set)
    const fallAsleep = (): Promise<boolean> => store.update(runs, run.id, match, closing)
    if (await persist(fallAsleep, () => true)) return true
    const dueAt = now()
    await this.#update({ ...closing, set: { ...closing.set, state: 'queued', place: places.queued, dueAt } })
    await this.#hint(dueAt)
    return false
  }

  /** The change that ends a pass: the claim is given up, buffered lines are stored, what is over is removed. */
  #closing(set: Partial<RunDocument>): Change<RunDocument> {
    const { run } = this.#ending
    const gone = (['place', 'parkedAt', 'suspended', 'slots', 'tickets', 'alone'] as const).filter(
      (field) => run[field] !== undefined && !(field in set),
    )
    const journal = this.#ending.journal?.closingChange()
    const { push } = journal ?? {}
    return {
      set: journal?.set === undefined ? set : { ...journal.set, ...set },
      unset: ['owner', ...gone],
      ...(push === undefined ? {} : { push }),
    }
  }

  #update(change: Change<RunDocument>): Promise<void> {
    const { owner, fence } = this.#ending.claim
    const write = (): Promise<boolean> =>
      this.#ending.core.store.update(runs, this.#ending.run.id, { owner, fence }, change)
    return persist(write, () => true).then((isOurs) => {
      if (!isOurs) throw new ClaimLost()
    })
  }

  async #hint(dueAt: number): Promise<void> {
    const { run } = this.#ending
    const hint = { runId: run.id, job: run.job, version: run.jobVersion, dueAt }
    await persist(
      () => this.#ending.core.queue.add([hint]),
      () => true,
    )
  }

  #sealError(error: unknown): string {
    return this.#seal(JSON.stringify(shownError(error, this.#ending.secrets)), 'error')
  }

  #seal(text: string, field: string): string {
    return this.#ending.core.vault.session('run', this.#ending.run.id).seal(text, field)
  }
}

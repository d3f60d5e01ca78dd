// One pass of a run from its record and back into it: builds what `run` needs, lets it go, and stores how the pass
// ended. Every write names the claim, so that a worker that lost the run leaves no trace.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { Change } from '../store/store.ts'
import { persist, type EngineCore } from './core.ts'
import { openBody, type EventContent } from './event-intake.ts'
import { Execution, type Lacking, type Outcome } from './execution.ts'
import type { RunContext } from './job.ts'
import { ClaimLost, Journal, loadBeside, type Claim } from './journal.ts'
import { cancelParked, wake } from './parking.ts'
import {
  events,
  parkingId,
  parkings,
  places,
  retentionMs,
  runs,
  tasks,
  type EventDocument,
  type RunDocument,
} from './records.ts'
import type { JobDefinition } from './registry.ts'
import { RunConnections } from './run-connections.ts'
import type { RunIO } from './run-io.ts'
import { packError } from './task-error.ts'
import { TaskRunner, type Base } from './task-runner.ts'

const outputLimit = 1024 * 1024
/** An event is kept at least this much longer than the next wake of its run. */
const eventMarginMs = 7 * 24 * 3_600_000
/** A run whose connection seems fine but was refused looks again after this, not at once. */
const secondLookMs = 1000

/** A run that this worker has claimed. */
export interface ClaimedRun {
  readonly run: RunDocument
  readonly claim: Claim
  readonly definition: JobDefinition
  /** Known where the event was just taken in. */
  readonly event?: { readonly document: EventDocument; readonly content: EventContent }
}

/** What a pass tells its worker. */
export interface PassListener {
  /** Nothing runs in it for the moment: it takes no slot. */
  readonly onIdle: (idle: boolean) => void
  /** A suspect run has committed a task. */
  readonly onCleared: () => void
}

/** One pass of a run. */
export class RunPass {
  readonly #core: EngineCore
  readonly #claimed: ClaimedRun
  readonly #listener: PassListener
  readonly #execution: Execution
  #controller: AbortController | undefined
  #journal: Journal | undefined
  #runner: TaskRunner | undefined
  #connections: RunConnections | undefined

  constructor(core: EngineCore, claimed: ClaimedRun, listener: PassListener) {
    this.#core = core
    this.#claimed = claimed
    this.#listener = listener
    this.#execution = new Execution({ now: core.now, onIdle: listener.onIdle })
  }

  /** The run's id. */
  get runId(): string {
    return this.#claimed.run.id
  }

  /** Tasks whose callbacks run just now. */
  get underWay(): readonly Base[] {
    return this.#runner?.underWay ?? []
  }

  /** Starts no new tasks; ends once those that run are through. */
  drain(): void {
    this.#execution.drain()
  }

  /** Ends the pass now; the run is due again at once. */
  release(): void {
    this.#execution.callOff({ type: 'asleep', dueAt: this.#core.now() })
  }

  /** Ends the pass without a trace: the run is another worker's. */
  abandon(): void {
    this.#execution.callOff({ type: 'lost' })
  }

  /** Runs the pass and stores its outcome. Never rejects. */
  async perform(): Promise<void> {
    const { run } = this.#claimed
    const { log } = this.#core
    try {
      await this.#store(await this.#outcome())
    } catch (error) {
      if (error instanceof ClaimLost) log.debug({ run: run.id }, 'the run was taken over by another worker')
      else
        log.error(
          { run: run.id, err: error },
          'the outcome of a pass could not be stored; the pass will be made again',
        )
      this.abandon()
    }
  }

  async #outcome(): Promise<Outcome> {
    if (this.#claimed.run.cancelRequested === true) return { type: 'cancelled' }
    try {
      const event = this.#claimed.event ?? (await this.#loadEvent())
      if (event === undefined) throw new AuthFlowError('internal', 'The event of the run is gone.')
      const journal = await this.#openJournal()
      return this.#execution.ended ? await this.#execution.outcome : await this.#start(event, journal)
    } catch (error) {
      // Nothing of the user's ran yet.
      if (!isAuthFlowError(error) || !error.retryable) return { type: 'failed', error }
      return { type: 'asleep', dueAt: this.#core.now() + secondLookMs }
    }
  }

  async #openJournal(): Promise<Journal> {
    const { run, claim } = this.#claimed
    const { store, vault } = this.#core
    const beside = run.overflowed === true ? await loadBeside(store, run.id) : []
    const session = vault.session('run', run.id)
    const wanted = (): boolean => !this.#execution.ended
    const { onCleared } = this.#listener
    this.#journal = new Journal(run, beside, { store, session, claim, wanted, onCleared })
    return this.#journal
  }

  async #start(event: NonNullable<ClaimedRun['event']>, journal: Journal): Promise<Outcome> {
    const execution = this.#execution
    const { definition } = this.#claimed
    const io = this.#createIO(journal)
    const context = this.#context(event)
    new Promise((resolve) => resolve(definition.run(event.content.payload, io, context))).then(
      (output) => execution.end(toFinished(output)),
      (error: unknown) => execution.end({ type: 'failed', error }),
    )
    const outcome = await execution.outcome
    io.close()
    return outcome
  }

  async #loadEvent(): Promise<ClaimedRun['event']> {
    const document = await this.#core.store.get(events, this.#claimed.run.event)
    return document && { document, content: openBody(this.#core, document) }
  }

  #createIO(journal: Journal): RunIO {
    const { run, claim, definition } = this.#claimed
    const core = this.#core
    const execution = this.#execution
    const secrets = (): readonly string[] => this.#connections?.secrets ?? []
    const suspended = run.suspended ?? {}
    const runner = new TaskRunner({ core, runId: run.id, execution, journal, secrets, suspended })
    const io = definition.createIO({ core, execution, journal, runner })
    const { integrations } = definition
    const wasUsed = (key: string): boolean => journal.wasUsed(key)
    const connections = new RunConnections({ core, run, claim, execution, integrations, io, wasUsed })
    io.connections = connections
    this.#runner = runner
    this.#connections = connections
    return io
  }

  #context({ document, content }: NonNullable<ClaimedRun['event']>): RunContext {
    const { run } = this.#claimed
    const signal = (): AbortSignal => (this.#controller ??= this.#execution.abortable()).signal
    return {
      run: { id: run.id, startedAt: new Date(run.createdAt), isRetry: false },
      job: { id: run.job, version: run.jobVersion },
      event: {
        id: document.eventId,
        name: document.name,
        context: content.context,
        timestamp: new Date(document.timestamp),
      },
      ...(run.accountId === null ? {} : { account: { id: run.accountId } }),
      environment: { slug: this.#core.environment },
      get signal() {
        return signal()
      },
    }
  }

  async #store(outcome: Outcome): Promise<void> {
    switch (outcome.type) {
      case 'lost':
        throw new ClaimLost()
      case 'cancelled':
        return this.#finish({ state: 'cancelled' })
      case 'finished': {
        const { output } = outcome
        const sealed = output === undefined ? {} : { output: this.#seal(output, 'output') }
        return this.#finish({ state: 'succeeded', ...sealed })
      }
      case 'failed':
        return this.#finish({ state: 'failed', error: this.#sealError(outcome.error) })
      case 'asleep':
        return this.#sleep(outcome.dueAt, outcome.lacking)
    }
  }

  async #finish(end: Pick<RunDocument, 'state' | 'output' | 'error'>): Promise<void> {
    const { store, now } = this.#core
    const endedAt = now()
    const expireAt = endedAt + retentionMs
    await this.#update(this.#closing({ ...end, endedAt, expireAt }))
    if (this.#claimed.run.overflowed !== true && this.#journal?.overflowed !== true) return
    for (const { id } of await loadBeside(store, this.runId))
      await store.update(tasks, id, {}, { set: { expireAt } })
  }

  /** Falls asleep, unless something happened that this pass has not seen: then the run is due at once. */
  async #sleep(due: number, lacking: Lacking | undefined): Promise<void> {
    const { now } = this.#core
    const dueAt = Math.max(0, Math.ceil(due))
    const suspended = this.#runner?.unrepeatable
    const set = {
      ...(lacking === undefined ? {} : { parkedAt: lacking.since }),
      ...(suspended === undefined ? {} : { suspended }),
    }
    await this.#extendEvent(dueAt)
    if (lacking?.integration !== undefined) return this.#park({ ...set, dueAt }, lacking.integration)
    await this.#hint(dueAt)
    const state = dueAt <= now() ? 'queued' : 'waiting'
    await this.#unlessSignalled({ ...set, dueAt, state, place: places[state] })
  }

  /** Writes its own record first, then looks at the connection: whoever connects meanwhile sees one or is seen. */
  async #park(set: Partial<RunDocument> & { dueAt: number }, integration: string): Promise<void> {
    const { store, findConnection, now } = this.#core
    const { run } = this.#claimed
    const accountId = run.accountId ?? ''
    const parking = {
      id: parkingId(integration, accountId),
      scope: 'parking' as const,
      integration,
      accountId,
      since: now(),
    }
    await store.insert(parkings, parking)
    await this.#hint(set.dueAt)
    const place = places.parkedOn(integration, accountId)
    if (!(await this.#unlessSignalled({ ...set, state: 'waiting_for_connection', place }))) return
    const connection = await findConnection({ integration, accountId })
    // One that looks fine but was refused before is not asked again at once.
    const delay = run.parkedAt === undefined ? 0 : secondLookMs
    if (connection?.state === 'active') await wake(this.#core, { ...run, place }, delay)
    // Disconnected on purpose after the run began: it would have been cancelled, had it been parked by then.
    const isGone = connection?.state === 'disconnected' && Date.parse(connection.updatedAt) >= run.createdAt
    if (isGone) await cancelParked(this.#core, { ...run, place })
  }

  /** Falls asleep as told; when a signal came that this pass has not seen, the run is due at once instead. */
  async #unlessSignalled(set: Partial<RunDocument>): Promise<boolean> {
    const { store, now } = this.#core
    const { run, claim } = this.#claimed
    const match = { owner: claim.owner, fence: claim.fence, signalSeq: run.signalSeq ?? null }
    const closing = this.#closing(set)
    const fallAsleep = (): Promise<boolean> => store.update(runs, run.id, match, closing)
    if (await persist(fallAsleep, () => true)) return true
    const dueAt = now()
    await this.#hint(dueAt)
    await this.#update({ ...closing, set: { ...closing.set, state: 'queued', place: places.queued, dueAt } })
    return false
  }

  /** The change that ends a pass: the claim is given up, buffered lines are stored, what is over is removed. */
  #closing(set: Partial<RunDocument>): Change<RunDocument> {
    const { run } = this.#claimed
    const gone = (['place', 'parkedAt', 'suspended'] as const).filter(
      (field) => run[field] !== undefined && !(field in set),
    )
    const journal = this.#journal?.closingChange()
    return {
      set: { ...journal?.set, ...set },
      ...(journal?.push === undefined ? {} : { push: journal.push }),
      unset: ['owner', ...gone],
    }
  }

  async #update(change: Change<RunDocument>): Promise<void> {
    const { owner, fence } = this.#claimed.claim
    const write = (): Promise<boolean> => this.#core.store.update(runs, this.runId, { owner, fence }, change)
    if (!(await persist(write, () => true))) throw new ClaimLost()
  }

  async #hint(dueAt: number): Promise<void> {
    const { run } = this.#claimed
    await this.#core.queue.add([{ runId: run.id, job: run.job, version: run.jobVersion, dueAt }])
  }

  /** Events are kept for the runs they started, however long those sleep. */
  async #extendEvent(dueAt: number): Promise<void> {
    const { run } = this.#claimed
    if (dueAt + eventMarginMs < run.createdAt + retentionMs) return
    await this.#core.store.update(events, run.event, {}, { set: { expireAt: dueAt + retentionMs } })
  }

  #sealError(error: unknown): string {
    const { code, message, name } = packError(error, this.#connections?.secrets)
    const shown = isAuthFlowError(error)
      ? { code, message }
      : { code: 'run_failed', message: name === 'Error' ? message : `${name}: ${message}` }
    return this.#seal(JSON.stringify(shown), 'error')
  }

  #seal(text: string, field: string): string {
    return this.#core.vault.session('run', this.runId).seal(text, field)
  }
}

function toFinished(output: unknown): Outcome {
  let text: string | undefined
  try {
    text = JSON.stringify(output) as string | undefined
  } catch (cause) {
    return {
      type: 'failed',
      error: new AuthFlowError('invalid_input', 'The output of the run is not JSON.', { cause }),
    }
  }
  if (text === undefined) return { type: 'finished', output: undefined }
  if (text.length * 3 > outputLimit && Buffer.byteLength(text) > outputLimit) {
    return {
      type: 'failed',
      error: new AuthFlowError('output_too_large', undefined, { details: { limit: outputLimit } }),
    }
  }
  return { type: 'finished', output: text }
}

// One pass of a run from its record and back into it: builds what `run` needs, lets it go, and stores how the pass
// ended. Every write names the claim, so that a worker that lost the run leaves no trace.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { ExecutionOutcome } from '../../shared/metrics.ts'
import type { Traced } from '../../shared/tracing.ts'
import type { EngineCore } from './core.ts'
import { openBody, type EventContent } from './event-document.ts'
import { Execution, outsideRuns, type Outcome } from './execution.ts'
import type { RunContext } from './job.ts'
import { ClaimLost, Journal, loadBeside, type Claim } from './journal.ts'
import { storeOutcome, type Ending } from './pass-outcome.ts'
import { events, type EventDocument, type RunDocument, type TaskDocument } from './records.ts'
import type { JobDefinition } from './registry.ts'
import { tellEnd } from './run-end.ts'
import { RunConnections } from './run-connections.ts'
import { deadlineOf, timedOut, watchDeadline } from './run-deadline.ts'
import { factsOf } from './run-facts.ts'
import type { RunIO } from './run-io.ts'
import type { SignalSeat } from './signals.ts'
import type { Base } from './task-attempt.ts'
import { TaskRunner } from './task-runner.ts'

const outputLimit = 1024 * 1024
/** A run that could not be read just now is looked at again after this. */
const readAgainMs = 1000

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
  /** The outcome could not be stored: the run may still be this worker's. */
  readonly onNotStored: () => void
}

/** One pass of a run. */
export class RunPass {
  readonly #core: EngineCore
  readonly #claimed: ClaimedRun
  readonly #listener: PassListener
  readonly #execution: Execution
  readonly #deadline: number
  #controller: AbortController | undefined
  #traced: Traced | undefined
  #begunAt = 0
  #io: RunIO | undefined
  #journal: Journal | undefined
  #runner: TaskRunner | undefined
  #seat: SignalSeat | undefined
  #connections: RunConnections | undefined

  constructor(core: EngineCore, claimed: ClaimedRun, listener: PassListener) {
    this.#core = core
    this.#claimed = claimed
    this.#listener = listener
    this.#deadline = deadlineOf(claimed.run, claimed.definition)
    this.#execution = new Execution({
      now: core.now,
      onIdle: listener.onIdle,
      facts: () => factsOf(claimed.run),
    })
  }

  /** The run's id. */
  get runId(): string {
    return this.#claimed.run.id
  }

  /** The run as it was claimed. */
  get run(): RunDocument {
    return this.#claimed.run
  }

  /** Tasks whose callbacks run just now. */
  get underWay(): readonly Base[] {
    return this.#runner?.underWay ?? []
  }

  /** Starts no new tasks; ends once those that run are through. */
  drain(): void {
    this.#execution.drain()
  }

  /** The run was cancelled: its signals abort, and the pass ends once no task runs. */
  cancel(): void {
    this.#execution.cancel()
  }

  /** Ends the pass now; the run is due again then, or at once. */
  release(dueAt = this.#core.now()): void {
    this.#execution.callOff({ type: 'asleep', dueAt })
  }

  /** Ends the pass without a trace: the run is another worker's. */
  abandon(): void {
    this.#execution.callOff({ type: 'lost' })
  }

  /** Runs the pass and stores its outcome. Never rejects. The run may have been started by the code of another one. */
  perform(): Promise<void> {
    return outsideRuns(() => this.#perform())
  }

  async #perform(): Promise<void> {
    const { run } = this.#claimed
    const { log } = this.#core
    try {
      const outcome = await this.#outcome()
      this.#io?.close()
      const ending = this.#ending()
      await storeOutcome(ending, outcome)
      this.#tellWatchers(outcome.type, outcome.type === 'failed' ? outcome.error : undefined)
      const told = tellEnd(
        { run, definition: this.#claimed.definition, log, secrets: ending.secrets },
        outcome,
      )
      if (told !== undefined) await told
    } catch (error) {
      this.#tellWatchers('lost', error instanceof ClaimLost ? undefined : error)
      if (error instanceof ClaimLost) log.debug(factsOf(run), 'the run was taken over by another worker')
      else {
        log.error(
          { ...factsOf(run), err: error },
          'the outcome of a pass could not be stored; the pass will be made again',
        )
        this.#listener.onNotStored()
      }
      this.abandon()
    }
  }

  #tellWatchers(outcome: ExecutionOutcome, error: unknown): void {
    this.#traced?.end({ outcome, ...(error === undefined ? {} : { error }) })
    // One that was called off before it began was no execution.
    if (this.#io === undefined) return
    this.#core.metrics.executionEnded(this.#claimed.run.job, outcome, performance.now() - this.#begunAt)
  }

  async #outcome(): Promise<Outcome> {
    if (this.#claimed.run.cancelRequested === true) return { type: 'cancelled' }
    if (this.#core.now() >= this.#deadline)
      return { type: 'failed', error: timedOut(this.#claimed.definition) }
    try {
      const event = this.#claimed.event ?? (await this.#loadEvent())
      if (event === undefined) throw new AuthFlowError('internal', 'The event of the run is gone.')
      const { run } = this.#claimed
      this.#traced = this.#core.tracing.running(run, event.document.traceparent)
      const beside = run.overflowed === true ? await loadBeside(this.#core.store, run.id) : []
      if (!this.#execution.ended) this.#start(event, this.#openJournal(beside))
      return await this.#execution.outcome
    } catch (error) {
      // Nothing of the user's ran yet.
      if (!isAuthFlowError(error) || !error.retryable) return { type: 'failed', error }
      return { type: 'asleep', dueAt: this.#core.now() + readAgainMs }
    }
  }

  #openJournal(beside: readonly TaskDocument[]): Journal {
    const { run, claim } = this.#claimed
    const { store, vault } = this.#core
    const session = vault.session('run', run.id)
    const wanted = (): boolean => !this.#execution.ended
    const { onCleared } = this.#listener
    const onCancelled = (): void => this.cancel()
    this.#journal = new Journal(run, beside, { store, session, claim, wanted, onCleared, onCancelled })
    return this.#journal
  }

  /** Calls the run's code, which ends the execution when it is through. */
  #start(event: NonNullable<ClaimedRun['event']>, journal: Journal): void {
    const execution = this.#execution
    this.#begunAt = performance.now()
    const { definition } = this.#claimed
    const context = this.#context(event)
    const io = this.#createIO(journal, context)
    execution.io = io
    watchDeadline(execution, definition, { deadline: this.#deadline, now: this.#core.now })
    const call = (): unknown => definition.run(event.content.payload, io, context)
    const begin = (): unknown => execution.within(execution.root, call)
    try {
      Promise.resolve(this.#traced === undefined ? begin() : this.#traced.within(begin)).then(
        (output) => execution.end(toFinished(output)),
        (error: unknown) => execution.end({ type: 'failed', error }),
      )
    } catch (error) {
      execution.end({ type: 'failed', error })
    }
  }

  #ending(): Ending {
    const { run, claim } = this.#claimed
    return {
      core: this.#core,
      run,
      claim,
      journal: this.#journal,
      seen: this.#seat?.seen ?? run.signalSeq ?? 0,
      suspended: this.#runner?.unrepeatable,
      deadline: this.#deadline,
      tickets: this.#connections?.tickets,
      secrets: this.#secrets(),
    }
  }

  /** Secrets that the run has been given so far. */
  #secrets(): readonly string[] {
    return [...(this.#connections?.secrets ?? []), ...(this.#execution.heldSecrets ?? [])]
  }

  async #loadEvent(): Promise<ClaimedRun['event']> {
    const document = await this.#core.store.get(events, this.#claimed.run.event)
    return document && { document, content: openBody(this.#core, document) }
  }

  #createIO(journal: Journal, context: RunContext): RunIO {
    const { run, claim, definition } = this.#claimed
    const core = this.#core
    const execution = this.#execution
    const secrets = (): readonly string[] => this.#secrets()
    const suspended = run.suspended ?? {}
    const runner = new TaskRunner({
      core,
      runId: run.id,
      job: run.job,
      execution,
      journal,
      secrets,
      suspended,
    })
    const signals = core.signals.enter(run)
    void execution.outcome.then(() => signals.leave())
    this.#seat = signals
    const io = definition.createIO({ core, run, execution, journal, runner, signals })
    const { integrations } = definition
    this.#runner = runner
    this.#io = io
    if (Object.keys(integrations).length === 0) return io
    const wasUsed = (key: string): boolean => journal.wasUsed(key)
    const parts = { core, run, claim, execution, integrations, io, context, wasUsed }
    const connections = new RunConnections(parts)
    io.connections = connections
    this.#connections = connections
    return io
  }

  #context({ document, content }: NonNullable<ClaimedRun['event']>): RunContext {
    const { run } = this.#claimed
    const signal = (): AbortSignal => (this.#controller ??= this.#execution.abortable()).signal
    return {
      run: { id: run.id, startedAt: new Date(run.createdAt), isRetry: run.replayOf !== undefined },
      job: { id: run.job, version: run.jobVersion },
      event: {
        id: document.eventId,
        name: document.name,
        context: content.context,
        timestamp: new Date(document.timestamp),
      },
      ...(run.accountId === null ? {} : { account: { id: run.accountId } }),
      ...(content.from === undefined ? {} : { source: content.from }),
      environment: { slug: this.#core.environment },
      get signal() {
        return signal()
      },
    }
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

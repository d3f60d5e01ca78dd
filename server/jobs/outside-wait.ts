// Waiting for what others bring: an event, a request, the end of another run. The run writes down that it waits, looks
// whether it has come, and sleeps; whoever brings it writes it down and looks for who waits. So one of the two sees the
// other, whichever comes first. What came is stored in the run before its code goes on.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { persist } from './core.ts'
import type { Frame } from './frames.ts'
import { storeStep, whereItEnds } from './journal-step.ts'
import type { JournalEntry } from './records.ts'
import type { RunIOOptions } from './run-io.ts'
import { storedFailure, storedOutput } from './stored-result.ts'
import { originOf } from './task-attempt.ts'
import { packError } from './task-error.ts'
import { assertSame } from './task-runner.ts'
import { errorsAt, wrongCall, type NamedCall } from './wrong-call.ts'

/** Waits last at most this long, in seconds: a year and a day. */
export const longestWaitSeconds = 366 * 24 * 3600
/** As long as waits last unless told otherwise: an hour. */
const defaultTimeoutInSeconds = 3600

const againMs = 1000
/** Who can run a job is known a little after its process has started: workers are being replaced, perhaps. */
const unknownJobMs = 30_000

/** A wait as the code of the run asks for it. */
export interface OutsideWait {
  /** Of the method, for messages. */
  readonly name: string
  readonly kind: JournalEntry['kind']
  readonly key: string
  /** Digest of what replay compares. */
  readonly params: string
  readonly timeoutInSeconds: number | undefined
  /** More of the entry, known before the wait begins. */
  readonly facts?: (path: string, startedAt: number) => Pick<JournalEntry, 'children' | 'cascades' | 'topic'>
  /**
   * Writes down that the run waits, once, and looks at the other side. Called again whenever something may have come.
   *
   * @returns what came as JSON text; undefined where nothing has
   */
  look(entry: JournalEntry): Promise<string | undefined>
  /** Done once the run has written down that it waits, outside of the store's time: it may sleep, and throw. */
  prepare?(entry: JournalEntry, caller: Frame): Promise<unknown>
  /** The time is over: what came at the last moment; undefined where nothing did, and from then on nothing can. */
  close(entry: JournalEntry): Promise<string | undefined>
  /** What came is stored in the run, or never will be. */
  settle?(entry: JournalEntry): Promise<void>
  /** What the wait gives when its time is over (default: it throws `wait_timeout`). */
  late?(entry: JournalEntry): string
}

/**
 * Waits; resolves with what came as JSON gives it back.
 *
 * @throws {@link AuthFlowError} `wait_timeout`, `duplicate_task_key`, `replay_mismatch`, `too_many_tasks`,
 *   `invalid_input`, and what `look` throws; all of it final
 */
export async function waitOutside(parts: RunIOOptions, wait: OutsideWait): Promise<unknown> {
  const { execution, journal, runner, run } = parts
  const call = { name: wait.name, key: wait.key, job: run.job }
  const tell = errorsAt(call)
  const ended = whereItEnds(execution)
  if (ended !== undefined) await ended
  checkTimeout(call, wait.timeoutInSeconds)
  const caller = execution.frame
  const path = runner.takeKey(caller, wait.key)
  const known = journal.get(path)
  if (known !== undefined) assertSame(known, wait.kind, wait.params)
  if (known?.state === 'succeeded') return storedOutput(journal, known)
  if (known?.state === 'failed') throw storedFailure(journal, known)
  return new Waiting(parts, { ...wait, tell }, caller).run(
    known?.state === 'waiting' ? known : undefined,
    path,
  )
}

/** A wait, and how errors of its own are told: as thrown where the call was made. */
type PlacedWait = OutsideWait & { readonly tell: ReturnType<typeof errorsAt> }

class Waiting {
  readonly #parts: RunIOOptions
  readonly #wait: PlacedWait
  readonly #caller: Frame

  constructor(parts: RunIOOptions, wait: PlacedWait, caller: Frame) {
    this.#parts = parts
    this.#wait = wait
    this.#caller = caller
  }

  async run(known: JournalEntry | undefined, path: string): Promise<unknown> {
    const { execution, core, signals } = this.#parts
    const entry = known ?? (await storeStep(this.#parts, this.#begin(path)))
    const until = entry.until ?? 0
    let isPrepared = this.#wait.prepare === undefined
    for (;;) {
      const { seen } = signals
      const came = await this.#ask(entry, () => this.#wait.look(entry))
      if (came !== undefined) return this.#succeed(entry, came)
      if (execution.ended) return execution.never()
      if (!isPrepared) {
        isPrepared = true
        await this.#prepare(entry)
        continue
      }
      if (until <= core.now()) return this.#timeOut(entry)
      if (signals.seen !== seen) continue
      const { resumed, resume } = execution.suspend(this.#caller, until)
      const stop = signals.listen(resume)
      await resumed
      stop()
    }
  }

  #begin(path: string): JournalEntry {
    const { core, journal } = this.#parts
    const { kind, params, timeoutInSeconds = defaultTimeoutInSeconds, facts } = this.#wait
    journal.assertRoom()
    const startedAt = core.now()
    const until = Math.ceil(startedAt + timeoutInSeconds * 1000)
    return { path, kind, params, state: 'waiting', attempt: 1, startedAt, until, ...facts?.(path, startedAt) }
  }

  /** Asks for as long as what fails may pass; what else goes wrong is how the wait ends. */
  async #ask<T>(entry: JournalEntry, ask: () => Promise<T>): Promise<T> {
    const { execution, core } = this.#parts
    for (;;) {
      try {
        return await execution.hold(persist(ask, () => !execution.ended))
      } catch (error) {
        if (execution.ended) return execution.never()
        // The engine is being stopped, perhaps: the next pass goes on here.
        if (!isAuthFlowError(error) || !this.#mayPass(error, entry))
          return this.#fail(entry, this.#wait.tell(error))
        await execution.sleep(this.#caller, core.now() + againMs)
      }
    }
  }

  #mayPass({ code, retryable }: AuthFlowError, { startedAt }: JournalEntry): boolean {
    return retryable || (code === 'unknown_job' && this.#parts.core.now() < startedAt + unknownJobMs)
  }

  async #prepare(entry: JournalEntry): Promise<void> {
    try {
      await this.#wait.prepare?.(entry, this.#caller)
    } catch (error) {
      if (this.#parts.execution.ended) return this.#parts.execution.never()
      await this.#ask(entry, () => this.#wait.close(entry))
      return this.#fail(entry, error)
    }
  }

  async #timeOut(entry: JournalEntry): Promise<unknown> {
    const { execution } = this.#parts
    const { late, tell, timeoutInSeconds = defaultTimeoutInSeconds } = this.#wait
    const came = await this.#ask(entry, () => this.#wait.close(entry))
    if (came !== undefined) return this.#succeed(entry, came)
    if (execution.ended) return execution.never()
    if (late !== undefined) return this.#succeed(entry, late(entry))
    const error = new AuthFlowError('wait_timeout', `nothing came within ${timeoutInSeconds} seconds.`)
    return this.#fail(entry, tell(error))
  }

  async #succeed(entry: JournalEntry, text: string): Promise<unknown> {
    const { core, journal } = this.#parts
    const output = journal.seal(text, `output:${entry.path}`)
    try {
      const stored = await this.#end({ ...entry, state: 'succeeded', endedAt: core.now(), output })
      return storedOutput(journal, stored)
    } catch (error) {
      if (!isAuthFlowError(error) || error.code !== 'run_too_large') throw error
      return this.#fail(entry, error)
    }
  }

  async #fail(entry: JournalEntry, error: unknown): Promise<never> {
    const { core, journal } = this.#parts
    const cause = originOf(error)
    const packed = journal.seal(JSON.stringify(packError(error)), `error:${entry.path}`)
    const stored = await this.#end({
      ...entry,
      state: 'failed',
      endedAt: core.now(),
      error: packed,
      ...(cause === undefined ? {} : { cause }),
    })
    throw storedFailure(journal, stored)
  }

  async #end(entry: JournalEntry): Promise<JournalEntry> {
    const { core, run } = this.#parts
    const stored = await storeStep(this.#parts, entry)
    this.#wait.settle?.(stored).catch((error: unknown) => {
      core.log.debug({ run: run.id, err: error }, 'what a wait left behind is removed with age')
    })
    return stored
  }
}

/**
 * Checks how long a wait may take.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkTimeout(call: NamedCall, timeoutInSeconds = 0): void {
  if (typeof timeoutInSeconds === 'number' && timeoutInSeconds >= 0 && timeoutInSeconds <= longestWaitSeconds)
    return
  throw wrongCall(call, `timeoutInSeconds must be a number from 0 to ${longestWaitSeconds}.`)
}

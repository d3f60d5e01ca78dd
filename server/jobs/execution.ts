// One pass of `run` from the top until it ends or sleeps. It counts what is under way, so that it knows when nothing
// can go on any more. A branch that must wait gets a promise that does not settle while the pass is asleep: nothing is
// thrown, so no `catch` of the user's can get in the way, and no `finally` runs.

import { AsyncLocalStorage } from 'node:async_hooks'
import { createFrame, isBelow, type Frame } from './frames.ts'
import type { IO } from './job.ts'
import type { RunFacts } from './run-facts.ts'

/** How a pass ended. The output is JSON text. */
export type Outcome =
  | {
      readonly type: 'finished'
      readonly output: string | undefined
      /** The run that goes on in its place. */
      readonly continuedAs?: string
    }
  | { readonly type: 'failed'; readonly error: unknown }
  | { readonly type: 'asleep'; readonly dueAt: number; readonly lacking?: Lacking }
  | { readonly type: 'cancelled' }
  | { readonly type: 'lost' }

/** Credentials that a run sleeps for. */
export interface Lacking {
  /** Since when, in ms. */
  readonly since: number
  /** Id of the integration whose connection wakes it; absent where only time helps. */
  readonly integration?: string
}

/** What runs where. One for the process: enabling a second would slow every promise a second time. */
const scopes = new AsyncLocalStorage<{ readonly execution: Execution; readonly frame: Frame } | undefined>()

/**
 * Calls work that is no part of the run whose code is calling: a run that this one has just started, and what the host is
 * told of its end.
 */
export const outsideRuns = <T>(work: () => T): T => scopes.run(undefined, work)

/**
 * The `io` of the run whose code is calling; undefined outside of runs. For what can be done in both places and must be
 * a task inside.
 */
export const currentIO = (): IO | undefined => scopes.getStore()?.execution.io

/**
 * The key; with a number where the code that is calling has used it before at this place of its run, so that every replay
 * gets the same. As given outside of runs.
 */
export function unusedKey(key: string): string {
  const used = scopes.getStore()?.frame.keys
  let free = key
  for (let count = 2; used?.has(free); count += 1) free = `${key}#${count}`
  return free
}

/** Has the run whose code is calling cut the secrets out of what it logs and stores of errors. Nothing outside of runs. */
export function holdSecrets(secrets: readonly string[]): void {
  const execution = scopes.getStore()?.execution
  if (execution === undefined) return
  execution.heldSecrets ??= new Set()
  for (const secret of secrets) execution.heldSecrets.add(secret)
}

/** The run whose code is calling, for log lines; undefined outside of runs. */
export function currentRun(): RunFacts | undefined {
  const scope = scopes.getStore()
  if (scope === undefined) return undefined
  const { execution, frame } = scope
  const { facts } = execution
  if (facts === undefined || frame.path === '') return facts
  return { ...facts, task: frame.path, ...(frame.attempt === undefined ? {} : { attempt: frame.attempt }) }
}

/** Where the calling code runs: in the code of a run, in one of its tasks, or outside of runs. */
export function currentPlace(): 'outside' | 'run' | 'task' {
  const scope = scopes.getStore()
  if (scope === undefined) return 'outside'
  return scope.frame.path === '' ? 'run' : 'task'
}

/** Plain awaits that run beside sleeping branches get this long to come back to `io`, in ms. */
const graceMs = 50
/** Longer ones are not waited for in memory; the pass looks again. */
const longestTimerMs = 60_000

interface Branch {
  readonly frame: Frame
  readonly until: number
  readonly lacking: Lacking | undefined
  readonly resume: () => void
}

/** A branch that sleeps. */
export interface Suspended {
  /** See {@link Execution.sleep}. */
  readonly resumed: Promise<void>
  /** Lets it go on now, if the pass begins anything at all; repeated calls do nothing. */
  resume(): void
}

/** What an execution tells and asks. */
export interface ExecutionOptions {
  /** For log lines (default: they say nothing of the run). */
  readonly facts?: () => RunFacts
  readonly now: () => number
  /** Told when the pass starts and stops waiting for nothing but the grace: it takes no slot meanwhile. */
  readonly onIdle: (idle: boolean) => void
}

/** Counts what is under way in one pass and decides when it ends. */
export class Execution {
  /** Set when the run's code is about to be called. */
  io: IO | undefined
  /** Secrets that the run's code got beside its integrations; absent as long as there are none. */
  heldSecrets: Set<string> | undefined
  /** The run's own frame. */
  readonly root: Frame = createFrame(undefined, '')
  /** Resolves once, when the pass has ended. */
  readonly outcome: Promise<Outcome>
  readonly #options: ExecutionOptions
  readonly #branches = new Set<Branch>()
  #aborts: Set<AbortController> | undefined
  #timers: Set<NodeJS.Timeout> | undefined
  #settle!: (outcome: Outcome) => void
  #busy = 0
  #ended = false
  #draining = false
  #cancelling = false
  #idle = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: ExecutionOptions) {
    this.#options = options
    this.outcome = new Promise((resolve) => (this.#settle = resolve))
  }

  /** For log lines. */
  get facts(): RunFacts | undefined {
    return this.#options.facts?.()
  }

  /** True once the pass is over: what still runs in it has no effect any more. */
  get ended(): boolean {
    return this.#ended
  }

  /** True when new tasks are to be left to the next pass. */
  get draining(): boolean {
    return this.#draining
  }

  /** True once the run was cancelled: what is under way is let come to its end, and nothing new is begun. */
  get cancelling(): boolean {
    return this.#cancelling
  }

  /** The frame that the caller runs in. */
  get frame(): Frame {
    const scope = scopes.getStore()
    return scope?.execution === this ? scope.frame : this.root
  }

  /** Calls inside the given frame. */
  within<T>(frame: Frame, work: () => T): T {
    return scopes.run({ execution: this, frame }, work)
  }

  /** Counts the frame as under way. */
  enter(frame: Frame): void {
    frame.active = true
    if (frame.asleep === 0) this.#busier(1)
  }

  /** The frame's code is through. Branches left open below it are forgotten. */
  leave(frame: Frame): void {
    frame.active = false
    if (frame.asleep === 0) this.#busier(-1)
    else for (const branch of this.#branches) if (isBelow(branch.frame, frame)) this.#forget(branch)
    this.#check()
  }

  /** Keeps the pass alive while something of the engine's own is under way. */
  async hold<T>(work: Promise<T>): Promise<T> {
    this.#busier(1)
    try {
      return await work
    } finally {
      this.#busier(-1)
      this.#check()
    }
  }

  /**
   * Puts a branch to sleep. Resolves when its time has come while the pass is still alive for other reasons; else
   * never: the next pass comes here again.
   */
  sleep(frame: Frame, until: number, lacking?: Lacking): Promise<void> {
    return this.suspend(frame, until, lacking).resumed
  }

  /** Like {@link sleep}, for a branch that may be told to go on before its time. */
  suspend(frame: Frame, until: number, lacking?: Lacking): Suspended {
    let resume = (): void => undefined
    const resumed = new Promise<void>((resolve) => (resume = resolve))
    const branch: Branch = { frame, until, lacking, resume }
    this.#branches.add(branch)
    for (let each: Frame | undefined = frame; each; each = each.parent) {
      each.asleep += 1
      if (each.asleep === 1 && each.active) this.#busier(-1)
    }
    this.#check()
    return { resumed, resume: () => this.#resume(branch) }
  }

  #resume(branch: Branch): void {
    if (this.#ended || this.#draining || this.#cancelling || !this.#branches.has(branch)) return
    this.#forget(branch)
    clearTimeout(this.#timer)
    // With nothing asleep any more it is the user's code that runs, as at the start of the pass.
    if (this.#branches.size === 0 && this.#idle) this.#setIdle(false)
    branch.resume()
    this.#check()
  }

  /** A promise for code that goes on although its pass is over. */
  never(): Promise<never> {
    return new Promise(() => {})
  }

  /** A controller whose signal also aborts when the pass is called off. */
  abortable(): AbortController {
    const controller = new AbortController()
    if (this.#ended || this.#cancelling) controller.abort()
    else (this.#aborts ??= new Set()).add(controller)
    return controller
  }

  /** Calls back after `ms`, unless stopped or the pass has ended by then. */
  startTimer(work: () => void, ms: number): NodeJS.Timeout {
    const timer = setTimeout(work, ms)
    this.#timers ??= new Set()
    this.#timers.add(timer)
    return timer
  }

  /** Stops a timer; undefined is none. */
  stopTimer(timer: NodeJS.Timeout | undefined): void {
    if (timer === undefined) return
    clearTimeout(timer)
    this.#timers?.delete(timer)
  }

  /** Ends the pass; later calls do nothing. However a cancelled run's code ends, the run is cancelled. */
  end(outcome: Outcome): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    for (const timer of this.#timers ?? []) clearTimeout(timer)
    if (this.#idle) this.#setIdle(false)
    this.#branches.clear()
    this.#settle(this.#cancelling && outcome.type !== 'lost' ? { type: 'cancelled' } : outcome)
  }

  /** Starts nothing new; ends as soon as no task runs. */
  drain(): void {
    this.#draining = true
    this.#check()
  }

  /**
   * Aborts what is under way, begins nothing new, drops every wait, and ends as soon as no task runs: what a task has
   * done meanwhile is stored.
   */
  cancel(): void {
    if (this.#ended || this.#cancelling) return
    this.#cancelling = true
    clearTimeout(this.#timer)
    this.#abort()
    this.#check()
  }

  /** Ends the pass now and aborts what is under way. */
  callOff(outcome: Outcome): void {
    this.end(outcome)
    this.#abort()
  }

  #abort(): void {
    for (const controller of this.#aborts ?? []) controller.abort()
    this.#aborts = undefined
  }

  #busier(by: number): void {
    this.#busy += by
    if (this.#busy > 0 && this.#idle) this.#setIdle(false)
  }

  #setIdle(idle: boolean): void {
    this.#idle = idle
    this.#options.onIdle(idle)
  }

  #forget(branch: Branch): void {
    this.#branches.delete(branch)
    for (let each: Frame | undefined = branch.frame; each; each = each.parent) {
      each.asleep -= 1
      if (each.asleep === 0 && each.active) this.#busier(1)
    }
  }

  #check(): void {
    if (this.#cancelling && this.#busy === 0) return this.end({ type: 'cancelled' })
    if (this.#ended || this.#cancelling || this.#branches.size === 0) return
    clearTimeout(this.#timer)
    if (this.#busy === 0 && this.#draining) return this.#fallAsleep()
    const untilDue = Math.max(0, this.#earliest() - this.#options.now())
    if (this.#busy === 0 && !this.#idle) this.#setIdle(true)
    const delay = Math.min(untilDue, this.#busy === 0 ? graceMs : longestTimerMs)
    this.#timer = setTimeout(() => this.#look(), Math.ceil(delay))
  }

  #look(): void {
    const now = this.#options.now()
    const due = this.#draining ? [] : [...this.#branches].filter((branch) => branch.until <= now)
    for (const branch of due) {
      this.#forget(branch)
      branch.resume()
    }
    if (due.length > 0 || this.#busy > 0) this.#check()
    else this.#fallAsleep()
  }

  #fallAsleep(): void {
    const lacks = [...this.#branches].flatMap((branch) => branch.lacking ?? [])
    const lacking = lacks.find((lack) => lack.integration !== undefined) ?? lacks[0]
    this.end({ type: 'asleep', dueAt: this.#earliest(), ...(lacking === undefined ? {} : { lacking }) })
  }

  #earliest(): number {
    let earliest = Infinity
    for (const branch of this.#branches) earliest = Math.min(earliest, branch.until)
    return earliest
  }
}

// Follows a run until it ends: each change of its state and of its tasks, and each line that it logs, once.

import type { RunSummary } from '../../shared/flow.ts'
import type { Client } from './configuration.ts'
import { exitCodes, type ExitCode, type Terminal } from './terminal.ts'

const pauseMs = 500

/** What is followed, and where it is shown. */
export interface TailOptions {
  /** The run's id. */
  readonly id: string
  readonly terminal: Terminal
  /** Ends the following, not the run. */
  readonly signal: AbortSignal
}

/** What happened to a run. As JSON each is a line of its own. */
type RunChange =
  | { readonly type: 'state'; readonly at: string; readonly state: RunSummary['state'] }
  | {
      readonly type: 'task'
      readonly at: string
      readonly key: string
      readonly state: RunSummary['tasks'][number]['state']
      readonly attempts: number
    }
  | {
      readonly type: 'log'
      readonly at: string
      readonly level: string
      readonly message: string
      readonly task?: string
      readonly facts: Readonly<Record<string, unknown>>
    }
  | { readonly type: 'error'; readonly at: string; readonly code: string; readonly message: string }

/** Shows what happens until the run is over. Gives `done` for one that succeeded and `failed` for any other end. */
export async function tailRun(client: Client, { id, terminal, signal }: TailOptions): Promise<ExitCode> {
  const seen = new Map<string, string>()
  let logged = 0
  for (;;) {
    // In this order, so that the last lines of a run that is over are not missed.
    const run = await client.runs.get({ id })
    const log = await client.runs.log({ id })
    const changes: RunChange[] = changesOf(run, seen)
    changes.push(...log.slice(logged).map((line) => ({ type: 'log' as const, ...line })))
    logged = Math.max(logged, log.length)
    changes.sort((left, right) => (left.at < right.at ? -1 : left.at > right.at ? 1 : 0))
    changes.push(...endOf(run))
    for (const change of changes) terminal.line(change, textOf(change))
    if (run.endedAt !== null) return run.state === 'succeeded' ? exitCodes.done : exitCodes.failed
    if (!(await pause(signal))) return exitCodes.interrupted
  }
}

/** What is new since the last look. */
function changesOf(run: RunSummary, seen: Map<string, string>): RunChange[] {
  const changes: RunChange[] = []
  const note = (name: string, value: string, change: RunChange): void => {
    if (seen.get(name) === value) return
    seen.set(name, value)
    changes.push(change)
  }
  const now = seen.has('run') ? new Date().toISOString() : run.createdAt
  if (run.endedAt === null) note('run', run.state, { type: 'state', at: now, state: run.state })
  for (const [index, { key, state, attempts, startedAt, endedAt }] of run.tasks.entries()) {
    const at = endedAt ?? (state === 'running' ? startedAt : now)
    note(`${index} ${key} ${startedAt}`, `${state} ${attempts}`, { type: 'task', at, key, state, attempts })
  }
  return changes
}

function endOf({ endedAt, state, error }: RunSummary): RunChange[] {
  if (endedAt === null) return []
  const end: RunChange = { type: 'state', at: endedAt, state }
  return error === null ? [end] : [{ type: 'error', at: endedAt, ...error }, end]
}

function textOf(change: RunChange): string {
  const { at } = change
  if (change.type === 'state') return `${at}  run ${change.state}`
  if (change.type === 'error') return `${at}  error ${change.code}: ${change.message}`
  if (change.type === 'task') {
    const tries = change.attempts > 1 ? ` (try ${change.attempts})` : ''
    return `${at}  task ${change.key} ${change.state}${tries}`
  }
  const facts = Object.keys(change.facts).length === 0 ? '' : ` ${JSON.stringify(change.facts)}`
  const task = change.task === undefined ? '' : `${change.task}: `
  return `${at}  ${change.level} ${task}${change.message}${facts}`
}

/** False when it was interrupted. */
function pause(signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve(!signal.aborted)
    }
    const timer = setTimeout(end, pauseMs)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}

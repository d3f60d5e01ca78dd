// Runs as those who watch them may see them: steps and states, no payloads, no outputs, no log lines.

import { AuthFlowError } from '../../shared/errors.ts'
import type { RunSummary, TaskSummary } from '../../shared/flow.ts'
import type { EngineCore } from './core.ts'
import type { RunDetails } from './engine.ts'
import type { Json } from './job.ts'
import { entriesOf, loadBeside } from './journal.ts'
import { lastKey, type JournalEntry, type RunDocument } from './records.ts'
import type { Base } from './task-attempt.ts'

/** What a listing asks for. */
export interface SummaryOptions {
  readonly core: EngineCore
  /** Tasks of the run that this process is in the middle of. */
  readonly underWay: readonly Base[]
  /** Which of its steps: so many from there on. */
  readonly steps: { readonly from: number; readonly limit: number }
}

/** The run as its host may see it. */
export async function describe(run: RunDocument, options: SummaryOptions): Promise<RunDetails> {
  const { core, steps } = options
  const { from, limit } = steps
  const { tasks, ...rest } = await summarise(run, { ...options, steps: { from, limit: limit + 1 } })
  const output: Json =
    run.output === undefined ? null : JSON.parse(core.vault.session('run', run.id).open(run.output, 'output'))
  const more = tasks.length > limit ? { cursor: String(from + limit) } : {}
  return { ...rest, tasks: tasks.slice(0, limit), output, ...more }
}

/** The run as an account may see it. */
export async function summarise(
  run: RunDocument,
  { core, underWay, steps: { from, limit } }: SummaryOptions,
): Promise<RunSummary> {
  const entries = new Map<string, JournalEntry>()
  const enter = (entry: JournalEntry): void => void entries.set(entry.path, entry)
  const beside = run.overflowed === true ? await loadBeside(core.store, run.id) : []
  for (const entry of entriesOf(run, beside)) enter(entry)
  for (const task of underWay) enter({ ...task, state: 'started' })
  const steps = [...entries.values()].filter(({ kind }) => kind !== 'log' && kind !== 'branches')
  const now = core.now()
  const isOver = run.endedAt !== undefined
  return {
    id: run.id,
    job: run.job,
    jobName: run.jobName,
    jobVersion: run.jobVersion,
    state: run.state,
    accountId: run.accountId,
    createdAt: toIso(run.createdAt),
    endedAt: isOver ? toIso(run.endedAt) : null,
    tasks: steps
      .sort((left, right) => left.startedAt - right.startedAt)
      .slice(from, from + limit)
      .map((entry) => summariseTask(entry, now, isOver)),
    error: run.error === undefined ? null : openError(core, run, run.error),
    continues: run.continues ?? null,
    continuedAs: run.continuedAs ?? null,
  }
}

function summariseTask(entry: JournalEntry, now: number, isOver: boolean): TaskSummary {
  const state = stateOf(entry, now, isOver)
  const endedAt = entry.endedAt ?? (entry.kind === 'wait' && state === 'succeeded' ? entry.until : undefined)
  return {
    key: lastKey(entry.path),
    name: entry.name ?? lastKey(entry.path),
    kind: entry.connection ?? entry.kind,
    state,
    attempts: entry.attempt,
    startedAt: toIso(entry.startedAt),
    endedAt: endedAt === undefined ? null : toIso(endedAt),
  }
}

function stateOf({ kind, state, until }: JournalEntry, now: number, isOver: boolean): TaskSummary['state'] {
  if (kind === 'wait' && state === 'waiting' && (until ?? 0) <= now) return 'succeeded'
  if (state === 'succeeded' || state === 'failed') return state
  // Left open by a run that ended without them.
  if (isOver) return 'cancelled'
  return state === 'started' ? 'running' : state
}

function openError(core: EngineCore, run: RunDocument, sealed: string): RunSummary['error'] {
  try {
    return JSON.parse(core.vault.session('run', run.id).open(sealed, 'error')) as RunSummary['error']
  } catch {
    const { code, message } = new AuthFlowError('unreadable_ciphertext')
    return { code, message }
  }
}

const toIso = (ms: number): string => new Date(ms).toISOString()

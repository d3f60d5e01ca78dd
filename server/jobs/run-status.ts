// What a run says about itself while it goes on: labelled statuses that the account's pages may show. Each change is a
// step of the run, stored once; what a status is comes of its changes in their order.

import type { RunStatus, RunStatuses, StatusChange } from '../../shared/run-status.ts'
import type { EngineCore } from './core.ts'
import type { Status, StatusOptions } from './job.ts'
import { entriesOf, loadBeside } from './journal.ts'
import { enterStep, storeStep, whereItEnds } from './journal-step.ts'
import type { JournalEntry, RunDocument } from './records.ts'
import type { RunIOOptions } from './run-io.ts'
import { wrongCall } from './wrong-call.ts'

const maxLabelLength = 256
const maxDataBytes = 16 * 1024
/** So many of its last changes are shown. */
const maxHistory = 50
const states: ReadonlySet<unknown> = new Set(['loading', 'success', 'failure'])

/** See `IO.createStatus`. */
export async function createStatus(
  parts: RunIOOptions,
  key: string,
  options: StatusOptions,
): Promise<Status> {
  const ended = whereItEnds(parts.execution)
  if (ended !== undefined) await ended
  const change = { state: 'loading' as const, ...options }
  const path = await writeChange(parts, { name: 'createStatus', key, change })
  return {
    id: path,
    update: (updateKey, change) => {
      const done = updateStatus(parts, { name: 'status.update', key: updateKey, change, status: path })
      // One that nobody awaits and that fails must not end the process.
      done.catch(() => undefined)
      return done
    },
  }
}

async function updateStatus(parts: RunIOOptions, change: Change): Promise<void> {
  const ended = whereItEnds(parts.execution)
  if (ended !== undefined) await ended
  await writeChange(parts, change)
}

/** The statuses of a run with what became of each. */
export async function readStatuses(core: EngineCore, run: RunDocument): Promise<RunStatuses> {
  const beside = run.overflowed === true ? await loadBeside(core.store, run.id) : []
  const entries = new Map<string, JournalEntry>()
  for (const entry of entriesOf(run, beside)) if (entry.kind === 'status') entries.set(entry.path, entry)
  const session = core.vault.session('run', run.id)
  const statuses = new Map<string, RunStatus>()
  for (const entry of [...entries.values()].sort(byPlace)) {
    const { path, params: id = path, output } = entry
    if (output === undefined) continue
    const change = JSON.parse(session.open(output, `output:${path}`)) as StatusChange
    statuses.set(id, follow(statuses.get(id), { id, at: entry.startedAt, change }))
  }
  return { run: { id: run.id, state: run.state }, statuses: [...statuses.values()] }
}

const byPlace = (left: JournalEntry, right: JournalEntry): number => (left.seq ?? 0) - (right.seq ?? 0)

function follow(
  before: RunStatus | undefined,
  { id, at, change }: { id: string; at: number; change: StatusChange },
): RunStatus {
  const updatedAt = new Date(at).toISOString()
  if (before === undefined) {
    const { label = id, state = 'loading', data = null } = change
    return { id, label, state, data, createdAt: updatedAt, updatedAt, history: [] }
  }
  const { label, state, data } = before
  const history = [...before.history, { label, state, data, updatedAt: before.updatedAt }]
  return { ...before, ...change, updatedAt, history: history.slice(-maxHistory) }
}

interface Change {
  readonly name: string
  readonly key: string
  readonly change: StatusChange
  /** Path that created the status; absent for the change that creates it. */
  readonly status?: string
}

/** Stores one change; gives its path. */
async function writeChange(parts: RunIOOptions, { name, key, change, status }: Change): Promise<string> {
  const { journal, core, run } = parts
  const text = checkChange({ name, key, job: run.job }, change)
  const { path, entry } = enterStep(parts, 'status', { key, params: status })
  if (entry !== undefined) return path
  const at = core.now()
  await storeStep(parts, {
    path,
    kind: 'status',
    state: 'succeeded',
    attempt: 1,
    seq: journal.nextSeq(),
    startedAt: at,
    endedAt: at,
    output: journal.seal(text, `output:${path}`),
    ...(status === undefined ? {} : { params: status }),
  })
  return path
}

function checkChange(
  call: { readonly name: string; readonly key: string; readonly job: string },
  change: StatusChange,
): string {
  const { label, state, data } = Object(change) as StatusChange
  const isLabel = typeof label === 'string' && label !== '' && label.length <= maxLabelLength
  const isNew = call.name === 'createStatus'
  if (!(isLabel || (label === undefined && !isNew)))
    throw wrongCall(call, `label must be text of 1 to ${maxLabelLength} characters.`)
  if (state !== undefined && !states.has(state))
    throw wrongCall(call, 'state must be loading, success or failure.')
  if (label === undefined && state === undefined && data === undefined)
    throw wrongCall(call, 'give it a label, a state or data.')
  let text: string | undefined
  try {
    text = JSON.stringify({ label, state, data })
  } catch {
    text = undefined
  }
  const isData = data === undefined || (typeof data === 'object' && data !== null && !Array.isArray(data))
  if (text === undefined || !isData) throw wrongCall(call, 'data must be a JSON object.')
  if (Buffer.byteLength(text) > maxDataBytes)
    throw wrongCall(call, 'label and data together may have 16 KB. Show less, or a link.', {
      limit: maxDataBytes,
    })
  return text
}

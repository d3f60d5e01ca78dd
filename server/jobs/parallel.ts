// Branches of a run that go on side by side: one for each item, each a task with keys of its own, whose result comes
// to the place of its item.

import { AuthFlowError } from '../../shared/errors.ts'
import { canonicalJson } from './canonical-json.ts'
import { createFrame } from './frames.ts'
import type { Json, ParallelOptions } from './job.ts'
import { enterStep, whereItEnds } from './journal-step.ts'
import { branchesOf, digest } from './records.ts'
import type { RunIOOptions } from './run-io.ts'
import { longestTimeoutMs } from './task-options.ts'
import { checkOptions, wrongCall } from './wrong-call.ts'

const maxItems = 1000

/** A call of `io.parallel`. */
export interface ParallelCall<Item> {
  readonly key: string
  readonly items: readonly Item[]
  readonly callback: (item: Item, index: number) => unknown
  readonly options: ParallelOptions
}

/** See `IO.parallel`. */
export async function runParallel<Item>(parts: RunIOOptions, call: ParallelCall<Item>): Promise<unknown[]> {
  const { execution, runner } = parts
  const { key, callback, options } = call
  const ended = whereItEnds(execution)
  if (ended !== undefined) await ended
  const items: readonly Item[] = checkItems(parts, call)
  const caller = execution.frame
  const path = keepItems(parts, key, items)
  const frame = { ...createFrame(caller, branchesOf(path), caller.call), depth: caller.depth }
  const branches = items.map((item, index) =>
    execution.within(frame, () =>
      runner.run(String(index), () => callback(item, index), {
        name: `${options.name ?? key}[${index}]`,
        // A branch waits for as long as it takes; the tasks in it have times of their own.
        timeoutInMs: longestTimeoutMs,
      }),
    ),
  )
  const settled = await Promise.allSettled(branches)
  return settled.map((branch) => {
    if (branch.status === 'rejected') throw branch.reason
    return branch.value
  })
}

function checkItems<Item>(
  parts: RunIOOptions,
  { key, items, callback, options }: ParallelCall<Item>,
): readonly Item[] {
  const call = { name: 'parallel', key, job: parts.run.job }
  if (!Array.isArray(items)) throw wrongCall(call, 'the items must be an array.')
  if (typeof callback !== 'function') throw wrongCall(call, 'it needs a function of an item and its index.')
  checkOptions(call, options)
  if (items.length <= maxItems) return [...items]
  throw wrongCall(
    call,
    `there are ${items.length} items, and it takes ${maxItems}. Call it for one part after the other, each with its own key.`,
    { limit: maxItems },
  )
}

/**
 * Notes down which items there were: on replay, one that changed or moved would get another one's result. The note is
 * stored with the first thing that a branch does.
 */
function keepItems(parts: RunIOOptions, key: string, items: readonly unknown[]): string {
  const { journal, core, run } = parts
  const { path, entry } = enterStep(parts, 'branches', { key })
  const field = `output:${path}`
  const now = digestItems(items)
  if (entry === undefined) {
    const at = core.now()
    const output = journal.seal(now, field)
    journal.buffer({
      path,
      kind: 'branches',
      state: 'succeeded',
      attempt: 1,
      startedAt: at,
      endedAt: at,
      output,
    })
  } else if (entry.output === undefined || journal.open(entry.output, field) !== now) {
    throw new AuthFlowError(
      'replay_mismatch',
      `io.parallel «${key}» of job ${run.job} had other items when the run was here before. Let the items come from a task, or change the job's version.`,
    )
  }
  return path
}

/** Of items that are no JSON, only their number counts. */
function digestItems(items: readonly unknown[]): string {
  let text = ''
  try {
    text = canonicalJson(JSON.parse(JSON.stringify(items)) as Json)
  } catch {
    // Nothing to compare.
  }
  return digest(items.length, text)
}

// Steps of a run that are no tasks: each takes a key, is stored once under the run's claim, and is found again on
// replay. What all of them have in common is here.

import type { Execution } from './execution.ts'
import { ClaimLost } from './journal.ts'
import type { JournalEntry } from './records.ts'
import type { RunIOOptions } from './run-io.ts'
import { assertSame } from './task-runner.ts'

/** A step by its path, and what is stored of it. */
export interface FoundStep {
  readonly path: string
  /** Undefined where the run comes here for the first time. */
  readonly entry: JournalEntry | undefined
}

/**
 * A promise that does not settle, where the pass is over or the run is being cancelled; undefined where it goes on. To
 * be awaited before anything else, and only then: keys are taken in the order of the calls.
 */
export function whereItEnds(execution: Execution): Promise<unknown> | undefined {
  if (execution.ended) return execution.never()
  // Asleep for good, so that the task around it counts as through.
  return execution.cancelling ? execution.sleep(execution.frame, Infinity) : undefined
}

/**
 * Takes the key at the caller's place and finds what is stored under it.
 *
 * @throws {@link AuthFlowError} `duplicate_task_key`, `replay_mismatch`, `too_many_tasks`, `invalid_input`
 */
export function enterStep(
  { execution, journal, runner }: RunIOOptions,
  kind: JournalEntry['kind'],
  { key, params }: { readonly key: string; readonly params?: string | undefined },
): FoundStep {
  const path = runner.takeKey(execution.frame, key)
  const entry = journal.get(path)
  if (entry === undefined) journal.assertRoom()
  else assertSame(entry, kind, params)
  return { path, entry }
}

/** Stores a step; resolves once it is durable. In a pass that has lost the run it ends the pass instead. */
export async function storeStep(
  { execution, journal }: RunIOOptions,
  entry: JournalEntry,
): Promise<JournalEntry> {
  try {
    return await execution.hold(journal.append(entry))
  } catch (error) {
    if (!(error instanceof ClaimLost)) throw error
    execution.end({ type: 'lost' })
    return execution.never()
  }
}

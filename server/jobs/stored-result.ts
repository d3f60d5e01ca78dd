// What a step of a run ended with, as it is stored: its result, or its error.

import type { Journal } from './journal.ts'
import type { JournalEntry } from './records.ts'
import { markFinal } from './task-attempt.ts'
import { unpackError, type PackedError } from './task-error.ts'

/** The result of a step as JSON gives it back; undefined where there is none. */
export function storedOutput(journal: Journal, entry: JournalEntry): unknown {
  if (entry.output === undefined) return undefined
  return JSON.parse(journal.open(entry.output, `output:${entry.path}`))
}

/** The error that a step ended with. A task around it that fails because of it is not tried again. */
export function storedFailure(journal: Journal, entry: JournalEntry): Error {
  const packed = entry.error === undefined ? '{}' : journal.open(entry.error, `error:${entry.path}`)
  return markFinal(unpackError(JSON.parse(packed) as PackedError), entry.cause ?? entry.path)
}

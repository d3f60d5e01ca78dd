// What a line of `io.logger` is kept as. JSON knows nothing of errors: of those in a line their names, messages and stacks
// are kept.

import type { LogFacts, RunLogger } from './job.ts'
import { packError } from './task-error.ts'

/** A line as it was written. */
export interface WrittenLine {
  readonly level: keyof RunLogger
  readonly message: string
  readonly facts: LogFacts
}

/** A line as JSON; undefined where it is none. */
export interface LineText {
  readonly text: string
  /** The same on every replay, when an error in it was thrown again from another place. */
  readonly identity: string
}

/** The line as text; undefined where its facts are no JSON. */
export function textOfLine(line: WrittenLine): LineText | undefined {
  let hasStack = false
  const toText = (pack: (error: Error) => unknown): string =>
    JSON.stringify(line, function (this: Readonly<Record<string, unknown>>, name, value: unknown) {
      // Before `toJSON`, by which errors of HTTP clients show whole requests.
      const given = this[name]
      if (!(given instanceof Error)) return value
      hasStack = true
      return pack(given)
    })
  try {
    const text = toText((error) => packError(error))
    return { text, identity: hasStack ? toText((error) => ({ ...packError(error), stack: null })) : text }
  } catch {
    return undefined
  }
}

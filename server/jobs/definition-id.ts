// Ids that code gives to what it defines: jobs, triggers, schedules, endpoints, shared limits.

import { AuthFlowError } from '../../shared/errors.ts'
import { namePattern } from '../../shared/ids.ts'

const shown = 64

/**
 * Checks an id; the refusal shows what was given.
 *
 * @param what what it is the id of, with its article: `a job`
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkDefinitionId(what: string, id: unknown): void {
  if (typeof id === 'string' && namePattern.test(id)) return
  throw new AuthFlowError(
    'invalid_input',
    `The id of ${what} must be 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first; got ${textOf(id)}.`,
  )
}

/** As JSON, so that it stands in one line; what is long is cut. */
function textOf(id: unknown): string {
  if (typeof id !== 'string') return id === null ? 'null' : typeof id
  return JSON.stringify(id.slice(0, shown)) + (id.length > shown ? '…' : '')
}

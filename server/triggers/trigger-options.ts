// What is given to the makers of triggers, judged where it is given: an option that is misspelt would otherwise be a
// default that nobody chose, and a filter that can't match a job that never starts.

import { AuthFlowError } from '../../shared/errors.ts'

const maxShown = 64

/**
 * Checks that options are an object with known names.
 *
 * @param what whose they are: `cronTrigger`
 * @param known the names that there are
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkOptions(what: string, options: unknown, known: readonly string[]): void {
  const names = known.join(', ')
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw invalid(`${what} takes an object with ${names}.`)
  const other = Object.keys(options).find((name) => !known.includes(name))
  if (other !== undefined)
    throw invalid(`${what} has no option ${JSON.stringify(other.slice(0, maxShown))}. It takes ${names}.`)
}

/**
 * Checks that a trigger was given the client that it belongs to.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkHost(what: string, host: unknown): void {
  if (typeof host !== 'object' || host === null)
    throw invalid(`${what} needs the client first: the AuthFlow that it belongs to.`)
}

const invalid = (message: string): AuthFlowError => new AuthFlowError('invalid_input', message)

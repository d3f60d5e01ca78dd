// Calls that may not stand in the code of a run: every replay would make them again.

import { AuthFlowError } from '../../shared/errors.ts'
import { currentPlace } from './execution.ts'

/**
 * Refuses a call in the code of a run, outside of its tasks. A task is not done again, so what it calls isn't either.
 *
 * @param instead what to do about it, a sentence
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function assertOutside(call: string, instead: string): void {
  if (currentPlace() !== 'run') return
  throw new AuthFlowError(
    'invalid_input',
    `${call} was called in the code of a run, which is replayed. ${instead}`,
  )
}

/**
 * The same for calls of the client that do nothing when they are made again under the same id: refused are those where
 * something has none. `io` has each of them with a key.
 *
 * @param member the name of the id
 * @param items what the caller gave, whatever that is
 */
export function assertRepeatable(
  call: 'sendEvent' | 'sendEvents' | 'invoke' | 'batchInvoke',
  member: 'id' | 'idempotencyKey',
  items: unknown,
): void {
  if (currentPlace() !== 'run' || !Array.isArray(items)) return
  const lacksIt = (item: unknown): boolean =>
    typeof item !== 'object' || item === null || !(member in item) || Reflect.get(item, member) === undefined
  if (items.some(lacksIt)) assertOutside(`client.${call}`, `Use io.${call}('key', …), or give an ${member}.`)
}

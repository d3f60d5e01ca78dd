// What callers give of an event, checked: names that are text, values that are JSON within their bounds.

import { AuthFlowError } from '../../shared/errors.ts'
import { checkAccountId } from '../../shared/ids.ts'
import type { EventInput } from './engine.ts'
import { reservedSource } from './event-sources.ts'

/** Bytes of a payload, and of a context. */
export const payloadLimit = 256 * 1024
const maxTextLength = 256

/** Checks a name or an id. Throws `invalid_input`. */
export function checkText(field: string, value: unknown): void {
  if (typeof value === 'string' && value !== '' && value.length <= maxTextLength && value.isWellFormed())
    return
  throw new AuthFlowError('invalid_input', `${field} must be text of 1 to ${maxTextLength} characters.`)
}

/**
 * Checks what an event is called, and when it happened.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkFacts({ name, id, source, timestamp }: Omit<EventInput, 'payload' | 'context'>): void {
  checkText('name', name)
  if (id !== undefined) checkText('id', id)
  if (source !== undefined) checkText('source', source)
  if (timestamp !== undefined && !(timestamp instanceof Date && Number.isFinite(timestamp.getTime())))
    throw new AuthFlowError('invalid_input', 'timestamp must be a valid Date.')
}

/**
 * Checks what only senders of events of their own can get wrong; gives the account.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkSender(
  { source }: Pick<EventInput, 'source'>,
  accountId: string | null | undefined,
): string | null {
  if (typeof source === 'string' && source.startsWith(reservedSource))
    throw new AuthFlowError('invalid_input', `source can't begin with ${reservedSource}`)
  return accountId === undefined || accountId === null ? null : checkAccountId(accountId)
}

/**
 * Checks an event to be sent, as far as it can be without a look at anything else.
 *
 * @throws {@link AuthFlowError} `invalid_input`, `event_too_large`
 */
export function checkEvent(event: EventInput, accountId: string | undefined): void {
  if (typeof event !== 'object' || event === null)
    throw new AuthFlowError('invalid_input', 'an event must be an object with a name and a payload.')
  checkSender(event, accountId)
  checkFacts(event)
  toText('payload', event.payload, payloadLimit)
  toText('context', event.context ?? null, payloadLimit)
}

/**
 * The value as JSON text of at most `limit` bytes.
 *
 * @throws {@link AuthFlowError} `invalid_input`, `event_too_large`
 */
export function toText(field: string, value: unknown, limit: number): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value) as string | undefined
  } catch (cause) {
    throw new AuthFlowError('invalid_input', `${field} must be JSON.`, { cause })
  }
  if (text === undefined) throw new AuthFlowError('invalid_input', `${field} must be JSON.`)
  if (text.length * 3 > limit && Buffer.byteLength(text) > limit) {
    throw new AuthFlowError('event_too_large', `The ${field} of an event may have ${limit / 1024} KB.`, {
      details: { limit },
    })
  }
  return text
}

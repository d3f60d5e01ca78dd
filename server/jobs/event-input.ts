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
 * Checks that what a caller gave is an object: text in its place would be taken for one without any members.
 *
 * @param what begins the message: `the options of sendEvent`
 * @param example of what is meant
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkObject(what: string, value: unknown, example: string): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return
  throw new AuthFlowError('invalid_input', `${what} must be an object such as ${example}.`)
}

/** What is said about an event beside it. A run that acts as nobody because of it would be found out late. */
const besideEvent = ['accountId', 'deliverAt', 'deliverAfter'] as const

/** The same for an event to be sent. */
export function checkIsEvent(event: unknown): void {
  checkObject('an event', event, '{ name, payload }')
  const misplaced = besideEvent.find((name) => Object.hasOwn(Object(event), name))
  if (misplaced === undefined) return
  throw new AuthFlowError(
    'invalid_input',
    `${misplaced} is no part of an event. Give it as an option: sendEvent(event, { ${misplaced} }).`,
  )
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
  checkIsEvent(event)
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

// What callers give of an event, checked: names that are text, values that are JSON within their bounds.

import { AuthFlowError } from '../../shared/errors.ts'

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

// Ids and their shapes. Values are made with Web Crypto, which browsers and Node share.

import { AuthFlowError } from './errors.ts'

/** Shape of a flow id: 22 characters of base64url, 128 bits and a little more. */
export const flowIdPattern = /^[A-Za-z0-9_-]{22}$/
/** Shape of an integration's, provider's or job's id. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
/** Shape of a connect token. */
export const connectTokenPattern = /^ctk_ct_[A-Za-z0-9_-]{43}$/
/** Shape of a secret key. */
export const secretKeyPattern = /^ctk_sk_[A-Za-z0-9_-]{43}$/

const accountIdMaxBytes = 256

/** Random base64url text of the given length; each character has 6 bits. */
export function randomText(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length))
  const base64 = btoa(String.fromCharCode(...bytes)).slice(0, length)
  return base64.replaceAll('+', '-').replaceAll('/', '_')
}

/** A new flow id. It names a flow and proves nothing. */
export const createFlowId = (): string => randomText(22)

/**
 * The account id if it is one: a non-empty, well-formed string of at most 256 bytes in UTF-8, compared bytewise.
 *
 * @throws {@link AuthFlowError} `invalid_input` otherwise, also for undefined
 */
export function checkAccountId(value: unknown): string {
  if (typeof value === 'string' && value.length > 0 && value.isWellFormed()) {
    if (new TextEncoder().encode(value).length <= accountIdMaxBytes) return value
  }
  throw new AuthFlowError(
    'invalid_input',
    `accountId must be a non-empty string of at most ${accountIdMaxBytes} bytes; got ${value === '' ? 'an empty string' : typeof value}`,
  )
}

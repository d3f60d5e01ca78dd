// Checks of signatures that others made. Nothing here compares with `===`: digests of equal length are compared in
// constant time, and a signature that is not written in its one form matches nothing.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** One HMAC to be checked. */
export interface Hmac {
  /** What it was made with. */
  readonly algorithm: 'sha256' | 'sha1'
  /** Text is taken as UTF-8. */
  readonly key: string | Uint8Array
  /** What was signed, in parts. */
  readonly data: readonly (string | Uint8Array)[]
  /** What is claimed to be the HMAC. */
  readonly signature: string
  /** How it is written. */
  readonly encoding: 'hex' | 'base64'
}

/** True when the signature is the HMAC of the data, written as it is usually written. An empty key matches nothing. */
export function hmacMatches({ algorithm, key, data, signature, encoding }: Hmac): boolean {
  if (key.length === 0) return false
  const mac = createHmac(algorithm, key)
  for (const part of data) mac.update(part)
  // Compared as text: Node reads hex and base64 leniently, and other spellings of the same bytes must not pass.
  return textMatches(signature, mac.digest(encoding))
}

/** True when both texts are the same, in a time that does not tell where they differ. */
export function textMatches(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

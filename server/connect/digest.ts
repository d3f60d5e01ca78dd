// Digests of the connect service: what is stored in place of a token, and names made of several parts.

import { hash, timingSafeEqual } from 'node:crypto'

/** SHA-256 of a text, base64url, 43 characters. */
export const sha256 = (text: string): string => hash('sha256', text, 'base64url')

/** True when the SHA-256 of the text is the given digest; takes the same time wherever they differ. */
export function matchesDigest(text: string, digest: string): boolean {
  const given = Buffer.from(sha256(text))
  const expected = Buffer.from(digest)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** One digest of several texts, each with its length before it, so that no two lists share one. */
export function compositeDigest(...parts: readonly string[]): string {
  return sha256(parts.map((part) => `${Buffer.byteLength(part, 'utf8')}:${part}`).join(''))
}

// The host's own facts about a connection: what may be noted.

import type { Metadata } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'

/** Bytes that metadata may have as JSON. */
export const metadataMaxBytes = 4096
const maxDepth = 10

/**
 * A copy of the metadata, if it is a JSON object that is not too large.
 *
 * @throws {@link AuthFlowError} `invalid_input` otherwise
 */
export function checkMetadata(value: unknown): Metadata {
  let text: string | undefined
  try {
    text = JSON.stringify(value) as string | undefined
  } catch {
    // Cycles and bigints.
  }
  if (text === undefined || Buffer.byteLength(text) > metadataMaxBytes) throw refused()
  const copy: unknown = JSON.parse(text)
  if (!isMetadata(copy) || !isPlain(copy, maxDepth)) throw refused()
  return copy
}

/** True for what `JSON.parse` gives for an object. */
function isMetadata(value: unknown): value is Metadata {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** True for what both databases keep as it is: well-formed text without NUL, nested no deeper than `depth`. */
function isPlain(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0')
  if (typeof value !== 'object' || value === null) return true
  if (depth === 0) return false
  return Object.entries(value).every(([name, inner]) => isPlain(name, 0) && isPlain(inner, depth - 1))
}

const refused = (): AuthFlowError =>
  new AuthFlowError(
    'invalid_input',
    `metadata must be a JSON object of at most ${metadataMaxBytes} bytes, of text without NUL, nested at most ${maxDepth} deep.`,
  )

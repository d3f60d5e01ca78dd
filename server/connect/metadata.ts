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
  if (text === undefined || Buffer.byteLength(text) > metadataMaxBytes || !text.isWellFormed())
    throw refused()
  const copy: unknown = JSON.parse(text)
  if (!isMetadata(copy) || depthOf(copy) > maxDepth) throw refused()
  return copy
}

/** True for what `JSON.parse` gives for an object. */
function isMetadata(value: unknown): value is Metadata {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value is small, so that recursion can't go deep. */
function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

const refused = (): AuthFlowError =>
  new AuthFlowError(
    'invalid_input',
    `metadata must be a JSON object of at most ${metadataMaxBytes} bytes, nested at most ${maxDepth} deep.`,
  )

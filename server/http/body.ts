// Reads request bodies: bounded, as text, and only if nobody read them before.

import type { IncomingMessage } from 'node:http'
import getRawBody from 'raw-body'
import { AuthFlowError } from '../../shared/errors.ts'

/** Bytes a call may have: enough for every form, too little to be a burden. */
export const callBodyLimit = 64 * 1024

/** Bytes a call with a payload or a value may have: 256 KB of payload, 256 KB of context, and what stands around them. */
const payloadBodyLimit = 576 * 1024

/** Bytes a call with many of them may have. */
const manyEventsBodyLimit = 4 * 1024 * 1024

/** Bytes of the server API's calls that may have more than the others, by their paths. */
export const bodyLimits: ReadonlyMap<string, number> = new Map([
  ['events.send', payloadBodyLimit],
  ['events.sendMany', manyEventsBodyLimit],
  ['jobs.invoke', payloadBodyLimit],
  ['jobs.batchInvoke', manyEventsBodyLimit],
  ['store.set', payloadBodyLimit],
])

/** Bytes a webhook request may have. */
export const webhookBodyLimit = 1024 * 1024

/** Bytes a request may have that a run waits for: what the run keeps of it is the result of a step. */
export const requestBodyLimit = 256 * 1024

/** Bytes the form of the start may have. */
export const formBodyLimit = 16 * 1024

/**
 * The body as text, without a byte order mark; empty when there is none. Never keeps more than `limit` bytes.
 *
 * @throws {@link AuthFlowError} `body_consumed`, `payload_too_large`, `invalid_input` (cut off, or not as long as
 *   announced)
 */
export async function readBody(req: IncomingMessage, limit: number): Promise<string> {
  const text = (await readBytes(req, limit)).toString('utf8')
  return text.startsWith('\uFEFF') ? text.slice(1) : text
}

/** The body exactly as it was sent. Bounds and errors are those of {@link readBody}. */
export async function readBytes(req: IncomingMessage, limit: number): Promise<Buffer> {
  // A parser of the host leaves the stream read; what it made of it is not what was sent.
  if (req.readableDidRead || req.readableEnded) throw new AuthFlowError('body_consumed')
  const length = req.headers['content-length'] ?? null
  return getRawBody(req, { limit, length }).catch((error: unknown) => {
    // What is still to come is thrown away as it arrives, so that the caller can read the answer and go on using the
    // connection; the time a request may take bounds it.
    req.resume()
    throw toBodyError(error, limit)
  })
}

function toBodyError(error: unknown, limit: number): AuthFlowError {
  if (error instanceof Error && 'type' in error && error.type === 'entity.too.large') {
    return new AuthFlowError('payload_too_large', `The body may have ${limit} bytes.`, { details: { limit } })
  }
  return new AuthFlowError(
    'invalid_input',
    'The body was cut off or is not as long as its Content-Length says.',
  )
}

// Reading an answer's body without trusting how long it says it is.

import type { Response as UndiciResponse } from 'undici'
import { AuthFlowError } from '../../shared/errors.ts'

/**
 * The body after decoding. Stops at the first byte over the limit: what a compressed body would unfold to is never
 * held.
 *
 * @throws {@link AuthFlowError} `provider_reply_invalid` with `details.limit`; errors of the stream as they are
 */
export async function readBounded(
  answer: UndiciResponse,
  maxBytes: number,
  host: string,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!answer.body) return new Uint8Array()
  const tooLarge = (): AuthFlowError =>
    new AuthFlowError('provider_reply_invalid', `The answer of ${host} exceeds ${maxBytes} bytes.`, {
      details: { limit: maxBytes, status: answer.status },
    })
  const reader: ReadableStreamDefaultReader<Uint8Array> = answer.body.getReader()
  const chunks: Uint8Array[] = []
  let total = 0
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      total += step.value.byteLength
      if (total > maxBytes) throw tooLarge()
      chunks.push(step.value)
    }
  } catch (error) {
    // Ends the connection too; what it says about that does not matter any more.
    reader.cancel().catch(() => undefined)
    throw error
  }
  return join(chunks, total)
}

function join(chunks: readonly Uint8Array[], total: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(total)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}

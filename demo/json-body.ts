// Reads the small JSON bodies of the demo's two sites.

import type { IncomingMessage } from 'node:http'
import rawBody from 'raw-body'
import { AuthFlowError } from '../shared/errors.ts'

const bodyLimit = '4kb'

/**
 * The JSON object of a request's body.
 *
 * @throws {@link AuthFlowError} `malformed_json`, `payload_too_large`
 */
export async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const value = parse(await readText(request))
  if (typeof value !== 'object' || value === null) throw new AuthFlowError('malformed_json')
  return { ...value }
}

async function readText(request: IncomingMessage): Promise<string> {
  try {
    return await rawBody(request, { limit: bodyLimit, encoding: 'utf8' })
  } catch (error) {
    if (!(error instanceof Error) || !('type' in error) || error.type !== 'entity.too.large') throw error
    throw new AuthFlowError('payload_too_large', `The body exceeds ${bodyLimit}.`, { cause: error })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new AuthFlowError('malformed_json', undefined, { cause: error })
  }
}

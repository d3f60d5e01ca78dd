// The script of the connect page: the package's own elements, read once, under an address that changes with it.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'

/** The script as it is served. */
export interface PageScript {
  /** Last part of its address. */
  readonly name: string
  readonly body: Buffer
  readonly gzipped: Buffer
}

/** Where the package has it: beside the file that `authflow/cdn` names. */
const ownScript = (): URL => new URL('connect-page.js', import.meta.resolve('authflow/cdn'))

/**
 * Reads the script when it is first asked for.
 *
 * @param file where it is (default: in this package)
 */
export function pageScript(file: URL | undefined): () => Promise<PageScript> {
  let script: Promise<PageScript> | undefined
  return () => {
    script ??= readScript(file).catch((error: unknown) => {
      script = undefined
      throw error
    })
    return script
  }
}

async function readScript(file: URL | undefined): Promise<PageScript> {
  try {
    const body = await readFile(file ?? ownScript())
    const digest = createHash('sha256').update(body).digest('base64url').slice(0, 22)
    return { name: `connect-page-${digest}.js`, body, gzipped: await promisify(gzip)(body, { level: 9 }) }
  } catch (cause) {
    const message = 'The script of the connect page cannot be read. Name its file in `connectPages.script`.'
    throw new AuthFlowError('internal', message, { cause })
  }
}

/** Serves the script; every other name is `not_found`. */
export async function answerScript(
  ctx: Context,
  name: string,
  read: () => Promise<PageScript>,
): Promise<void> {
  if (ctx.method !== 'GET' && ctx.method !== 'HEAD') {
    ctx.set('allow', 'GET, HEAD')
    throw new AuthFlowError('method_not_allowed')
  }
  const script = await read()
  if (name !== script.name) throw new AuthFlowError('not_found')
  ctx.set('cache-control', 'public, max-age=31536000, immutable')
  ctx.set('etag', `"${script.name}"`)
  ctx.vary('Accept-Encoding')
  ctx.status = 200
  ctx.type = 'text/javascript; charset=utf-8'
  if (ctx.fresh) {
    ctx.status = 304
    return
  }
  if (ctx.acceptsEncodings('gzip', 'identity') === 'gzip') {
    ctx.set('content-encoding', 'gzip')
    ctx.body = script.gzipped
  } else ctx.body = script.body
}

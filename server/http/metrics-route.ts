// `GET /metrics`: the counters as Prometheus' text, for those whom the host named and nobody else.

import { createHash, timingSafeEqual } from 'node:crypto'
import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import { bearerOf } from './bearer.ts'
import { isLocalRequest } from './development.ts'

/**
 * Who may read the metrics. `true`: callers on this machine, by a loopback name and without a proxy. `token`: whoever
 * sends it as bearer.
 */
export type MetricsAccess = true | { readonly token: string | undefined }

/** What is served. */
export interface MetricsText {
  /** Prometheus' text, and its content type. */
  read(): Promise<{ readonly type: string; readonly text: string }>
}

const tokenPattern = /^[!-~]{32,256}$/

/**
 * Checks the option; false and undefined are off.
 *
 * @throws {@link AuthFlowError} `missing_option` for a token that is not there, `invalid_option` for a weak one
 */
export function readMetricsAccess(option: boolean | MetricsAccess | undefined): MetricsAccess | undefined {
  if (option === undefined || option === false) return undefined
  if (option === true) return true
  const details = { option: 'metrics.token' }
  if (option.token === undefined || option.token === '') {
    const message =
      'The option `metrics.token` is missing. If it comes from an environment variable, is that set?'
    throw new AuthFlowError('missing_option', message, { details })
  }
  if (tokenPattern.test(option.token)) return option
  const message = '`metrics.token` must be 32 to 256 characters of ASCII without spaces.'
  throw new AuthFlowError('invalid_option', message, { details })
}

/** Answers the counters. To everybody else this path does not exist; `read` is not called for them. */
export async function answerMetrics(
  ctx: Context,
  access: MetricsAccess,
  read: () => Promise<MetricsText | undefined>,
): Promise<void> {
  if (!mayRead(ctx, access)) throw new AuthFlowError('not_found')
  if (ctx.method !== 'GET' && ctx.method !== 'HEAD') {
    ctx.set('allow', 'GET, HEAD')
    throw new AuthFlowError('method_not_allowed')
  }
  const metrics = await read()
  if (!metrics) throw new AuthFlowError('not_found')
  const { type, text } = await metrics.read()
  ctx.set('content-type', type)
  ctx.body = text
}

function mayRead(ctx: Context, access: MetricsAccess): boolean {
  const { headers } = ctx.req
  // No page reads metrics, not even one on this machine.
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) return false
  if (access === true) return isLocalRequest(ctx.req)
  return equals(bearerOf(ctx.req) ?? '', access.token ?? '')
}

/** In the same time wherever they differ; never equal to nothing. */
function equals(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest()
  return expected !== '' && timingSafeEqual(digest(given), digest(expected))
}

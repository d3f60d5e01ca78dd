// CORS of the public router. The preflight cannot see a token, so it lets every origin ask that could hold one; the
// call itself judges the origin against the token, and even its refusal can be read by the page. Never credentials.

import type { Context, Next } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import { isPageOrigin } from './origins.ts'

/** Seconds a browser may remember a preflight: shorter than the shortest bound that browsers have. */
const preflightSeconds = 600

/** The one call that needs no token. */
export const describePath = 'integrations.describe'

/** Adds the CORS headers and answers preflights. `path` is the URL's last segment. */
export async function answerCors(
  ctx: Context,
  next: Next,
  options: { path: string; loopback: boolean },
): Promise<void> {
  const origin = ctx.get('origin')
  ctx.vary('Origin')
  if (options.path === describePath) ctx.vary('Accept-Language')
  if (options.path === describePath && ctx.method === 'GET') ctx.set('access-control-allow-origin', '*')
  else if (isPageOrigin(origin, options.loopback)) ctx.set('access-control-allow-origin', origin)
  if (ctx.method !== 'OPTIONS') return next()

  if (origin === '') throw new AuthFlowError('origin_missing')
  if (origin === 'null') throw new AuthFlowError('origin_opaque')
  if (!isPageOrigin(origin, options.loopback)) throw new AuthFlowError('origin_mismatch')
  ctx.set('access-control-allow-methods', 'GET, POST')
  ctx.set('access-control-allow-headers', 'authorization, content-type')
  ctx.set('access-control-max-age', String(preflightSeconds))
  ctx.status = 204
}

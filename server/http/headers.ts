// Security headers by kind of answer: data for programs, pages for people.

import { randomBytes } from 'node:crypto'
import type { Context, Middleware } from 'koa'
import helmet from 'koa-helmet'

/**
 * Headers that every answer has. `secure` adds HSTS for this host alone. No Origin-Agent-Cluster: a mounted server
 * shares its origin with the host's pages.
 */
export function securityHeaders(secure: boolean): Middleware {
  const set = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    frameguard: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
    strictTransportSecurity: secure && { maxAge: 365 * 86_400, includeSubDomains: false },
  })
  return (ctx, next) => {
    // One that the host set for all its pages would put the popup in another group of windows, which cannot close it.
    ctx.remove('cross-origin-opener-policy')
    return set(ctx, next)
  }
}

/** Lets one page's own inline script and style run, nothing else; returns the nonce they must carry. */
export function allowInline(ctx: Context): string {
  const nonce = randomBytes(16).toString('base64url')
  ctx.set(
    'content-security-policy',
    `default-src 'none';script-src 'nonce-${nonce}';style-src 'nonce-${nonce}';base-uri 'none';form-action 'none';frame-ancestors 'none'`,
  )
  return nonce
}

// Security headers by kind of answer: data for programs, pages for people.

import { randomBytes } from 'node:crypto'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import helmet from 'helmet'
import type { Context, Middleware } from 'koa'

/**
 * Headers that every answer has. `secure` adds HSTS for this host alone. No Origin-Agent-Cluster: a mounted server
 * shares its origin with the host's pages.
 */
export function securityHeaders(secure: boolean): Middleware {
  const headers = helmetHeaders(secure)
  return ({ res }, next) => {
    // One that the host set for all its pages would put the popup in another group of windows, which cannot close it.
    res.removeHeader('cross-origin-opener-policy')
    res.removeHeader('x-powered-by')
    for (const [name, value] of headers) res.setHeader(name, value)
    return next()
  }
}

/** What helmet sets. None of it depends on the request, so it is asked once and not at every answer. */
function helmetHeaders(secure: boolean): readonly (readonly [string, string])[] {
  const response = new ServerResponse(new IncomingMessage(new Socket()))
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
  set(response.req, response, (error?: unknown) => {
    if (error !== undefined) throw error
  })
  return response.getHeaderNames().map((name) => [name, String(response.getHeader(name))])
}

/**
 * Lets a page run one script and call the server, nothing else; returns the nonce that its script and style must carry.
 *
 * @param server the server's URL, below which the page calls and posts
 */
export function allowApp(ctx: Context, server: string): string {
  const nonce = randomBytes(16).toString('base64url')
  ctx.set(
    'content-security-policy',
    `default-src 'none';script-src 'nonce-${nonce}';style-src 'nonce-${nonce}';img-src data:;connect-src ${server}/connect/;base-uri 'none';form-action ${server}/connect/start;frame-ancestors 'none'`,
  )
  return nonce
}

/**
 * Lets one page's own inline script and style run, nothing else; returns the nonce they must carry.
 *
 * @param formAction where the page's forms may go (default nowhere)
 */
export function allowInline(ctx: Context, formAction: "'none'" | "'self'" = "'none'"): string {
  const nonce = randomBytes(16).toString('base64url')
  ctx.set(
    'content-security-policy',
    `default-src 'none';script-src 'nonce-${nonce}';style-src 'nonce-${nonce}';base-uri 'none';form-action ${formAction};frame-ancestors 'none'`,
  )
  return nonce
}

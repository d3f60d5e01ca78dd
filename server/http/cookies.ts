// Reads and writes the flow cookies. Written by hand, because Koa refuses to set a Secure cookie behind a proxy that
// ends TLS unless it trusts forwarding headers, which this server never reads.

import type { Context } from 'koa'
import type { FlowCookie } from '../connect/connect.ts'

/** Cookies by name; the first of a name counts, as browsers send the most specific one first. */
export function readCookies(header: string | undefined): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>()
  for (const pair of (header ?? '').split(';')) {
    const separator = pair.indexOf('=')
    const name = pair.slice(0, Math.max(0, separator)).trim()
    if (name !== '' && !cookies.has(name)) cookies.set(name, pair.slice(separator + 1).trim())
  }
  return cookies
}

/** Sets the cookie that binds a flow to this browser, and clears the oldest ones. */
export function setFlowCookie(ctx: Context, cookie: FlowCookie, secure: boolean): void {
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
  for (const name of cookie.clear) ctx.append('set-cookie', `${name}=; Max-Age=0; ${attributes}`)
  ctx.append('set-cookie', `${cookie.name}=${cookie.value}; Max-Age=${cookie.maxAgeSeconds}; ${attributes}`)
}

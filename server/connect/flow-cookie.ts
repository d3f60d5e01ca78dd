// The cookies that bind a trip to the provider, and a connect page, to the browser that began it.

import { flowIdPattern } from '../../shared/ids.ts'
import type { FlowCookie } from './connect.ts'

/** How long the cookie, and the `state` that it guards, are good for, in ms. */
export const authorizationLifetimeMs = 10 * 60_000
/** Cookies of flows that one browser may hold at once. */
const maxCookies = 5

/** `__Host-` makes browsers accept the cookie from this origin alone; it needs https. */
const prefixOf = (baseUrl: URL): string => (baseUrl.protocol === 'https:' ? '__Host-authflow-' : 'authflow-')

/** Name of a flow's cookie. */
export const flowCookieName = (baseUrl: URL, flowId: string): string => prefixOf(baseUrl) + flowId

/** The cookie for a flow. Browsers send older cookies first (RFC 6265 section 5.4), so the first ones are cleared. */
export function flowCookie(
  baseUrl: URL,
  flow: { readonly id: string; readonly value: string },
  present: readonly string[],
): FlowCookie {
  const prefix = prefixOf(baseUrl)
  return cookieFor({ ...flow, prefix, ids: flowIdPattern }, present)
}

/** Name of a connect page's cookie. */
export const pageCookieName = (baseUrl: URL, pageId: string): string => `${prefixOf(baseUrl)}page-${pageId}`

/** The cookie for a connect page, good for as long as one for a flow. */
export function pageCookie(
  baseUrl: URL,
  page: { readonly id: string; readonly value: string },
  present: readonly string[],
): FlowCookie {
  const prefix = pageCookieName(baseUrl, '')
  return cookieFor({ ...page, prefix, ids: /^[A-Za-z0-9_-]{43}$/ }, present)
}

function cookieFor(
  { id, value, prefix, ids }: { id: string; value: string; prefix: string; ids: RegExp },
  present: readonly string[],
): FlowCookie {
  const name = prefix + id
  const others = present.filter(
    (other) => other !== name && other.startsWith(prefix) && ids.test(other.slice(prefix.length)),
  )
  const clear = others.slice(0, Math.max(0, others.length - (maxCookies - 1)))
  return { name, value, maxAgeSeconds: authorizationLifetimeMs / 1000, clear }
}

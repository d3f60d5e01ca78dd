// The cookie that binds a trip to the provider to the browser that began it.

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
  const name = flowCookieName(baseUrl, flow.id)
  const others = present.filter(
    (other) => other !== name && other.startsWith(prefix) && flowIdPattern.test(other.slice(prefix.length)),
  )
  const clear = others.slice(0, Math.max(0, others.length - (maxCookies - 1)))
  return { name, value: flow.value, maxAgeSeconds: authorizationLifetimeMs / 1000, clear }
}

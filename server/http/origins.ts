// Which origins of pages there can be, by their text.

import { isLoopbackHost } from '../net/url-guard.ts'

/** True when the origin is written as browsers write it, and is https, or http of a loopback host. */
export function isPageOrigin(origin: string, allowLoopback: boolean): boolean {
  if (origin.length > 512 || !URL.canParse(origin)) return false
  const url = new URL(origin)
  if (url.origin !== origin) return false
  return (
    url.protocol === 'https:' || (allowLoopback && url.protocol === 'http:' && isLoopbackHost(url.hostname))
  )
}

/** True when the origin is http or https of a loopback host. */
export function isLoopbackOrigin(origin: string): boolean {
  return isPageOrigin(origin, true) && isLoopbackHost(new URL(origin).hostname)
}

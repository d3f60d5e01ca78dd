// GitHub's limits: the primary one counts the requests of a user by resource and tells in every answer what is left; the
// secondary ones protect the service and are told by Retry-After, or not at all, and then at least a minute is asked for.
// docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api, read 2026-11-22.

import type { GateNews, LimitedRequest, RateGate, ProviderLimits } from '../net/rate-limits.ts'
import { waitForMore, waitOfAnswer } from '../net/retry-after.ts'

const secondary: RateGate = { scope: 'connection', name: 'secondary' }
const silentMs = 60_000
/** Between requests that change something GitHub asks for a second. */
const spacingMs = 1000

const primary = (resource: string): RateGate => ({ scope: 'connection', name: `primary/${resource}` })

function resourceOf({ url }: LimitedRequest): string {
  if (url.pathname.endsWith('/search/code')) return 'code_search'
  if (url.pathname.includes('/search/')) return 'search'
  return url.pathname.endsWith('/graphql') ? 'graphql' : 'core'
}

/** A gate for each resource, and one for the secondary limits. */
export const githubLimits: ProviderLimits = {
  gates: (request) => [primary(resourceOf(request)), secondary],
  read: ({ status, headers }, request) => {
    const news: GateNews[] = []
    const resetMs = waitForMore(headers)
    if (resetMs !== undefined)
      news.push({
        gate: primary(headers.get('x-ratelimit-resource') ?? resourceOf(request)),
        closedMs: resetMs,
      })
    if (status !== 429 && status !== 403) return news
    const waitMs = waitOfAnswer(headers)
    if (waitMs !== undefined) news.push({ gate: secondary, closedMs: waitMs, spacingMs })
    // A 403 without any of these headers is about permissions.
    else if (status === 429 && resetMs === undefined)
      news.push({ gate: secondary, closedMs: silentMs, spacingMs })
    return news
  },
}

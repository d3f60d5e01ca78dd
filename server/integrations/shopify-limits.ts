// Shopify's limits: for each shop and app a bucket of points that GraphQL queries cost, told in the answer's
// `extensions.cost`, and one of requests for REST, told in X-Shopify-Shop-Api-Call-Limit. GraphQL refuses with status 200
// and THROTTLED, REST with 429 and Retry-After. shopify.dev/docs/api/usage/limits, read 2026-11-22.

import { z } from 'zod'
import { refusalMs, type LimitedRequest, type RateGate, type ProviderLimits } from '../net/rate-limits.ts'

const gateOf = ({ url }: LimitedRequest): RateGate => ({
  scope: 'connection',
  name: url.pathname.endsWith('/graphql.json') ? 'graphql' : 'rest',
})

/** The bucket of REST leaks two requests a second on the smallest plan. */
const restMs = 500

const cost = z.object({
  extensions: z.object({
    cost: z.object({
      requestedQueryCost: z.number().nonnegative(),
      throttleStatus: z.object({ currentlyAvailable: z.number(), restoreRate: z.number().positive() }),
    }),
  }),
})

/** A gate for each shop and API. */
export const shopifyLimits: ProviderLimits = {
  gates: (request) => [gateOf(request)],
  read: async (answer, request) => {
    const gate = gateOf(request)
    const closedMs =
      refusalMs(answer) ?? (gate.name === 'graphql' ? await untilAffordable(answer) : callsMs(answer))
    return closedMs === undefined || closedMs <= 0 ? [] : [{ gate, closedMs }]
  },
}

/** How long until the same query can be paid for again. */
async function untilAffordable(answer: Response): Promise<number | undefined> {
  const text = await answer.clone().text()
  if (!text.includes('"throttleStatus"')) return undefined
  const parsed = cost.safeParse(parse(text))
  if (!parsed.success) return undefined
  const { requestedQueryCost, throttleStatus } = parsed.data.extensions.cost
  const { currentlyAvailable, restoreRate } = throttleStatus
  return Math.ceil(((requestedQueryCost - currentlyAvailable) / restoreRate) * 1000)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The bucket is full: one request leaks out before the next fits. */
function callsMs({ headers }: Response): number | undefined {
  const [used, size] = (headers.get('x-shopify-shop-api-call-limit') ?? '').split('/').map(Number)
  return used !== undefined && size !== undefined && size > 0 && used >= size ? restMs : undefined
}

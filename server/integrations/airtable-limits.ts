// Airtable's limits: 5 requests a second for each base, whoever asks, and 50 for each user or service account; whoever
// goes beyond gets 429 and has to wait for 30 seconds, of which the answer says nothing.
// airtable.com/developers/web/api/rate-limits, read 2026-11-22.

import type { LimitedRequest, RateGate, ProviderLimits } from '../net/rate-limits.ts'
import { waitOfAnswer } from '../net/retry-after.ts'

/** How long a refusal counts. */
export const rateLimitWaitMs = 30_000

const token: RateGate = { scope: 'connection', name: 'token', pace: { requests: 50, perMs: 1000 } }

function baseGate({ url }: LimitedRequest): RateGate | undefined {
  const base = /\/(app[A-Za-z0-9]{14})(?:\/|$)/.exec(url.pathname)?.[1]
  return base === undefined
    ? undefined
    : { scope: 'app', name: `base/${base}`, pace: { requests: 5, perMs: 1000 } }
}

/** A gate for each base, shared by all connections, and one for each connection. */
export const airtableLimits: ProviderLimits = {
  gates: (request) => {
    const base = baseGate(request)
    return base === undefined ? [token] : [token, base]
  },
  read: (answer, request) =>
    answer.status === 429
      ? [{ gate: baseGate(request) ?? token, closedMs: waitOfAnswer(answer.headers) ?? rateLimitWaitMs }]
      : [],
}

// Slack's limits: each method of the Web API has its own for each workspace and app; a refusal is a 429 whose Retry-After
// counts for that method in that workspace only. docs.slack.dev/apis/web-api/rate-limits, read 2026-11-22.

import { refusalMs, type LimitedRequest, type RateGate, type ProviderLimits } from '../net/rate-limits.ts'

const methodGate = ({ url }: LimitedRequest): RateGate => ({
  scope: 'connection',
  name: url.pathname.slice(url.pathname.lastIndexOf('/') + 1),
})

/** A gate per method. */
export const slackLimits: ProviderLimits = {
  gates: (request) => [methodGate(request)],
  read: (answer, request) => {
    const closedMs = refusalMs(answer)
    // Posting is allowed once a second in a channel, with short bursts.
    return closedMs === undefined ? [] : [{ gate: methodGate(request), closedMs, spacingMs: 1000 }]
  },
}

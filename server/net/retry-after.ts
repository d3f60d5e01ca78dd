// How long an answer asks to wait: the header that RFC 9110 knows, and those that most APIs count requests with.

/** No provider may keep a caller waiting for longer, whatever it says. */
const longestWaitMs = 24 * 3_600_000

/** Both forms of a date that name their zone (RFC 9110 section 5.6.7). */
const httpDate = /^[A-Z][a-z]{2,8}, \d{2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d{2}:\d{2}:\d{2} GMT$/

/** Milliseconds of a `Retry-After` value: seconds, with or without a fraction, or a date; undefined for anything else. */
export function retryAfterMs(value: unknown, now = Date.now()): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value * 1000 : undefined
  if (typeof value !== 'string' || value === '') return undefined
  if (/^\d{1,9}(\.\d+)?$/.test(value)) return Math.ceil(Number(value) * 1000)
  const at = httpDate.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

/**
 * Milliseconds that the answer's `Retry-After` (RFC 9110 section 10.2.3) asks to wait, at most a day. A date is compared
 * with the answer's own `Date`, as the provider's clock may differ from ours.
 */
export function waitOfAnswer(headers: Headers): number | undefined {
  const wait = retryAfterMs(headers.get('retry-after')?.trim(), clockOf(headers))
  return wait === undefined ? undefined : Math.min(wait, longestWaitMs)
}

/** The provider's own time where it says it: an instant of its headers is one of its clock. */
function clockOf(headers: Headers): number {
  const said = Date.parse(headers.get('date') ?? '')
  return Number.isNaN(said) ? Date.now() : said
}

/** Where APIs say how many requests are left and when there are more. */
const pairs = [
  ['ratelimit-remaining', 'ratelimit-reset'],
  ['x-ratelimit-remaining', 'x-ratelimit-reset'],
  ['x-rate-limit-remaining', 'x-rate-limit-reset'],
] as const

/**
 * Milliseconds until there are requests left again, where the answer says that there are none: the pairs
 * `X-RateLimit-Remaining` and `-Reset` in their spellings, and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10.
 */
export function waitForMore(headers: Headers): number | undefined {
  for (const [remaining, reset] of pairs) {
    if (!/^0+$/.test(headers.get(remaining)?.trim() ?? '')) continue
    const wait = resetMs(headers.get(reset)?.trim() ?? '', clockOf(headers))
    if (wait !== undefined) return Math.min(wait, longestWaitMs)
  }
  const draft = /;\s*r=0\s*(?:;|$)/.test(headers.get('ratelimit') ?? '')
    ? /;\s*t=(\d{1,9})\b/.exec(headers.get('ratelimit') ?? '')?.[1]
    : undefined
  return draft === undefined ? undefined : Math.min(Number(draft) * 1000, longestWaitMs)
}

/** An instant in seconds or milliseconds since 1970, or a number of seconds: they are told apart by their size. */
function resetMs(value: string, now: number): number | undefined {
  if (!/^\d{1,15}(\.\d+)?$/.test(value)) return undefined
  const number = Number(value)
  if (number >= 1e12) return Math.max(0, number - now)
  return number >= 1e9 ? Math.max(0, number * 1000 - now) : Math.ceil(number * 1000)
}

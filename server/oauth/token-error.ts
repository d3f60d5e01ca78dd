// What a refusal of the token endpoint means for the connection: the grant is over (terminal), try again later
// (transient), or the host's client is set up wrongly (configuration). Three different codes, never told by a message.

import { AuthFlowError, type ErrorDetails } from '../../shared/errors.ts'

/** Which request was refused: for tokens by one of the grants, or a pushed or device authorization request. */
export type GrantKind =
  'authorization_code' | 'refresh_token' | 'client_credentials' | 'device_code' | 'authorization_request'

/** A refusal as it came: provider's error code (already bounded) and HTTP facts. */
export interface Refusal {
  readonly status: number
  readonly providerCode?: string
  readonly retryAfterMs?: number
}

// RFC 6749 section 5.2 and what large providers say in its place (GitHub: docs.github.com, "Troubleshooting OAuth app
// access token request errors", read 2026-11-21).
const terminalCodes = new Set([
  'invalid_grant',
  'invalid_token',
  'access_denied',
  'consent_required',
  'interaction_required',
  'login_required',
  'bad_refresh_token',
  'bad_verification_code',
])
const configurationCodes = new Set([
  'invalid_client',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_redirect_uri',
  'redirect_uri_mismatch',
  'incorrect_client_credentials',
])
const transientCodes = new Set([
  'temporarily_unavailable',
  'server_error',
  'slow_down',
  'rate_limited',
  'ratelimited',
])

const longestRetryAfterMs = 24 * 3_600_000

/** True for statuses that say nothing about the grant: overload, rate limits, failures. */
export const isTransientStatus = (status: number): boolean =>
  status >= 500 || status === 429 || status === 408

/** The provider's error code if it looks like one: at most 64 plain characters. Anything else may hold a secret. */
export function providerCodeOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z0-9_.:-]{1,64}$/.test(value) ? value : undefined
}

/** The oldest of the three forms of a date (RFC 9110 section 5.6.7), which is in UTC without saying so. */
const asctime = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/

/** The wait asked for by a `Retry-After` header in ms, at most a day; undefined without a usable one. */
export function retryAfterOf(headers: Headers, now: number): number | undefined {
  const text = headers.get('retry-after')?.trim()
  if (!text) return undefined
  const date = asctime.test(text) ? `${text} GMT` : text
  const waitMs = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(date) - now
  return Number.isFinite(waitMs) ? Math.min(Math.max(0, waitMs), longestRetryAfterMs) : undefined
}

/**
 * The error for a refusal: `token_exchange_failed` or (of a refresh) `needs_reauth` when the grant is over,
 * `provider_unavailable` when it may work later, `client_misconfigured` when the host must act, `credentials_rejected`
 * when it is the account's own app that is refused, and `provider_rejected` when the provider did not say which.
 */
export function refusalError(kind: GrantKind, refusal: Refusal): AuthFlowError {
  const { status, providerCode, retryAfterMs } = refusal
  const details = {
    status,
    ...(providerCode === undefined ? {} : { providerCode }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
  if (isTransientStatus(status) || (providerCode !== undefined && transientCodes.has(providerCode))) {
    return new AuthFlowError('provider_unavailable', undefined, { details })
  }
  // With client credentials the app is the account's: its refusal is theirs to mend.
  if (kind === 'client_credentials') return clientRefusal(refusal, details)
  if (providerCode !== undefined && configurationCodes.has(providerCode)) {
    return new AuthFlowError('client_misconfigured', undefined, { details })
  }
  if (kind === 'authorization_code') return new AuthFlowError('token_exchange_failed', undefined, { details })
  if (kind === 'refresh_token' && providerCode !== undefined && terminalCodes.has(providerCode)) {
    return new AuthFlowError('needs_reauth', undefined, { details: { ...details, reason: providerCode } })
  }
  return new AuthFlowError('provider_rejected', undefined, { details })
}

function clientRefusal({ status, providerCode }: Refusal, details: ErrorDetails): AuthFlowError {
  const told =
    providerCode !== undefined && (configurationCodes.has(providerCode) || terminalCodes.has(providerCode))
  if (told || status === 401) return new AuthFlowError('credentials_rejected', undefined, { details })
  return new AuthFlowError('provider_rejected', undefined, { details })
}

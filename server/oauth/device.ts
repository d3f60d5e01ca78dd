// The device grant (RFC 8628): a code that the user types at the provider, and asking whether that has happened. When to
// ask, and what becomes of the answer, is connect/device-flow.ts.

import * as oauth from 'oauth4webapi'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { DeviceMethod, TokenSet } from '../integrations/integration.ts'
import { clientAuth } from './client-auth.ts'
import {
  clientOf,
  parametersOf,
  requestOptions,
  serverOf,
  withProviderErrors,
  type OAuthEndpoint,
} from './endpoint.ts'
import { readAnswer, type Answer } from './token-answer.ts'
import { lifetimeOf, readTokenResponse } from './token-response.ts'

/** Where the provider names no interval (RFC 8628 section 3.2), and the bounds of one that it names, in seconds. */
const usualIntervalSeconds = 5
const longestIntervalSeconds = 60
/** Where the provider does not say how long the code is good, and at most, in seconds. */
const usualLifetimeSeconds = 600
const longestLifetimeSeconds = 1800
/** One short line that a person types. */
const userCodePattern = /^[\p{L}\p{N}\p{P}\p{S} ]{1,64}$/u

/** What the provider answered to the request for a code. */
export interface DeviceGrant {
  /** Secret: whoever has it gets the tokens. */
  readonly deviceCode: string
  readonly userCode: string
  /** As the provider sent it; judge it before showing it. */
  readonly verificationUrl: string
  readonly verificationUrlComplete?: string
  readonly intervalMs: number
  readonly lifetimeMs: number
}

/** How it stands. `slowDown`: ask 5 s more seldom from now on. `denied` and `expired` are final. */
export type DeviceOutcome =
  | { readonly state: 'pending' | 'slowDown' | 'denied' | 'expired' }
  | { readonly state: 'granted'; readonly tokens: TokenSet }

/**
 * A new code.
 *
 * @throws {@link AuthFlowError} `client_misconfigured`, `provider_unavailable`, `provider_rejected`,
 *   `provider_reply_invalid`, `blocked_host`
 * @see RFC 8628 sections 3.1 and 3.2
 */
export async function requestDeviceCode(
  endpoint: OAuthEndpoint<DeviceMethod>,
  scopes: readonly string[],
): Promise<DeviceGrant> {
  const { method } = endpoint
  const parameters = parametersOf(method)
  if (scopes.length > 0) parameters.set('scope', scopes.join(method.scopeSeparator))
  const response = await withProviderErrors(() =>
    oauth.deviceAuthorizationRequest(
      serverOf(endpoint),
      clientOf(endpoint),
      clientAuth(endpoint),
      parameters,
      requestOptions(endpoint),
    ),
  )
  return deviceGrantOf(await readAnswer('authorization_request', endpoint, response))
}

function deviceGrantOf(answer: Answer): DeviceGrant {
  const deviceCode = textOf(answer['device_code'], /^[\x21-\x7e]{1,4096}$/)
  const userCode = textOf(answer['user_code'], userCodePattern)
  // The second name is from the drafts; some still use it.
  const verificationUrl = urlOf(answer['verification_uri'] ?? answer['verification_url'])
  if (deviceCode === undefined || userCode === undefined || verificationUrl === undefined) {
    throw new AuthFlowError('provider_reply_invalid', 'The provider gave no code that could be shown.')
  }
  const complete = urlOf(answer['verification_uri_complete'])
  const interval = lifetimeOf(answer['interval']) ?? usualIntervalSeconds
  const lifetime = lifetimeOf(answer['expires_in']) ?? usualLifetimeSeconds
  return {
    deviceCode,
    userCode,
    verificationUrl,
    ...(complete === undefined ? {} : { verificationUrlComplete: complete }),
    intervalMs: Math.ceil(Math.min(interval, longestIntervalSeconds) * 1000),
    lifetimeMs: Math.floor(Math.min(lifetime, longestLifetimeSeconds) * 1000),
  }
}

const textOf = (value: unknown, pattern: RegExp): string | undefined =>
  typeof value === 'string' && pattern.test(value) ? value : undefined

const urlOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value.length <= 2048 && URL.canParse(value) ? value : undefined

/**
 * Asks once whether the user has let the device in.
 *
 * @throws {@link AuthFlowError} `provider_unavailable` (ask again), `client_misconfigured`, `provider_rejected`,
 *   `provider_reply_invalid`, `blocked_host`
 * @see RFC 8628 sections 3.4 and 3.5
 */
export async function pollDeviceCode(
  endpoint: OAuthEndpoint<DeviceMethod>,
  deviceCode: string,
): Promise<DeviceOutcome> {
  const { method } = endpoint
  const response = await withProviderErrors(() =>
    oauth.deviceCodeGrantRequest(serverOf(endpoint), clientOf(endpoint), clientAuth(endpoint), deviceCode, {
      ...requestOptions(endpoint, method.requestBody),
      additionalParameters: parametersOf(method, method.tokenParams),
    }),
  )
  try {
    return { state: 'granted', tokens: await readTokenResponse('device_code', endpoint, response) }
  } catch (error) {
    const state = isAuthFlowError(error) ? outcomes.get(error.details.providerCode ?? '') : undefined
    if (state === undefined) throw error
    return { state }
  }
}

const outcomes: ReadonlyMap<string, Exclude<DeviceOutcome['state'], 'granted'>> = new Map([
  ['authorization_pending', 'pending'],
  ['slow_down', 'slowDown'],
  ['access_denied', 'denied'],
  ['expired_token', 'expired'],
])

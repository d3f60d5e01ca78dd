// Reads what a token endpoint answered. The provider's own normaliser runs first, then the forms that many providers
// share are brought to RFC 6749 section 5, then oauth4webapi judges. An answer without a usable token is never a grant.

import * as oauth from 'oauth4webapi'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { OAuth2Method, TokenSet } from '../integrations/integration.ts'
import { clientOf, serverOf, withProviderErrors, type OAuthEndpoint } from './endpoint.ts'
import {
  isTransientStatus,
  providerCodeOf,
  refusalError,
  retryAfterOf,
  type GrantKind,
} from './token-error.ts'

/** Longer lifetimes mean «does not expire»: nobody keeps such a promise, and dates end somewhere. */
const longestLifetimeSeconds = 10 * 365 * 86_400

/**
 * The token set of an answer. `expiresAt` is in ms and absent when the token does not expire by the clock; `scopes` is
 * absent when the answer does not say. An `id_token` is dropped: identity comes from the method's `identify`.
 *
 * @throws {@link AuthFlowError} those of {@link refusalError}; `provider_reply_invalid` without a usable token
 */
export async function readTokenResponse(
  kind: GrantKind,
  endpoint: OAuthEndpoint,
  response: Response,
): Promise<TokenSet> {
  const now = Date.now()
  refuseTransient(kind, response, now)
  const normalised = await normaliseByProvider(endpoint.method, response)
  refuseTransient(kind, normalised, now)
  const body = parseBody(await normalised.text(), normalised.headers.get('content-type') ?? '')
  const failed = !normalised.ok || (body !== undefined && isRefusal(body))
  if (failed) {
    const providerCode = providerCodeOf(body?.['error'])
    throw refusalError(kind, {
      status: normalised.status,
      ...(providerCode === undefined ? {} : { providerCode }),
    })
  }
  if (!body) throw new AuthFlowError('provider_reply_invalid', 'The token answer is neither JSON nor a form.')
  const judged = await judge(kind, endpoint, canonical(body))
  const scopes = scopesOf(body['scope'])
  const expiresAt = expiryOf(judged.expires_in, now)
  return {
    accessToken: judged.access_token,
    ...(judged.refresh_token ? { refreshToken: judged.refresh_token } : {}),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(scopes === undefined ? {} : { scopes }),
  }
}

/** Scopes of an answer: text separated by commas or spaces, or a list; undefined when it says nothing. */
export function scopesOf(value: unknown): string[] | undefined {
  const parts = Array.isArray(value) ? value : typeof value === 'string' ? value.split(/[\s,]+/) : undefined
  if (!parts) return undefined
  const texts = parts.filter((part): part is string => typeof part === 'string' && part !== '')
  return [...new Set(texts)].slice(0, 500)
}

/** Seconds of lifetime if the answer tells a usable one: a positive number, also as text. */
export function lifetimeOf(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return undefined
  return seconds > 0 && seconds <= longestLifetimeSeconds ? seconds : undefined
}

function expiryOf(lifetime: number | undefined, now: number): number | undefined {
  return lifetime === undefined ? undefined : now + Math.floor(lifetime * 1000)
}

function refuseTransient(kind: GrantKind, response: Response, now: number): void {
  if (!isTransientStatus(response.status)) return
  const retryAfterMs = retryAfterOf(response.headers, now)
  throw refusalError(kind, {
    status: response.status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

async function normaliseByProvider(method: OAuth2Method, response: Response): Promise<Response> {
  if (!method.normaliseTokenResponse) return response
  try {
    return await method.normaliseTokenResponse(response)
  } catch (error) {
    if (isAuthFlowError(error)) throw error
    throw new AuthFlowError(
      'provider_reply_invalid',
      'The token answer has not the form that the provider documents.',
    )
  }
}

type Body = Record<string, unknown>

function parseBody(text: string, contentType: string): Body | undefined {
  if (/^application\/x-www-form-urlencoded\b/i.test(contentType))
    return Object.fromEntries(new URLSearchParams(text))
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** Some providers answer 200 with an error: it counts unless there is a token too. */
function isRefusal(body: Body): boolean {
  return typeof body['error'] === 'string' && body['error'] !== '' && !body['access_token']
}

/** The members that RFC 6749 knows, in its form; what is null, empty or unusable is left out. */
function canonical(body: Body): Response {
  const lifetime = lifetimeOf(body['expires_in'])
  const refreshToken = body['refresh_token']
  return Response.json({
    access_token: body['access_token'],
    token_type:
      typeof body['token_type'] === 'string' && body['token_type'] !== '' ? body['token_type'] : 'bearer',
    ...(lifetime === undefined ? {} : { expires_in: lifetime }),
    ...(typeof refreshToken === 'string' && refreshToken !== '' ? { refresh_token: refreshToken } : {}),
  })
}

async function judge(
  kind: GrantKind,
  endpoint: OAuthEndpoint,
  response: Response,
): Promise<oauth.TokenEndpointResponse> {
  const judgeGrant =
    kind === 'refresh_token' ? oauth.processRefreshTokenResponse : oauth.processAuthorizationCodeResponse
  const judged = await withProviderErrors(() =>
    judgeGrant(serverOf(endpoint), clientOf(endpoint.method), response),
  )
  if (judged.token_type === 'dpop') {
    throw new AuthFlowError(
      'provider_reply_invalid',
      'The provider issued a DPoP token that nobody asked for.',
    )
  }
  return judged
}

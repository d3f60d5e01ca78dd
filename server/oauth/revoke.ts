// Ends a grant at the provider: by the method's own hook where it has one, else by RFC 7009 where it names an endpoint.

import * as oauth from 'oauth4webapi'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { OAuthMethod, TokenSet } from '../integrations/integration.ts'
import { clientAuth } from './client-auth.ts'
import {
  clientOf,
  clientOptionsOf,
  requestOptions,
  serverOf,
  withProviderErrors,
  type OAuthEndpoint,
} from './endpoint.ts'
import { readAnswer } from './token-answer.ts'

/** True when the provider has a way to end a grant. */
export const canRevoke = (method: OAuthMethod): boolean =>
  method.revoke !== undefined || method.revocationUrl !== undefined

/**
 * Ends the grant. A grant that is already gone counts as ended. Does nothing where the provider has no way.
 *
 * @throws {@link AuthFlowError} `provider_unavailable`, `provider_rejected`, `client_misconfigured`, `blocked_host`
 */
export async function revokeGrant(endpoint: OAuthEndpoint, tokens: TokenSet): Promise<void> {
  const { method, fields, fetch } = endpoint
  if (method.revoke) return method.revoke(tokens, { fetch, fields, client: clientOptionsOf(endpoint) })
  if (!method.revocationUrl) return
  // The refresh token ends the whole grant (RFC 7009 section 2.1); the access token is revoked where it is all there is.
  await revokeToken(
    endpoint,
    tokens.refreshToken ?? tokens.accessToken,
    tokens.refreshToken ? 'refresh_token' : 'access_token',
  )
}

async function revokeToken(
  endpoint: OAuthEndpoint,
  token: string,
  hint: 'access_token' | 'refresh_token',
): Promise<void> {
  const { method } = endpoint
  const response = await withProviderErrors(() =>
    oauth.revocationRequest(serverOf(endpoint), clientOf(endpoint), clientAuth(endpoint), token, {
      ...requestOptions(endpoint, method.requestBody),
      additionalParameters: { token_type_hint: hint },
    }),
  )
  if (response.ok) return
  const refusal: unknown = await readAnswer('authorization_request', endpoint, response).catch(
    (error: unknown) => error,
  )
  if (!isAuthFlowError(refusal)) throw new AuthFlowError('provider_reply_invalid')
  const { status, providerCode } = refusal.details
  // RFC 7009 section 2.2 asks for 200 here; large providers answer 400 instead.
  if (providerCode !== undefined && goneCodes.has(providerCode)) return
  if (status === 401) throw new AuthFlowError('client_misconfigured', undefined, { details: refusal.details })
  throw refusal
}

/** The grant is over already. */
const goneCodes = new Set(['invalid_token', 'invalid_grant', 'token_not_found', 'token_revoked'])

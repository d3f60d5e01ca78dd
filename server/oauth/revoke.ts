// Ends a grant at the provider: by the method's own hook where it has one, else by RFC 7009 where it names an endpoint.

import * as oauth from 'oauth4webapi'
import { AuthFlowError } from '../../shared/errors.ts'
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
import { isTransientStatus, retryAfterOf } from './token-error.ts'

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
  const { status } = response
  if (isTransientStatus(status)) {
    const retryAfterMs = retryAfterOf(response.headers, Date.now())
    throw new AuthFlowError('provider_unavailable', undefined, {
      details: { status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
    })
  }
  if (status === 401) throw new AuthFlowError('client_misconfigured', undefined, { details: { status } })
  throw new AuthFlowError('provider_rejected', undefined, { details: { status } })
}

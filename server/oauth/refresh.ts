// One request for a new access token (RFC 6749 section 6, or section 4.4 where the account's own app is all it takes).
// Who may send it, and what happens to the result, is connect/refreshing.ts.

import * as oauth from 'oauth4webapi'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { TokenSet } from '../integrations/integration.ts'
import { clientAuth } from './client-auth.ts'
import { requestClientToken } from './client-credentials.ts'
import {
  clientOf,
  parametersOf,
  requestOptions,
  serverOf,
  withProviderErrors,
  type OAuthEndpoint,
} from './endpoint.ts'
import { readTokenResponse } from './token-response.ts'

/** A new token set that always has the refresh token to use next. */
export type RefreshedTokens = TokenSet & { readonly refreshToken: string }

/**
 * New tokens for a refresh token. Where the provider sends no new refresh token the old one stays in use. Never tried
 * again by itself: with rotating tokens a repeat may end the grant.
 *
 * @throws {@link AuthFlowError} `needs_reauth` (the grant is over, with `details.reason`), `provider_unavailable`,
 *   `provider_rejected`, `provider_reply_invalid` (the outcome may be unknown), `client_misconfigured`, `blocked_host`
 * @see RFC 6749 section 6
 */
export async function refreshTokens(endpoint: OAuthEndpoint, refreshToken: string): Promise<RefreshedTokens> {
  const { method, fields } = endpoint
  const response = await withProviderErrors(() =>
    oauth.refreshTokenGrantRequest(
      { ...serverOf(endpoint), token_endpoint: method.refreshUrl?.(fields) ?? method.tokenUrl(fields) },
      clientOf(endpoint),
      clientAuth(endpoint),
      refreshToken,
      {
        ...requestOptions(endpoint, method.requestBody),
        additionalParameters: parametersOf(method, method.refreshParams),
      },
    ),
  )
  const tokens = await readTokenResponse('refresh_token', endpoint, response)
  return { ...tokens, refreshToken: tokens.refreshToken ?? refreshToken }
}

/**
 * New tokens for a credential: by its refresh token, or with client credentials by asking again.
 *
 * @throws {@link AuthFlowError} those of {@link refreshTokens}; `needs_reauth` also when the account's app is refused, or
 *   where there is no refresh token
 */
export async function renewTokens(
  { method, ...rest }: OAuthEndpoint,
  refreshToken: string | undefined,
): Promise<TokenSet> {
  if (method.id !== 'clientCredentials') {
    if (refreshToken !== undefined) return refreshTokens({ method, ...rest }, refreshToken)
    throw new AuthFlowError('needs_reauth', undefined, { details: { reason: 'no_refresh_token' } })
  }
  try {
    return await requestClientToken({ method, ...rest })
  } catch (error) {
    if (!isAuthFlowError(error) || error.code !== 'credentials_rejected') throw error
    const reason = error.details.providerCode ?? 'credentials_rejected'
    throw new AuthFlowError('needs_reauth', undefined, { details: { ...error.details, reason } })
  }
}

// One refresh request (RFC 6749 section 6). Who may send it, and what happens to the result, is connect/refreshing.ts.

import * as oauth from 'oauth4webapi'
import type { TokenSet } from '../integrations/integration.ts'
import { clientAuth } from './client-auth.ts'
import { clientOf, requestOptions, serverOf, withProviderErrors, type OAuthEndpoint } from './endpoint.ts'
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
  const { method } = endpoint
  const response = await withProviderErrors(() =>
    oauth.refreshTokenGrantRequest(serverOf(endpoint), clientOf(method), clientAuth(method), refreshToken, {
      ...requestOptions(endpoint),
      additionalParameters: { ...method.refreshParams },
    }),
  )
  const tokens = await readTokenResponse('refresh_token', endpoint, response)
  return { ...tokens, refreshToken: tokens.refreshToken ?? refreshToken }
}

// A token for an app that the account made at the provider itself (RFC 6749 section 4.4).

import * as oauth from 'oauth4webapi'
import type { ClientCredentialsMethod, TokenSet } from '../integrations/integration.ts'
import { clientAuth } from './client-auth.ts'
import {
  clientOf,
  parametersOf,
  requestOptions,
  serverOf,
  withProviderErrors,
  type OAuthEndpoint,
} from './endpoint.ts'
import { readTokenResponse } from './token-response.ts'

/**
 * An access token. A refresh token, which the grant should not give, is dropped: asking again takes no more than the
 * fields.
 *
 * @throws {@link AuthFlowError} `credentials_rejected` when the provider does not know the app or its secret,
 *   `provider_unavailable`, `provider_rejected`, `provider_reply_invalid`, `blocked_host`
 * @see RFC 6749 section 4.4
 */
export async function requestClientToken(
  endpoint: OAuthEndpoint<ClientCredentialsMethod>,
): Promise<TokenSet> {
  const { method } = endpoint
  const parameters = parametersOf(method, method.tokenParams)
  if (method.scopes.length > 0) parameters.set('scope', method.scopes.join(method.scopeSeparator))
  const response = await withProviderErrors(() =>
    oauth.clientCredentialsGrantRequest(
      serverOf(endpoint),
      clientOf(endpoint),
      clientAuth(endpoint),
      parameters,
      requestOptions(endpoint, method.requestBody),
    ),
  )
  const { refreshToken: _, ...tokens } = await readTokenResponse('client_credentials', endpoint, response)
  return tokens
}

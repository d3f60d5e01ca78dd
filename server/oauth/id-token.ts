// The ID token of a code exchange: issuer, audience, times, nonce and algorithm are judged, then the signature by keys
// that are fetched for it. Nothing of it is used before all of that held (OpenID Connect Core section 3.1.3.7).

import * as oauth from 'oauth4webapi'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { clientOf, requestOptions, serverOf, withProviderErrors, type OAuthEndpoint } from './endpoint.ts'

/** A judged answer with what its ID token says. */
export interface IdentifiedAnswer {
  readonly tokens: oauth.TokenEndpointResponse
  readonly claims: Readonly<Record<string, unknown>>
}

/**
 * Judges a token answer that must have an ID token.
 *
 * @throws {@link AuthFlowError} `provider_reply_invalid` for an answer or an ID token that does not hold;
 *   `provider_unavailable` or `blocked_host` when the keys can't be had
 */
export async function judgeWithIdToken(
  endpoint: OAuthEndpoint,
  response: Response,
  nonce: string,
): Promise<IdentifiedAnswer> {
  const server = serverOf(endpoint)
  try {
    return await withProviderErrors(async () => {
      const expected = { expectedNonce: nonce, requireIdToken: true }
      const tokens = await oauth.processAuthorizationCodeResponse(
        server,
        clientOf(endpoint),
        response,
        expected,
      )
      await oauth.validateApplicationLevelSignature(server, response, requestOptions(endpoint))
      return { tokens, claims: { ...oauth.getValidatedIdTokenClaims(tokens) } }
    })
  } catch (error) {
    if (isAuthFlowError(error) && error.code !== 'provider_reply_invalid') throw error
    // Keys that can't be imported and claims of a wrong type surface as errors of the platform.
    throw new AuthFlowError('provider_reply_invalid', 'The ID token of the provider is not valid.', {
      cause: isAuthFlowError(error) ? error.cause : undefined,
    })
  }
}

// Trades the code of a callback for tokens (RFC 6749 section 4.1.3). Called once per code, after the caller has checked
// state, browser and issuer.

import * as oauth from 'oauth4webapi'
import { AuthFlowError } from '../../shared/errors.ts'
import type { OAuth2Method, TokenSet } from '../integrations/integration.ts'
import { nonceOf } from './authorize.ts'
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

/** The callback's parameters and what the authorization request was made with. */
export interface CodeExchange {
  /** As they came; `state` and `iss` have been judged. */
  readonly params: URLSearchParams
  /** Byte for byte the one of the authorization request. */
  readonly redirectUri: string
  /** Absent where the method has PKCE off. */
  readonly codeVerifier?: string
}

/**
 * The tokens for the code, with `oidc` also the claims of the ID token. Never tried again by itself: a code is good for
 * one request.
 *
 * @throws {@link AuthFlowError} `token_exchange_failed`, `client_misconfigured`, `provider_unavailable`,
 *   `provider_reply_invalid`, `blocked_host`
 * @see RFC 6749 section 4.1.3, RFC 7636 section 4.5
 */
export async function exchangeCode(
  endpoint: OAuthEndpoint<OAuth2Method>,
  exchange: CodeExchange,
): Promise<TokenSet> {
  const { method } = endpoint
  const server = serverOf(endpoint)
  const client = clientOf(endpoint)
  const state = exchange.params.get('state')
  if (method.oidc && state === null) throw new AuthFlowError('state_invalid')
  // Nobody asked for it. `token`, `id_token` and `response`, of hybrid answers and of JARM, are refused below.
  if (exchange.params.has('access_token')) throw new AuthFlowError('provider_reply_invalid')
  const response = await withProviderErrors(async () => {
    const params = new URLSearchParams(exchange.params)
    params.delete('iss')
    return oauth.authorizationCodeGrantRequest(
      server,
      client,
      clientAuth(endpoint),
      oauth.validateAuthResponse(server, client, params, oauth.skipStateCheck),
      exchange.redirectUri,
      exchange.codeVerifier ?? oauth.nopkce,
      {
        ...requestOptions(endpoint, method.requestBody),
        additionalParameters: parametersOf(method, method.tokenParams),
      },
    )
  })
  const nonce = method.oidc && state !== null ? nonceOf(state) : undefined
  return readTokenResponse('authorization_code', endpoint, response, nonce)
}

// Where the browser is sent: the authorization URL itself, or where the provider takes pushed requests (RFC 9126) the
// same URL with nothing but a reference, so that neither the browser nor its history sees what was asked for.

import * as oauth from 'oauth4webapi'
import { AuthFlowError } from '../../shared/errors.ts'
import type { OAuth2Method } from '../integrations/integration.ts'
import { authorizationUrl, type AuthorizationRequest } from './authorize.ts'
import { clientAuth } from './client-auth.ts'
import { clientOf, requestOptions, serverOf, withProviderErrors, type OAuthEndpoint } from './endpoint.ts'
import { readAnswer } from './token-answer.ts'

const maxReferenceLength = 2048

/**
 * The URL to send the user to, after the request was pushed where the method says so.
 *
 * @throws {@link AuthFlowError} of a push: `provider_unavailable`, `client_misconfigured`, `provider_rejected`,
 *   `provider_reply_invalid`, `blocked_host`
 * @see RFC 9126 sections 2 and 4
 */
export async function authorizationLocation(
  endpoint: OAuthEndpoint<OAuth2Method>,
  request: Omit<AuthorizationRequest, 'method' | 'fields'>,
): Promise<URL> {
  const { method, fields } = endpoint
  const whole = authorizationUrl({ ...request, method, fields })
  if (!method.pushedAuthorizationUrl) return whole
  const location = new URL(whole)
  location.search = ''
  location.searchParams.set('client_id', method.client.clientId)
  location.searchParams.set('request_uri', await push(endpoint, whole.searchParams))
  return location
}

async function push(endpoint: OAuthEndpoint<OAuth2Method>, parameters: URLSearchParams): Promise<string> {
  const response = await withProviderErrors(() =>
    oauth.pushedAuthorizationRequest(
      serverOf(endpoint),
      clientOf(endpoint),
      clientAuth(endpoint),
      parameters,
      requestOptions(endpoint),
    ),
  )
  const { request_uri: reference } = await readAnswer('authorization_request', endpoint, response)
  const usable = typeof reference === 'string' && /^[\x21-\x7e]+$/.test(reference)
  if (usable && reference.length <= maxReferenceLength) return reference
  throw new AuthFlowError('provider_reply_invalid', 'The provider took the request and gave no reference.')
}

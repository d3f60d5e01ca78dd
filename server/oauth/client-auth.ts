// How a client proves itself at a provider's endpoints (RFC 6749 section 2.3.1, RFC 7523, and what providers do instead).

import * as oauth from 'oauth4webapi'
import { AuthFlowError } from '../../shared/errors.ts'
import { importClientKey } from './client-key.ts'
import { clientOptionsOf, type OAuthEndpoint } from './endpoint.ts'

/**
 * The client authentication of a method. `basic` form-encodes id and secret before Base64 as RFC 6749 section 2.3.1
 * asks; `basicRaw` does not, for providers that never decode; `post` puts both into the body; `privateKeyJwt` signs an
 * assertion for the issuer alone, so that no other server can use it; `none` sends only the id.
 *
 * What comes back throws {@link AuthFlowError} `client_misconfigured` where a key is needed and there is none.
 */
export function clientAuth(endpoint: Pick<OAuthEndpoint, 'method' | 'fields'>): oauth.ClientAuth {
  const { clientId, clientSecret, privateKey } = clientOptionsOf(endpoint)
  switch (endpoint.method.clientAuth) {
    case 'basic':
      return oauth.ClientSecretBasic(clientSecret)
    case 'basicRaw':
      return (_server, _client, _body, headers) => {
        headers.set('authorization', `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`)
      }
    case 'post':
      return oauth.ClientSecretPost(clientSecret)
    case 'privateKeyJwt':
      return async (...request) => {
        if (!privateKey) throw new AuthFlowError('client_misconfigured', 'The client has no private key.')
        return oauth.PrivateKeyJwt(await importClientKey(privateKey))(...request)
      }
    case 'none':
      return oauth.None()
  }
}

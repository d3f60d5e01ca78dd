// How the host's client proves itself at a provider's endpoints (RFC 6749 section 2.3.1, and what providers do instead).

import * as oauth from 'oauth4webapi'
import type { OAuth2Method } from '../integrations/integration.ts'

/**
 * The client authentication of a method. `basic` form-encodes id and secret before Base64 as RFC 6749 section 2.3.1
 * asks; `basicRaw` does not, for providers that never decode; `post` puts both into the body; `none` only the id.
 */
export function clientAuth(method: OAuth2Method): oauth.ClientAuth {
  const { clientId, clientSecret } = method.client
  switch (method.clientAuth) {
    case 'basic':
      return oauth.ClientSecretBasic(clientSecret)
    case 'basicRaw':
      return (_server, _client, _body, headers) => {
        headers.set('authorization', `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`)
      }
    case 'post':
      return oauth.ClientSecretPost(clientSecret)
    case 'none':
      return oauth.None()
  }
}

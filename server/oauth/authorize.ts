// The URL that sends the user to the provider, with the values that bind the answer to this request (RFC 6749 section
// 4.1.1, RFC 7636).

import * as oauth from 'oauth4webapi'
import type { OAuth2Method } from '../integrations/integration.ts'

/** What an authorization URL is made of. */
export interface AuthorizationRequest {
  readonly method: OAuth2Method
  readonly fields: Readonly<Record<string, string>>
  /** Asked for, in this order; none leaves the parameter out. */
  readonly scopes: readonly string[]
  readonly state: string
  /** The same bytes go into the token request. */
  readonly redirectUri: string
  /** Of {@link createPkce}; absent where the method has PKCE off. */
  readonly codeChallenge?: string
}

/** A PKCE pair: the verifier stays on the server, the S256 challenge goes into the URL. */
export interface Pkce {
  readonly verifier: string
  readonly challenge: string
}

/** A new PKCE pair with 256 bits, or undefined where the method has PKCE off. Never `plain`. */
export async function createPkce(method: OAuth2Method): Promise<Pkce | undefined> {
  if (method.pkce !== 'S256') return undefined
  const verifier = oauth.generateRandomCodeVerifier()
  return { verifier, challenge: await oauth.calculatePKCECodeChallenge(verifier) }
}

/** The one callback address of an integration, built from the configured base URL and never from a request. */
export function redirectUriOf(baseUrl: URL, integration: string): string {
  return `${baseUrl.origin}${baseUrl.pathname.replace(/\/+$/, '')}/callback/${encodeURIComponent(integration)}`
}

/** The URL to send the user to. The method's fixed parameters can't replace those of the protocol. */
export function authorizationUrl(request: AuthorizationRequest): URL {
  const { method, fields, scopes, state, redirectUri, codeChallenge } = request
  const url = new URL(method.authorizationUrl(fields))
  const parameters = url.searchParams
  for (const [name, value] of Object.entries(method.authorizationParams ?? {})) parameters.set(name, value)
  parameters.set('response_type', 'code')
  parameters.set('client_id', method.client.clientId)
  parameters.set('redirect_uri', redirectUri)
  parameters.set('state', state)
  if (scopes.length > 0) parameters.set('scope', scopes.join(method.scopeSeparator))
  if (codeChallenge !== undefined) {
    parameters.set('code_challenge', codeChallenge)
    parameters.set('code_challenge_method', 'S256')
  }
  return url
}

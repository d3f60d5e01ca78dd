// The URL that sends the user to the provider, with the values that bind the answer to this request (RFC 6749 section
// 4.1.1, RFC 7636, OpenID Connect Core section 3.1.2.1).

import { createHash } from 'node:crypto'
import * as oauth from 'oauth4webapi'
import { AuthFlowError } from '../../shared/errors.ts'
import type { MethodFields, OAuth2Method } from '../integrations/integration.ts'

/** What an authorization URL is made of. */
export interface AuthorizationRequest {
  readonly method: OAuth2Method
  readonly fields: MethodFields
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

/**
 * The `nonce` that ties an ID token to the request with this `state`. It follows from it, so there is nothing more to
 * keep: whoever may finish the flow knows the state, and an ID token of any other flow has another nonce.
 */
export const nonceOf = (state: string): string =>
  createHash('sha256').update(`oidc nonce of ${state}`).digest('base64url')

/**
 * The one callback address of an integration, built from the configured base URL and never from a request. Where the
 * user chooses the authorization server, each server has its own, told apart by {@link issuerHash}.
 */
export function redirectUriOf(baseUrl: URL, integration: string, issuer?: string): string {
  const path = [integration, ...(issuer === undefined ? [] : [issuer])].map(encodeURIComponent).join('/')
  return `${baseUrl.origin}${baseUrl.pathname.replace(/(?<!\/)\/+$/, '')}/callback/${path}`
}

/** Names an authorization server in a path: 132 bits of the SHA-256 of its issuer. */
export const issuerHash = (issuer: string): string =>
  createHash('sha256').update(issuer, 'utf8').digest('base64url').slice(0, 22)

/**
 * The URL to send the user to. The method's fixed parameters can't replace those of the protocol.
 *
 * @throws {@link AuthFlowError} `blocked_host` when the fields make no URL
 */
export function authorizationUrl(request: AuthorizationRequest): URL {
  const { method, fields, state, redirectUri, codeChallenge } = request
  const address = method.authorizationUrl(fields)
  // A host name may have the right letters and still be none: `xn--` and what no alphabet encodes to.
  if (!URL.canParse(address))
    throw new AuthFlowError('blocked_host', 'The provider’s address is not a valid URL.')
  const url = new URL(address)
  const parameters = url.searchParams
  for (const [name, value] of Object.entries(method.authorizationParams ?? {})) parameters.set(name, value)
  parameters.set('response_type', 'code')
  parameters.set('client_id', method.client.clientId)
  parameters.set('redirect_uri', redirectUri)
  parameters.set('state', state)
  const scopes = scopesOf(request)
  if (scopes.length > 0) parameters.set('scope', scopes.join(method.scopeSeparator))
  if (codeChallenge !== undefined) {
    parameters.set('code_challenge', codeChallenge)
    parameters.set('code_challenge_method', 'S256')
  }
  if (method.responseMode === 'form_post') parameters.set('response_mode', 'form_post')
  if (method.oidc) parameters.set('nonce', nonceOf(state))
  parameters.delete('resource')
  for (const service of method.resource ?? []) parameters.append('resource', service)
  return url
}

/** No ID token without the scope `openid`. */
function scopesOf({ method, scopes }: AuthorizationRequest): readonly string[] {
  return method.oidc && !scopes.includes('openid') ? ['openid', ...scopes] : scopes
}

// What one request to a provider's OAuth endpoint needs, in the terms of oauth4webapi. Every request leaves through the
// guarded fetch; http is passed on to it, because only the guard knows whether loopback is let through.

import * as oauth from 'oauth4webapi'
import { AuthFlowError } from '../../shared/errors.ts'
import type {
  MethodFields,
  OAuth2Method,
  OAuthClientOptions,
  OAuthMethod,
} from '../integrations/integration.ts'
import type { GuardedFetch, GuardedRequest } from '../net/guarded-fetch.ts'

/** Time for a whole request to an OAuth endpoint, in ms. Connecting has 3 s of it, which the guarded fetch sees to. */
const endpointTimeoutMs = 10_000
/** Most bytes that an answer of an OAuth endpoint may have. */
const endpointMaxBytes = 262_144
/** How far the clocks of provider and server may be apart when a token's times are judged, in seconds. */
const clockToleranceSeconds = 60

/** A provider's OAuth endpoints as one connection sees them. */
export interface OAuthEndpoint<M extends OAuthMethod = OAuthMethod> {
  readonly method: M
  /** Normalised values that the URLs may depend on; of client credentials also the app's id and secret. */
  readonly fields: MethodFields
  readonly fetch: GuardedFetch
  /** Ends the request early. Its outcome at the provider is unknown then. */
  readonly signal?: AbortSignal
}

type Place = Pick<OAuthEndpoint, 'method' | 'fields'>

/** The authorization server in the terms of oauth4webapi; nothing is discovered, all comes from the method. */
export function serverOf({ method, fields }: Place): oauth.AuthorizationServer {
  const revocation = method.revocationUrl?.(fields)
  return {
    issuer: issuerOf({ method, fields }),
    token_endpoint: method.tokenUrl(fields),
    ...(revocation === undefined ? {} : { revocation_endpoint: revocation }),
    ...(method.id === 'device'
      ? { device_authorization_endpoint: method.deviceAuthorizationUrl(fields) }
      : {}),
    ...(method.id === 'oauth2' ? codeServerOf({ method, fields }) : {}),
  }
}

function codeServerOf({ method, fields }: Pick<OAuthEndpoint<OAuth2Method>, 'method' | 'fields'>) {
  const pushed = method.pushedAuthorizationUrl?.(fields)
  const { oidc } = method
  return {
    ...(pushed === undefined ? {} : { pushed_authorization_request_endpoint: pushed }),
    ...(oidc === undefined
      ? {}
      : {
          jwks_uri: oidc.jwksUrl(fields),
          id_token_signing_alg_values_supported: [...(oidc.algorithms ?? ['RS256'])],
        }),
  }
}

/** What the authorization server calls itself: as the method says, else the origin that the user is sent to. */
function issuerOf({ method, fields }: Place): string {
  const named = method.issuer?.(fields)
  if (named !== undefined) return named
  const url = method.id === 'oauth2' ? method.authorizationUrl(fields) : method.tokenUrl(fields)
  return new URL(url).origin
}

/** The app that asks: the host's own, or with client credentials the one that the account made. */
export function clientOptionsOf({ method, fields }: Place): OAuthClientOptions {
  if (method.id !== 'clientCredentials') return method.client
  const { clientId = '', clientSecret = '' } = fields
  return { clientId, clientSecret, scopes: method.scopes }
}

/** The client in the terms of oauth4webapi. */
export const clientOf = (place: Place): oauth.Client => ({
  client_id: clientOptionsOf(place).clientId,
  [oauth.clockTolerance]: clockToleranceSeconds,
})

/** The method's fixed parameters with the services that the token is for. */
export function parametersOf(
  { resource = [] }: Pick<OAuthMethod, 'resource'>,
  fixed: Readonly<Record<string, string>> = {},
): URLSearchParams {
  const parameters = new URLSearchParams(fixed)
  for (const service of resource) parameters.append('resource', service)
  return parameters
}

/** What oauth4webapi hands to a fetch of ours. */
interface SentRequest {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: URLSearchParams | undefined
  readonly signal?: AbortSignal
}

/** Options of a request: our fetch, our limits. Redirects are refused by the guarded fetch. */
export function requestOptions(endpoint: OAuthEndpoint, format: 'form' | 'json' = 'form') {
  return {
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: (url: string, sent: SentRequest) => endpoint.fetch(url, writeRequest(sent, format)),
    ...(endpoint.signal ? { signal: endpoint.signal } : {}),
  }
}

function writeRequest(
  { method, headers, body, signal }: SentRequest,
  format: 'form' | 'json',
): GuardedRequest {
  const isJson = format === 'json' && body !== undefined
  return {
    method,
    headers: isJson ? { ...headers, 'content-type': 'application/json' } : headers,
    timeoutMs: endpointTimeoutMs,
    maxBytes: endpointMaxBytes,
    ...(body === undefined ? {} : { body: isJson ? jsonOf(body) : body.toString() }),
    ...(signal === undefined ? {} : { signal }),
  }
}

/** A parameter that is there more than once becomes a list. */
function jsonOf(body: URLSearchParams): string {
  const members = [...new Set(body.keys())].map((name) => {
    const values = body.getAll(name)
    return [name, values.length > 1 ? values : values[0]] as const
  })
  return JSON.stringify(Object.fromEntries(members))
}

/**
 * Runs a step of oauth4webapi. Its own complaints about an answer become `provider_reply_invalid`; errors of ours, such
 * as those of the guarded fetch, pass unchanged.
 */
export async function withProviderErrors<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (error instanceof oauth.OperationProcessingError && error.code === oauth.REQUEST_PROTOCOL_FORBIDDEN) {
      throw new AuthFlowError('blocked_host', 'An OAuth endpoint must be an https URL.')
    }
    if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError) {
      throw new AuthFlowError('provider_reply_invalid', undefined, { cause: error.code })
    }
    throw error
  }
}

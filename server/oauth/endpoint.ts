// What one request to a provider's OAuth endpoint needs, in the terms of oauth4webapi. Every request leaves through the
// guarded fetch; http is passed on to it, because only the guard knows whether loopback is let through.

import * as oauth from 'oauth4webapi'
import { AuthFlowError } from '../../shared/errors.ts'
import type { OAuth2Method } from '../integrations/integration.ts'
import type { GuardedFetch, GuardedRequest } from '../net/guarded-fetch.ts'

/** Time for a whole request to a token or revocation endpoint, in ms. */
const endpointTimeoutMs = 10_000
/** Most bytes that a token answer may have. */
const endpointMaxBytes = 262_144

/** A provider's OAuth endpoints as one connection sees them. */
export interface OAuthEndpoint {
  readonly method: OAuth2Method
  /** Normalised values that the URLs may depend on. */
  readonly fields: Readonly<Record<string, string>>
  readonly fetch: GuardedFetch
  /** Ends the request early. Its outcome at the provider is unknown then. */
  readonly signal?: AbortSignal
}

/** The authorization server in the terms of oauth4webapi; nothing is discovered, all comes from the method. */
export function serverOf({
  method,
  fields,
}: Pick<OAuthEndpoint, 'method' | 'fields'>): oauth.AuthorizationServer {
  const revocation = method.revocationUrl?.(fields)
  return {
    issuer: method.issuer?.(fields) ?? new URL(method.authorizationUrl(fields)).origin,
    token_endpoint: method.tokenUrl(fields),
    ...(revocation === undefined ? {} : { revocation_endpoint: revocation }),
  }
}

/** The client in the terms of oauth4webapi. */
export const clientOf = (method: OAuth2Method): oauth.Client => ({ client_id: method.client.clientId })

/** Options of a request: our fetch, our limits. Redirects are refused by the guarded fetch. */
export function requestOptions(endpoint: OAuthEndpoint): oauth.HttpRequestOptions<'POST', URLSearchParams> {
  return {
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: (url, options) => {
      const init: GuardedRequest = {
        method: options.method,
        headers: options.headers,
        body: options.body.toString(),
        timeoutMs: endpointTimeoutMs,
        maxBytes: endpointMaxBytes,
        ...(options.signal ? { signal: options.signal } : {}),
      }
      return endpoint.fetch(url, init)
    },
    ...(endpoint.signal ? { signal: endpoint.signal } : {}),
  }
}

/**
 * Runs a step of oauth4webapi. Its own complaints about an answer become `provider_reply_invalid`; errors of ours, such
 * as those of the guarded fetch, pass unchanged.
 */
export async function withProviderErrors<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError) {
      throw new AuthFlowError('provider_reply_invalid', undefined, { cause: error.code })
    }
    throw error
  }
}

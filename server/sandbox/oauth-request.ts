// What comes in at an authorization endpoint, judged: the part of the stand-ins' OAuth that has no state.

/** What a provider accepts in a request. */
export interface RequestPolicy {
  /** Compared exactly, as a whole. */
  readonly redirectUris: readonly string[]
  readonly pkce: 'required' | 'optional' | 'refused'
}

/** A request for consent that was found valid and waits for the person. */
export interface PendingRequest {
  readonly id: string
  readonly redirectUri: string
  readonly state: string | undefined
  readonly challenge: string | undefined
  readonly scopes: readonly string[]
  readonly userScopes: readonly string[]
  readonly expiresAt: number
}

/** Why a request cannot be shown: on the page, or by sending the browser back with an error. */
export type RequestProblem =
  | { readonly where: 'page'; readonly message: string }
  | {
      readonly where: 'redirect'
      readonly redirectUri: string
      readonly state: string | undefined
      readonly error: string
      readonly description: string
    }

/** What is wrong with an authorization request, or undefined. */
export function findProblem(
  policy: RequestPolicy,
  clientId: string,
  query: URLSearchParams,
): RequestProblem | undefined {
  if (query.get('client_id') !== clientId) return { where: 'page', message: 'No app has this client_id.' }
  const redirectUri = query.get('redirect_uri') ?? ''
  if (!policy.redirectUris.includes(redirectUri)) {
    return { where: 'page', message: 'The redirect_uri is not registered for this app.' }
  }
  const back = (error: string, description: string): RequestProblem => ({
    where: 'redirect',
    redirectUri,
    state: query.get('state') ?? undefined,
    error,
    description,
  })
  const responseType = query.get('response_type')
  if (responseType !== null && responseType !== 'code') return back('unsupported_response_type', 'only code')
  const challenge = query.get('code_challenge')
  if (policy.pkce === 'required' && challenge === null)
    return back('invalid_request', 'code_challenge is required')
  if (policy.pkce === 'refused' && challenge !== null)
    return back('invalid_request', 'PKCE is not enabled for this app')
  if (challenge !== null && query.get('code_challenge_method') !== 'S256')
    return back('invalid_request', 'only S256')
  return undefined
}

/** Id and secret of HTTP Basic, or undefined when the header is missing or no Basic. */
export function basicCredentials(header: string | undefined): { id: string; secret: string } | undefined {
  const encoded = /^basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) return undefined
  try {
    return { id: decodeURIComponent(text.slice(0, colon)), secret: decodeURIComponent(text.slice(colon + 1)) }
  } catch {
    return undefined
  }
}

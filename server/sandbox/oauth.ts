// The OAuth 2 authorization server that all stand-ins share: requests, one-time codes, rotating refresh tokens. What
// differs between providers is in the policy; how answers and errors are worded is in each provider's own file.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

import type { Grant, StateFile, Token } from './state.ts'

const codeLifetimeMs = 60_000
const requestLifetimeMs = 10 * 60_000

/** How one provider's authorization server behaves. */
export interface OAuthPolicy {
  readonly provider: string
  readonly state: StateFile
  /** Compared exactly, as a whole. */
  readonly redirectUris: readonly string[]
  readonly pkce: 'required' | 'optional' | 'refused'
  /** Null: access tokens do not expire and there is no refresh token. */
  readonly accessTokenSeconds: number | null
  /** `strict`: using an old refresh token ends the grant. `grace`: the old one works until the new one is used. */
  readonly rotation: 'strict' | 'grace'
  /** Start of a token: `xoxb-`, `gho_`. */
  tokenPrefix(kind: Token['kind'], subject: string): string
  readonly now?: () => number
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

/** Tokens as just issued: the only time they are seen in clear. */
export interface Issued {
  readonly grant: Grant
  readonly access: Readonly<Record<string, string>>
  readonly refresh: Readonly<Record<string, string>>
  readonly expiresInSeconds: number | null
}

/** Why no tokens were issued. */
export interface Refused {
  readonly error: 'invalid_client' | 'invalid_grant' | 'invalid_request' | 'redirect_uri_mismatch'
  readonly description: string
}

/** What `exchange` and `refresh` answer. */
export type Outcome = { readonly ok: true; readonly issued: Issued } | ({ readonly ok: false } & Refused)

/** The authorization server of one stand-in. */
export interface AuthorizationServer {
  readonly client: { readonly clientId: string; readonly clientSecret: string }
  /** Judges the query of an authorization URL and keeps it for {@link AuthorizationServer.decide}. */
  open(
    query: URLSearchParams,
    scopes: { scopes: readonly string[]; userScopes?: readonly string[] },
  ): PendingRequest | RequestProblem
  find(requestId: string): PendingRequest | undefined
  /** Spends the request. Returns the code, or undefined when the person said no. */
  decide(
    request: PendingRequest,
    person: { id: string; place: string } | undefined,
  ): Promise<string | undefined>
  /** True for the app's own id and secret, compared in constant time. */
  isClient(clientId: string | null | undefined, clientSecret: string | null | undefined): boolean
  exchange(input: {
    code: string | null
    /** Must equal that of the request; undefined where the provider does not ask for it again. */
    redirectUri: string | null | undefined
    verifier: string | null
    /** Tokens to issue (default `['access']`). */
    subjects?: (grant: Grant) => readonly string[]
    /** Overrides the policy for this grant. */
    accessTokenSeconds?: number | null | undefined
  }): Promise<Outcome>
  refresh(refreshToken: string | null): Promise<Outcome>
  /** The grant of a live access token. */
  authenticate(accessToken: string | undefined): { grant: Grant; token: Token } | undefined
  /** Ends the grant with all its tokens. */
  revoke(grant: Grant): Promise<void>
  /** Ends every access token of this provider; refresh tokens stay. */
  expireAccessTokens(): Promise<void>
  /** Ends every grant of this provider, as if each person had removed the app. */
  revokeAll(): Promise<void>
}

const hash = (value: string): string => createHash('sha256').update(value).digest('base64url')
const random = (bytes = 24): string => randomBytes(bytes).toString('base64url').replaceAll(/[-_]/g, 'x')

function sameText(one: string, other: string): boolean {
  return timingSafeEqual(
    createHash('sha256').update(one).digest(),
    createHash('sha256').update(other).digest(),
  )
}

const refused = (error: Refused['error'], description: string): Outcome => ({ ok: false, error, description })

/** Makes the authorization server of one stand-in; its app's id and secret are made on first use and kept. */
export function createAuthorizationServer(policy: OAuthPolicy): AuthorizationServer {
  const { state, provider } = policy
  const { data } = state
  const now = policy.now ?? Date.now
  const client = (data.apps[provider] ??= {
    clientId: `${provider}-app-${random(6)}`,
    clientSecret: random(32),
  })
  const pending = new Map<string, PendingRequest>()

  const endGrant = (grant: Grant): void => {
    grant.revoked = true
    for (const token of Object.values(data.tokens)) if (token.grantId === grant.id) token.state = 'ended'
  }

  const addToken = (
    token: Pick<Token, 'grantId' | 'kind' | 'subject' | 'expiresAt' | 'replaces'>,
  ): string => {
    const value = policy.tokenPrefix(token.kind, token.subject) + random()
    data.tokens[hash(value)] = { ...token, hash: hash(value), state: 'live' }
    return value
  }

  const issue = (
    grant: Grant,
    subjects: readonly string[],
    seconds: number | null,
    replaces: string | null,
  ): Issued => {
    const access: Record<string, string> = {}
    const refresh: Record<string, string> = {}
    for (const subject of subjects) {
      const expiresAt = seconds === null ? null : now() + seconds * 1000
      access[subject] = addToken({ grantId: grant.id, kind: 'access', subject, expiresAt, replaces: null })
      if (seconds === null) continue
      refresh[subject] = addToken({ grantId: grant.id, kind: 'refresh', subject, expiresAt: null, replaces })
    }
    return { grant, access, refresh, expiresInSeconds: seconds }
  }

  const grantOf = (token: Token): Grant | undefined => {
    const grant = data.grants[token.grantId]
    return grant && !grant.revoked && grant.provider === provider ? grant : undefined
  }

  return {
    client,
    open(query, scopes) {
      const problem = checkRequest(policy, client.clientId, query)
      if (problem) return problem
      const request = {
        id: random(),
        redirectUri: query.get('redirect_uri') ?? '',
        state: query.get('state') ?? undefined,
        challenge: query.get('code_challenge') ?? undefined,
        scopes: scopes.scopes,
        userScopes: scopes.userScopes ?? [],
        expiresAt: now() + requestLifetimeMs,
      }
      for (const old of pending.values()) if (old.expiresAt <= now()) pending.delete(old.id)
      pending.set(request.id, request)
      return request
    },
    find(requestId) {
      const request = pending.get(requestId)
      return request && request.expiresAt > now() ? request : undefined
    },
    async decide(request, person) {
      if (!pending.delete(request.id) || !person) return undefined
      const code = random()
      data.codes[hash(code)] = {
        hash: hash(code),
        provider,
        redirectUri: request.redirectUri,
        challenge: request.challenge ?? null,
        person: person.id,
        place: person.place,
        scopes: [...request.scopes],
        userScopes: [...request.userScopes],
        expiresAt: now() + codeLifetimeMs,
        grantId: null,
      }
      await state.save()
      return code
    },
    isClient(clientId, clientSecret) {
      const idFits = sameText(clientId ?? '', client.clientId)
      return sameText(clientSecret ?? '', client.clientSecret) && idFits
    },
    async exchange({ code, redirectUri, verifier, subjects, accessTokenSeconds }) {
      const row = data.codes[hash(code ?? '')]
      if (!row || row.provider !== provider) return refused('invalid_grant', 'unknown code')
      const spentFor = row.grantId === null ? undefined : data.grants[row.grantId]
      if (spentFor) {
        endGrant(spentFor)
        await state.save()
        return refused('invalid_grant', 'code was used before')
      }
      if (row.expiresAt <= now()) return refused('invalid_grant', 'code has expired')
      if (redirectUri !== undefined && row.redirectUri !== redirectUri)
        return refused('redirect_uri_mismatch', 'redirect_uri differs')
      if (row.challenge !== null && row.challenge !== hash(verifier ?? '')) {
        return refused('invalid_grant', 'code_verifier does not fit')
      }
      const { person, place, scopes, userScopes } = row
      const grant: Grant = { id: random(12), provider, person, place, scopes, userScopes, revoked: false }
      data.grants[grant.id] = grant
      row.grantId = grant.id
      const seconds = accessTokenSeconds === undefined ? policy.accessTokenSeconds : accessTokenSeconds
      const issued = issue(grant, subjects?.(grant) ?? ['access'], seconds, null)
      await state.save()
      return { ok: true, issued }
    },
    async refresh(refreshToken) {
      const token = data.tokens[hash(refreshToken ?? '')]
      const grant = token && token.kind === 'refresh' ? grantOf(token) : undefined
      if (!token || !grant) return refused('invalid_grant', 'unknown refresh token')
      if (token.state === 'ended') {
        if (policy.rotation === 'strict') endGrant(grant)
        await state.save()
        return refused('invalid_grant', 'refresh token was used before')
      }
      rotate(data.tokens, token, policy.rotation)
      const issued = issue(grant, [token.subject], policy.accessTokenSeconds ?? 3600, token.hash)
      await state.save()
      return { ok: true, issued }
    },
    authenticate(accessToken) {
      const token = data.tokens[hash(accessToken ?? '')]
      if (!token || token.kind !== 'access' || token.state !== 'live') return undefined
      if (token.expiresAt !== null && token.expiresAt <= now()) return undefined
      const grant = grantOf(token)
      return grant && { grant, token }
    },
    async revoke(grant) {
      endGrant(grant)
      await state.save()
    },
    async expireAccessTokens() {
      for (const token of Object.values(data.tokens)) {
        if (token.kind === 'access' && grantOf(token)) token.state = 'ended'
      }
      await state.save()
    },
    async revokeAll() {
      for (const grant of Object.values(data.grants)) if (grant.provider === provider) endGrant(grant)
      await state.save()
    },
  }
}

/** Takes the used refresh token, what it replaces, and the access tokens beside it out of service. */
function rotate(tokens: Record<string, Token>, used: Token, rotation: OAuthPolicy['rotation']): void {
  for (const other of Object.values(tokens)) {
    if (other.grantId !== used.grantId || other.subject !== used.subject || other === used) continue
    if (other.kind === 'access' || other.hash === used.replaces || other.replaces === used.hash)
      other.state = 'ended'
  }
  used.state = rotation === 'grace' ? 'superseded' : 'ended'
}

function checkRequest(
  policy: OAuthPolicy,
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

// The OAuth 2 authorization server that all stand-ins share: requests, one-time codes, rotating refresh tokens. What
// differs between providers is in the policy; how answers and errors are worded is in each provider's own file.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

import { findProblem, type PendingRequest, type RequestPolicy, type RequestProblem } from './oauth-request.ts'
import type { Grant, StateFile, Token } from './state.ts'

const codeLifetimeMs = 60_000
const requestLifetimeMs = 10 * 60_000

/** How one provider's authorization server behaves. */
export interface OAuthPolicy extends RequestPolicy {
  readonly provider: string
  readonly state: StateFile
  /** Null: access tokens do not expire and there is no refresh token. */
  readonly accessTokenSeconds: number | null
  /** `strict`: using an old refresh token ends the grant. `grace`: the old one works until the new one is used. */
  readonly rotation: 'strict' | 'grace'
  /** Start of a token: `xoxb-`, `gho_`. */
  tokenPrefix(kind: Token['kind'], subject: string): string
  readonly now?: () => number
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

/** What {@link AuthorizationServer.exchange} takes. */
export interface CodeInput {
  readonly code: string | null
  /** Must equal that of the request; undefined where the provider does not ask for it again. */
  readonly redirectUri: string | null | undefined
  readonly verifier: string | null
  /** Tokens to issue (default `['access']`). */
  readonly subjects?: (grant: Grant) => readonly string[]
  /** Overrides the policy for this grant. */
  readonly accessTokenSeconds?: number | null | undefined
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

/** The authorization server of one stand-in; its app's id and secret are made on first use and kept. */
export class AuthorizationServer {
  /** The one app that is registered. */
  readonly client: { readonly clientId: string; readonly clientSecret: string }
  readonly #policy: OAuthPolicy
  readonly #now: () => number
  readonly #pending = new Map<string, PendingRequest>()

  constructor(policy: OAuthPolicy) {
    const { apps } = policy.state.data
    this.#policy = policy
    this.#now = policy.now ?? Date.now
    this.client = apps[policy.provider] ??= {
      clientId: `${policy.provider}-app-${random(6)}`,
      clientSecret: random(32),
    }
  }

  /** Judges the query of an authorization URL and keeps it for {@link AuthorizationServer.decide}. */
  open(
    query: URLSearchParams,
    scopes: { scopes: readonly string[]; userScopes?: readonly string[] },
  ): PendingRequest | RequestProblem {
    const problem = findProblem(this.#policy, this.client.clientId, query)
    if (problem) return problem
    const request = {
      id: random(),
      redirectUri: query.get('redirect_uri') ?? '',
      state: query.get('state') ?? undefined,
      challenge: query.get('code_challenge') ?? undefined,
      scopes: scopes.scopes,
      userScopes: scopes.userScopes ?? [],
      expiresAt: this.#now() + requestLifetimeMs,
    }
    for (const old of this.#pending.values()) if (old.expiresAt <= this.#now()) this.#pending.delete(old.id)
    this.#pending.set(request.id, request)
    return request
  }

  /** A request that waits for the person. */
  find(requestId: string): PendingRequest | undefined {
    const request = this.#pending.get(requestId)
    return request && request.expiresAt > this.#now() ? request : undefined
  }

  /** Spends the request. Returns the code, or undefined when the person said no. */
  async decide(
    request: PendingRequest,
    person: { id: string; place: string } | undefined,
  ): Promise<string | undefined> {
    if (!this.#pending.delete(request.id) || !person) return undefined
    const { state, provider } = this.#policy
    const code = random()
    state.data.codes[hash(code)] = {
      hash: hash(code),
      provider,
      redirectUri: request.redirectUri,
      challenge: request.challenge ?? null,
      person: person.id,
      place: person.place,
      scopes: [...request.scopes],
      userScopes: [...request.userScopes],
      expiresAt: this.#now() + codeLifetimeMs,
      grantId: null,
    }
    await state.save()
    return code
  }

  /** True for the app's own id and secret, compared in constant time. */
  isClient(clientId: string | null | undefined, clientSecret: string | null | undefined): boolean {
    const idFits = sameText(clientId ?? '', this.client.clientId)
    return sameText(clientSecret ?? '', this.client.clientSecret) && idFits
  }

  /** Trades a code for tokens, once: a second try ends what the first one gave. */
  async exchange(input: CodeInput): Promise<Outcome> {
    const { state, provider, accessTokenSeconds } = this.#policy
    const row = state.data.codes[hash(input.code ?? '')]
    if (!row || row.provider !== provider) return refused('invalid_grant', 'unknown code')
    const spentFor = row.grantId === null ? undefined : state.data.grants[row.grantId]
    if (spentFor) {
      await this.revoke(spentFor)
      return refused('invalid_grant', 'code was used before')
    }
    if (row.expiresAt <= this.#now()) return refused('invalid_grant', 'code has expired')
    if (input.redirectUri !== undefined && row.redirectUri !== input.redirectUri) {
      return refused('redirect_uri_mismatch', 'redirect_uri differs')
    }
    if (row.challenge !== null && row.challenge !== hash(input.verifier ?? '')) {
      return refused('invalid_grant', 'code_verifier does not fit')
    }
    const { person, place, scopes, userScopes } = row
    const grant: Grant = { id: random(12), provider, person, place, scopes, userScopes, revoked: false }
    state.data.grants[grant.id] = grant
    row.grantId = grant.id
    const seconds = input.accessTokenSeconds === undefined ? accessTokenSeconds : input.accessTokenSeconds
    const issued = this.#issue(grant, input.subjects?.(grant) ?? ['access'], { seconds, replaces: null })
    await state.save()
    return { ok: true, issued }
  }

  /** Trades a refresh token for new tokens, as the policy's rotation says. */
  async refresh(refreshToken: string | null): Promise<Outcome> {
    const { state, rotation, accessTokenSeconds } = this.#policy
    const token = state.data.tokens[hash(refreshToken ?? '')]
    const grant = token && token.kind === 'refresh' ? this.#grantOf(token) : undefined
    if (!token || !grant) return refused('invalid_grant', 'unknown refresh token')
    if (token.state === 'ended') {
      if (rotation === 'strict') await this.revoke(grant)
      return refused('invalid_grant', 'refresh token was used before')
    }
    rotate(state.data.tokens, token, rotation)
    const seconds = accessTokenSeconds ?? 3600
    const issued = this.#issue(grant, [token.subject], { seconds, replaces: token.hash })
    await state.save()
    return { ok: true, issued }
  }

  /** The grant of a live access token. */
  authenticate(accessToken: string | undefined): { grant: Grant; token: Token } | undefined {
    const token = this.#policy.state.data.tokens[hash(accessToken ?? '')]
    if (!token || token.kind !== 'access' || token.state !== 'live') return undefined
    if (token.expiresAt !== null && token.expiresAt <= this.#now()) return undefined
    const grant = this.#grantOf(token)
    return grant && { grant, token }
  }

  /** Ends the grant with all its tokens. */
  async revoke(grant: Grant): Promise<void> {
    this.#end(grant)
    await this.#policy.state.save()
  }

  /** Ends every grant at a place: services whose app is installed once for all have one grant there. */
  async revokeAt(place: string): Promise<void> {
    const { state, provider } = this.#policy
    for (const grant of Object.values(state.data.grants)) {
      if (grant.provider === provider && grant.place === place) this.#end(grant)
    }
    await state.save()
  }

  /** Ends every access token of this provider; refresh tokens stay. */
  async expireAccessTokens(): Promise<void> {
    const { state } = this.#policy
    for (const token of Object.values(state.data.tokens)) {
      if (token.kind === 'access' && this.#grantOf(token)) token.state = 'ended'
    }
    await state.save()
  }

  /** Ends every grant of this provider, as if each person had removed the app. */
  async revokeAll(): Promise<void> {
    const { state, provider } = this.#policy
    for (const grant of Object.values(state.data.grants)) if (grant.provider === provider) this.#end(grant)
    await state.save()
  }

  #grantOf(token: Token): Grant | undefined {
    const { state, provider } = this.#policy
    const grant = state.data.grants[token.grantId]
    return grant && !grant.revoked && grant.provider === provider ? grant : undefined
  }

  #end(grant: Grant): void {
    grant.revoked = true
    for (const token of Object.values(this.#policy.state.data.tokens)) {
      if (token.grantId === grant.id) token.state = 'ended'
    }
  }

  #issue(
    grant: Grant,
    subjects: readonly string[],
    { seconds, replaces }: { seconds: number | null; replaces: string | null },
  ): Issued {
    const access: Record<string, string> = {}
    const refresh: Record<string, string> = {}
    for (const subject of subjects) {
      const expiresAt = seconds === null ? null : this.#now() + seconds * 1000
      access[subject] = this.#add({ grantId: grant.id, kind: 'access', subject, expiresAt, replaces: null })
      if (seconds === null) continue
      refresh[subject] = this.#add({ grantId: grant.id, kind: 'refresh', subject, expiresAt: null, replaces })
    }
    return { grant, access, refresh, expiresInSeconds: seconds }
  }

  #add(token: Omit<Token, 'hash' | 'state'>): string {
    const value = this.#policy.tokenPrefix(token.kind, token.subject) + random()
    this.#policy.state.data.tokens[hash(value)] = { ...token, hash: hash(value), state: 'live' }
    return value
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

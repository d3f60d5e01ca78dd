// Reads what a token endpoint answered: the forms that many providers share are brought to RFC 6749 section 5, then
// oauth4webapi judges. An answer without a usable token is never a grant.

import * as oauth from 'oauth4webapi'
import { AuthFlowError } from '../../shared/errors.ts'
import type { OAuthMethod, TokenSet } from '../integrations/integration.ts'
import { clientOf, serverOf, withProviderErrors, type OAuthEndpoint } from './endpoint.ts'
import { judgeWithIdToken, type IdentifiedAnswer } from './id-token.ts'
import { memberAt, readAnswer, type Answer } from './token-answer.ts'
import type { GrantKind } from './token-error.ts'

/** Longer lifetimes mean «does not expire»: nobody keeps such a promise, and dates end somewhere. */
const longestLifetimeSeconds = 10 * 365 * 86_400
/** Instants from here on are ms since 1970 and not seconds. */
const firstInstantInMs = 1e11
/** What a header can carry (RFC 6750 section 2.1 allows even less), and at most so many characters. */
const usableToken = /^[\x21-\x7e]+$/
const maxTokenLength = 16_384
const maxScopes = 500
const maxMemberLength = 2048

/**
 * The token set of an answer. `expiresAt` is in ms and absent when the token does not expire by the clock; `scopes` is
 * absent when the answer does not say. An `id_token` is dropped unread unless a `nonce` is given; then it must be there
 * and hold, and `idClaims` is what it says.
 *
 * @throws {@link AuthFlowError} those of {@link readAnswer}; `provider_reply_invalid` without a usable token, or with an
 *   ID token that does not hold
 */
export async function readTokenResponse(
  kind: GrantKind,
  endpoint: OAuthEndpoint,
  response: Response,
  nonce?: string,
): Promise<TokenSet> {
  const { method } = endpoint
  const answer = await readAnswer(kind, endpoint, response)
  const now = Date.now()
  const member = memberReader(method.tokenPath === undefined ? answer : memberAt(answer, method.tokenPath))
  const idToken = member('id_token') ?? answer['id_token']
  const canonical = canonicalAnswer(method, member, nonce === undefined ? undefined : idToken)
  const { tokens, claims } = await judge(endpoint, canonical, nonce)
  const refreshToken = refreshTokenOf(member('refresh_token'))
  const scopes = scopesOf(member('scope') ?? member('scopes'))
  const expiresAt = expiryOf(member, now)
  return {
    accessToken: tokens.access_token,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(scopes === undefined ? {} : { scopes }),
    ...membersOf(kind, method, answer),
    ...(claims === undefined ? {} : { idClaims: claims }),
  }
}

/** What `identify` asked for beside the tokens. */
function membersOf(
  kind: GrantKind,
  { answerMembers }: OAuthMethod,
  answer: Answer,
): { readonly members?: Record<string, string> } {
  if (!answerMembers || kind === 'refresh_token') return {}
  const found = answerMembers.flatMap((name) => {
    const value = memberAt(answer, name)
    return typeof value === 'string' && value.length <= maxMemberLength ? [[name, value] as const] : []
  })
  return { members: Object.fromEntries(found) }
}

/** Scopes of an answer: text separated by commas or spaces, or a list; undefined when it says nothing. */
export function scopesOf(value: unknown): string[] | undefined {
  const parts = Array.isArray(value) ? value : typeof value === 'string' ? value.split(/[\s,]+/) : undefined
  if (!parts) return undefined
  const texts = parts.filter((part): part is string => typeof part === 'string' && part !== '')
  return [...new Set(texts)].slice(0, maxScopes)
}

/** Seconds of lifetime if the answer tells a usable one: a positive number, also as text. */
export function lifetimeOf(value: unknown): number | undefined {
  const seconds = numberOf(value)
  return seconds !== undefined && seconds > 0 && seconds <= longestLifetimeSeconds ? seconds : undefined
}

/**
 * The instant in ms at which a token ends, told as one: ISO 8601, or seconds or ms since 1970. Undefined when it is none,
 * or not later than `now`, or further off than anybody can promise.
 */
export function instantOf(value: unknown, now: number): number | undefined {
  const number = numberOf(value)
  const dated = typeof value === 'string' && number === undefined ? Date.parse(value) : number
  if (dated === undefined) return undefined
  const instant = number !== undefined && number < firstInstantInMs ? number * 1000 : dated
  const isUsable = instant > now && instant - now <= longestLifetimeSeconds * 1000
  return isUsable ? Math.floor(instant) : undefined
}

type MemberReader = (name: string) => unknown

/** Members by their names in RFC 6749, or by the same in camel case. */
function memberReader(answer: unknown): MemberReader {
  const read = (name: string): unknown => memberAt(answer, name) ?? undefined
  return (name) => read(name) ?? read(name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()))
}

const numberOf = (value: unknown): number | undefined => {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

/** A lifetime counts before an instant: it does not depend on two clocks. */
function expiryOf(member: MemberReader, now: number): number | undefined {
  const lifetime = member('expires_in')
  if (lifetime === undefined) return instantOf(member('expires_at'), now)
  const seconds = lifetimeOf(lifetime)
  return seconds === undefined ? undefined : now + Math.floor(seconds * 1000)
}

const refreshTokenOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= maxTokenLength ? value : undefined

/** The members that judging needs, in the form of RFC 6749; a token that no header could carry is left out. */
function canonicalAnswer(method: OAuthMethod, member: MemberReader, idToken: unknown): Response {
  const accessToken = member('access_token')
  const isUsable =
    typeof accessToken === 'string' && accessToken.length <= maxTokenLength && usableToken.test(accessToken)
  return Response.json({
    ...(isUsable ? { access_token: accessToken } : {}),
    token_type: tokenTypeOf(method, member('token_type')),
    ...(idToken === undefined ? {} : { id_token: idToken }),
  } satisfies Answer)
}

/** Absent means bearer, and so do the words that the method lists. */
function tokenTypeOf({ tokenTypes = [] }: OAuthMethod, value: unknown): string {
  const type = typeof value === 'string' ? value.trim().toLowerCase() : ''
  const isBearer = type === '' || tokenTypes.some((known) => known.toLowerCase() === type)
  if (type !== 'dpop') return isBearer ? 'bearer' : type
  throw new AuthFlowError('provider_reply_invalid', 'The provider issued a DPoP token that nobody asked for.')
}

async function judge(
  endpoint: OAuthEndpoint,
  canonical: Response,
  nonce: string | undefined,
): Promise<Pick<IdentifiedAnswer, 'tokens'> & Partial<IdentifiedAnswer>> {
  if (nonce !== undefined) return judgeWithIdToken(endpoint, canonical, nonce)
  const tokens = await withProviderErrors(() =>
    oauth.processGenericTokenEndpointResponse(serverOf(endpoint), clientOf(endpoint), canonical),
  )
  return { tokens }
}

// Judges what a backend asks a connect token for. Everything is exact: an origin or a return URL that would match more
// than itself is refused.

import { AuthFlowError } from '../../shared/errors.ts'
import { checkAccountId } from '../../shared/ids.ts'
import { isLanguageTag } from '../../shared/languages.ts'
import type { ConnectTokenRequest } from '../../shared/flow.ts'
import { isLoopbackHost } from '../net/url-guard.ts'
import { connectPurposes } from './connect.ts'
import type { ConnectContext } from './context.ts'
import { checkMetadata } from './metadata.ts'
import type { TokenRecord } from './records.ts'

/** Most integrations, origins or return URLs of one token. */
const maxEntries = 20
const maxScopes = 200
const maxTextLength = 2048
const maxActorLength = 256
const mostFlows = 1000

/** What a token is good for, judged. */
export type TokenGrant = Pick<
  TokenRecord,
  | 'accountId'
  | 'integrations'
  | 'origins'
  | 'purpose'
  | 'returnUrls'
  | 'scopes'
  | 'actor'
  | 'metadata'
  | 'locale'
>

/** The request if every part of it is exact and known. Throws `invalid_input` naming the part, `unknown_integration`. */
export function judgeTokenRequest(context: ConnectContext, request: ConnectTokenRequest): TokenGrant {
  const accountId = checkAccountId(request.accountId)
  const integrations = texts('integrations', request.integrations, { min: 1, max: maxEntries })
  for (const id of integrations) context.integration(id)
  judgeUses(request)
  const { purpose = 'create' } = request
  if (!connectPurposes.includes(purpose)) {
    throw invalid('purpose', `must be ${connectPurposes.join(', ')}`)
  }
  return {
    accountId,
    integrations,
    origins: judgeOrigins(context, request),
    purpose,
    returnUrls: judgeReturnUrls(context, request),
    scopes: judgeScopes(request),
    actor: judgeActor(request, accountId),
    metadata: request.metadata === undefined ? null : checkMetadata(request.metadata),
    locale: judgeLocale(request),
  }
}

function judgeOrigins({ baseUrl }: ConnectContext, request: ConnectTokenRequest): string[] {
  const origins = texts('origins', request.origins, { min: 1, max: maxEntries })
  for (const origin of origins) {
    const url = parse(origin)
    if (!url || url.origin !== origin || origin.includes('*') || !isAllowedScheme(url, baseUrl)) {
      throw invalid(
        'origins',
        'must be exact origins such as https://app.example.com, without path or wildcard',
      )
    }
  }
  return origins
}

function judgeReturnUrls({ baseUrl }: ConnectContext, request: ConnectTokenRequest): string[] {
  const urls = texts('returnUrls', request.returnUrls ?? [], { min: 0, max: maxEntries })
  for (const text of urls) {
    const url = parse(text)
    const plain = url && url.username === '' && url.password === '' && url.hash === ''
    if (!plain || !isAllowedScheme(url, baseUrl)) {
      throw invalid('returnUrls', 'must be absolute https URLs without user name and fragment')
    }
  }
  return urls
}

function judgeScopes({ scopes }: ConnectTokenRequest): string[] | null {
  if (scopes === undefined) return null
  const list = texts('scopes', scopes, { min: 1, max: maxScopes })
  if (list.some((scope) => /\s/.test(scope))) throw invalid('scopes', 'may not hold white space')
  return list
}

function judgeActor({ actor }: ConnectTokenRequest, accountId: string): string {
  if (actor === undefined) return accountId
  const valid =
    typeof actor === 'string' && actor !== '' && actor.length <= maxActorLength && actor.isWellFormed()
  if (!valid) throw invalid('actor', `must be a text of at most ${maxActorLength} characters`)
  return actor
}

function judgeLocale({ locale }: ConnectTokenRequest): string | null {
  if (locale === undefined) return null
  if (isLanguageTag(locale)) return locale
  throw invalid('locale', 'must be a language tag such as de-AT')
}

function judgeUses({ maxFlows }: ConnectTokenRequest): void {
  if (maxFlows === undefined || (Number.isInteger(maxFlows) && maxFlows >= 1 && maxFlows <= mostFlows)) return
  throw invalid('maxFlows', `must be a whole number from 1 to ${mostFlows}`)
}

/** https, or http on loopback while the server itself is there. */
function isAllowedScheme(url: URL, baseUrl: URL): boolean {
  if (url.protocol === 'https:') return true
  return url.protocol === 'http:' && isLoopbackHost(url.hostname) && isLoopbackHost(baseUrl.hostname)
}

function parse(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

function texts(name: string, value: unknown, { min, max }: { min: number; max: number }): string[] {
  const valid =
    Array.isArray(value) &&
    value.length >= min &&
    value.length <= max &&
    value.every((item) => typeof item === 'string' && item !== '' && item.length <= maxTextLength)
  if (!valid) throw invalid(name, `must be a list of ${min} to ${max} texts`)
  return [...new Set<string>(value)]
}

const invalid = (name: string, expected: string): AuthFlowError =>
  new AuthFlowError('invalid_input', `${name} ${expected}.`)

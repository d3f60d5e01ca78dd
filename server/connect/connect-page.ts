// Pages of this server on which an account connects, for hosts without a front end. The link to one proves nothing: who
// opens it gets a cookie and is sent to the host, whose backend confirms from its own session that the browser belongs to
// the account. What the confirmation answers opens the page in the browser that has the cookie, and in no other. So
// neither can somebody be led to the page of another, nor can a stolen link be made good by the person it was made for.

import type { ConnectTokenReply } from '../../shared/flow.ts'
import { checkAccountId, randomText } from '../../shared/ids.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import { judgeActor } from './confirm.ts'
import type {
  ConfirmPageRequest,
  ConnectLink,
  ConnectPageRequest,
  ConnectPageView,
  FlowCookie,
  PagePurpose,
} from './connect.ts'
import { connectionIdOf } from './connection-id.ts'
import { serverUrl, type ConnectContext } from './context.ts'
import { matchesDigest, sha256 } from './digest.ts'
import { pageCookie, pageCookieName } from './flow-cookie.ts'
import { judgeLinkLife, keepToken } from './keep-token.ts'
import { requireOwnPage } from './link.ts'
import type { PageFacts, PageVisit, TokenRecord } from './records.ts'
import { connectionSet, tokenSet } from './sets.ts'
import { speakIntegration } from './speak.ts'
import { judgeTokenRequest } from './token-request.ts'
import type { Tokens } from './tokens.ts'
import { connectionView, integrationView } from './views.ts'

const tokenPattern = /^ctk_pg_[A-Za-z0-9_-]{43}$/
const digestPattern = /^[A-Za-z0-9_-]{43}$/
const minuteMs = 60_000
const usualLifeMs = 60 * minuteMs
/** From the confirmation until the browser is back. */
const enterWithinMs = minuteMs
/** How long an open page works. */
const visitMs = 60 * minuteMs
/** A person who tries again and again on one page, two tokens for each try. */
const maxTokens = 200
const pagePurposes: readonly PagePurpose[] = ['create', 'reconnect', 'manage']
const usualPurposes: readonly PagePurpose[] = ['create', 'reconnect']

/** Query parameter that the link adds to `confirmUrl`. */
const visitParameter = 'authflow_visit'

type PageRecord = TokenRecord & { readonly page: PageFacts }
type VisitedRecord = PageRecord & { readonly page: { readonly visit: PageVisit } }

/**
 * Mints the link of a page.
 *
 * @param mintedBy id of the secret key
 * @throws {@link AuthFlowError} `not_supported` (`connectPages` is not configured), `return_url_not_allowed`,
 *   `invalid_input`, `unknown_integration`
 */
export async function createPage(
  context: ConnectContext,
  request: ConnectPageRequest,
  mintedBy: string,
): Promise<ConnectLink> {
  const { accountId, integrations, confirmUrl, returnUrl, actor, metadata } = request
  const { purposes = usualPurposes, locale, lifetimeMs = usualLifeMs } = request
  judgeLinkLife(lifetimeMs)
  if (purposes.length === 0 || !purposes.every((purpose) => pagePurposes.includes(purpose))) {
    throw invalid(`purposes must be some of ${pagePurposes.join(', ')}.`)
  }
  const grant = judgeTokenRequest(context, {
    accountId,
    integrations,
    origins: [context.baseUrl.origin],
    returnUrls: [confirmUrl, returnUrl],
    ...(actor === undefined ? {} : { actor }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(locale === undefined ? {} : { locale }),
  })
  requireOwnOrigins(context, { confirmUrl, returnUrl })
  const page = { confirmUrl, returnUrl, purposes, visit: null }
  const kept = await keepToken(context, { prefix: 'ctk_pg', grant, lifetimeMs, mintedBy, uses: 0, page })
  return { url: `${serverUrl(context)}/connect/open/${kept.token}`, expiresAt: kept.expiresAt }
}

/** A backend that passes an address of a request on would be an open redirect; the list of origins ends that here. */
function requireOwnOrigins({ pages }: ConnectContext, urls: Readonly<Record<string, string>>): void {
  if (!pages) throw new AuthFlowError('not_supported', 'This server has no `connectPages` configured.')
  for (const [name, url] of Object.entries(urls)) {
    if (pages.origins.includes(new URL(url).origin)) continue
    const message = `The origin of ${name} is not among \`connectPages.origins\` of the server.`
    throw new AuthFlowError('return_url_not_allowed', message)
  }
}

/**
 * What the link does: gives the browser a cookie, if it has none of this page yet, and sends it to the host. Changes
 * nothing here, however often and by whatever program it is opened.
 *
 * @throws {@link AuthFlowError} `link_invalid`, `link_expired`, `link_used`
 */
export async function openPage(
  context: ConnectContext,
  token: string,
  cookies: ReadonlyMap<string, string>,
): Promise<{ readonly location: string; readonly cookie: FlowCookie }> {
  const record = tokenPattern.test(token) ? await context.store.get(tokenSet, sha256(token)) : undefined
  if (!record || !isPage(record)) throw new AuthFlowError('link_invalid')
  requireUnused(record, context.store.now())
  const name = pageCookieName(context.baseUrl, record.id)
  const known = cookies.get(name) ?? ''
  // Two tabs of one browser, or Back and again, are one visit.
  const value = digestPattern.test(known) ? known : randomText(43)
  const location = new URL(record.page.confirmUrl)
  location.searchParams.set(visitParameter, `${record.id}.${sha256(value)}`)
  const cookie = pageCookie(context.baseUrl, { id: record.id, value }, [...cookies.keys()])
  return { location: location.href, cookie }
}

/**
 * The host's word that the browser of this visit belongs to the account. Spends the link. Another account changes
 * nothing: whoever was sent a link that is not theirs can't use it up either.
 *
 * @throws {@link AuthFlowError} `invalid_input`, `link_invalid`, `account_mismatch`, `link_expired`, `link_used`
 */
export async function confirmPage(
  context: ConnectContext,
  { visit, ...request }: ConfirmPageRequest,
): Promise<ConnectLink> {
  const accountId = checkAccountId(request.accountId)
  const actor = judgeActor(request.actor)
  const [id = '', browserHash = '', ...rest] = typeof visit === 'string' ? visit.split('.') : []
  const wellFormed = rest.length === 0 && [id, browserHash].every((part) => digestPattern.test(part))
  const record = wellFormed ? await context.store.get(tokenSet, id) : undefined
  if (!record || !isPage(record)) throw new AuthFlowError('link_invalid')
  if (record.accountId !== accountId) {
    context.log.warn({ integrations: record.integrations }, 'a connect page was opened by another account')
    throw new AuthFlowError('account_mismatch', 'The connect page was made for another account.')
  }
  const now = context.store.now()
  requireUnused(record, now)
  const ticket = randomText(43)
  const enterBy = now + enterWithinMs
  const opened = { browserHash, ticketHash: sha256(ticket), enterBy, enteredAt: null, endsAt: now + visitMs }
  const set = { page: { ...record.page, visit: opened }, ...(actor === undefined ? {} : { actor }) }
  if (!(await context.store.update(tokenSet, id, { version: record.version }, { set }))) {
    throw new AuthFlowError('link_used')
  }
  return { url: `${pageUrl(context, id)}/enter?ticket=${ticket}`, expiresAt: isoOf(enterBy) }
}

/**
 * Lets the browser in that has the visit's cookie and was sent by the host; both, once. The cookie gets another value, so
 * that what was known before the confirmation is of no use after it.
 *
 * @throws {@link AuthFlowError} `link_invalid`, `browser_mismatch`, `link_used`, `confirmation_expired`
 */
export async function enterPage(
  context: ConnectContext,
  { id, ticket, cookies }: { id: string; ticket: string; cookies: ReadonlyMap<string, string> },
): Promise<{ readonly location: string; readonly cookie: FlowCookie }> {
  const record = await findVisited(context, id)
  if (!record || !matchesDigest(ticket, record.page.visit.ticketHash)) throw new AuthFlowError('link_invalid')
  const { page } = record
  requireBrowser(context, record, cookies)
  if (page.visit.enteredAt !== null) throw new AuthFlowError('link_used')
  const now = context.store.now()
  if (page.visit.enterBy <= now) throw new AuthFlowError('confirmation_expired')
  const value = randomText(43)
  const visit = { ...page.visit, browserHash: sha256(value), enteredAt: now }
  const set = { page: { ...page, visit } }
  if (!(await context.store.update(tokenSet, id, { version: record.version }, { set }))) {
    throw new AuthFlowError('link_used')
  }
  const maxAgeSeconds = Math.ceil((page.visit.endsAt - now) / 1000)
  const cookie = pageCookie(context.baseUrl, { id, value }, [...cookies.keys()])
  return { location: pageUrl(context, id), cookie: { ...cookie, maxAgeSeconds } }
}

/**
 * What an open page shows.
 *
 * @throws {@link AuthFlowError} `browser_mismatch`, `link_invalid`, `link_expired`
 */
export async function readPage(
  context: ConnectContext,
  {
    id,
    cookies,
    languages,
  }: { id: string; cookies: ReadonlyMap<string, string>; languages: readonly string[] },
): Promise<ConnectPageView> {
  const { page, integrations, accountId, locale } = await requireOpen(context, id, cookies)
  const wanted = locale ? [locale, ...languages] : languages
  const rows = integrations.map(async (name) => {
    const found = await context.store.get(connectionSet, connectionIdOf(name, accountId))
    const connection = found && found.state !== 'disconnected' ? connectionView(found) : undefined
    const integration = context.integration(name)
    return {
      definition: speakIntegration(integrationView(integration), integration, wanted),
      ...(connection === undefined ? {} : { connection }),
    }
  })
  return {
    url: pageUrl(context, id),
    host: context.pages?.name ?? new URL(page.returnUrl).host,
    returnUrl: page.returnUrl,
    purposes: page.purposes,
    integrations: await Promise.all(rows),
    ...(locale ? { locale } : {}),
  }
}

/**
 * A connect token for the elements of an open page: for its account, its integrations, its purposes and this origin.
 *
 * @throws {@link AuthFlowError} those of {@link readPage}; `origin_missing`, `origin_opaque`, `origin_mismatch`,
 *   `purpose_not_allowed`, `integration_not_allowed`, `token_revoked`, `token_spent`
 */
export async function mintPageToken(
  { context, tokens }: { readonly context: ConnectContext; readonly tokens: Tokens },
  request: {
    readonly id: string
    readonly cookies: ReadonlyMap<string, string>
    readonly origin: string | undefined
    readonly integration: string
    readonly purpose: PagePurpose
  },
): Promise<ConnectTokenReply> {
  const { id, integration, purpose } = request
  requireOwnPage(context, request.origin)
  const record = await requireOpen(context, id, request.cookies)
  const { page, integrations, accountId, actor, metadata, locale, mintedBy } = record
  if (!page.purposes.includes(purpose)) throw new AuthFlowError('purpose_not_allowed')
  if (!integrations.includes(integration)) {
    throw new AuthFlowError('integration_not_allowed', undefined, { details: { integration } })
  }
  const match = { uses: { lessThan: maxTokens }, revokedAt: null }
  if (!(await context.store.update(tokenSet, id, match, { increment: { uses: 1 } }))) {
    throw new AuthFlowError('token_spent', `A page may ask for ${maxTokens} tokens.`, {
      details: { limit: maxTokens },
    })
  }
  const grant = { accountId, integrations: [integration], origins: [context.baseUrl.origin], purpose, actor }
  const noted = { ...(metadata ? { metadata } : {}), ...(locale ? { locale } : {}) }
  return tokens.create({ ...grant, ...noted, returnUrls: [pageUrl(context, id)] }, mintedBy)
}

/** The page, for the browser that is in it. Without the cookie nothing is looked up. */
async function requireOpen(
  context: ConnectContext,
  id: string,
  cookies: ReadonlyMap<string, string>,
): Promise<VisitedRecord> {
  if (!digestPattern.test(id) || !cookies.has(pageCookieName(context.baseUrl, id))) {
    throw new AuthFlowError('browser_mismatch')
  }
  const record = await findVisited(context, id)
  if (!record) throw new AuthFlowError('link_invalid')
  requireBrowser(context, record, cookies)
  const { enteredAt, endsAt } = record.page.visit
  if (enteredAt === null) throw new AuthFlowError('browser_mismatch')
  if (endsAt <= context.store.now()) throw new AuthFlowError('link_expired')
  return record
}

async function findVisited({ store }: ConnectContext, id: string): Promise<VisitedRecord | undefined> {
  const record = digestPattern.test(id) ? await store.get(tokenSet, id) : undefined
  return record && isPage(record) && isVisited(record) && !isRevoked(record) ? record : undefined
}

function requireBrowser(
  { baseUrl }: ConnectContext,
  { id, page }: VisitedRecord,
  cookies: ReadonlyMap<string, string>,
): void {
  const value = cookies.get(pageCookieName(baseUrl, id))
  if (value !== undefined && matchesDigest(value, page.visit.browserHash)) return
  throw new AuthFlowError('browser_mismatch')
}

const isPage = (record: TokenRecord): record is PageRecord => record.page !== undefined
const isVisited = (record: PageRecord): record is VisitedRecord => record.page.visit !== null
const isRevoked = ({ revokedAt }: TokenRecord): boolean => typeof revokedAt === 'number'

function requireUnused(record: PageRecord, now: number): void {
  if (isRevoked(record)) throw new AuthFlowError('link_invalid')
  if (record.page.visit !== null) throw new AuthFlowError('link_used')
  if (record.expiresAt <= now) throw new AuthFlowError('link_expired')
}

const pageUrl = (context: ConnectContext, id: string): string => `${serverUrl(context)}/connect/page/${id}`

const isoOf = (instant: number): string => new Date(instant).toISOString()

const invalid = (message: string): AuthFlowError => new AuthFlowError('invalid_input', message)

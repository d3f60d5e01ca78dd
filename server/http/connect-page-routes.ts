// The way to a connect page and the page itself: the link, which sends the browser to the host; what the host sends it
// back with; the page; the tokens of its elements; its script. What proves something is in cookies and never stays in an
// address.

import type Router from '@koa/router'
import type { RouterContext } from '@koa/router'
import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import { acceptedLanguages } from '../../shared/languages.ts'
import type { FlowCookie } from '../connect/connect.ts'
import { serverUrl } from '../connect/context.ts'
import { callBodyLimit, readBody } from './body.ts'
import { renderConnectPage } from './connect-page.ts'
import { readCookies, setFlowCookie } from './cookies.ts'
import { countingGuesses, guessGuard, type GuessBounds } from './guess-guard.ts'
import { allowApp } from './headers.ts'
import { pageTokenInput } from './inputs.ts'
import { textsFor, type OwnPageTexts } from './page-texts.ts'
import { answerScript, pageScript, type PageScript } from './page-script.ts'
import type { Services } from './app.ts'
import { invalidInput } from './trpc.ts'

/** What the routes need. */
export interface ConnectPageOptions {
  readonly baseUrl: URL
  services(): Promise<Pick<Services, 'connect'>>
  readonly bounds: GuessBounds
  /** The host's own words. */
  readonly texts: OwnPageTexts | undefined
  /** File of the script; undefined: the package's own. */
  readonly script: URL | undefined
}

/** Adds the routes. Errors are for the caller to show. */
export function addConnectPages(router: Router, options: ConnectPageOptions): void {
  const script = pageScript(options.script)
  router.all('/connect/open/:token', (ctx) => answerOpen(ctx, options))
  router.all('/connect/page/:id/enter', (ctx) => answerEntry(ctx, options))
  router.all('/connect/page/:id', (ctx) => answerPage(ctx, { ...options, address: script }))
  router.all('/connect/page/:id/token', (ctx) => answerToken(ctx, options))
  router.all('/connect/assets/:name', (ctx) => answerScript(ctx, ctx.params['name'] ?? '', script))
}

/** The link: on to the host. */
async function answerOpen(
  ctx: RouterContext,
  { baseUrl, services, bounds }: ConnectPageOptions,
): Promise<void> {
  requireMethod(ctx, 'GET', 'HEAD')
  const { connect } = await services()
  const open = () => connect.openPage(ctx.params['token'] ?? '', cookiesOf(ctx))
  goOn(ctx, await countingGuesses(guessGuard(ctx.req, bounds), open), baseUrl)
}

/** Where the host sends the browser: on to the page. */
async function answerEntry(
  ctx: RouterContext,
  { baseUrl, services, bounds }: ConnectPageOptions,
): Promise<void> {
  // No HEAD: whoever asks for headers only must not use the ticket up.
  requireMethod(ctx, 'GET')
  const { connect } = await services()
  const ticket = new URLSearchParams(ctx.querystring).get('ticket') ?? ''
  const request = { id: ctx.params['id'] ?? '', ticket, cookies: cookiesOf(ctx) }
  goOn(ctx, await countingGuesses(guessGuard(ctx.req, bounds), () => connect.enterPage(request)), baseUrl)
}

async function answerPage(
  ctx: RouterContext,
  { baseUrl, services, texts: own, address }: ConnectPageOptions & { address: () => Promise<PageScript> },
): Promise<void> {
  requireMethod(ctx, 'GET', 'HEAD')
  const { connect } = await services()
  const accepted = ctx.get('accept-language')
  const request = { id: ctx.params['id'] ?? '', cookies: cookiesOf(ctx) }
  const view = await connect.readPage({ ...request, languages: acceptedLanguages(accepted) })
  const texts = await textsFor(view.locale, accepted, own)
  const { name } = await address()
  const server = serverUrl({ baseUrl })
  const nonce = allowApp(ctx, server)
  ctx.vary('Accept-Language')
  ctx.set('content-language', texts.language)
  ctx.type = 'text/html; charset=utf-8'
  ctx.body = renderConnectPage({ view, texts, nonce, server, script: `${server}/connect/assets/${name}` })
}

async function answerToken(ctx: RouterContext, { services }: ConnectPageOptions): Promise<void> {
  requireMethod(ctx, 'POST')
  const { connect } = await services()
  const need = await readNeed(ctx)
  const { origin } = ctx.req.headers
  ctx.body = await connect.mintPageToken({
    id: ctx.params['id'] ?? '',
    cookies: cookiesOf(ctx),
    origin,
    integration: need.integration,
    purpose: need.purpose,
  })
}

const cookiesOf = (ctx: Context): ReadonlyMap<string, string> => readCookies(ctx.req.headers.cookie)

/** 303, with the cookie that the next step needs. */
function goOn(
  ctx: Context,
  { location, cookie }: { readonly location: string; readonly cookie: FlowCookie },
  baseUrl: URL,
): void {
  setFlowCookie(ctx, cookie, baseUrl.protocol === 'https:')
  ctx.status = 303
  ctx.set('location', location)
  ctx.body = ''
}

function requireMethod(ctx: Context, ...methods: readonly string[]): void {
  if (methods.includes(ctx.method)) return
  ctx.set('allow', methods.join(', '))
  throw new AuthFlowError('method_not_allowed')
}

async function readNeed(ctx: Context) {
  if (!ctx.is('application/json')) throw new AuthFlowError('invalid_input', 'The body must be JSON.')
  const text = await readBody(ctx.req, callBodyLimit)
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (cause) {
    throw new AuthFlowError('invalid_input', 'The body must be JSON.', { cause })
  }
  const need = pageTokenInput.safeParse(body)
  if (!need.success) throw invalidInput(need.error)
  return need.data
}

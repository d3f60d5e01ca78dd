// The way to a connect page and the page itself: the link, which sends the browser to the host; what the host sends it
// back with; the page; the tokens of its elements; its script. What proves something is in cookies and never stays in an
// address.

import type Router from '@koa/router'
import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import type { FlowCookie } from '../connect/connect.ts'
import { callBodyLimit, readBody } from './body.ts'
import { renderConnectPage } from './connect-page.ts'
import { readCookies, setFlowCookie } from './cookies.ts'
import { countingGuesses, guessGuard, type GuessBounds } from './guess-guard.ts'
import { allowApp } from './headers.ts'
import { pageTokenInput } from './inputs.ts'
import { textsFor, type OwnPageTexts } from './page-texts.ts'
import { answerScript, pageScript } from './page-script.ts'
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
  const { baseUrl, services, bounds, texts: own } = options
  const server = `${baseUrl.origin}${baseUrl.pathname.replace(/\/$/, '')}`
  const script = pageScript(options.script)
  const cookiesOf = (ctx: Context): ReadonlyMap<string, string> => readCookies(ctx.req.headers.cookie)
  const go = (ctx: Context, { location, cookie }: { location: string; cookie: FlowCookie }): void => {
    setFlowCookie(ctx, cookie, baseUrl.protocol === 'https:')
    ctx.status = 303
    ctx.set('location', location)
    ctx.body = ''
  }

  router.all('/connect/open/:token', async (ctx) => {
    requireMethod(ctx, 'GET', 'HEAD')
    const { connect } = await services()
    const open = () => connect.openPage(ctx.params['token'] ?? '', cookiesOf(ctx))
    go(ctx, await countingGuesses(guessGuard(ctx.req, bounds), open))
  })

  router.all('/connect/page/:id/enter', async (ctx) => {
    // HEAD too: whoever asks for headers only must not use the ticket up.
    requireMethod(ctx, 'GET')
    const { connect } = await services()
    const ticket = new URLSearchParams(ctx.querystring).get('ticket') ?? ''
    const request = { id: ctx.params['id'] ?? '', ticket, cookies: cookiesOf(ctx) }
    go(ctx, await countingGuesses(guessGuard(ctx.req, bounds), () => connect.enterPage(request)))
  })

  router.all('/connect/page/:id', async (ctx) => {
    requireMethod(ctx, 'GET', 'HEAD')
    const { connect } = await services()
    const view = await connect.readPage({ id: ctx.params['id'] ?? '', cookies: cookiesOf(ctx) })
    const texts = await textsFor(view.locale, ctx.get('accept-language'), own)
    const { name } = await script()
    const nonce = allowApp(ctx, server)
    ctx.vary('Accept-Language')
    ctx.type = 'text/html; charset=utf-8'
    ctx.body = renderConnectPage({ view, texts, nonce, server, script: `${server}/connect/assets/${name}` })
  })

  router.all('/connect/page/:id/token', async (ctx) => {
    requireMethod(ctx, 'POST')
    const { connect } = await services()
    const { integration, purpose } = await readNeed(ctx)
    const { origin } = ctx.req.headers
    const cookies = cookiesOf(ctx)
    const id = ctx.params['id'] ?? ''
    ctx.body = await connect.mintPageToken({ id, cookies, origin, integration, purpose })
  })

  router.all('/connect/assets/:name', (ctx) => answerScript(ctx, ctx.params['name'] ?? '', script))
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

// `/connect/link/:token`: the page that a mailed link or a native app opens. GET shows who asks for what and changes
// nothing, however often and by whatever program it is read; the button's POST sends the browser to the provider.

import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Connect, GuessGuard } from '../connect/connect.ts'
import { readCookies, setFlowCookie } from './cookies.ts'
import { countingGuesses } from './guess-guard.ts'
import type { Pages } from './pages.ts'

/** Shows the landing page, or begins the link's flow. Errors are for the caller to show. */
export async function answerLink(
  ctx: Context,
  connect: Connect,
  link: {
    readonly token: string
    readonly secure: boolean
    readonly guesses: GuessGuard
    readonly pages: Pages
  },
): Promise<void> {
  const { token, secure, guesses, pages } = link
  if (ctx.method === 'GET' || ctx.method === 'HEAD') {
    return pages.link(ctx, await countingGuesses(guesses, () => connect.describeLink(token)))
  }
  if (ctx.method !== 'POST') {
    ctx.set('allow', 'GET, HEAD, POST')
    throw new AuthFlowError('method_not_allowed')
  }
  const names = [...readCookies(ctx.req.headers.cookie).keys()]
  const { origin } = ctx.req.headers
  const { location, cookie, locale } = await countingGuesses(guesses, () =>
    connect.openLink(token, origin, names),
  )
  setFlowCookie(ctx, cookie, secure)
  await pages.start(ctx, location, locale)
}

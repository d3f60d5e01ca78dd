// `POST /connect/start`: the form that leaves the host's page for the provider. Answers a page, not a redirect:
// browsers apply the host's `form-action` to every hop of a redirect that answers a form.

import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Connect, GuessGuard } from '../connect/connect.ts'
import { formBodyLimit, readBody } from './body.ts'
import { readCookies, setFlowCookie } from './cookies.ts'
import { countingGuesses } from './guess-guard.ts'
import { startInput } from './inputs.ts'
import type { Pages } from './pages.ts'
import { invalidInput } from './trpc.ts'

/** Takes the form, binds this browser to the flow, and sends it on. Errors are for the caller to show. */
export async function answerStart(
  ctx: Context,
  connect: Connect,
  {
    secure,
    guesses,
    pages,
  }: { readonly secure: boolean; readonly guesses: GuessGuard; readonly pages: Pages },
): Promise<void> {
  if (ctx.method !== 'POST') {
    ctx.set('allow', 'POST')
    throw new AuthFlowError('method_not_allowed')
  }
  if (!ctx.is('application/x-www-form-urlencoded')) {
    throw new AuthFlowError('invalid_input', 'The start takes a form: application/x-www-form-urlencoded.')
  }
  const parameters = new URLSearchParams(await readBody(ctx.req, formBodyLimit))
  const form = startInput.safeParse(Object.fromEntries(parameters))
  if (!form.success) throw invalidInput(form.error)

  const cookies = readCookies(ctx.req.headers.cookie)
  const { origin } = ctx.req.headers
  const { location, cookie } = await countingGuesses(guesses, () =>
    connect.start(form.data, origin, [...cookies.keys()]),
  )
  setFlowCookie(ctx, cookie, secure)
  await pages.start(ctx, location, form.data.locale)
}

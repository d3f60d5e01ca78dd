// `/callback/:integrationId`, and `/callback/:integrationId/:issuerHash` where the user chooses the authorization server:
// where the provider sends the browser back. A GET finishes the flow; a POST (form_post) only leaves the answer here and
// sends the browser on to the GET, because a POST from another site comes without the flow's cookie.

import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import { namePattern } from '../../shared/ids.ts'
import type { Connect } from '../connect/connect.ts'
import { formBodyLimit, readBody } from './body.ts'
import { readCookies } from './cookies.ts'
import type { Pages } from './pages.ts'

const issuerPattern = /^[A-Za-z0-9_-]{22}$/

/** Where the request came in. */
interface Address {
  readonly integration: string
  readonly issuer: string | undefined
}

/** Hands the answer to the connect service and shows the outcome. Errors are for the caller to show. */
export async function answerCallback(
  ctx: Context,
  connect: Connect,
  { params, pages }: { readonly params: Readonly<Record<string, string | undefined>>; readonly pages: Pages },
): Promise<void> {
  // HEAD too: whoever asks for headers only (a link scanner) must not use the code up.
  if (ctx.method !== 'GET' && ctx.method !== 'POST') {
    ctx.set('allow', 'GET, POST')
    throw new AuthFlowError('method_not_allowed')
  }
  const { integration = '', issuer } = params
  if (!namePattern.test(integration)) throw new AuthFlowError('unknown_integration')
  if (issuer !== undefined && !issuerPattern.test(issuer)) throw new AuthFlowError('callback_mismatch')
  if (ctx.method === 'POST') await keepPosted(ctx, connect, { integration, issuer })
  else await finish(ctx, connect, { integration, issuer, pages })
}

async function finish(
  ctx: Context,
  connect: Connect,
  { pages, ...address }: Address & { readonly pages: Pages },
): Promise<void> {
  const params = new URLSearchParams(ctx.querystring)
  const elsewhere = connect.installUrl({ ...address, params })
  if (elsewhere !== undefined) return seeOther(ctx, elsewhere)
  const cookies = readCookies(ctx.req.headers.cookie)
  const outcome = await connect.callback({ ...address, params, cookie: (name) => cookies.get(name) })
  await pages.outcome(ctx, outcome)
}

async function keepPosted(ctx: Context, connect: Connect, address: Address): Promise<void> {
  if (!ctx.is('application/x-www-form-urlencoded')) {
    throw new AuthFlowError('invalid_input', 'A posted answer is a form: application/x-www-form-urlencoded.')
  }
  const params = new URLSearchParams(await readBody(ctx.req, formBodyLimit))
  seeOther(ctx, await connect.keepPosted({ ...address, params }))
}

/** 303: the browser comes by GET whatever it came by, and the body is not sent again (RFC 9700 section 4.12). */
function seeOther(ctx: Context, location: string): void {
  ctx.status = 303
  ctx.set('location', location)
  ctx.body = ''
}

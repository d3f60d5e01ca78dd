// `GET /callback/:integrationId`: where the provider sends the browser back.

import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import { namePattern } from '../../shared/ids.ts'
import type { Connect } from '../connect/connect.ts'
import { readCookies } from './cookies.ts'
import { sendOutcomePage } from './pages.ts'

/** Hands the answer to the connect service and shows the outcome. Errors are for the caller to show. */
export async function answerCallback(ctx: Context, connect: Connect, integration: string): Promise<void> {
  // HEAD too: whoever asks for headers only (a link scanner) must not use the code up.
  if (ctx.method !== 'GET') {
    ctx.set('allow', 'GET')
    throw new AuthFlowError('method_not_allowed')
  }
  if (!namePattern.test(integration)) throw new AuthFlowError('unknown_integration')
  const cookies = readCookies(ctx.req.headers.cookie)
  const outcome = await connect.callback({
    integration,
    params: new URLSearchParams(ctx.querystring),
    cookie: (name) => cookies.get(name),
  })
  sendOutcomePage(ctx, outcome)
}

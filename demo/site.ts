// A second site on another origin, as a customer of the product would run it: helmet's default headers plus the two
// entries that authflow needs, and a backend that mints connect tokens over HTTP with a secret key.

import { createHash, randomBytes } from 'node:crypto'
import Router from '@koa/router'
import Koa, { type Context } from 'koa'
import helmet from 'koa-helmet'
import { createClient } from '../server/client.ts'
import { AuthFlowError, toAuthFlowError } from '../shared/errors.ts'
import { readJson } from './json-body.ts'
import { servePage, type PageFiles } from './page-files.ts'

/** Where the site is, and how it talks to authflow. */
export interface SiteOptions {
  /** Base URL of the authflow server. */
  readonly endpoint: string
  readonly secretKey: string
  readonly siteUrl: string
  readonly pages: PageFiles
}

const cookieName = 'site_session'

/** The site's app. */
export function createSite({ endpoint, secretKey, siteUrl, pages }: SiteOptions): Koa {
  const authflow = createClient({ url: endpoint, secretKey })
  const app = new Koa()
  app.use(
    helmet({
      contentSecurityPolicy: { directives: siteDirectives(endpoint) },
      strictTransportSecurity: false,
    }),
  )
  app.use(answerErrors)
  const router = new Router()
  router.post('/connect-token', async (context) => {
    const { integration, purpose } = tokenRequest(await readJson(context.req))
    context.set('Cache-Control', 'no-store')
    context.body = await authflow.connectTokens.create({
      accountId: visitorOf(context),
      integrations: [integration],
      origins: [siteUrl],
      purpose,
    })
  })
  app.use(router.routes()).use(router.allowedMethods())
  app.use((context) => {
    const path = context.path === '/' ? '/site' : context.path
    if (!path.startsWith('/assets/') && path !== '/site') return
    if (!servePage(context, pages, path) || !Buffer.isBuffer(context.body) || context.type !== 'text/html')
      return
    const page = context.body.toString('utf8')
    context.remove('ETag')
    context.body = page.replaceAll('{{accountId}}', visitorOf(context)).replaceAll('{{endpoint}}', endpoint)
  })
  return app
}

/** helmet's defaults stay; the connect server is added where pages talk to it and post to it. */
const siteDirectives = (endpoint: string): Record<string, string[] | null> => ({
  'connect-src': ["'self'", endpoint],
  'form-action': ["'self'", endpoint],
  // The site is on plain http here; a real one keeps helmet's default.
  'upgrade-insecure-requests': null,
})

interface TokenRequest {
  readonly integration: string
  readonly purpose: 'create' | 'reconnect' | 'manage'
}

function tokenRequest({ integration, purpose }: Record<string, unknown>): TokenRequest {
  if (typeof integration !== 'string')
    throw new AuthFlowError('invalid_input', 'integration must be a string.')
  return { integration, purpose: purpose === 'reconnect' || purpose === 'manage' ? purpose : 'create' }
}

function visitorOf(context: Context): string {
  let session = context.cookies.get(cookieName)
  if (!session || session.length !== 32) {
    session = randomBytes(24).toString('base64url')
    context.cookies.set(cookieName, session, { httpOnly: true, sameSite: 'lax', overwrite: true })
  }
  return `visitor-${createHash('sha256').update(session).digest('hex').slice(0, 8)}`
}

async function answerErrors(context: Context, next: Koa.Next): Promise<void> {
  try {
    await next()
  } catch (error) {
    const failure = toAuthFlowError(error)
    context.status = failure.status
    context.body = failure.toReply()
  }
}

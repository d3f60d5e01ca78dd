// The demo product: a small Koa app as a customer of authflow would write it. It signs browsers in, mints connect
// tokens for the account of the session, sends events, and shows what became of them.

import Router from '@koa/router'
import Koa, { type Context } from 'koa'
import helmet from 'koa-helmet'
import { isAuthFlowError, toAuthFlowError } from '../shared/errors.ts'
import type { ConnectPurpose } from '../shared/flow.ts'
import type { Activity } from './activity.ts'
import type { DemoClient } from './client.ts'
import { startEvent } from './events.ts'
import { readJson } from './json-body.ts'
import { serviceIds, variablesOf, type DemoOptions } from './options.ts'
import { servePage, type PageFiles } from './page-files.ts'
import { accountOf, startSession } from './session.ts'

/** What the app is made of. */
export interface AppParts {
  readonly options: DemoOptions
  readonly demo: DemoClient
  readonly pages: PageFiles
  readonly activity: Activity
  /** Origin of the second site; absent with real providers. */
  readonly siteUrl?: string | undefined
}

/** The app; authflow itself is mounted first, so that nothing reads its bodies. */
export function createDemoApp(parts: AppParts): Koa {
  const { options, demo } = parts
  const app = new Koa()
  app.use(ownHostOnly(new URL(options.baseUrl)))
  app.use(demo.client.koa())
  app.use(
    helmet({
      contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
      strictTransportSecurity: options.baseUrl.startsWith('https:'),
      // The product's own popup must not be cut off by the default of same-origin; authflow works under both.
      crossOriginOpenerPolicy: { policy: 'same-origin' },
    }),
  )
  // The demo itself speaks plain http behind whatever ends TLS: what browsers use decides about `Secure`.
  app.use((context, next) => {
    context.cookies.secure = options.baseUrl.startsWith('https:')
    return next()
  })
  app.use(answerErrors)
  const router = createRouter(parts)
  app.use(router.routes()).use(router.allowedMethods())
  app.use((context) => {
    if (servePage(context, parts.pages, context.path === '/site' ? '/nothing' : context.path))
      fillIn(context, parts)
  })
  return app
}

/** Other names of this machine are sent to the demo's own, so that cookies and origins are always the same. */
function ownHostOnly(base: URL): Koa.Middleware {
  const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|[a-z0-9-]+\.localhost)(:\d+)?$/i
  return async (context, next) => {
    const host = context.req.headers.host ?? ''
    if (host === base.host) return next()
    const foreignPost = context.method !== 'GET' && context.method !== 'HEAD'
    if (!loopback.test(host) || foreignPost) {
      context.status = 421
      context.body = `This is ${base.origin}.`
      return
    }
    context.status = 307
    context.set('Location', base.origin + context.originalUrl)
  }
}

async function answerErrors(context: Context, next: Koa.Next): Promise<void> {
  try {
    await next()
  } catch (error) {
    const failure = toAuthFlowError(error)
    if (!isAuthFlowError(error)) console.error(error)
    context.status = failure.status
    context.body = failure.toReply()
  }
}

function createRouter({ options, demo, activity }: AppParts): Router {
  const router = new Router()

  router.post('/demo/new-account', (context) => {
    startSession(context)
    context.status = 303
    context.set('Location', '/')
  })

  router.post('/demo/connect-token', async (context) => {
    const body = await readJson(context.req)
    context.set('Cache-Control', 'no-store')
    context.body = await demo.client.connectTokens.create({
      accountId: accountOf(context),
      integrations: [String(body['integration'])],
      origins: [options.baseUrl],
      purpose: purposeOf(body['purpose']),
      returnUrls: ['/', '/plain', '/unstyled'].map((path) => options.baseUrl + path),
    })
  })

  // The hosted page's whole front end: a link to make, and the word that it is this session's browser.
  router.get('/demo/hosted', async (context) => {
    const accountId = accountOf(context)
    const visit = context.query['authflow_visit']
    const { url } =
      typeof visit === 'string'
        ? await demo.client.connectPages.confirm({ visit, accountId })
        : await demo.client.connectPages.create({
            accountId,
            integrations: serviceIds.flatMap((service) => demo.integrations[service]?.id ?? []),
            confirmUrl: `${options.baseUrl}/demo/hosted`,
            returnUrl: `${options.baseUrl}/`,
            purposes: ['create', 'reconnect', 'manage'],
          })
    context.set('Cache-Control', 'no-store')
    context.status = 303
    context.set('Location', url)
  })

  router.post('/demo/events', async (context) => {
    const body = await readJson(context.req)
    context.status = 202
    context.body = await startEvent(demo.client, {
      kind: String(body['kind']),
      accountId: accountOf(context),
    })
  })

  router.get('/demo/activity', async (context) => {
    context.set('Cache-Control', 'no-store')
    context.body = await activity.of(accountOf(context))
  })

  return router
}

const purposes: readonly ConnectPurpose[] = ['create', 'reconnect', 'manage', 'runs']
const purposeOf = (value: unknown): ConnectPurpose =>
  purposes.find((purpose) => purpose === value) ?? 'create'

/** Which services there are, as JSON that is safe inside a script element. */
function describeDemo({ options, demo }: AppParts): string {
  const missing = serviceIds.filter((service) => !demo.integrations[service])
  const session = {
    standIns: Object.keys(options.apps).length === 0,
    missing: missing.map((service) => ({ service, variables: variablesOf(service) })),
  }
  return JSON.stringify(session).replaceAll('<', '\\u003c')
}

/** Puts the account of the session into a page, as a server-rendered product would. */
function fillIn(context: Context, parts: AppParts): void {
  if (!Buffer.isBuffer(context.body) || context.type !== 'text/html') return
  context.remove('ETag')
  context.set('Cache-Control', 'no-store')
  context.body = context.body
    .toString('utf8')
    .replaceAll('{{accountId}}', accountOf(context))
    .replaceAll('{{siteUrl}}', parts.siteUrl ?? '/')
    .replaceAll('{{session}}', describeDemo(parts))
}

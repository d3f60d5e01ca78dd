// The HTTP face of a server: its routes under the path of `baseUrl`, as a Koa middleware and as a Node handler.
// Whatever is not one of them is left to the host.

import Router from '@koa/router'
import type { IncomingMessage, ServerResponse } from 'node:http'
import Koa, { type Context, type Middleware, type Next } from 'koa'
import { AuthFlowError, errorTable, toAuthFlowError, type ErrorReply } from '../../shared/errors.ts'
import { acceptedLanguages } from '../../shared/languages.ts'
import type { Logger } from '../../shared/log.ts'
import { noTracing, type Tracing } from '../../shared/tracing.ts'
import type { Connect } from '../connect/connect.ts'
import type { SecretKeys } from '../connect/secret-keys.ts'
import type { JobEngine } from '../jobs/engine.ts'
import type { ScheduleBook } from '../jobs/schedule-book.ts'
import { isLoopbackHost } from '../net/url-guard.ts'
import type { Triggers } from '../triggers/create-triggers.ts'
import type { WebhookTarget } from '../triggers/deliveries.ts'
import { apiRouter } from './api-router.ts'
import { bearerOf } from './bearer.ts'
import { bodyLimits, callBodyLimit } from './body.ts'
import { answerCallback } from './callback-route.ts'
import { addConnectPages } from './connect-page-routes.ts'
import { connectRouter } from './connect-router.ts'
import { answerCors, describePath } from './cors.ts'
import { isDeveloper } from './development.ts'
import type { Drain } from './drain.ts'
import { createCallHandler } from './fast-path.ts'
import { guessGuard, type GuessBounds } from './guess-guard.ts'
import { securityHeaders } from './headers.ts'
import { answerLink } from './link-route.ts'
import { answerHealth, createReadiness, type ReadyRemarks } from './health.ts'
import { answerMetrics, type MetricsAccess, type MetricsText } from './metrics-route.ts'
import type { OwnPageTexts } from './page-texts.ts'
import { createPages, type Pages } from './pages.ts'
import { answerRunRequest } from './request-wait-route.ts'
import { retryAfterOf } from './retry-after.ts'
import { answerStart } from './start-route.ts'
import { answerWebhook } from './webhook-route.ts'

/** What the routes act on. */
export interface Services {
  readonly connect: Connect
  readonly engine: JobEngine
  readonly triggers: Triggers
  /** Registered schedules. */
  readonly schedules: ScheduleBook
  /** Where the host asked for metrics. */
  readonly metrics?: MetricsText
  /** Resolves when the store takes writes and the keys fit, with what else is worth knowing. */
  check(): Promise<ReadyRemarks>
}

/** How the app is made. */
export interface AppOptions {
  readonly baseUrl: URL
  /** The running services; starts them on the first call. */
  services(): Promise<Services>
  readonly keys: SecretKeys
  readonly drain: Drain
  /** The host's own words on the pages. */
  readonly pageTexts?: OwnPageTexts | undefined
  /** Where people connect on pages of this server; undefined: nowhere. */
  readonly connectPages?: { readonly script?: URL | undefined } | undefined
  /** Serves `integrations.describe`. */
  readonly describe: boolean
  /** Development mode was asked for. */
  readonly development: boolean
  /** Who may read the metrics; undefined: there are none. */
  readonly metrics: MetricsAccess | undefined
  /** Who sends requests, and how often they may. */
  readonly bounds: GuessBounds
  readonly log: Logger
  /** Where what backends send is a part of what they say they are doing (default: nothing is traced). */
  tracing?(): Tracing
}

/** Continues with the host's own handlers. */
export type NextHandler = (error?: unknown) => void

/** The app in the two forms hosts take. */
export interface HttpApp {
  readonly middleware: Middleware
  readonly handler: (req: IncomingMessage, res: ServerResponse, next?: NextHandler) => void
}

/** Pages answer errors with a page, everything else with an {@link ErrorReply}. */
const pagePaths = /^\/(?:connect\/(?:start$|link\/|open\/|page\/[^/]+(?:\/enter)?$)|callback\/)/

/** How long pages and proxies may keep the description of an integration. */
const describeCaching = 'public, max-age=300'

/** Assembles the app. Nothing runs before the first request. */
export function createApp(options: AppOptions): HttpApp {
  const base = options.baseUrl.pathname.replace(/\/$/, '')
  const router = createRoutes(options)
  const routes = router.routes()

  /** The path below the base if one of the routes takes it. */
  const match = (target: string): string | undefined => {
    const path = target.split('?', 1)[0] ?? ''
    if (!path.startsWith(`${base}/`)) return undefined
    const relative = path.slice(base.length)
    return router.match(relative, 'GET').path.some((layer) => layer.methods.length > 0) ? relative : undefined
  }

  const middleware: Middleware = (ctx, next) => {
    const path = match(targetOf(ctx.req) ?? ctx.originalUrl)
    if (path === undefined) return next()
    // The router looks there first; the path below a mount of the host's is not what it should match.
    return routes(Object.assign(ctx, { params: {}, router, newRouterPath: path }), next)
  }

  const app = new Koa()
  app.on('error', (cause: unknown, ctx?: Context) => {
    // A caller who leaves in the middle of a request ends up here too; anybody can, as often as they like.
    if (cause === ctx?.req.socket.errored) options.log.debug({ err: cause }, 'A caller left.')
    else options.log.error({ err: cause }, 'A response failed.')
  })
  app.use(middleware)
  const handle = app.callback()

  return {
    middleware,
    handler: (req, res, next) => {
      if (match(targetOf(req) ?? req.url ?? '') !== undefined) void handle(req, res)
      else if (next) next()
      else void answerNotFound(res)
    },
  }
}

function createRoutes(options: AppOptions): Router {
  const { baseUrl, services, drain, log } = options
  const secure = baseUrl.protocol === 'https:'
  const loopback = isLoopbackHost(baseUrl.hostname)
  const ready = createReadiness(drain, async () => (await services()).check())
  const router = new Router({ sensitive: true, strict: true })
  const pages = createPages(options.pageTexts)

  router.use(securityHeaders(secure), (ctx, next) => guard(ctx, next, { ...options, pages }))
  router.all('/healthz', answerHealth)
  router.all('/readyz', ready)
  const { metrics } = options
  if (metrics !== undefined) {
    router.all('/metrics', async (ctx) => answerMetrics(ctx, metrics, async () => (await services()).metrics))
  }
  addPages(router, { ...options, pages })
  addWebhooks(router, options)

  const callConnect = createCallHandler({
    router: connectRouter,
    bodyLimit: () => callBodyLimit,
    adapterHeaders: (ctx, failed) => {
      if (lastSegment(ctx) !== describePath) return new Headers({ vary: 'Origin' })
      const headers = new Headers({ vary: 'Origin, Accept-Language' })
      if (ctx.method === 'GET' && !failed) headers.set('cache-control', describeCaching)
      return headers
    },
    log,
  })
  router.all('/connect/trpc/:path', (ctx) => {
    const path = lastSegment(ctx)
    return answerCors(ctx, () => callConnect(ctx, path, () => connectContext(ctx, options)), {
      path,
      loopback,
    })
  })

  const callApi = createCallHandler({
    router: apiRouter,
    bodyLimit: (path) => bodyLimits.get(path) ?? callBodyLimit,
    log,
  })
  router.all('/api/trpc/:path', async (ctx) => {
    // Only browsers send preflights, and no page may call this.
    if (ctx.method === 'OPTIONS') throw new AuthFlowError('secret_key_in_browser')
    await callApi(ctx, lastSegment(ctx), () => apiContext(ctx, options))
  })
  return router
}

/** Pages that people come to on the way to a provider and back. */
function addPages(
  router: Router,
  { baseUrl, services, bounds, pages, pageTexts, connectPages }: AppOptions & { readonly pages: Pages },
): void {
  const secure = baseUrl.protocol === 'https:'
  router.all('/connect/start', async (ctx) =>
    answerStart(ctx, (await services()).connect, { secure, guesses: guessGuard(ctx.req, bounds), pages }),
  )
  router.all('/connect/link/:token', async (ctx) =>
    answerLink(ctx, (await services()).connect, {
      token: ctx.params['token'] ?? '',
      secure,
      guesses: guessGuard(ctx.req, bounds),
      pages,
    }),
  )
  if (connectPages)
    addConnectPages(router, { baseUrl, services, bounds, texts: pageTexts, script: connectPages.script })
  for (const path of ['/callback/:integration', '/callback/:integration/:issuer'])
    router.all(path, async (ctx) =>
      answerCallback(ctx, (await services()).connect, { params: ctx.params, pages }),
    )
}

/** Where providers send what happened. */
function addWebhooks(router: Router, { services }: AppOptions): void {
  const webhook = async (ctx: Context, target: WebhookTarget): Promise<void> =>
    answerWebhook(ctx, target, (await services()).triggers.deliveries)
  router.all('/webhooks/:hook', (ctx) =>
    webhook(ctx, { type: 'registration', hook: ctx.params['hook'] ?? '' }),
  )
  router.all('/webhooks/app/:integration', (ctx) =>
    webhook(ctx, { type: 'app', integration: ctx.params['integration'] ?? '' }),
  )
  router.all('/webhooks/run/:token', async (ctx) =>
    answerRunRequest(ctx, ctx.params['token'] ?? '', (await services()).engine),
  )
  router.all('/webhooks/http/:endpoint', (ctx) =>
    webhook(ctx, { type: 'http', endpoint: ctx.params['endpoint'] ?? '' }),
  )
}

/** Around every route: caching off, errors as the caller can read them, connections ended while draining. */
async function guard(
  ctx: Context,
  next: Next,
  { drain, log, pages }: AppOptions & { readonly pages: Pages },
): Promise<void> {
  drain.track(ctx.res)
  ctx.set('cache-control', 'no-store')
  const last = (): void => {
    if (drain.draining && ctx.req.httpVersionMajor === 1 && !ctx.headerSent) ctx.set('connection', 'close')
  }
  last()
  try {
    await next()
  } catch (cause) {
    const error = toAuthFlowError(cause)
    const reply = error.toReply()
    if (!error.exposed) log.error({ err: error }, 'A request failed.')
    ctx.status = errorTable[reply.code].status
    const wait = retryAfterOf(error)
    if (wait !== undefined) ctx.set('retry-after', wait)
    if (pagePaths.test(String(ctx['newRouterPath']))) await pages.error(ctx, reply.code)
    else ctx.body = reply
  }
  last()
}

async function connectContext(ctx: Context, options: AppOptions) {
  const { services, drain, describe, development, baseUrl, bounds } = options
  const { connect, engine } = await services()
  const { req } = ctx
  const { origin, 'accept-language': accepted } = req.headers
  const languages = acceptedLanguages(accepted)
  const caller = { token: bearerOf(req), origin, languages, guesses: guessGuard(req, bounds) }
  const developer = development && isDeveloper(ctx, baseUrl)
  const speaks = (language: string): void => ctx.set('content-language', language)
  return { connect, engine, caller, drain, describe, speaks, developer }
}

async function apiContext(ctx: Context, options: AppOptions) {
  const { req } = ctx
  const { services, keys, bounds } = options
  const { headers } = req
  const fromBrowser = headers.origin !== undefined || headers['sec-fetch-site'] !== undefined
  // The procedures refuse it too; here it is refused before the input is looked at.
  if (fromBrowser) throw new AuthFlowError('secret_key_in_browser')
  const { connect, engine, schedules, triggers } = await services()
  const { registrations } = triggers
  const guesses = guessGuard(req, bounds)
  // Known only once the services run.
  const tracing = options.tracing?.() ?? noTracing
  const traced = <T>(work: () => T): T => tracing.continuing(ctx.get('traceparent'), work)
  const key = bearerOf(req)
  return { connect, engine, registrations, schedules, keys, key, fromBrowser, guesses, traced }
}

function lastSegment(ctx: Context): string {
  const path = String(ctx['newRouterPath'])
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Express and its kin keep the whole target here while they take their mount path off `url`. */
function targetOf(req: IncomingMessage): string | undefined {
  return 'originalUrl' in req && typeof req.originalUrl === 'string' ? req.originalUrl : undefined
}

function answerNotFound(res: ServerResponse): void {
  const reply: ErrorReply = new AuthFlowError('not_found').toReply()
  res.writeHead(404, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
  res.end(JSON.stringify(reply))
}

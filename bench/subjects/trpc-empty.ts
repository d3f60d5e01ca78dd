// An empty POST procedure on tRPC's official adapter, under the Koa middlewares that the server's own routes have.

import Router from '@koa/router'
import { initTRPC } from '@trpc/server'
import { nodeHTTPRequestHandler } from '@trpc/server/adapters/node-http'
import Koa from 'koa'
import { securityHeaders } from '../../server/http/headers.ts'
import { listening } from './listening.ts'

const t = initTRPC.create()
const procedures = t.router({ empty: t.procedure.mutation(() => null) })

const routes = new Router()
routes.use(securityHeaders(false), async (ctx, next) => {
  ctx.set('cache-control', 'no-store')
  await next()
})
routes.post('/api/trpc/:path', async (ctx) => {
  ctx.respond = false
  ctx.res.statusCode = 200
  await nodeHTTPRequestHandler({
    router: procedures,
    req: ctx.req,
    res: ctx.res,
    path: ctx.params['path'] ?? '',
    allowMethodOverride: true,
    createContext: () => ({}),
  })
})

const app = new Koa()
app.use(routes.routes())
const url = `${await listening(app)}/api/trpc/empty`
console.log(JSON.stringify({ url, headers: {}, bodies: ['{}'] }))

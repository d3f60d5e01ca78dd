// A bare Koa route that answers a POST with a small JSON object: what HTTP under Koa costs at least.

import Koa from 'koa'
import { listening } from './listening.ts'

const app = new Koa()
app.use((ctx) => {
  ctx.body = { result: { data: { ok: true } } }
})
console.log(JSON.stringify({ url: await listening(app), headers: {}, bodies: ['{}'] }))

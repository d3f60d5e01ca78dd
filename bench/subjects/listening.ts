// Starts a Koa app on a free port of the loopback.

import type Koa from 'koa'
import { once } from 'node:events'

/** Origin of the app once it listens. */
export async function listening(app: Koa): Promise<string> {
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port')
  return `http://127.0.0.1:${address.port}`
}

// A Node HTTP server with bounds against slow and idle clients, for hosts that have none of their own.

import { createServer, type RequestListener, type Server } from 'node:http'
import { Server as NetServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { AuthFlowError } from '../../shared/errors.ts'

/** Where a server listens. */
export interface Address {
  readonly port: number
  /** All interfaces when absent. */
  readonly host?: string | undefined
}

/** A server that listens. */
export interface Listening {
  /** The port, also when 0 was asked for. */
  readonly port: number
  /** Takes no new connections. Those there are stay open, idle ones too: their next request may be on its way. */
  stop(): void
  /** Ends what is left once idle connections had a moment to be used or dropped. Repeated calls share one promise. */
  end(): Promise<void>
}

/** A client that sends its headers slower than this is not a browser. */
const headersTimeoutMs = 5_000
/** For the request to arrive whole; how long the answer takes does not count, so polls may be longer. */
const requestTimeoutMs = 20_000
const checkEveryMs = 1_000
/** Longer than the 60 s of common load balancers: the one who reuses a connection must not be the last to know. */
const keepAliveTimeoutMs = 65_000
const maxConnections = 10_000
/** From {@link Listening.stop} on, for clients to notice `Connection: close` on connections that they reuse. */
const idleGraceMs = 1_000

/**
 * Listens.
 *
 * @throws {@link AuthFlowError} `port_in_use` with the port in the message, `invalid_option` (no such port or host)
 */
export async function listen(handler: RequestListener, { port, host }: Address): Promise<Listening> {
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: checkEveryMs,
      keepAliveTimeout: keepAliveTimeoutMs,
    },
    handler,
  )
  server.maxConnections = maxConnections
  await bind(server, { port, host })
  const address = server.address()
  let closed: Promise<void> | undefined
  let stoppedAt = 0
  const stop = (): Promise<void> => {
    if (closed) return closed
    stoppedAt = performance.now()
    // Not server.close(): it cuts idle connections at once, also those whose next request is on its way.
    closed = new Promise((resolve) => NetServer.prototype.close.call(server, () => resolve()))
    return closed
  }
  let ended: Promise<void> | undefined
  const end = async (): Promise<void> => {
    const closing = stop()
    const grace = stoppedAt + idleGraceMs - performance.now()
    await Promise.race([closing, delay(Math.max(0, grace), undefined, { ref: false })])
    server.close()
    server.closeAllConnections()
    await closing
  }
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    stop: () => void stop(),
    end: () => (ended ??= end()),
  }
}

function bind(server: Server, { port, host }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: unknown): void => reject(toListenError(cause, port))
    server.once('error', refuse)
    try {
      server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
        server.off('error', refuse)
        resolve()
      })
    } catch (cause) {
      refuse(cause)
    }
  })
}

function toListenError(cause: unknown, port: number): AuthFlowError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  if (code === 'EADDRINUSE') {
    const message = `Port ${port} is in use. Stop the process that listens there, or choose another port.`
    return new AuthFlowError('port_in_use', message, { cause })
  }
  const message = `Cannot listen on port ${port}: ${code}.`
  return new AuthFlowError('invalid_option', message, { cause, details: { option: 'port' } })
}

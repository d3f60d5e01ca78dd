// A Node HTTP server with bounds against slow and idle clients, for hosts that have none of their own.

import { createServer, type RequestListener, type Server } from 'node:http'
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
  /** Takes no new connections; those under way go on. Resolves when the last one is closed. */
  stop(): Promise<void>
  /** Ends all connections. */
  cut(): void
}

/** A client that sends its headers slower than this is not a browser. */
const headersTimeoutMs = 5_000
/** For the request to arrive whole; how long the answer takes does not count, so polls may be longer. */
const requestTimeoutMs = 20_000
const checkEveryMs = 1_000
/** Longer than the 60 s of common load balancers: the one who reuses a connection must not be the last to know. */
const keepAliveTimeoutMs = 65_000
const maxConnections = 10_000

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
  let stopped: Promise<void> | undefined
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    stop: () => (stopped ??= new Promise((resolve) => server.close(() => resolve()))),
    cut: () => server.closeAllConnections(),
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

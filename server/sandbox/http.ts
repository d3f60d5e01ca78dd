// The HTTP side of a stand-in provider: a loopback server with a route table, request counts, and faults that tests
// order for the next requests. Knows nothing of OAuth or of any provider.

import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'

import { AuthFlowError } from '../../shared/errors.ts'

const maxBodyBytes = 1024 * 1024

/** A request as handlers see it. */
export interface Exchange {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** Values of `:name` parts of the route, decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly body: string
}

/** What a handler answers. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** One address. `:name` matches one path segment. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly path: string
  handle(exchange: Exchange): Reply | Promise<Reply>
}

/** What goes wrong with a request. */
export type Fault =
  /** Answers this status with an empty JSON object; nothing is done. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** Takes the request and never answers. */
  | { readonly hang: true }
  /** Does it, but answers late. */
  | { readonly slowMs: number }
  /** Refuses in the provider's own way of saying «too many requests». */
  | { readonly rateLimitSeconds: number }
  /** Answers 200 with something that is not what was asked for. */
  | { readonly garbage: true }
  /** Does it, then drops the connection without an answer: the caller cannot know. */
  | { readonly lost: true }

/** Orders faults for requests to come. */
export interface Faults {
  /** The next requests to the path, or to any, get the fault. Orders are worked off first come, first served. */
  next(fault: Fault, options?: { readonly path?: string; readonly times?: number }): void
  /** Takes back what has not happened yet. */
  clear(): void
}

/** A running stand-in server. */
export interface StandInServer {
  /** `http://127.0.0.1:4401`, without a slash at the end. */
  readonly url: string
  readonly faults: Faults
  /** How often each address was asked: `POST /api/chat.postMessage`. */
  counts(): Readonly<Record<string, number>>
  close(): Promise<void>
}

/** Options of {@link startServer}. */
export interface ServerOptions {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly routes: readonly Route[]
  /** Added to every answer. */
  readonly headers: Readonly<Record<string, string>>
  rateLimited(seconds: number): Reply
  notFound(): Reply
}

/** A JSON answer. */
export const json = (value: unknown, status = 200, headers: Record<string, string> = {}): Reply => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  body: JSON.stringify(value),
})

/** A page. */
export const html = (body: string, status = 200, headers: Record<string, string> = {}): Reply => ({
  status,
  headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', ...headers },
  body,
})

/** Sends the browser elsewhere with a GET. */
export const redirect = (location: string): Reply => ({ status: 303, headers: { location } })

/** The body as JSON, or undefined when it is none. */
export function jsonBody(exchange: Exchange): unknown {
  try {
    return JSON.parse(exchange.body)
  } catch {
    return undefined
  }
}

/** Values of the query and of a form or flat JSON body; the body wins. */
export function parameters(exchange: Exchange): URLSearchParams {
  const all = new URLSearchParams(exchange.query)
  if (exchange.headers['content-type']?.includes('json')) {
    const value = jsonBody(exchange)
    if (typeof value === 'object' && value !== null) {
      for (const [name, one] of Object.entries(value)) {
        all.set(name, typeof one === 'string' ? one : JSON.stringify(one))
      }
    }
  } else {
    for (const [name, one] of new URLSearchParams(exchange.body)) all.set(name, one)
  }
  return all
}

/** Token of `Authorization: Bearer …` (GitHub also takes `token …`). */
export function bearer(exchange: Exchange): string | undefined {
  return /^(?:bearer|token) (\S+)$/i.exec(exchange.headers.authorization ?? '')?.[1]
}

function match(route: Route, method: string, path: string): Record<string, string> | undefined {
  if (route.method !== method) return undefined
  const wanted = route.path.split('/')
  const given = path.split('/')
  if (wanted.length !== given.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? ''
    if (!part.startsWith(':')) {
      if (part !== value) return undefined
    } else {
      try {
        params[part.slice(1)] = decodeURIComponent(value)
      } catch {
        return undefined
      }
    }
  }
  return params
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
    size += bytes.length
    if (size > maxBodyBytes) return undefined
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

interface Order {
  readonly fault: Fault
  readonly path: string | undefined
  times: number
}

function createFaults(): Faults & { take(path: string): Fault | undefined } {
  let orders: Order[] = []
  return {
    next(fault, { path, times = 1 } = {}) {
      orders.push({ fault, path, times })
    },
    clear() {
      orders = []
    },
    take(path) {
      const order = orders.find((one) => one.path === undefined || one.path === path)
      if (!order) return undefined
      order.times -= 1
      if (order.times <= 0) orders = orders.filter((one) => one !== order)
      return order.fault
    },
  }
}

/** Answers the request with all that the route and an ordered fault say; undefined: no answer at all. */
async function answer(
  options: ServerOptions,
  exchange: Exchange,
  fault: Fault | undefined,
): Promise<Reply | 'hang' | 'drop'> {
  if (fault) {
    if ('hang' in fault) return 'hang'
    if ('rateLimitSeconds' in fault) return options.rateLimited(fault.rateLimitSeconds)
    if ('garbage' in fault)
      return { status: 200, headers: { 'content-type': 'application/json' }, body: '<!doctype html>oops' }
    if ('status' in fault) return json({}, fault.status, { ...fault.headers })
  }
  const reply = await dispatch(options, exchange)
  if (fault && 'slowMs' in fault) await new Promise((resolve) => setTimeout(resolve, fault.slowMs).unref())
  return fault && 'lost' in fault ? 'drop' : reply
}

function dispatch(options: ServerOptions, exchange: Exchange): Reply | Promise<Reply> {
  for (const route of options.routes) {
    const params = match(route, exchange.method, exchange.path)
    if (params) return route.handle({ ...exchange, params })
  }
  return options.notFound()
}

/**
 * Starts a stand-in on a loopback address.
 *
 * @throws {@link AuthFlowError} `port_in_use`, naming the stand-in and the port
 */
export async function startServer(options: ServerOptions): Promise<StandInServer> {
  const faults = createFaults()
  const counts: Record<string, number> = {}
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://stand-in')
    const method = request.method ?? 'GET'
    const address = `${method} ${url.pathname}`
    counts[address] = (counts[address] ?? 0) + 1
    const body = await readBody(request)
    if (body === undefined) {
      response.writeHead(413).end()
      return
    }
    const facts = { method, path: url.pathname, query: url.searchParams, headers: request.headers }
    const reply = await answer(options, { ...facts, params: {}, body }, faults.take(url.pathname))
    if (reply === 'hang') return
    if (reply === 'drop') {
      request.socket.destroy()
      return
    }
    response.writeHead(reply.status, { ...options.headers, ...reply.headers }).end(reply.body)
  }
  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      if (response.headersSent) response.destroy()
      else response.writeHead(500).end()
    })
  })
  const url = await listen(server, options)
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { url, faults, counts: () => ({ ...counts }), close }
}

/** Origin of the server once it listens. */
async function listen(server: Server, { name, host, port }: ServerOptions): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = `The stand-in ${name} cannot listen on ${host}:${port}: another process does.`
      reject(error.code === 'EADDRINUSE' ? new AuthFlowError('port_in_use', taken, { cause: error }) : error)
    })
    server.listen(port, host, resolve)
  })
  const address = server.address()
  const actual = typeof address === 'object' && address ? address.port : port
  return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`
}

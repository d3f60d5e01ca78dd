// The one way out: every outgoing request of the server and of integrations goes through a guarded fetch. It owns the
// order of the exchange and its bounds; which URL is allowed is in url-guard.ts, which address in address-guard.ts.

import { fetch as undiciFetch, type Response as UndiciResponse } from 'undici'
import { AuthFlowError } from '../../shared/errors.ts'
import { follow, noTracing, type Tracing } from '../../shared/tracing.ts'
import { createGuardedAgents, type GuardedAgents, type Resolve } from './guarded-agent.ts'
import { readBounded } from './read-bounded.ts'
import { describeFailure } from './request-failure.ts'
import { checkUrl } from './url-guard.ts'

/** What a guarded fetch takes beside the standard options. Redirects are never followed. */
export interface GuardedRequest extends Omit<RequestInit, 'redirect'> {
  /** For the whole exchange, body included, in ms (default 10,000; at most 60,000). */
  readonly timeoutMs?: number
  /** Bytes of body accepted after decoding (default 262,144; at most 16 MB). */
  readonly maxBytes?: number
}

/**
 * Fetches from a public host over https. The body has been read and bounded when it resolves. Of the standard options
 * `method`, `headers`, `body` and `signal` count; an abort by the signal rejects with the signal's reason.
 *
 * @throws {@link AuthFlowError} `blocked_host` (scheme, port, address or host not allowed, also after DNS),
 *   `provider_unavailable` (connect or total timeout, connection lost), `provider_reply_invalid` (a redirect, or too
 *   many bytes), `invalid_option` (a bound out of range), `invalid_input` (method or header), `closed`
 */
export type GuardedFetch = (url: string | URL, init?: GuardedRequest) => Promise<Response>

/** A guarded fetch that owns its connections. */
export interface OwnedGuardedFetch extends GuardedFetch {
  /** Lets running requests end, then closes the connections. Later calls reject with `closed`; repeating it is safe. */
  close(): Promise<void>
}

/** What a guarded fetch lets through. */
export interface GuardOptions {
  /** Lets loopback addresses and plain http to them through: stand-in providers (default false). */
  readonly allowLoopback?: boolean
  /** Resolves host names (default: the system's resolver). What it answers is judged, and only that is connected to. */
  readonly resolve?: Resolve
  /** For DNS, TCP and TLS together, in ms (default 3,000). */
  readonly connectTimeoutMs?: number
  /** Sees every request that was let through, without its query, headers and body (default: nobody does). */
  readonly tracing?: () => Tracing
}

const defaultTimeoutMs = 10_000
const maxTimeoutMs = 60_000
const defaultMaxBytes = 262_144
const maxMaxBytes = 16 * 1024 * 1024

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** Statuses that fetch would follow. 304 is none of them. */
const redirectStatuses = new Set([301, 302, 303, 307, 308])
/** Statuses whose Response may not have a body. */
const bodilessStatuses = new Set([204, 205, 304])

/** A guarded fetch with its own connections. Keep one per server: connections are reused. */
export function createGuardedFetch(options: GuardOptions = {}): OwnedGuardedFetch {
  const allowLoopback = options.allowLoopback ?? false
  const agents = createGuardedAgents(options)
  const { tracing = () => noTracing } = options
  let closing: Promise<void> | undefined

  const guardedFetch = async (input: string | URL, init: GuardedRequest = {}): Promise<Response> => {
    if (closing) throw new AuthFlowError('closed')
    const bounds = {
      timeoutMs: bound('timeoutMs', init.timeoutMs ?? defaultTimeoutMs, maxTimeoutMs),
      maxBytes: bound('maxBytes', init.maxBytes ?? defaultMaxBytes, maxMaxBytes),
    }
    const url = checkUrl(input, allowLoopback)
    const request = { ...init, ...bounds, ...checkRequest(init) }
    const traced = tracing().asking({ method: request.method, url })
    return follow(
      traced,
      () => exchange(agents, url, request),
      ({ status }) => ({ status }),
    )
  }
  const close = (): Promise<void> => (closing ??= agents.close())
  return Object.assign(guardedFetch, { close })
}

/** A request whose every part was checked. */
interface BoundedRequest {
  readonly method: string
  readonly headers: Headers
  readonly body?: RequestInit['body']
  readonly signal?: AbortSignal | null
  readonly timeoutMs: number
  readonly maxBytes: number
}

/** One request and its whole answer under one clock. */
async function exchange(agents: GuardedAgents, url: URL, init: BoundedRequest): Promise<Response> {
  const caller = init.signal ?? undefined
  caller?.throwIfAborted()
  // By hand and not by AbortSignal.any: a signal made by any() may be collected before it fires on Node 20.
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(caller?.reason)
  caller?.addEventListener('abort', onAbort, { once: true })
  const timer = setTimeout(() => stop.abort(), init.timeoutMs)
  try {
    const answer = await send(agents, url, init, stop.signal)
    if (redirectStatuses.has(answer.status)) {
      answer.body?.cancel().catch(() => undefined)
      throw new AuthFlowError(
        'provider_reply_invalid',
        `${url.host} answered with a redirect, which is never followed.`,
        {
          details: { status: answer.status },
        },
      )
    }
    return settle(answer, url, await readBounded(answer, init.maxBytes, url.host))
  } catch (error) {
    caller?.throwIfAborted()
    if (stop.signal.aborted) {
      throw new AuthFlowError(
        'provider_unavailable',
        `${url.host} did not answer within ${init.timeoutMs} ms.`,
      )
    }
    throw describeFailure(error, url.host)
  } finally {
    clearTimeout(timer)
    caller?.removeEventListener('abort', onAbort)
  }
}

/** Only what is named here reaches the wire: no cookies, no referrer, no option that would change the guard. */
async function send(
  agents: GuardedAgents,
  url: URL,
  init: BoundedRequest,
  signal: AbortSignal,
): Promise<UndiciResponse> {
  const { body, type } = await readRequestBody(init.body)
  if (type !== null && !init.headers.has('content-type')) init.headers.set('content-type', type)
  return undiciFetch(url, {
    method: init.method,
    headers: [...init.headers],
    body,
    signal,
    redirect: 'manual',
    dispatcher: url.protocol === 'http:' ? agents.http : agents.https,
  })
}

/**
 * The body as bytes, with the content type it has of itself. The platform's FormData and streams are not those of the
 * undici package, and bytes have a known length.
 */
async function readRequestBody(
  body: RequestInit['body'],
): Promise<{ body: Uint8Array | null; type: string | null }> {
  if (body === undefined || body === null) return { body: null, type: null }
  const carrier = new Response(body)
  return { body: new Uint8Array(await carrier.arrayBuffer()), type: carrier.headers.get('content-type') }
}

/** Method and headers. The platform's error about a bad header quotes its value, so it is dropped. */
function checkRequest(init: GuardedRequest): { method: string; headers: Headers } {
  const method = (init.method ?? 'GET').toUpperCase()
  const hasBody = init.body !== undefined && init.body !== null
  if (!methods.has(method) || (hasBody && (method === 'GET' || method === 'HEAD'))) {
    throw new AuthFlowError(
      'invalid_input',
      'The method of an outgoing request is unknown, or takes no body.',
    )
  }
  try {
    const headers = new Headers(init.headers)
    if (!headers.has('user-agent')) headers.set('user-agent', 'authflow')
    return { method, headers }
  } catch {
    throw new AuthFlowError('invalid_input', 'A header of an outgoing request has an invalid name or value.')
  }
}

/** The platform's own Response, complete: what described the encoded body no longer holds. */
function settle(answer: UndiciResponse, url: URL, body: Uint8Array<ArrayBuffer>): Response {
  const headers = new Headers([...answer.headers])
  for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) headers.delete(name)
  const response = new Response(bodilessStatuses.has(answer.status) ? null : body, {
    status: answer.status,
    statusText: answer.statusText,
    headers,
  })
  // SDKs read it; the constructor leaves it empty.
  Object.defineProperty(response, 'url', { value: url.href })
  return response
}

function bound(option: string, value: number, limit: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= limit) return value
  throw new AuthFlowError('invalid_option', `\`${option}\` must be a whole number from 1 to ${limit}.`, {
    details: { option, limit },
  })
}

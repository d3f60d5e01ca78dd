// Whether a request may use development mode: every condition must hold.

import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import { isLoopbackHost } from '../net/url-guard.ts'
import { isLoopbackOrigin } from './origins.ts'

/** Set by proxies, tunnels and CDNs: with any of them, the loopback peer is not where the request comes from. */
const forwardingHeaders =
  /^(?:forwarded|via|x-forwarded-.*|x-real-ip|x-original-.*|true-client-ip|cf-.*|ngrok-.*)$/

/** A socket that listens on all interfaces sees IPv4 peers as `::ffff:127.0.0.1`. */
const isLoopbackPeer = (address: string): boolean =>
  isLoopbackHost(address.replace(/^::ffff:(?=[\d.]+$)/i, ''))

/** True when nothing about the request points beyond this machine and the process is not in production. */
export function isDeveloper({ req }: Context, baseUrl: URL): boolean {
  const { origin } = req.headers
  return (
    process.env['NODE_ENV'] !== 'production' &&
    isLoopbackHost(baseUrl.hostname) &&
    isLocalRequest(req) &&
    (origin === undefined || isLoopbackOrigin(origin))
  )
}

/**
 * True when the request comes from this machine by one of its own names, and nothing stands between: another name would
 * be a page's whose name was pointed here, and behind a proxy or tunnel every peer is local.
 */
export function isLocalRequest({ headers, socket }: IncomingMessage): boolean {
  const host = `http://${headers.host ?? ''}`
  return (
    isLoopbackPeer(socket.remoteAddress ?? '') &&
    URL.canParse(host) &&
    isLoopbackHost(new URL(host).hostname) &&
    !Object.keys(headers).some((name) => forwardingHeaders.test(name))
  )
}

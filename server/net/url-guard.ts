// Which URLs an outgoing request may name, judged before anything is resolved or connected.

import { isIP } from 'node:net'
import { AuthFlowError } from '../../shared/errors.ts'
import { judgeAddress } from './address-guard.ts'

/** Longest URL that is looked at, and longest DNS name (RFC 1035 §2.3.4). */
const maxUrlLength = 8192
const maxHostLength = 253

/** Ports below this belong to system services; of those only the web's own are used. */
const firstFreePort = 1024
const webPorts = new Set([80, 443])
/** From there up, ports of other protocols that a request could be made to speak (WHATWG fetch, "bad port"). */
const foreignPorts = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697,
  10080,
])

/**
 * The URL, parsed, if a request may go there as far as its text tells: https to a public host, or with `allowLoopback`
 * also http and https to this machine. Names still have to pass the lookup.
 *
 * @throws {@link AuthFlowError} `blocked_host`, without the URL, which may hold a secret
 */
export function checkUrl(input: string | URL, allowLoopback: boolean): URL {
  const url = parse(input)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw blocked('Only https URLs are allowed.')
  if (url.username !== '' || url.password !== '')
    throw blocked('A URL with a user name or password is not allowed.')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (host === '' || host.length > maxHostLength) throw blocked('The URL has no valid host.')

  const loopback = isLoopbackHost(host)
  if (loopback && !allowLoopback) throw blocked(`${host} is this machine, which is not allowed.`)
  if (url.protocol === 'http:' && !loopback) throw blocked(`${host} must be reached by https.`)
  if (!loopback && isIP(host) !== 0 && judgeAddress(host) !== 'public')
    throw blocked(`${host} is not a public address.`)
  if (url.port !== '' && !isWebPort(Number(url.port)))
    throw blocked(`Port ${url.port} of ${host} is not allowed.`)
  return url
}

const isWebPort = (port: number): boolean =>
  webPorts.has(port) || (port >= firstFreePort && !foreignPorts.has(port))

/** True when a URL's host means this machine by its text alone: a loopback address, `localhost`, `*.localhost`. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$|\.$/g, '').toLowerCase()
  return host === 'localhost' || host.endsWith('.localhost') || judgeAddress(host) === 'loopback'
}

/** A copy: the caller may change its own while the request waits. The parser's error is dropped, it holds the text. */
function parse(input: string | URL): URL {
  const text = String(input)
  if (text.length <= maxUrlLength && URL.canParse(text)) return new URL(text)
  throw blocked('The URL is not a valid absolute one.')
}

const blocked = (message: string): AuthFlowError => new AuthFlowError('blocked_host', message)

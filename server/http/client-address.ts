// Where a request comes from. Forwarding headers count only as far as the host vouches for who wrote them: everybody can
// send one.

import type { IncomingMessage } from 'node:http'
import ipaddr from 'ipaddr.js'
import { AuthFlowError } from '../../shared/errors.ts'

/**
 * Proxies before the server. A number: so many, each of which adds the address it was reached from. A list: their
 * addresses or networks (`10.0.0.0/8`, `::1`).
 */
export type TrustedProxies = number | readonly string[]

/** Finds out who sent a request. */
export interface ClientAddress {
  /** The address, IPv4 ones in their own form; `unknown` when the connection is gone. */
  of(req: IncomingMessage): string
  /** False where a proxy that the host did not name may stand for many clients. */
  isOneClient(req: IncomingMessage): boolean
}

/** More hops than this are not believed. */
const longestChain = 32

/** Makes it from the option. Throws `invalid_option` naming `trustedProxies`. */
export function readTrustedProxies(option: TrustedProxies = 0): ClientAddress {
  const isTrusted = typeof option === 'number' ? byCount(option) : byNetwork(option)
  const nobody = option === 0 || (typeof option === 'object' && option.length === 0)
  return {
    isOneClient: ({ headers }) =>
      !nobody || (headers['x-forwarded-for'] === undefined && headers.forwarded === undefined),
    of({ socket, headers }) {
      const peer = normalise(socket.remoteAddress ?? '')
      if (peer === undefined) return 'unknown'
      let client = peer
      // From the nearest hop outwards: each address was written by the one after it.
      const chain = nobody ? [] : forwardedFor(headers['x-forwarded-for'])
      for (const [hop, text] of chain.entries()) {
        if (!isTrusted(client, hop)) break
        const address = normalise(text)
        if (address === undefined) break
        client = address
      }
      return client
    },
  }
}

function byCount(count: number): (address: string, hop: number) => boolean {
  if (!Number.isInteger(count) || count < 0 || count > longestChain) {
    throw invalid(`a whole number from 0 to ${longestChain}`)
  }
  return (_address, hop) => hop < count
}

function byNetwork(list: readonly string[]): (address: string) => boolean {
  const networks = list.map(parseNetwork)
  return (address) => {
    const parsed = ipaddr.parse(address)
    return networks.some(([network, bits]) => parsed.kind() === network.kind() && parsed.match(network, bits))
  }
}

function parseNetwork(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text)
  const address = normalise(text)
  if (address === undefined) throw invalid('a number, or a list of addresses and networks such as 10.0.0.0/8')
  const parsed = ipaddr.parse(address)
  return [parsed, parsed.kind() === 'ipv4' ? 32 : 128]
}

/** The nearest hop first. */
function forwardedFor(header: string | string[] | undefined): string[] {
  const text = typeof header === 'string' ? header : (header ?? []).join(',')
  return text.split(',').slice(-longestChain).toReversed()
}

/** One text for one address, with neither port nor brackets nor zone; undefined for what is none. */
function normalise(text: string): string | undefined {
  const bare = text
    .trim()
    .replace(/^\[([^\]]*)\](?::\d+)?$/, '$1')
    .replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
  if (!ipaddr.IPv4.isValidFourPartDecimal(bare) && !ipaddr.IPv6.isValid(bare)) return undefined
  return ipaddr.process(bare).toString().replace(/%.*$/s, '')
}

const invalid = (expected: string): AuthFlowError =>
  new AuthFlowError('invalid_option', `\`trustedProxies\` must be ${expected}.`, {
    details: { option: 'trustedProxies' },
  })

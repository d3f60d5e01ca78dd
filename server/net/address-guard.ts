// Which IP addresses an outgoing request may reach. A positive rule: an address is public only when it is known to be
// globally routed unicast; everything else is refused, whatever it is called.

import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** `public`: anybody may be reached there. `loopback`: this machine. `refused`: everything else, also what is no address. */
export type AddressVerdict = 'public' | 'loopback' | 'refused'

/** All of today's globally routed IPv6 lies in 2000::/3; the NAT64, mapped, compatible and local ranges lie outside. */
const globalUnicast6 = ipaddr.IPv6.parseCIDR('2000::/3')

/** Public by registry, but answered by the virtualisation host with credentials of the machine (Azure WireServer). */
const metadataAddresses = new Set(['168.63.129.16'])

/**
 * What may be done with an address as `dns.lookup` or a URL's host gives it, without brackets. Text that is not
 * exactly one address is `refused`.
 */
export function judgeAddress(address: string): AddressVerdict {
  switch (isIP(address)) {
    case 4:
      return judge4(ipaddr.IPv4.parse(address))
    case 6:
      // A zone (`fe80::1%eth0`) means a local link.
      return address.includes('%') ? 'refused' : judge6(ipaddr.IPv6.parse(address))
    default:
      return 'refused'
  }
}

function judge4(address: ipaddr.IPv4): AddressVerdict {
  const range = address.range()
  if (range === 'loopback') return 'loopback'
  return range === 'unicast' && !metadataAddresses.has(address.toString()) ? 'public' : 'refused'
}

function judge6(address: ipaddr.IPv6): AddressVerdict {
  const range = address.range()
  if (range === 'loopback') return 'loopback'
  const routed = range === 'unicast' && address.match(globalUnicast6)
  return routed && !isIsatap(address) ? 'public' : 'refused'
}

/** ISATAP (RFC 5214 §6.1) carries an IPv4 address in the interface identifier, under any prefix. */
function isIsatap(address: ipaddr.IPv6): boolean {
  const [high, low] = [address.parts[4] ?? 0, address.parts[5] ?? 0]
  return (high & 0xfdff) === 0 && low === 0x5efe
}

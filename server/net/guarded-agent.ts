// Connections of the guarded fetch. A name is resolved once per connection, every address it has is judged, and the
// socket connects to what was judged: an answer that changes between check and use has no second chance.

import { lookup as systemLookup } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { Agent } from 'undici'
import { AuthFlowError } from '../../shared/errors.ts'
import { judgeAddress, type AddressVerdict } from './address-guard.ts'

/** One address of a host name. */
export interface ResolvedAddress {
  /** Without brackets. */
  readonly address: string
  readonly family: number
}

/** All addresses of a host name. Rejects, or answers none, when the name does not exist. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>

/** The two kinds of connection. */
export interface GuardedAgents {
  /** TLS to public addresses, and to loopback where allowed. */
  readonly https: Agent
  /** Plain connections, to loopback only. */
  readonly http: Agent
  /** Waits for what runs, then closes. */
  close(): Promise<void>
}

/** What the agents connect to. */
export interface AgentOptions {
  readonly allowLoopback?: boolean
  readonly resolve?: Resolve
  /** DNS, TCP and TLS together (default 3,000). */
  readonly connectTimeoutMs?: number
}

/** Simultaneous connections to one origin; more requests wait inside their own timeout. */
const connectionsPerOrigin = 128

/** Agents whose every connection goes to an address that was judged. */
export function createGuardedAgents(options: AgentOptions): GuardedAgents {
  const { resolve = resolveBySystem, connectTimeoutMs = 3000 } = options
  const agent = (allowed: readonly AddressVerdict[]): Agent =>
    new Agent({
      connections: connectionsPerOrigin,
      // undici hands these on to net.connect and tls.connect.
      connect: { timeout: connectTimeoutMs, lookup: guardedLookup(resolve, allowed) },
    })
  const https = agent(options.allowLoopback === true ? ['public', 'loopback'] : ['public'])
  const http = agent(options.allowLoopback === true ? ['loopback'] : [])
  return {
    https,
    http,
    close: async () => {
      await Promise.all([https.close(), http.close()])
    },
  }
}

const resolveBySystem: Resolve = (hostname) => systemLookup(hostname, { all: true, verbatim: true })

/** One refused address refuses the name: an honest provider has none, and a mixed answer is how rebinding looks. */
function guardedLookup(resolve: Resolve, allowed: readonly AddressVerdict[]): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (found) => {
        const addresses = found.map(({ address, family }) => ({ address, family }))
        const [first] = addresses
        if (!first) return callback(notFound(), '', 0)
        if (addresses.some(({ address }) => !allowed.includes(judgeAddress(address)))) {
          return callback(
            new AuthFlowError('blocked_host', `${hostname} leads to an address that is not public.`),
            '',
            0,
          )
        }
        return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family)
      },
      (error: unknown) => callback(error instanceof Error ? error : notFound(), '', 0),
    )
  }
}

const notFound = (): NodeJS.ErrnoException =>
  Object.assign(new Error('The name has no address'), { code: 'ENOTFOUND' })

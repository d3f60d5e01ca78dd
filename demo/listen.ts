// Listening on loopback only, on IPv4 and, where the machine has it, on IPv6: `localhost` may mean either.

import type { Server } from 'node:http'
import { AuthFlowError } from '../shared/errors.ts'
import { isNodeError } from './node-error.ts'

/**
 * Servers that listen on the port at 127.0.0.1 and ::1.
 *
 * @throws {@link AuthFlowError} `port_in_use`, naming the port and what it was for
 */
export async function listenOnLoopback(
  create: () => Server,
  port: number,
  purpose: string,
): Promise<Server[]> {
  const servers = [await listen(create(), { port, host: '127.0.0.1', purpose })]
  try {
    servers.push(await listen(create(), { port, host: '::1', purpose }))
  } catch (error) {
    if (!isNodeError(error, 'EADDRNOTAVAIL') && !isNodeError(error, 'EAFNOSUPPORT')) throw error
  }
  return servers
}

function listen(server: Server, address: { port: number; host: string; purpose: string }): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(isNodeError(error, 'EADDRINUSE') ? portInUse(address) : error)
    })
    server.listen({ port: address.port, host: address.host, ipv6Only: address.host === '::1' }, () =>
      resolve(server),
    )
  })
}

const portInUse = ({ port, purpose }: { port: number; purpose: string }): AuthFlowError =>
  new AuthFlowError(
    'port_in_use',
    `Port ${port}, wanted for ${purpose}, is taken. Stop what listens there, or choose other ports.`,
  )

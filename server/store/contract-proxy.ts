// A proxy in front of MongoDB for tests. It can lose one answer: the command reaches the server and is done, and the
// connection ends instead of the reply. It can also be away for a while.

import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** A running proxy. */
export interface LossyProxy {
  readonly port: number
  /** The next answer to this command is lost. */
  loseAnswerTo(this: void, command: string): void
  /** True when every announced answer was lost. */
  lost(): boolean
  /** While away, connections end at once. */
  setAway(this: void, away: boolean): void
  close(): Promise<void>
}

/** Starts a proxy on a free port. */
export async function startLossyProxy(host: string, port: number): Promise<LossyProxy> {
  let armed: string | undefined
  const sockets = new Set<Socket>()
  let away = false
  const server = createServer((client) => {
    if (away) {
      client.destroy()
      return
    }
    const upstream = connect(port, host)
    let losing = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => socket.destroy())
    }
    client.on('data', (chunk) => {
      // In BSON a command's name is the first element: its type, then the name and a NUL.
      if (armed !== undefined && chunk.includes(`${armed}\0`, 0, 'latin1')) {
        armed = undefined
        losing = true
      }
      upstream.write(chunk)
    })
    upstream.on('data', (chunk) => {
      if (losing) client.destroy()
      else client.write(chunk)
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    loseAnswerTo(command) {
      armed = command
    },
    lost: () => armed === undefined,
    setAway(next) {
      away = next
      if (away) for (const socket of sockets) socket.destroy()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

// The watch over the driver's watch, with the driver brought to where its check of the server waits for ever.

import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startLossyProxy } from './contract-proxy.ts'
import { openStore } from './open-store.ts'

const serverUrl = process.env['TEST_MONGODB_URL'] ?? ''
const skip = serverUrl === '' && 'TEST_MONGODB_URL is not set: no MongoDB to test with'
const limitMs = 30_000

/** The first socket from now on, which is the one that the driver checks its server with. */
function nextSocket(): Promise<Socket> {
  return new Promise((resolve) => {
    const take = (message: unknown): void => {
      unsubscribe('net.client.socket', take)
      assert.ok(message instanceof Object && 'socket' in message && message.socket instanceof Socket)
      resolve(message.socket)
    }
    subscribe('net.client.socket', take)
  })
}

/** Lets the socket go away in the moment of its second write; resolves then. The first one is the handshake. */
function endInSecondWrite(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const write = socket.write.bind(socket)
    let writes = 0
    socket.write = (chunk: Uint8Array | string): boolean => {
      writes += 1
      if (writes === 1) return write(chunk)
      socket.destroy()
      resolve()
      return false
    }
  })
}

describe('a store on MongoDB whose driver stops checking the server', { skip, timeout: 90_000 }, () => {
  it('works again when that was the first check after it was opened', async () => {
    const target = new URL(serverUrl)
    const proxy = await startLossyProxy(target.hostname, Number(target.port || 27017))
    target.host = `127.0.0.1:${proxy.port}`
    const checking = nextSocket().then(endInSecondWrite)
    const store = await openStore(target.href)
    try {
      await checking
      // The driver takes the server for away, and only a check brings it back.
      proxy.setAway(true)
      assert.equal(await store.ping(), false)
      proxy.setAway(false)
      const end = performance.now() + limitMs
      while (!(await store.ping())) {
        assert.ok(performance.now() < end, `still away after ${limitMs} ms`)
        await delay(100)
      }
    } finally {
      await store.close()
      await proxy.close()
    }
  })
})

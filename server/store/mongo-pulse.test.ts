// The watch over the driver's watch, with the driver brought to where its check of the server waits for ever.

import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startLossyProxy } from './contract-proxy.ts'
import { endInWrite, watchSockets } from './fixtures/hanging-socket.ts'
import { openStore } from './open-store.ts'

const serverUrl = process.env['TEST_MONGODB_URL'] ?? ''
const skip = serverUrl === '' && 'TEST_MONGODB_URL is not set: no MongoDB to test with'
const limitMs = 30_000
/** Writes before the first check. */
const handshake = 1

/** The first socket from now on, which is the one that the driver checks its server with. */
const nextSocket = (): Promise<Socket> =>
  new Promise((resolve) => {
    const stop = watchSockets((socket) => {
      stop()
      resolve(socket)
    })
  })

describe('a store on MongoDB whose driver stops checking the server', { skip, timeout: 90_000 }, () => {
  it('works again when that was the first check after it was opened', async () => {
    const target = new URL(serverUrl)
    const proxy = await startLossyProxy(target.hostname, Number(target.port || 27017))
    target.host = `127.0.0.1:${proxy.port}`
    const checking = nextSocket().then((socket) => endInWrite(socket, handshake))
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

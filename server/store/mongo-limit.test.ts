// The limit on commands, with commands that end in every way.

import assert from 'node:assert/strict'
import { MongoClient } from 'mongodb'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { rejectsWith } from './contract-fixtures.ts'
import { startLossyProxy } from './contract-proxy.ts'
import { endInWrite, watchSockets } from './fixtures/hanging-socket.ts'
import { MongoLimit, withinLimit } from './mongo-limit.ts'
import { heartbeatMs } from './mongo-pulse.ts'
import { openStore } from './open-store.ts'

const serverUrl = process.env['TEST_MONGODB_URL'] ?? ''
const skip = serverUrl === '' && 'TEST_MONGODB_URL is not set: no MongoDB to test with'

const never = new Promise<never>(() => undefined)

describe('withinLimit', () => {
  it('gives what the command gives, and throws what it throws', async () => {
    assert.equal(await withinLimit(() => Promise.resolve(7)), 7)
    const error = new Error('no')
    await assert.rejects(
      withinLimit(() => Promise.reject(error)),
      error,
    )
  })

  it('throws store_unavailable for a command that does not end', () =>
    rejectsWith('store_unavailable', () => withinLimit(() => never, 5)))

  it('takes no notice of an answer that comes too late', async () => {
    const late = setTimeout(20).then(() => {
      throw new Error('late')
    })
    const limited = withinLimit(() => late, 5)
    await rejectsWith('store_unavailable', () => limited)
    await assert.rejects(late)
    await rejectsWith('store_unavailable', () => limited)
  })
})

describe('MongoLimit', () => {
  const nowhere = (): MongoClient => new MongoClient('mongodb://127.0.0.1:1')

  for (const event of ['connectionPoolCleared', 'connectionPoolClosed'] as const)
    it(`gives up what hangs after ${event}, and leaves alone what ends or begins later`, async () => {
      const client = nowhere()
      const { within } = new MongoLimit(client, 40)
      const hung = rejectsWith('store_unavailable', () => within(() => never))
      const slow = within(() => setTimeout(10, 'slow'))
      const failed = within(async () => {
        await setTimeout(10)
        throw new Error('no')
      })
      client.emit(event, Object.create(null))
      const later = within(() => setTimeout(80, 'later'))
      await assert.rejects(failed, /no/)
      assert.equal(await slow, 'slow')
      await hung
      assert.equal(await later, 'later')
    })
})

describe('a store on MongoDB whose command hangs', { skip, timeout: 90_000 }, () => {
  it('gives it up when the connections are lost, and works again', async () => {
    const target = new URL(serverUrl)
    const proxy = await startLossyProxy(target.hostname, Number(target.port || 27017))
    target.host = `127.0.0.1:${proxy.port}`
    const sockets: Socket[] = []
    const stop = watchSockets((socket) => void sockets.push(socket))
    const store = await openStore(target.href)
    stop()
    try {
      // Without the proxy's own, and without the first, which the driver checks its server with.
      const [, ...used] = sockets.filter(({ remotePort }) => remotePort === proxy.port)
      const hangs = Promise.race(used.map((socket) => endInWrite(socket)))
      const stuck = store.acquireLease('limit', 'one', 10_000)
      await hangs
      proxy.setAway(true)
      // Until the driver has seen it.
      await setTimeout(2 * heartbeatMs)
      proxy.setAway(false)
      const patience = setTimeout(30_000, 'still waiting', { ref: false })
      assert.equal(await Promise.race([patience, rejectsWith('store_unavailable', () => stuck)]), undefined)
      assert.equal(await store.ping(), true)
    } finally {
      await store.close()
      await proxy.close()
    }
  })
})

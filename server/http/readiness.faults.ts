// H1: readiness follows a MongoDB that goes away in each of the ways in which networks fail. On SQLite see
// load-and-close.faults.ts.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { startFaultProxy, type FaultMode } from '../store/fixtures/fault-proxy.ts'
import { startTestServer } from './fixtures/test-server.ts'

const mongodb = backends.find(({ name }) => name === 'mongodb')
const ways: readonly FaultMode[] = ['refused', 'blackhole', 'reset']

describe('H1: readiness on MongoDB', { skip: mongodb?.skip, timeout: 900_000 }, () => {
  for (const way of ways) {
    it(`turns while the store is away (${way}), and back`, async () => {
      assert.ok(mongodb)
      const target = mongodb.open() ?? ''
      const { hostname, port } = new URL(target)
      const proxy = await startFaultProxy(hostname, Number(port))
      const proxied = new URL(target)
      proxied.host = `127.0.0.1:${proxy.port}`
      const server = await startTestServer({ options: { store: proxied.href } })
      try {
        await server.client.start()
        const ready = async (): Promise<number> => (await fetch(`${server.url}/readyz`)).status
        const turned = async (status: number): Promise<number> => {
          const since = performance.now()
          await until(`it answers ${status}`, async () => (await ready()) === status, 120_000)
          return Math.round(performance.now() - since)
        }
        assert.equal(await ready(), 200)
        await proxy.setMode(way)
        const lost = await turned(503)
        assert.equal((await fetch(`${server.url}/healthz`)).status, 200)
        await proxy.setMode('open')
        const back = await turned(200)
        const figure = (name: string, value: number): void =>
          printFigure({ requirement: 'H1', name: `${name} (MongoDB, ${way})`, value, unit: 'ms' })
        figure('from the loss of the store to 503', lost)
        figure('from its return to 200', back)
      } finally {
        await proxy.setMode('open')
        await server.close()
        await proxy.close()
        await mongodb.drop(target)
      }
    })
  }
})

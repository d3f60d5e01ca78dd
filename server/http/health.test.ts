import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, beforeEach, describe, it } from 'node:test'
import Koa from 'koa'
import { isAuthFlowError } from '../../shared/errors.ts'
import { Drain } from './drain.ts'
import { createReadiness } from './health.ts'

describe('H1: createReadiness', () => {
  let answer: (ctx: Koa.Context) => Promise<void> = async () => undefined
  const app = new Koa().use(async (ctx) => {
    try {
      await answer(ctx)
    } catch (error) {
      assert(isAuthFlowError(error))
      ctx.status = error.status
      ctx.body = { code: error.code }
    }
  })
  const server = createServer(app.callback())
  let url = ''
  let checks = 0
  beforeEach(() => {
    checks = 0
  })
  before(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    assert(typeof address === 'object' && address)
    url = `http://127.0.0.1:${address.port}/`
  })
  after(() => server.close())

  const statusOf = async (): Promise<number> => (await fetch(url)).status
  const readiness = (check: () => Promise<void>, drain = new Drain()): void => {
    answer = createReadiness(drain, () => {
      checks += 1
      return check()
    })
  }

  it('asks once for many probes', async () => {
    readiness(() => Promise.resolve())
    assert.deepEqual(await Promise.all([statusOf(), statusOf(), statusOf()]), [200, 200, 200])
    assert.equal(checks, 1)
  })

  it('answers 503 for a store that says nothing, at once for those who ask after that, and 200 when it is back', async () => {
    let back = (): void => undefined
    readiness(() => new Promise((resolve) => (back = resolve)))
    assert.equal(await statusOf(), 503)
    assert.deepEqual(await Promise.all([statusOf(), statusOf()]), [503, 503])
    assert.equal(checks, 1)
    back()
    assert.equal(await statusOf(), 200)
  })

  it('answers 503 for a store that fails, and asks it again a moment later', async () => {
    let fail = true
    readiness(() => (fail ? Promise.reject(new Error('gone')) : Promise.resolve()))
    assert.equal(await statusOf(), 503)
    fail = false
    while ((await statusOf()) !== 200) await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(checks, 2)
  })

  it('answers 503 while the server closes, without asking', async () => {
    const drain = new Drain()
    readiness(() => Promise.resolve(), drain)
    drain.begin()
    assert.equal(await statusOf(), 503)
    assert.equal(checks, 0)
  })
})

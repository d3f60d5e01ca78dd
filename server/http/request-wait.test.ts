import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { invokeTrigger } from '../triggers/invoke-trigger.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { post, startTestServer, type TestServer } from './fixtures/test-server.ts'

describe('POST /webhooks/run/<token>', () => {
  let server: TestServer
  const bodies: unknown[] = []
  const addresses: string[] = []

  before(async () => {
    server = await startTestServer({ options: { worker: true } })
    server.client.defineJob({
      id: 'asks',
      name: 'Asks',
      version: '1.0.0',
      trigger: invokeTrigger(),
      run: async (_, io) => {
        bodies.push(await io.waitForRequest('answer', (url) => void addresses.push(url)))
      },
    })
  })
  after(() => server.close())

  /** The address that a new run waits at. */
  async function ask(): Promise<string> {
    const known = addresses.length
    await server.client.invoke('asks', null)
    return until('the address is known', () => addresses[known])
  }

  const heard = (count: number): Promise<unknown> =>
    until('the run goes on', () => (bodies.length >= count ? bodies.at(-1) : undefined))

  const send = (url: string, body: string, type?: string): Promise<Response> =>
    fetch(url, { method: 'POST', body, headers: type === undefined ? {} : { 'content-type': type } })

  it('takes JSON, forms and text', async () => {
    const cases: [string, string, unknown][] = [
      ['{"a":[1]}', 'application/json; charset=utf-8', { a: [1] }],
      ['a=1&b=2&b=3&__proto__=x', 'application/x-www-form-urlencoded', undefined],
      ['plain', 'text/plain', 'plain'],
    ]
    for (const [at, [body, type, expected]] of cases.entries()) {
      const response = await send(await ask(), body, type)
      assert.deepEqual([response.status, await response.json()], [200, { ok: true }])
      const came = await heard(at + 1)
      if (expected !== undefined) assert.deepEqual(came, expected)
      else assert.equal(JSON.stringify(came), '{"a":"1","b":["2","3"],"__proto__":"x"}')
    }
    assert.equal(Object.getPrototypeOf({}), Object.prototype)
  })

  it('refuses what can not be read and goes on waiting', async () => {
    const url = await ask()
    const count = bodies.length
    const refusals = [
      [await post(url, '{'), 400, 'malformed_json'],
      [await post(url, JSON.stringify('x'.repeat(300_000))), 413, 'payload_too_large'],
    ] as const
    for (const [answer, status, code] of refusals)
      assert.deepEqual([answer.status, answer.code], [status, code])
    const get = await fetch(url)
    assert.deepEqual([get.status, get.headers.get('allow')], [405, 'POST'])
    assert.equal((await post(url, '7')).status, 200)
    assert.equal(await heard(count + 1), 7)
    assert.equal((await post(url, '8')).status, 200, 'a repeat gets the same answer')
    assert.equal(bodies.at(-1), 7)
  })

  it('says nothing about other addresses, and reads nothing there', async () => {
    for (const token of ['A'.repeat(43), 'x', '..%2f..', `${'A'.repeat(42)}!`]) {
      const answer = await post(`${server.url}/webhooks/run/${token}`, '{}')
      assert.deepEqual([answer.status, answer.code], [404, 'not_found'], token)
    }
  })

  it('keeps the address out of the log', async () => {
    const token = (await ask()).split('/').at(-1) ?? '?'
    assert.equal(
      server.log.lines.some((line) => line.includes(token)),
      false,
    )
  })
})

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startTestServer, type TestServer } from '../http/fixtures/test-server.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { httpTrigger, type HttpPayload } from './http-trigger.ts'

describe('what a job gets of a request to an httpTrigger', () => {
  let server: TestServer
  const judged: unknown[] = []
  const given: HttpPayload[] = []

  before(async () => {
    server = await startTestServer({ options: { worker: true } })
    server.client.defineJob({
      id: 'take',
      name: 'Take',
      version: '1.0.0',
      trigger: httpTrigger({
        id: 'in',
        verify: ({ query }) => {
          judged.push(query)
          return query?.['key'] === 'good'
        },
      }),
      run: (payload) => void given.push(payload),
    })
    await server.client.start()
  })
  after(() => server.close())

  const send = async (query: string, body: string): Promise<number> => {
    const headers = { authorization: 'Bearer hidden', 'x-own': 'shown' }
    return (await fetch(`${server.url}/webhooks/http/in${query}`, { method: 'POST', headers, body })).status
  }

  it('is the method, the query, the headers and the body', async () => {
    assert.equal(await send('?key=good&page=2&name=%C3%84nn%0A', '{"n":1}'), 200)
    const { headers, ...payload } = await until('the run was started', () => given[0])
    assert.deepEqual(payload, {
      method: 'POST',
      query: { key: 'good', page: '2', name: 'Änn\n' },
      body: { n: 1 },
      text: '{"n":1}',
    })
    assert.equal(headers['x-own'], 'shown')
    assert.equal(headers['authorization'], undefined)
  })

  it('holds the first of several of one name, which is the one that was judged', async () => {
    assert.equal(await send('?key=bad&key=good', '2'), 401)
    assert.equal(await send('?key=good&key=bad&__proto__=x', '3'), 200)
    assert.equal(await send('', '4'), 401)
    await until('the second run was started', () => (given.length === 2 ? true : undefined))
    assert.deepEqual(Object.entries(given[1]?.query ?? {}).sort(), [
      ['__proto__', 'x'],
      ['key', 'good'],
    ])
    assert.deepEqual(judged.at(-1), {})
  })

  it('comes by no other method', async () => {
    const answer = await fetch(`${server.url}/webhooks/http/in?key=good`)
    assert.equal(answer.status, 405)
    assert.equal(given.length, 2)
  })
})

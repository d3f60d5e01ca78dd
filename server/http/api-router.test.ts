import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  callApi,
  connectSlack,
  dig,
  pageOrigin,
  post,
  secretKeys,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

type Key = keyof typeof secretKeys

const one = { integration: 'airtable-customers', accountId: 'nobody' }

/** Each call with the keys that may make it; `admin` may make all. */
const calls: Readonly<Record<string, { readonly input: unknown; readonly keys: readonly Key[] }>> = {
  'auth.get': { input: { id: 'airtable-customers', accountId: 'nobody' }, keys: ['read'] },
  'connectTokens.create': {
    input: { accountId: 'ada', integrations: ['slack-customers'], origins: [pageOrigin] },
    keys: ['create'],
  },
  'connections.list': { input: {}, keys: ['connections'] },
  'connections.get': { input: one, keys: ['connections'] },
  'connections.disconnect': { input: one, keys: ['connections'] },
  'events.send': { input: { event: { name: 'nothing.listens', payload: null } }, keys: ['jobs'] },
  'events.sendMany': { input: { events: [] }, keys: ['jobs'] },
  'jobs.batchInvoke': { input: { job: 'no-such-job', items: [] }, keys: ['jobs'] },
  'events.get': { input: { id: 'no-such-event' }, keys: ['jobs'] },
  'events.cancel': { input: { id: 'no-such-event' }, keys: ['jobs'] },
  'jobs.invoke': { input: { job: 'no-such-job', payload: null }, keys: ['jobs'] },
  'runs.list': { input: {}, keys: ['jobs'] },
  'runs.get': { input: { id: 'no-such-run' }, keys: ['jobs'] },
  'runs.log': { input: { id: 'no-such-run' }, keys: ['jobs'] },
  'runs.replay': { input: { id: 'no-such-run' }, keys: ['jobs'] },
  'runs.resume': { input: { id: 'no-such-run' }, keys: ['jobs'] },
  'runs.cancel': { input: { id: 'no-such-run' }, keys: ['jobs'] },
}

const keyNames: readonly Key[] = ['create', 'read', 'readSlack', 'connections', 'jobs', 'admin']

describe('apiRouter', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer()
    await connectSlack(server)
  })
  after(() => server.close())

  it('checks the scope of every key at every call', async () => {
    for (const [path, { input, keys }] of Object.entries(calls)) {
      for (const name of keyNames) {
        const { code } = await callApi(server, path, { input, key: secretKeys[name] })
        const allowed = name === 'admin' || keys.includes(name)
        assert.equal(code === 'scope_missing', !allowed, `${path} with ${name}: ${code}`)
      }
    }
  })

  it('wants a key that it knows', async () => {
    for (const [path, { input }] of Object.entries(calls)) {
      const without = await callApi(server, path, { input })
      assert.deepEqual([without.status, without.code], [401, 'unauthenticated'])
      const connectToken = await server.token('manage')
      for (const key of [`ctk_sk_${'A'.repeat(43)}`, connectToken, 'x']) {
        const answer = await callApi(server, path, { input, key })
        assert.deepEqual([answer.status, answer.code], [401, 'key_invalid'])
      }
    }
  })

  it('limits auth:read to the integrations of the key', async () => {
    const slack = { id: 'slack-customers', accountId: 'ada' }
    const answer = await callApi(server, 'auth.get', { input: slack, key: secretKeys.readSlack })
    assert.equal(answer.status, 200)
    assert.match(String(dig(answer.body, 'result', 'data', 'accessToken')), /^xoxb-/)
    const other = { id: 'airtable-customers', accountId: 'ada' }
    const refused = await callApi(server, 'auth.get', { input: other, key: secretKeys.readSlack })
    assert.deepEqual([refused.status, refused.code], [403, 'scope_missing'])
  })

  it('keeps credentials out of every cache', async () => {
    const answer = await callApi(server, 'auth.get', {
      input: { id: 'slack-customers', accountId: 'ada' },
      key: secretKeys.read,
    })
    assert.equal(answer.headers.get('cache-control'), 'no-store')
  })

  it('refuses whatever comes from a browser, with any key', async () => {
    const marks: Record<string, string>[] = [
      { origin: pageOrigin },
      { origin: 'null' },
      { 'sec-fetch-site': 'same-origin' },
    ]
    for (const [path, { input }] of Object.entries(calls)) {
      for (const headers of marks) {
        const answer = await callApi(server, path, { input, key: secretKeys.admin, headers })
        assert.deepEqual([answer.status, answer.code], [403, 'secret_key_in_browser'], path)
      }
    }
  })

  it('sends an event once for one id, with its time', async () => {
    const event = {
      name: 'nothing.listens',
      payload: { a: 1 },
      id: 'evt-1',
      timestamp: '2026-01-02T03:04:05.000Z',
    }
    const first = await callApi(server, 'events.send', {
      input: { event, accountId: 'ada' },
      key: secretKeys.jobs,
    })
    const second = await callApi(server, 'events.send', {
      input: { event, accountId: 'ada' },
      key: secretKeys.jobs,
    })
    assert.equal(dig(first.body, 'result', 'data', 'timestamp'), event.timestamp)
    assert.deepEqual(first.body, second.body)
  })

  it('takes event payloads of 256 KB, and nothing nested without end', async () => {
    const large = { event: { name: 'nothing.listens', payload: 'x'.repeat(250_000) } }
    const taken = await callApi(server, 'events.send', { input: large, key: secretKeys.jobs })
    assert.equal(taken.status, 200)
    const deep = `{"event":{"name":"a","payload":${'['.repeat(9_000)}${']'.repeat(9_000)}}}`
    const refused = await post(`${server.url}/api/trpc/events.send`, deep, {
      authorization: `Bearer ${secretKeys.jobs}`,
    })
    assert.deepEqual([refused.status, refused.code], [400, 'invalid_input'])
  })
})

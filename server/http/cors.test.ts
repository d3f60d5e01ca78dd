import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  callPublic,
  dig,
  pageOrigin,
  secretKeys,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

describe('CORS of the public router', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer()
  })
  after(() => server.close())

  const preflight = (origin: string | undefined, path = 'connect/trpc/flows.begin') =>
    fetch(`${server.url}/${path}`, {
      method: 'OPTIONS',
      headers: {
        ...(origin === undefined ? {} : { origin }),
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    })

  it('lets any well-formed https origin ask, and loopback ones while it is on loopback itself', async () => {
    for (const origin of [
      pageOrigin,
      'https://elsewhere.example',
      'http://localhost:5173',
      'http://127.0.0.1:1',
    ]) {
      const response = await preflight(origin)
      assert.equal(response.status, 204)
      assert.equal(response.headers.get('access-control-allow-origin'), origin)
      assert.equal(response.headers.get('access-control-allow-headers'), 'authorization, content-type')
      assert.equal(response.headers.get('access-control-allow-methods'), 'GET, POST')
      assert.match(response.headers.get('vary') ?? '', /Origin/)
      assert.equal(response.headers.get('access-control-allow-credentials'), null)
    }
  })

  it('lets no other origin ask', async () => {
    const refused = [
      ['null', 'origin_opaque'],
      ['http://app.example.com', 'origin_mismatch'],
      ['https://app.example.com/', 'origin_mismatch'],
      ['*', 'origin_mismatch'],
      [undefined, 'origin_missing'],
    ] as const
    for (const [origin, code] of refused) {
      const response = await preflight(origin)
      assert.equal(response.status, 403)
      assert.equal(response.headers.get('access-control-allow-origin'), null)
      assert.equal(dig(await response.json(), 'code'), code)
    }
  })

  it('judges the origin of the call itself, and lets the page read the refusal', async () => {
    const token = await server.token('manage')
    const allowed = await callPublic(server, 'connections.list', { token })
    assert.equal(allowed.status, 200)
    assert.equal(allowed.headers.get('access-control-allow-origin'), pageOrigin)

    const foreign = await callPublic(server, 'connections.list', { token, origin: 'https://evil.example' })
    assert.deepEqual([foreign.status, foreign.code], [403, 'origin_mismatch'])
    assert.equal(foreign.headers.get('access-control-allow-origin'), 'https://evil.example')

    const opaque = await callPublic(server, 'connections.list', { token, origin: 'null' })
    assert.deepEqual([opaque.status, opaque.code], [403, 'origin_opaque'])
    assert.equal(opaque.headers.get('access-control-allow-origin'), null)

    const missing = await callPublic(server, 'connections.list', { token, origin: null })
    assert.deepEqual([missing.status, missing.code], [403, 'origin_missing'])
    for (const { headers } of [allowed, foreign, opaque, missing]) {
      assert.equal(headers.get('access-control-allow-credentials'), null)
      assert.match(headers.get('vary') ?? '', /Origin/)
      assert.equal(headers.get('cache-control'), 'no-store')
    }
  })

  it('serves descriptions to everybody, for caches to keep; not the refusal of one', async () => {
    const describe = (id: string) =>
      fetch(
        `${server.url}/connect/trpc/integrations.describe?input=${encodeURIComponent(JSON.stringify({ integration: id }))}`,
        {
          headers: { origin: 'https://anywhere.example' },
        },
      )
    const found = await describe('slack-customers')
    assert.equal(found.status, 200)
    assert.equal(found.headers.get('access-control-allow-origin'), '*')
    assert.equal(found.headers.get('cache-control'), 'public, max-age=300')
    const text = await found.text()
    assert.match(text, /"name":"Slack"/)
    assert(!text.includes(server.sandbox.slack.client.clientId), 'a client id is nobody’s business')

    const unknown = await describe('nobody')
    assert.equal(unknown.status, 404)
    assert.equal(unknown.headers.get('access-control-allow-origin'), '*')
    assert.equal(unknown.headers.get('cache-control'), 'no-store')
  })

  it('gives the server API no CORS at all', async () => {
    const response = await preflight(pageOrigin, 'api/trpc/auth.get')
    assert.equal(response.status, 403)
    assert.equal(dig(await response.json(), 'code'), 'secret_key_in_browser')
    const call = await fetch(`${server.url}/api/trpc/auth.get`, {
      method: 'POST',
      body: '{}',
      headers: {
        origin: pageOrigin,
        'content-type': 'application/json',
        authorization: `Bearer ${secretKeys.admin}`,
      },
    })
    assert.equal(call.status, 403)
    assert.equal(call.headers.get('access-control-allow-origin'), null)
  })
})

describe('integrations.describe switched off', () => {
  it('is not there', async () => {
    const server = await startTestServer({ options: { describe: false } })
    try {
      const answer = await callPublic(server, 'integrations.describe', {
        input: { integration: 'slack-customers' },
      })
      assert.deepEqual([answer.status, answer.code], [404, 'not_found'])
    } finally {
      await server.close()
    }
  })
})

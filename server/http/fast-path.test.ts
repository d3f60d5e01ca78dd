import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { everyNth } from '../../scripts/case-counts.ts'
import { apiRouter } from './api-router.ts'
import { connectRouter } from './connect-router.ts'
import {
  connectSlack,
  pageOrigin,
  secretKeys,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

interface Mount {
  readonly mount: 'connect' | 'api'
  readonly paths: readonly string[]
}

const mounts: readonly Mount[] = [
  { mount: 'connect', paths: Object.keys(connectRouter._def.procedures) },
  { mount: 'api', paths: Object.keys(apiRouter._def.procedures) },
]

/** Inputs that some procedure or other takes, and some that none does. */
const bodies: readonly string[] = [
  '',
  '{}',
  '{"integration":"slack-customers"}',
  '{"integration":"nobody"}',
  '{"integration":"slack-customers","accountId":"ada"}',
  '{"id":"slack-customers","accountId":"ada"}',
  '{"id":"slack-customers","accountId":""}',
  '{"id":"slack-customers","accountId":"ada","more":1}',
  '{"id":"no-such-run"}',
  '{"flowId":"AAAAAAAAAAAAAAAAAAAAAA"}',
  '{"flows":[{"id":"AAAAAAAAAAAAAAAAAAAAAA","version":0}],"waitMs":0}',
  '{"limit":0}',
  '{"event":{"name":"nothing.listens","payload":{"a":[1]},"id":"one"}}',
  '{"__proto__":{"integration":"slack-customers"}}',
  '{"integration":"slack-customers"',
  'not json',
  '\uFEFF{"integration":"slack-customers"}',
  '"\uD83D"',
]

/** What ends the connection, so that the second of two equal calls finds none. */
const ends: Readonly<Record<string, string>> = {
  connect: '{"integration":"slack-customers"}',
  api: '{"integration":"slack-customers","accountId":"ada"}',
}

describe('createCallHandler', () => {
  let server: TestServer
  let tokens: Record<string, string>

  before(async () => {
    server = await startTestServer()
    await connectSlack(server)
    tokens = {
      connect: await server.token('manage'),
      runs: await server.token('runs'),
      api: secretKeys.admin,
      wrong: 'ctk_sk_wrong',
    }
  })
  after(() => server.close())

  /** The same call both ways: a query, even one that means nothing, takes it off the direct way. */
  async function callTwice(mount: string, path: string, body: string, token: string | undefined) {
    const call = async (query: string) => {
      const response = await fetch(`${server.url}/${mount}/trpc/${path}${query}`, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(mount === 'connect' ? { origin: pageOrigin } : {}),
        },
      })
      const { status, headers } = response
      const pick = (name: string) => headers.get(name)
      return {
        status,
        type: pick('content-type'),
        cache: pick('cache-control'),
        vary: pick('vary')
          ?.split(/, */)
          .map((name) => name.toLowerCase())
          .toSorted(),
        wait: pick('retry-after'),
        cors: pick('access-control-allow-origin'),
        csp: pick('content-security-policy'),
        body: settle(await response.text()),
      }
    }
    return [await call(''), await call('?other')] as const
  }

  for (const { mount, paths } of mounts) {
    for (const [turn, path] of paths.entries()) {
      it(`answers ${mount} ${path} the same directly and through the adapter`, async () => {
        const statuses = new Set<number>()
        // Reads of credentials that were counted before come into the trail within a second.
        if (path === 'audit.list') await sleep(1_500)
        const others = everyNth(3, [tokens['runs'], tokens['wrong'], undefined], turn)
        // In any case one that every procedure refuses.
        const tried = new Set([...everyNth(9, bodies, turn), 'not json'])
        for (const token of [tokens[mount], ...others]) {
          for (const body of token === tokens[mount] ? tried : ['{}']) {
            if (path === 'connections.disconnect' && body.endsWith(ends[mount] ?? '')) continue
            const [direct, adapter] = await callTwice(mount, path, body, token)
            assert.deepEqual(direct, adapter, `${body} with ${token?.slice(0, 7)}`)
            assert.equal(direct.type, 'application/json')
            statuses.add(direct.status)
          }
        }
        assert(statuses.has(400), 'some input must be refused')
      })
    }
  }

  it('answers any text the same on both ways', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (body) => {
        const [direct, adapter] = await callTwice('api', 'auth.get', body, secretKeys.admin)
        assert.deepEqual(direct, adapter)
        assert(direct.status < 500, direct.body)
      }),
      { numRuns: 25 },
    )
  })

  it('answers unknown paths and names of Object.prototype with not_found', async () => {
    for (const mount of ['connect', 'api']) {
      for (const path of [
        'nothing.here',
        '__proto__',
        'constructor',
        'flows.__proto__',
        'flows',
        'hasOwnProperty',
      ]) {
        const [first, second] = await callTwice(mount, path, '{}', tokens[mount])
        assert.deepEqual(first, second)
        assert.equal(first.status, 404)
        assert.match(first.body, /"code":"not_found"/)
      }
    }
  })

  it('answers GET of a query, and refuses GET of a mutation', async () => {
    const input = encodeURIComponent('{"integration":"slack-customers"}')
    const query = await fetch(`${server.url}/connect/trpc/integrations.describe?input=${input}`)
    assert.equal(query.status, 200)
    const mutation = await fetch(`${server.url}/api/trpc/auth.get?input=${input}`)
    assert.equal(mutation.status, 405)
    assert.match(await mutation.text(), /"code":"method_not_allowed"/)
  })

  it('answers a batch of 10 and refuses one of 11', async () => {
    const batch = async (size: number) => {
      const path = Array.from({ length: size }, () => 'connections.get').join(',')
      const calls = Array.from({ length: size }, (_, index) => [
        index,
        { integration: 'slack-customers', accountId: 'ada' },
      ])
      const response = await fetch(`${server.url}/api/trpc/${path}?batch=1`, {
        method: 'POST',
        body: JSON.stringify(Object.fromEntries(calls)),
        headers: { 'content-type': 'application/json', authorization: `Bearer ${secretKeys.admin}` },
      })
      return { status: response.status, body: await response.text() }
    }
    const ten = await batch(10)
    assert.equal(ten.status, 200, ten.body)
    assert.equal(ten.body.match(/"identity"/g)?.length, 10)
    const eleven = await batch(11)
    assert.equal(eleven.status, 400)
    assert.match(eleven.body, /"code":"invalid_input"/)
  })

  it('refuses other content types', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      const response = await fetch(`${server.url}/api/trpc/auth.get`, {
        method: 'POST',
        body: '{"id":"slack-customers","accountId":"ada"}',
        headers: { 'content-type': type, authorization: `Bearer ${secretKeys.admin}` },
      })
      assert.equal(response.status, 400)
      assert.match(await response.text(), /"code":"invalid_input"/)
    }
  })

  it('leaves nothing of the body on the host’s request', async () => {
    const seen: unknown[] = []
    const host = await startTestServer({
      mount: (client) => {
        const handle = client.callback()
        return (req, res) => {
          res.once('close', () => setImmediate(() => seen.push('body' in req)))
          handle(req, res)
        }
      },
    })
    try {
      for (const query of ['', '?other']) {
        await fetch(`${host.url}/connect/trpc/flows.submit${query}`, {
          method: 'POST',
          body: '{"values":{"apiKey":"canary"}}',
          headers: { 'content-type': 'application/json', connection: 'close' },
        })
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.deepEqual(seen, [false, false])
    } finally {
      await host.close()
    }
  })
})

/** Random parts of an answer, and instants that move on, brought to one form. */
function settle(text: string): string {
  return text
    .replace(/ctk_ct_[\w-]{43}/g, 'token')
    .replace(/"(expiresAt|updatedAt|createdAt|timestamp)":"[^"]*"/g, '"$1":"instant"')
}

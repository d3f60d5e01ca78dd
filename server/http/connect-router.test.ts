import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { randomText } from '../../shared/ids.ts'
import { withEnvironment } from '../fixtures/with-environment.ts'
import {
  callPublic,
  connectSlack,
  dig,
  pageOrigin,
  prepareFlow,
  readAnswer,
  secretKeys,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

const slack = { integration: 'slack-customers' }

describe('connectRouter', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer()
  })
  after(() => server.close())

  it('takes a flow from begin to done; the poll that waits is told', async () => {
    const { token, flowId, answer } = await connectSlack(server)
    assert.equal(answer.status, 200)
    const watched = await callPublic(server, 'flows.watch', {
      token,
      input: { flows: [{ id: flowId, version: 0 }], waitMs: 0 },
    })
    const flow = dig(watched.body, 'result', 'data', '0')
    assert.equal(dig(flow, 'stage'), 'done')
    assert.equal(dig(flow, 'connection', 'accountId'), 'ada')
    assert.doesNotMatch(JSON.stringify(watched.body), /xox|access_?token/i)
  })

  it('answers a held poll when the flow changes', async () => {
    const { token, flowId } = await prepareFlow(server, 'slack-customers', 'grace')
    const before = await callPublic(server, 'flows.watch', {
      token,
      input: { flows: [{ id: flowId, version: 0 }], waitMs: 0 },
    })
    const version = dig(before.body, 'result', 'data', '0', 'version')
    const poll = callPublic(server, 'flows.watch', {
      token,
      input: { flows: [{ id: flowId, version }], waitMs: 20_000 },
    })
    await callPublic(server, 'flows.cancel', { token, input: { flowId } })
    assert.equal(dig((await poll).body, 'result', 'data', '0', 'stage'), 'cancelled')
  })

  it('wants the right token for everything but the description', async () => {
    const calls = {
      'flows.begin': { flowId: randomText(22), ...slack },
      'flows.submit': { flowId: randomText(22), version: 1, method: 'oauth2', values: {} },
      'flows.watch': { flows: [{ id: randomText(22), version: 0 }], waitMs: 0 },
      'flows.options': { flowId: randomText(22), field: 'channel' },
      'flows.cancel': { flowId: randomText(22) },
      'connections.list': undefined,
      'connections.disconnect': slack,
      'runs.list': {},
      'runs.get': { id: 'run' },
      'runs.statuses': { id: 'run' },
    }
    const tokens = [
      [undefined, 'unauthenticated'],
      [`ctk_ct_${'A'.repeat(43)}`, 'token_invalid'],
      [secretKeys.admin, 'token_invalid'],
    ] as const
    for (const [path, input] of Object.entries(calls)) {
      for (const [token, code] of tokens) {
        const answer = await callPublic(server, path, { input, ...(token === undefined ? {} : { token }) })
        assert.deepEqual([answer.status, answer.code], [401, code], path)
      }
    }
  })

  it('keeps purposes apart', async () => {
    const calls = [
      ['connections.list', undefined, 'manage'],
      ['connections.disconnect', { integration: 'airtable-customers' }, 'manage'],
      ['runs.list', {}, 'runs'],
      ['flows.begin', { flowId: randomText(22), ...slack }, 'create'],
    ] as const
    for (const [path, input, right] of calls) {
      for (const purpose of ['create', 'manage', 'runs'] as const) {
        if (purpose === right) continue
        const token = await server.token(purpose, { accountId: 'purposes' })
        const answer = await callPublic(server, path, { token, input })
        assert.deepEqual(
          [answer.status, answer.code],
          [403, 'purpose_not_allowed'],
          `${path} with ${purpose}`,
        )
      }
    }
  })

  it('tells a page that its account is not the token’s', async () => {
    const token = await server.token('create', { accountId: 'mallory' })
    const answer = await callPublic(server, 'flows.begin', {
      token,
      input: { flowId: randomText(22), ...slack, accountId: 'ada' },
    })
    assert.deepEqual([answer.status, answer.code], [403, 'account_mismatch'])
  })

  it('names the field of a wrong input and repeats no value', async () => {
    const token = await server.token()
    const wrong = [
      [{ flowId: 'short-canary', ...slack }, /^flowId: /],
      [{ flowId: randomText(22), integration: 'a/b' }, /^integration: /],
      [{ flowId: randomText(22), ...slack, accountId: 'ä'.repeat(200) }, /^accountId: /],
      [{ flowId: randomText(22), ...slack, accountId: '\uD83D' }, /^accountId: /],
      [{ flowId: randomText(22), ...slack, admin: true }, /^input: .*admin/],
      [undefined, /^input: /],
    ] as const
    for (const [input, message] of wrong) {
      const answer = await callPublic(server, 'flows.begin', { token, input })
      assert.deepEqual([answer.status, answer.code], [400, 'invalid_input'])
      const text = String(dig(answer.body, 'error', 'data', 'authflow', 'message'))
      assert.match(text, message)
      assert.doesNotMatch(text, /canary/)
    }
  })

  it('shows an account its own connections only', async () => {
    await connectSlack(server, 'linus')
    const own = await callPublic(server, 'connections.list', {
      token: await server.token('manage', { accountId: 'linus' }),
    })
    assert.equal(dig(own.body, 'result', 'data', 'length'), 1)
    const other = await callPublic(server, 'connections.list', {
      token: await server.token('manage', { accountId: 'eve' }),
    })
    assert.deepEqual(dig(other.body, 'result', 'data'), [])
  })
})

describe('connectTokens.create of the public router', () => {
  const input = { accountId: 'ada', integrations: ['slack-customers'], origins: ['http://localhost:5173'] }

  it('is closed outside development mode', async () => {
    const server = await startTestServer()
    try {
      const answer = await callPublic(server, 'connectTokens.create', {
        input,
        origin: 'http://localhost:5173',
      })
      assert.deepEqual([answer.status, answer.code], [403, 'development_only'])
    } finally {
      await server.close()
    }
  })

  it('needs every condition of development mode', async () => {
    const server = await startTestServer({ options: { development: true } })
    const mint = async (headers: Record<string, string>) => {
      const response = await fetch(`${server.url}/connect/trpc/connectTokens.create`, {
        method: 'POST',
        body: JSON.stringify(input),
        headers: { 'content-type': 'application/json', ...headers },
      })
      return readAnswer(response)
    }
    try {
      for (const headers of [{}, { origin: 'http://localhost:5173' }, { origin: 'http://127.0.0.1:5173' }]) {
        const answer = await mint(headers)
        assert.match(String(dig(answer.body, 'result', 'data', 'token')), /^ctk_ct_/)
      }
      const { port } = await server.client.listen(0)
      const everywhere = { url: server.url.replace(/localhost:\d+/, `127.0.0.1:${port}`) }
      const mapped = await callPublic(everywhere, 'connectTokens.create', { input, origin: null })
      assert.equal(mapped.status, 200, 'an IPv4 peer of a socket for both families')
      const beyond: Record<string, string>[] = [
        { origin: pageOrigin },
        { origin: 'null' },
        { 'x-forwarded-for': '127.0.0.1' },
      ]
      beyond.push(
        { forwarded: 'for=127.0.0.1' },
        { via: '1.1 proxy' },
        { 'x-real-ip': '::1' },
        { 'cf-ray': '1' },
      )
      for (const headers of beyond) {
        const answer = await mint(headers)
        assert.deepEqual([answer.status, answer.code], [403, 'development_only'], JSON.stringify(headers))
      }
      const inProduction = await withEnvironment({ NODE_ENV: 'production' }, () => mint({}))
      assert.equal(inProduction.code, 'development_only')
    } finally {
      await server.close()
    }
  })
})

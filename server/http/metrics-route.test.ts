import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isAuthFlowError } from '../../shared/errors.ts'
import { randomText } from '../../shared/ids.ts'
import { rawRequest } from './fixtures/raw-request.ts'
import { connectSlack, pageOrigin, secretKeys, startTestServer } from './fixtures/test-server.ts'
import { readMetricsAccess } from './metrics-route.ts'

const token = randomText(43)

describe('H3: /metrics', () => {
  it('does not exist unless it was asked for', async () => {
    const server = await startTestServer()
    try {
      assert.equal((await fetch(`${server.url}/metrics`)).status, 404)
      assert.equal((await fetch(`${server.url}/metrics`, { headers: bearer(secretKeys.admin) })).status, 404)
    } finally {
      await server.close()
    }
  })

  it('with `true` answers callers on this machine only', async () => {
    const server = await startTestServer({ options: { metrics: true } })
    try {
      const answer = await fetch(`${server.url}/metrics`)
      assert.equal(answer.status, 200)
      assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
      assert.equal(answer.headers.get('cache-control'), 'no-store')
      assert.match(await answer.text(), /^# TYPE authflow_refreshes_total counter$/m)
      const beyond: Record<string, string>[] = [
        { host: 'metrics.evil.example' },
        { host: 'localhost.evil.example' },
        { 'x-forwarded-for': '127.0.0.1' },
        { forwarded: 'for=127.0.0.1' },
        { 'cf-ray': '1' },
        { origin: 'http://localhost:5173' },
        { origin: pageOrigin },
        { 'sec-fetch-site': 'none' },
      ]
      for (const headers of beyond) {
        const { status, body } = await rawRequest(`${server.url}/metrics`, { headers })
        assert.equal(status, 404, JSON.stringify(headers))
        assert.doesNotMatch(body, /authflow_/)
      }
    } finally {
      await server.close()
    }
  })

  it('with a token answers whoever sends it, from anywhere', async () => {
    const server = await startTestServer({ options: { metrics: { token } } })
    try {
      const remote = { host: 'connect.example.com', 'x-forwarded-for': '203.0.113.7' }
      const answer = await rawRequest(`${server.url}/metrics`, { headers: { ...remote, ...bearer(token) } })
      assert.equal(answer.status, 200)
      for (const headers of [
        {},
        bearer(`${token}x`),
        bearer(secretKeys.admin),
        { authorization: `Basic ${token}` },
      ]) {
        assert.equal((await fetch(`${server.url}/metrics`, { headers })).status, 404)
      }
      const page = { ...bearer(token), origin: pageOrigin }
      assert.equal((await fetch(`${server.url}/metrics`, { headers: page })).status, 404)
      const post = await fetch(`${server.url}/metrics`, { method: 'POST', headers: bearer(token) })
      assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD'])
    } finally {
      await server.close()
    }
  })

  it('tells no account and no secret', async () => {
    const server = await startTestServer({ options: { metrics: true } })
    try {
      const account = `acct-${randomText(22)}`
      const { token: connectToken, cookie } = await connectSlack(server, account)
      await server.client.getAuth({ id: 'slack-customers', accountId: account })
      const text = await (await fetch(`${server.url}/metrics`)).text()
      for (const canary of [account, connectToken, cookie, 'xoxb-', ...Object.values(secretKeys)]) {
        assert(!text.includes(canary))
      }
    } finally {
      await server.close()
    }
  })
})

describe('readMetricsAccess', () => {
  it('is off by default and takes a token that nobody guesses', () => {
    assert.equal(readMetricsAccess(undefined), undefined)
    assert.equal(readMetricsAccess(false), undefined)
    assert.equal(readMetricsAccess(true), true)
    assert.deepEqual(readMetricsAccess({ token }), { token })
  })

  it('names the option that is missing or weak, and not its value', () => {
    const codeOf = (value: string | undefined): string => {
      try {
        readMetricsAccess({ token: value })
        return 'none'
      } catch (error) {
        assert(isAuthFlowError(error))
        assert(value === undefined || value === '' || !error.message.includes(value))
        return error.code
      }
    }
    assert.equal(codeOf(undefined), 'missing_option')
    assert.equal(codeOf(''), 'missing_option')
    for (const weak of ['short', 'x'.repeat(31), `${'x'.repeat(32)} y`, 'ä'.repeat(40), 'x'.repeat(257)]) {
      assert.equal(codeOf(weak), 'invalid_option')
    }
  })
})

const bearer = (value: string): { authorization: string } => ({ authorization: `Bearer ${value}` })

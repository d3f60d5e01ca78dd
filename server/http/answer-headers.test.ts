// H2, C5: the headers of every kind of answer, as they are sent. A new kind of answer belongs in this table.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { randomText } from '../../shared/ids.ts'
import { rawRequest, type RawAnswer, type RawRequest } from './fixtures/raw-request.ts'
import {
  connectSlack,
  pageOrigin,
  prepareFlow,
  secretKeys,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

/** What is the same in every answer. */
const everywhere = {
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
}

const data = { ...everywhere, 'content-security-policy': "default-src 'none';frame-ancestors 'none'" }
const json = { ...data, 'content-type': 'application/json; charset=utf-8' }
const call = { ...data, 'content-type': 'application/json', vary: 'accept, trpc-accept' }
const cors = { 'access-control-allow-origin': pageOrigin }
const publicCall = { ...call, ...cors, vary: 'Origin, accept, trpc-accept' }

/** A page lets nothing run but its own script and style, is in no frame, and is left with no trace of its address. */
const pageOf = (formAction = "'none'"): Record<string, string> => ({
  ...everywhere,
  vary: 'Accept-Language',
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none';script-src 'nonce-N';style-src 'nonce-N';base-uri 'none';form-action ${formAction};frame-ancestors 'none'`,
})

/** Those that say how long, when and over which connection, which Node writes. */
const ofTransport = new Set(['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding'])

function headersOf({ headers }: RawAnswer): Record<string, string> {
  const shown: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (ofTransport.has(name) || value === undefined) continue
    const text = typeof value === 'string' ? value : value.join('\n')
    shown[name] = text.replace(/'nonce-[\w-]{22}'/g, "'nonce-N'")
  }
  // Two writers of the same list; its order means nothing.
  const vary = shown['vary']?.split(/,\s*/)
  if (vary) shown['vary'] = vary.toSorted().join(', ')
  return shown
}

describe('H2: headers of every kind of answer', () => {
  let server: TestServer
  let manage: string
  before(async () => {
    server = await startTestServer({ options: { metrics: true } })
    manage = await server.token('manage')
  })
  after(() => server.close())

  const ask = (path: string, request: RawRequest = {}): Promise<RawAnswer> =>
    rawRequest(`${server.url}${path}`, request)
  const asPage = (path: string, token?: string, body = '{}'): Promise<RawAnswer> =>
    ask(path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        origin: pageOrigin,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body,
    })
  const asBackend = (path: string, body = '{}', key: string = secretKeys.admin): Promise<RawAnswer> =>
    ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body,
    })
  const expect = (answer: RawAnswer, status: number, headers: Record<string, string>): void => {
    assert.deepEqual([answer.status, headersOf(answer)], [status, headers])
  }

  it('of pages: start, outcome, refusals, link', async () => {
    const { token, flowId } = await prepareFlow(server)
    const started = await ask('/connect/start', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: pageOrigin },
      body: new URLSearchParams({ token, flow: flowId, mode: 'popup' }).toString(),
    })
    const cookie = String(started.headers['set-cookie'])
    expect(started, 200, { ...pageOf(), 'set-cookie': cookie })
    assert.match(cookie, /^authflow-[\w-]{22}=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/)
    expect(await ask('/connect/start'), 405, { ...pageOf(), allow: 'POST' })
    expect(await ask(`/connect/link/${randomText(43)}`), 404, pageOf())
    const { url } = await server.client.connectLinks.create({
      accountId: 'grace',
      integration: 'slack-customers',
      returnUrl: `${pageOrigin}/done`,
    })
    // Its button posts back to us, and a form without a referrer would come from an opaque origin.
    expect(await rawRequest(url), 200, { ...pageOf("'self'"), 'referrer-policy': 'same-origin' })
  })

  it('C5: of the callback: done, repeated, made up, posted, by HEAD', async () => {
    const { cookie, callback } = await connectSlack(server, 'callback')
    // Done was the first; the same browser sees it again.
    const again = await rawRequest(callback.href, { headers: { cookie } })
    expect(again, 200, pageOf())
    assert.match(again.body, /history\.replaceState\(null,'',location\.pathname\);window\.close\(\)/)
    assert.doesNotMatch(again.body, /\ssrc=|@import|url\(|<link/)
    expect(await ask('/callback/slack-customers?code=c&state=s'), 400, pageOf())
    expect(await ask('/callback/nobody?code=c&state=s'), 400, pageOf())
    expect(await ask('/callback/slack-customers', { method: 'HEAD' }), 405, {
      ...pageOf(),
      allow: 'GET, POST',
    })
    expect(await ask('/callback/slack-customers', { method: 'POST' }), 400, pageOf())
  })

  it('of calls by pages, directly and through the adapter', async () => {
    for (const query of ['', '?other']) {
      expect(await asPage(`/connect/trpc/connections.list${query}`, manage, ''), 200, publicCall)
      expect(await asPage(`/connect/trpc/connections.list${query}`, undefined, ''), 401, publicCall)
      expect(await asPage(`/connect/trpc/runs.list${query}`, manage), 403, publicCall)
      expect(await asPage(`/connect/trpc/flows.begin${query}`, manage), 400, publicCall)
      expect(await asPage(`/connect/trpc/nothing${query}`, manage), 404, publicCall)
    }
    const input = encodeURIComponent('{"integration":"slack-customers"}')
    const described = await ask(`/connect/trpc/integrations.describe?input=${input}`)
    const open = { ...publicCall, 'access-control-allow-origin': '*' }
    expect(described, 200, { ...open, 'cache-control': 'public, max-age=300' })
  })

  it('C4: of preflights', async () => {
    const preflight = (origin: string, path = '/connect/trpc/flows.begin'): Promise<RawAnswer> =>
      ask(path, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } })
    expect(await preflight(pageOrigin), 204, {
      ...data,
      ...cors,
      'access-control-allow-headers': 'authorization, content-type',
      'access-control-allow-methods': 'GET, POST',
      'access-control-max-age': '600',
      vary: 'Origin',
    })
    expect(await preflight('null'), 403, { ...json, vary: 'Origin' })
    expect(await preflight(pageOrigin, '/api/trpc/auth.get'), 403, json)
  })

  it('of calls by backends, directly and through the adapter', async () => {
    const input = JSON.stringify({ id: 'slack-customers', accountId: 'callback' })
    for (const query of ['', '?other']) {
      expect(await asBackend(`/api/trpc/auth.get${query}`, input), 200, call)
      expect(await asBackend(`/api/trpc/auth.get${query}`, '{'), 400, call)
      expect(await asBackend(`/api/trpc/auth.get${query}`, input, secretKeys.jobs), 403, call)
      expect(await asBackend(`/api/trpc/auth.get${query}`, 'x'.repeat(65_537)), 413, call)
    }
  })

  it('of what programs of the operator ask', async () => {
    expect(await ask('/healthz'), 200, json)
    expect(await ask('/readyz'), 200, json)
    const metrics = await ask('/metrics')
    expect(metrics, 200, { ...data, 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
    expect(await ask('/metrics', { headers: { origin: pageOrigin } }), 404, json)
  })
})

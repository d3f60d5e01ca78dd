// H2, C5: the headers of every kind of answer, as they are sent. A new kind of answer belongs in this table.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { randomText } from '../../shared/ids.ts'
import { createClient } from '../client.ts'
import { integrationOf } from '../connect/fixtures/workbench.ts'
import { listen } from '../oauth/fixtures/listen.ts'
import { oidcMethod } from '../oauth/fixtures/oidc.ts'
import { startServer } from './fixtures/attack-world.ts'
import { enterConnectPage, Jar } from './fixtures/connect-pages.ts'
import { defineOpenJobs, openAddresses, type OpenAddresses } from './fixtures/open-addresses.ts'
import { rawRequest, type RawAnswer, type RawRequest } from './fixtures/raw-request.ts'
import {
  callPublic,
  connectSlack,
  dig,
  locationOf,
  pageOrigin,
  postStart,
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
  'content-language': 'en',
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none';script-src 'nonce-N';style-src 'nonce-N';base-uri 'none';form-action ${formAction};frame-ancestors 'none'`,
})

/** A redirect has nothing to show. */
const redirect = { ...data, 'content-type': 'text/plain; charset=utf-8' }

const flowCookie = /^authflow-[\w-]{22}=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/

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
  let open: OpenAddresses
  let manage: string
  before(async () => {
    // The script of the pages is another test's subject: any file will do.
    const connectPages = { origins: [pageOrigin], script: new URL(import.meta.url) }
    server = await startTestServer({ options: { metrics: true, worker: true, connectPages } })
    open = await openAddresses(server, { ...defineOpenJobs(server.client), count: 1 })
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
    assert.match(cookie, flowCookie)
    expect(await ask('/connect/start'), 405, { ...pageOf(), allow: 'POST' })
    expect(await ask(`/connect/link/${randomText(43)}`), 404, pageOf())
    const { url } = await server.client.connectLinks.create({
      accountId: 'grace',
      integration: 'slack-customers',
      returnUrl: `${pageOrigin}/done`,
    })
    // Its button posts back to us, and a form without a referrer would come from an opaque origin.
    expect(await rawRequest(url), 200, { ...pageOf("'self'"), 'referrer-policy': 'same-origin' })
    const { origin } = new URL(server.url)
    const pressed = await rawRequest(url, { method: 'POST', headers: { origin } })
    expect(pressed, 200, { ...pageOf(), 'set-cookie': String(pressed.headers['set-cookie']) })
    assert.match(String(pressed.headers['set-cookie']), flowCookie)
    expect(await rawRequest(url, { method: 'PUT' }), 405, { ...pageOf(), allow: 'GET, HEAD, POST' })
  })

  it('of connect pages: the link, the way back in, the page, its tokens, its script', async () => {
    const request = { accountId: 'ada', integrations: ['slack-customers'] }
    const urls = { confirmUrl: `${pageOrigin}/connect`, returnUrl: `${pageOrigin}/done` }
    const jar = new Jar()
    const { link } = await enterConnectPage(server, new Jar(), { ...request, ...urls })
    expect(await rawRequest(link), 410, pageOf())
    const { page, ticket } = await enterConnectPage(server, jar, { ...request, ...urls })
    const asked = await rawRequest(open.pageLink)
    const ofPages = /^authflow-page-[\w-]{43}=[\w-]{43}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/
    const [given, host] = [String(asked.headers['set-cookie']), String(asked.headers['location'])]
    expect(asked, 303, { ...redirect, 'set-cookie': given, location: host })
    assert.match(given, ofPages)
    expect(await rawRequest(ticket), 403, pageOf())
    const cookie = [...jar.cookies].map((pair) => pair.join('=')).join('; ')
    const shown = await rawRequest(page, { headers: { cookie } })
    expect(shown, 200, {
      ...pageOf(),
      'content-security-policy': `default-src 'none';script-src 'nonce-N';style-src 'nonce-N';img-src data:;connect-src ${server.url}/connect/;base-uri 'none';form-action ${server.url}/connect/start;frame-ancestors 'none'`,
    })
    expect(await rawRequest(page), 403, pageOf())
    const post = { method: 'POST', body: '{"integration":"slack-customers","purpose":"create"}' }
    const headers = { cookie, origin: new URL(server.url).origin, 'content-type': 'application/json' }
    expect(await rawRequest(`${page}/token`, { ...post, headers }), 200, json)
    expect(
      await rawRequest(`${page}/token`, { ...post, headers: { ...headers, origin: pageOrigin } }),
      403,
      json,
    )
    const [, script = ''] = /src="([^"]+)"/.exec(shown.body) ?? []
    const loaded = await rawRequest(script)
    expect(loaded, 200, {
      ...data,
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': 'text/javascript; charset=utf-8',
      etag: String(loaded.headers['etag']),
      vary: 'Accept-Encoding',
    })
  })

  it('of an outcome that goes back to the page', async () => {
    const { token, flowId } = await prepareFlow(server, 'slack-customers', 'back')
    const form = { token, flow: flowId, mode: 'redirect', return_url: `${pageOrigin}/done` }
    const started = await postStart(server, form)
    const cookie = started.headers
      .getSetCookie()
      .map((line) => line.split(';', 1)[0])
      .join('; ')
    const callback = await server.sandbox.slack.consent(locationOf(await started.text()))
    const answer = await rawRequest(callback.href, { headers: { cookie } })
    expect(answer, 200, pageOf())
    assert.equal(locationOf(answer.body), `${pageOrigin}/done?authflow_flow=${flowId}`)
  })

  it('of webhooks and of requests that runs wait for: taken, refused, nobody’s', async () => {
    const post = (url: string, body = '{}'): Promise<RawAnswer> =>
      rawRequest(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const [wait = ''] = open.waits
    expect(await post(open.endpoint), 200, { ...data, 'content-type': 'text/plain; charset=utf-8' })
    expect(await post(wait), 200, json)
    for (const path of ['none', 'app/none', 'http/none', 'run/none'])
      expect(await post(`${server.url}/webhooks/${path}`), 404, json)
    for (const url of [open.endpoint, wait, `${server.url}/webhooks/none`])
      expect(await rawRequest(url), 405, { ...json, allow: 'POST' })
    expect(await post(open.endpoint, 'x'.repeat(1024 * 1024 + 1)), 413, json)
    expect(await post(open.waits[0] ?? '', '{'), 200, json)
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
    expect(described, 200, {
      ...publicCall,
      'access-control-allow-origin': '*',
      'cache-control': 'public, max-age=300',
      'content-language': 'en',
      vary: 'Accept-Language, Origin, accept, trpc-accept',
    })
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

describe('H2: headers of refusals for now', () => {
  it('say how long to wait, on pages and in data', async () => {
    const server = await startTestServer({ options: { rateLimits: { starts: 1, guesses: 1 } } })
    try {
      const form = async (): Promise<RawAnswer> => {
        const { token, flowId } = await prepareFlow(server)
        return rawRequest(`${server.url}/connect/start`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', origin: pageOrigin },
          body: new URLSearchParams({ token, flow: flowId, mode: 'popup' }).toString(),
        })
      }
      const expectWait = (answer: RawAnswer, headers: Record<string, string>): void => {
        const wait = String(answer.headers['retry-after'])
        assert.deepEqual([answer.status, headersOf(answer)], [429, { ...headers, 'retry-after': wait }])
        assert.match(wait, /^([1-9]|[1-5]\d|60)$/)
      }
      assert.equal((await form()).status, 200)
      expectWait(await form(), pageOf())
      const wrong = (): Promise<RawAnswer> =>
        rawRequest(`${server.url}/connect/trpc/connections.list`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ctk_ct_${randomText(43)}`,
            'content-type': 'application/json',
            origin: pageOrigin,
          },
          body: '',
        })
      assert.equal((await wrong()).status, 401)
      expectWait(await wrong(), publicCall)
      expectWait(await rawRequest(`${server.url}/connect/link/${randomText(43)}`), pageOf())
    } finally {
      await server.close()
    }
  })
})

describe('H2: headers of a server on https', () => {
  const base = 'https://connect.example.com'
  const installUrl = `${pageOrigin}/install`
  const method = oidcMethod('https://idp.example.com')
  const strict = { 'strict-transport-security': 'max-age=31536000' }

  it('keep browsers on https, and cookies from all other hosts', async () => {
    const server = await startServer(base, [
      integrationOf('posted', [{ ...method, responseMode: 'form_post' }]),
      integrationOf('installed', [{ ...method, client: { ...method.client, installUrl } }]),
    ])
    const listening = await listen(() => server.handler)
    const url = listening.origin
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    try {
      const expect = (answer: RawAnswer, status: number, headers: Record<string, string>): void =>
        assert.deepEqual([answer.status, headersOf(answer)], [status, { ...headers, ...strict }])
      expect(await rawRequest(`${url}/healthz`), 200, json)
      const nobody = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }
      expect(await rawRequest(`${url}/api/trpc/runs.list`, nobody), 401, call)
      const install = await rawRequest(`${url}/callback/installed?code=theirs`)
      expect(install, 303, { ...redirect, location: installUrl })

      const api = createClient({ url, secretKey: server.secretKey })
      const asked = { accountId: 'ada', integrations: ['posted'], origins: [pageOrigin] }
      const { token } = await api.connectTokens.create(asked)
      const flowId = randomText(22)
      const input = { flowId, integration: 'posted' }
      const begun = await callPublic({ url }, 'flows.begin', { token, input })
      assert.equal(dig(begun.body, 'result', 'data', 'stage'), 'authorize')
      const started = await rawRequest(`${url}/connect/start`, {
        method: 'POST',
        headers: { ...form, origin: pageOrigin },
        body: new URLSearchParams({ token, flow: flowId, mode: 'popup' }).toString(),
      })
      const cookie = String(started.headers['set-cookie'])
      expect(started, 200, { ...pageOf(), 'set-cookie': cookie })
      assert.match(
        cookie,
        /^__Host-authflow-[\w-]{22}=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
      )
      const state = new URL(locationOf(started.body)).searchParams.get('state') ?? ''
      const body = new URLSearchParams({ code: 'c', state }).toString()
      const posted = await rawRequest(`${url}/callback/posted`, { method: 'POST', headers: form, body })
      const location = String(posted.headers['location'])
      expect(posted, 303, { ...redirect, location })
      assert.ok(location.startsWith(`${base}/callback/posted?authflow_answer=`))
    } finally {
      await listening.close()
      await server.close()
    }
  })
})

// A6: every URL is built from `baseUrl`, whatever a request says about its host.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { everyNth } from '../../scripts/case-counts.ts'
import { printFigure } from '../../scripts/figure.ts'
import { rawRequest } from './fixtures/raw-request.ts'
import {
  locationOf,
  pageOrigin,
  prepareFlow,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

const hosts = [
  'evil.example',
  'evil.example:443',
  'localhost.evil.example',
  'localhost@evil.example',
  'evil.example#localhost',
  'evil.example/auth?',
  'LOCALHOST',
  'localhost.',
  '127.0.0.1',
  '[::1]',
  '0.0.0.0',
  '169.254.169.254',
  'xn--lcalhost-54a',
  '//evil.example',
  '*',
]

/** Fifty ways of claiming another host, one for each request. */
const everyClaim: readonly Record<string, string>[] = [
  ...hosts.map((host) => ({ host })),
  ...hosts.map((host) => ({ 'x-forwarded-host': host, 'x-forwarded-proto': 'https' })),
  ...hosts.map((host) => ({ forwarded: `for=203.0.113.9;host="${host}";proto=https` })),
  { 'x-forwarded-host': 'evil.example, localhost', 'x-forwarded-port': '8443' },
  { 'x-forwarded-server': 'evil.example', 'x-host': 'evil.example' },
  { 'x-original-url': '//evil.example/', 'x-rewrite-url': '//evil.example/' },
  { 'x-forwarded-prefix': '//evil.example', 'x-forwarded-path': '/evil' },
  { host: 'evil.example', 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' },
]

const claims = everyNth(3, everyClaim)

describe('A6: baseUrl alone makes URLs', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer()
  })
  after(() => server.close())

  it('the redirect URI is the same in the authorization and in the token request, whatever is claimed', async () => {
    assert.equal(everyClaim.length, 50)
    const expected = `${server.url}/callback/slack-customers`
    for (const [index, claim] of claims.entries()) {
      const about = JSON.stringify(claim)
      const { token, flowId } = await prepareFlow(server, 'slack-customers', `account-${index}`)
      const started = await rawRequest(`${server.url}/connect/start`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', origin: pageOrigin, ...claim },
        body: new URLSearchParams({ token, flow: flowId, mode: 'popup' }).toString(),
      })
      assert.equal(started.status, 200, about)
      assert.doesNotMatch(started.body, /evil/)
      const location = locationOf(started.body)
      assert.equal(new URL(location).searchParams.get('redirect_uri'), expected, about)
      const [cookie = ''] = [started.headers['set-cookie']].flat()
      assert.match(cookie, /^authflow-[^;]*; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/)
      const callback = await server.sandbox.slack.consent(location)
      const finished = await rawRequest(callback.href, {
        headers: { cookie: cookie.split(';', 1)[0] ?? '', ...claim },
      })
      // The stand-in gives a token only for the very redirect URI that the code was issued to (RFC 6749 section 4.1.3).
      assert.match(finished.body, /<h1>Connected to Slack<\/h1>/, about)
      assert.doesNotMatch(finished.body, /evil/)
    }
    assert.equal(server.sandbox.slack.counts()['POST /api/oauth.v2.access'], claims.length)
    printFigure({
      requirement: 'A6',
      name: 'claimed hosts that changed a redirect URI',
      value: 0,
      unit: `of ${claims.length}`,
    })
  })
})

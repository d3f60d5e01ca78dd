// The callback over HTTP: what is answered to one callback, to its repetitions, and to what nobody asked for (A1).

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import {
  locationOf,
  postStart,
  prepareFlow,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.close())

/** A browser that the provider has just sent back. */
async function returning(account: string): Promise<{ callback: URL; cookie: string }> {
  const { token, flowId } = await prepareFlow(server, 'slack-customers', account)
  const started = await postStart(server, { token, flow: flowId, mode: 'popup' })
  const cookie = started.headers
    .getSetCookie()
    .map((line) => line.split(';', 1)[0])
    .join('; ')
  return { cookie, callback: await server.sandbox.slack.consent(locationOf(await started.text())) }
}

const exchanges = (): number => server.sandbox.slack.counts()['POST /api/oauth.v2.access'] ?? 0

describe('GET /callback/:integration', () => {
  it('works once for a hundred at the same time, and turns away those it does not keep', async () => {
    const earlier = exchanges()
    const { callback, cookie } = await returning('parallel')
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const response = await fetch(callback, { headers: { cookie } })
        return {
          status: response.status,
          wait: response.headers.get('retry-after'),
          html: await response.text(),
        }
      }),
    )
    const connected = answers.filter(({ status }) => status === 200)
    assert.ok(connected.length >= 1)
    for (const { html } of connected) assert.match(html, /<h1>Connected to Slack<\/h1>/)
    for (const { status, wait, html } of answers) {
      if (status === 200) continue
      assert.equal(status, 429)
      assert.ok(Number(wait) >= 1)
      assert.match(html, /<code>rate_limited<\/code>/)
    }
    assert.equal(exchanges() - earlier, 1)
    printFigure({
      requirement: 'A1',
      name: 'token requests for 100 callbacks over HTTP',
      value: exchanges() - earlier,
    })
    const later = await fetch(callback, { headers: { cookie } })
    assert.match(await later.text(), /<h1>Connected to Slack<\/h1>/)
  })

  it('takes no second part of the path where there is none, and none that is no hash', async () => {
    const { callback, cookie } = await returning('path')
    for (const [part, code] of [
      ['A'.repeat(21), 'callback_mismatch'],
      ['A'.repeat(23), 'callback_mismatch'],
      ['..%2fslack-customers', 'callback_mismatch'],
    ] as const) {
      const url = new URL(callback)
      url.pathname += `/${part}`
      const response = await fetch(url, { headers: { cookie } })
      assert.equal(response.status, 400)
      assert.match(await response.text(), new RegExp(`<code>${code}</code>`))
    }
    const earlier = exchanges()
    const url = new URL(callback)
    url.pathname += `/${'A'.repeat(22)}`
    assert.match(await (await fetch(url, { headers: { cookie } })).text(), /<code>callback_mismatch<\/code>/)
    assert.equal(exchanges(), earlier)
  })
})

describe('POST /callback/:integration', () => {
  it('takes forms of providers that were asked to post, and nothing else', async () => {
    const { callback } = await returning('posted')
    const address = callback.origin + callback.pathname
    const form = await fetch(address, { method: 'POST', body: callback.searchParams, redirect: 'manual' })
    assert.equal(form.status, 400)
    assert.match(await form.text(), /<code>state_invalid<\/code>/)
    const json = await fetch(address, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    })
    assert.equal(json.status, 400)
    const large = await fetch(address, {
      method: 'POST',
      body: new URLSearchParams({ state: 'x'.repeat(20_000) }),
    })
    assert.equal(large.status, 413)
    const other = await fetch(address, { method: 'DELETE' })
    assert.deepEqual([other.status, other.headers.get('allow')], [405, 'GET, POST'])
  })
})

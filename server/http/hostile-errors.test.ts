// A14: whatever a provider, or somebody in its name, answers with an error: nothing of it runs, breaks a header or fills
// the page.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import {
  callPublic,
  dig,
  locationOf,
  pageOrigin,
  postStart,
  prepareFlow,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

const markup = `</script><script>alert(1)</script><img src=x onerror=alert(1)>"'&`
const payloads: readonly string[] = [
  markup,
  'access_denied\r\nset-cookie: evil=1\r\n\r\n<html>',
  '\u2028\u2029\u0000\u001b[31m',
  '‮evil',
  `<b>${'x'.repeat(10_000)}`,
  'javascript:alert(1)',
  '{{constructor.constructor("alert(1)")()}}',
  '%0d%0aset-cookie:%20evil=1',
]

describe('A14: errors in the callback', () => {
  let server: TestServer
  let accounts = 0
  before(async () => {
    server = await startTestServer()
  })
  after(() => server.close())

  /** A browser that comes back with the error; and what the page that waits is told. */
  async function comeBackWith(error: string, description: string, mode: 'popup' | 'redirect' = 'popup') {
    const account = `account-${(accounts += 1)}`
    const { token, flowId } = await prepareFlow(server, 'slack-customers', account)
    const form = {
      token,
      flow: flowId,
      mode,
      ...(mode === 'redirect' ? { return_url: `${pageOrigin}/done` } : {}),
    }
    const started = await postStart(server, form)
    const cookie = started.headers.getSetCookie()[0]?.split(';', 1)[0] ?? ''
    const state = new URL(locationOf(await started.text())).searchParams.get('state') ?? ''
    const query = new URLSearchParams({
      error,
      error_description: description,
      error_uri: description.slice(0, 99),
      state,
    })
    const response = await fetch(`${server.url}/callback/slack-customers?${query}`, { headers: { cookie } })
    const watched = await callPublic(server, 'flows.watch', {
      token,
      input: { flows: [{ id: flowId, version: 0 }], waitMs: 0 },
    })
    return { response, html: await response.text(), flow: dig(watched.body, 'result', 'data', '0') }
  }

  const assertHarmless = (response: Response, html: string, sent: string): void => {
    assert.equal(response.headers.get('set-cookie'), null)
    assert.equal(response.headers.get('location'), null)
    assert.match(
      response.headers.get('content-security-policy') ?? '',
      /^default-src 'none';script-src 'nonce-/,
    )
    assert.equal(html.match(/<script/g)?.length, 1)
    assert.equal(html.match(/<\/script>/g)?.length, 1)
    assert.doesNotMatch(html, /<img|<b>|alert\(1\)/)
    assert(sent.length < 8 || !html.includes(sent))
  }

  it('show a page with our words, and tell the page that waits a code', async () => {
    for (const payload of payloads) {
      for (const [error, description] of [
        ['access_denied', payload],
        ['server_error', payload],
        [payload, payload.slice(0, 99)],
      ] as const) {
        const { response, html, flow } = await comeBackWith(error, description)
        assert.equal(response.status, 200)
        assertHarmless(response, html, payload)
        assert(['failed', 'cancelled'].includes(String(dig(flow, 'stage'))))
        const told = JSON.stringify(dig(flow, 'error'))
        assert.doesNotMatch(told, /alert|evil|<b>|\\u001b|constructor/)
        assert(told.length < 600, told)
        assert(String(dig(flow, 'error', 'message')).length <= 256)
        assert(String(dig(flow, 'error', 'details', 'providerCode') ?? '').length <= 64)
      }
    }
  })

  it('go back to the return URL of the token and nowhere else', async () => {
    for (const payload of payloads.slice(0, 4)) {
      const { html } = await comeBackWith(payload, 'no', 'redirect')
      const target = new URL(locationOf(html))
      assert.equal(`${target.origin}${target.pathname}`, `${pageOrigin}/done`)
      assert.deepEqual([...target.searchParams.keys()], ['authflow_flow'])
    }
  })

  it('are as harmless without a flow, whatever stands in the query', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...payloads),
        fc.constantFrom('state', 'code', 'error', 'iss', 'x'),
        async (payload, name) => {
          const query = new URLSearchParams({ state: 's', code: 'c', error: 'e', [name]: payload })
          const response = await fetch(`${server.url}/callback/slack-customers?${query}`)
          assert(response.status >= 400 && response.status < 500)
          assertHarmless(response, await response.text(), payload)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('leave nothing of the provider’s text in the log', () => {
    const text = server.log.lines.join('\n')
    assert.doesNotMatch(text, /alert\(1\)|set-cookie: evil|<b><b>/)
  })
})

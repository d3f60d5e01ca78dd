import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import {
  callApi,
  callPublic,
  connectSlack,
  dig,
  locationOf,
  pageOrigin,
  post,
  postStart,
  prepareFlow,
  secretKeys,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.close())

/** Headers that say something about security or caching. */
function policy(headers: Headers): Record<string, string> {
  const boring = new Set([
    'date',
    'connection',
    'keep-alive',
    'content-length',
    'transfer-encoding',
    'set-cookie',
  ])
  const entries = [...headers].filter(([name]) => !boring.has(name))
  return Object.fromEntries(entries.map(([name, value]) => [name, value.replace(/nonce-[\w-]+/g, 'nonce-N')]))
}

const common = {
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

const page = {
  ...common,
  vary: 'Accept-Language',
  'content-language': 'en',
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none';script-src 'nonce-N';style-src 'nonce-N';base-uri 'none';form-action 'none';frame-ancestors 'none'",
}

const data = { ...common, 'content-security-policy': "default-src 'none';frame-ancestors 'none'" }

describe('headers', () => {
  it('of pages', async () => {
    const { token, flowId } = await prepareFlow(server, 'slack-customers', 'headers')
    const started = await postStart(server, { token, flow: flowId, mode: 'popup' })
    assert.deepEqual(policy(started.headers), page)
    const callback = await fetch(`${server.url}/callback/slack-customers?code=x&state=y`)
    assert.deepEqual(policy(callback.headers), page)
  })

  it('of calls', async () => {
    const api = await callApi(server, 'auth.get', { input: {}, key: secretKeys.admin })
    assert.deepEqual(policy(api.headers), {
      ...data,
      'content-type': 'application/json',
      vary: 'trpc-accept, accept',
    })
    const open = await callPublic(server, 'connections.list', { token: await server.token('manage') })
    assert.deepEqual(policy(open.headers), {
      ...data,
      'content-type': 'application/json',
      'access-control-allow-origin': pageOrigin,
      vary: 'Origin, trpc-accept, accept',
    })
  })

  it('of health', async () => {
    const { headers } = await fetch(`${server.url}/healthz`)
    assert.deepEqual(policy(headers), { ...data, 'content-type': 'application/json; charset=utf-8' })
  })

  it('have HSTS for this host alone where the server is public', async () => {
    const open = await startTestServer({
      options: {
        baseUrl: 'https://connect.example.com/auth',
        integrations: await publicIntegrations(server),
      },
    })
    try {
      const { headers } = await fetch(`${open.url}/healthz`)
      assert.equal(headers.get('strict-transport-security'), 'max-age=31536000')
    } finally {
      await open.close()
    }
  })
})

describe('POST /connect/start', () => {
  it('sets the flow’s cookie and sends the browser on by a page', async () => {
    const { token, flowId } = await prepareFlow(server, 'slack-customers', 'start')
    const response = await postStart(server, { token, flow: flowId, mode: 'popup' })
    assert.equal(response.status, 200)
    const [cookie = ''] = response.headers.getSetCookie()
    assert.match(
      cookie,
      new RegExp(`^authflow-${flowId}=[\\w-]{43}; Max-Age=600; Path=/; HttpOnly; SameSite=Lax$`),
    )
    const location = new URL(locationOf(await response.text()))
    assert.equal(location.origin, new URL(server.sandbox.slack.url).origin)
    assert.equal(location.searchParams.get('redirect_uri'), `${server.url}/callback/slack-customers`)
  })

  it('builds nothing from the Host header or forwarding headers', async () => {
    const { token, flowId } = await prepareFlow(server, 'slack-customers', 'host')
    const response = await postStart(
      server,
      { token, flow: flowId, mode: 'popup' },
      { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', 'x-forwarded-for': '1.2.3.4' },
    )
    const html = await response.text()
    assert.doesNotMatch(html, /evil\.example/)
    assert.equal(
      new URL(locationOf(html)).searchParams.get('redirect_uri'),
      `${server.url}/callback/slack-customers`,
    )
  })

  it('answers other methods with 405 and a page', async () => {
    for (const method of ['GET', 'PUT', 'HEAD']) {
      const response = await fetch(`${server.url}/connect/start`, { method })
      assert.equal(response.status, 405)
      assert.equal(response.headers.get('allow'), 'POST')
      assert.match(response.headers.get('content-type') ?? '', /^text\/html/)
      if (method !== 'HEAD') assert.match(await response.text(), /<code>method_not_allowed<\/code>/)
    }
  })

  it('refuses a foreign, an opaque and a missing origin, each with its code', async () => {
    const { token, flowId } = await prepareFlow(server, 'slack-customers', 'origin')
    const form = { token, flow: flowId, mode: 'popup' }
    for (const [origin, code] of [
      ['https://evil.example', 'origin_mismatch'],
      ['null', 'origin_opaque'],
    ] as const) {
      const response = await postStart(server, form, { origin })
      assert.equal(response.status, 403)
      assert.deepEqual(response.headers.getSetCookie(), [])
      assert.match(await response.text(), new RegExp(`<code>${code}</code>`))
    }
    const missing = await fetch(`${server.url}/connect/start`, {
      method: 'POST',
      body: new URLSearchParams(form),
    })
    assert.equal(missing.status, 403)
    assert.match(await missing.text(), /<code>origin_missing<\/code>/)
  })

  it('refuses other bodies and large ones', async () => {
    const json = await fetch(`${server.url}/connect/start`, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json', origin: pageOrigin },
    })
    assert.equal(json.status, 400)
    const large = await postStart(server, { token: 'x'.repeat(16 * 1024), flow: 'x', mode: 'popup' })
    assert.equal(large.status, 413)
    assert.match(await large.text(), /<code>payload_too_large<\/code>/)
    const more = await postStart(server, { token: 'x', flow: 'A'.repeat(22), mode: 'popup', more: '1' })
    assert.equal(more.status, 400)
  })

  it('keeps to the return URLs of the token', async () => {
    const { token, flowId } = await prepareFlow(server, 'slack-customers', 'return')
    const evil = [
      'https://evil.example/',
      '//evil.example',
      'javascript:alert(1)',
      `${pageOrigin}/done?x`,
      `${pageOrigin}/done/`,
    ]
    for (const url of evil) {
      const response = await postStart(server, { token, flow: flowId, mode: 'redirect', return_url: url })
      assert.equal(response.status, 403, url)
      assert.match(await response.text(), /<code>return_url_not_allowed<\/code>/)
    }
  })
})

describe('GET /callback/:integration', () => {
  it('finishes the flow and shows it; again the same outcome', async () => {
    const { answer, callback, cookie } = await connectSlack(server, 'callback')
    assert.equal(answer.status, 200)
    const html = await answer.text()
    assert.match(html, /<h1>Connected to Slack<\/h1>/)
    assert.doesNotMatch(html, new RegExp(callback.searchParams.get('code') ?? 'no code'))
    const again = await fetch(callback, { headers: { cookie } })
    assert.match(await again.text(), /<h1>Connected to Slack<\/h1>/)
  })

  it('goes back to the page in redirect mode, also when access was denied', async () => {
    const { token, flowId } = await prepareFlow(server, 'slack-customers', 'denied')
    const started = await postStart(server, {
      token,
      flow: flowId,
      mode: 'redirect',
      return_url: `${pageOrigin}/done`,
    })
    const cookie = started.headers
      .getSetCookie()
      .map((line) => line.split(';', 1)[0])
      .join('; ')
    const callback = await server.sandbox.slack.consent(locationOf(await started.text()), {
      decision: 'deny',
    })
    const html = await (await fetch(callback, { headers: { cookie } })).text()
    assert.equal(locationOf(html), `${pageOrigin}/done?authflow_flow=${flowId}`)
    assert.match(html, /<code>access_denied<\/code>/)
  })

  it('shows a friendly page with the code to another browser and to made-up answers', async () => {
    const { token, flowId } = await prepareFlow(server, 'slack-customers', 'other-browser')
    const started = await postStart(server, { token, flow: flowId, mode: 'popup' })
    const callback = await server.sandbox.slack.consent(locationOf(await started.text()))
    const shown = await fetch(callback)
    assert.equal(shown.status, 403)
    assert.match(await shown.text(), /started in another browser.*<code>browser_mismatch<\/code>/s)
    for (const query of ['', '?state=x&code=y', `?state=${'A'.repeat(43)}&code=y`, '?state=a&state=b']) {
      const response = await fetch(`${server.url}/callback/slack-customers${query}`)
      assert.equal(response.status, 400)
      assert.match(await response.text(), /<code>state_invalid<\/code>/)
    }
  })

  it('leaves the answer unused by HEAD', async () => {
    const { token, flowId } = await prepareFlow(server, 'slack-customers', 'head')
    const started = await postStart(server, { token, flow: flowId, mode: 'popup' })
    const cookie = started.headers
      .getSetCookie()
      .map((line) => line.split(';', 1)[0])
      .join('; ')
    const callback = await server.sandbox.slack.consent(locationOf(await started.text()))
    const head = await fetch(callback, { method: 'HEAD', headers: { cookie } })
    assert.equal(head.status, 405)
    const html = await (await fetch(callback, { headers: { cookie } })).text()
    assert.match(html, /<h1>Connected to Slack<\/h1>/)
  })
})

describe('bodies of calls', () => {
  it('may have 64 KB, not one byte more', async () => {
    const json = JSON.stringify({ integration: 'x' })
    for (const query of ['', '?other']) {
      const fits = await post(
        `${server.url}/connect/trpc/connections.disconnect${query}`,
        json.padEnd(64 * 1024),
      )
      assert.equal(fits.status, 401)
      const large = await post(
        `${server.url}/connect/trpc/connections.disconnect${query}`,
        json.padEnd(64 * 1024 + 1),
      )
      assert.deepEqual([large.status, large.code], [413, 'payload_too_large'])
      assert.deepEqual(dig(large.body, 'error', 'data', 'authflow', 'details'), { limit: 65_536 })
    }
  })

  it('are not read on when they turn out too large, and the connection serves on', async () => {
    const chunk = new Uint8Array(32 * 1024)
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent++
        if (sent > 20) controller.close()
        else controller.enqueue(chunk)
      },
    })
    const init = { method: 'POST', body, duplex: 'half', headers: { 'content-type': 'application/json' } }
    const response = await fetch(`${server.url}/connect/trpc/connections.list`, init)
    assert.equal(response.status, 413)
    await response.text()
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200)
  })

  it('that are no JSON are malformed_json', async () => {
    for (const text of ['{', '{"a":}', 'undefined', "{'a':1}"]) {
      const answer = await post(`${server.url}/api/trpc/connections.get`, text, {
        authorization: `Bearer ${secretKeys.admin}`,
      })
      assert.deepEqual([answer.status, answer.code], [400, 'malformed_json'])
      assert(!JSON.stringify(answer.body).includes('position'), 'no part of the body in the answer')
    }
  })

  it('that end early cost nothing but their own connection', async () => {
    const { port } = new URL(server.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(
      'POST /auth/connect/trpc/connections.list HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a"',
    )
    await new Promise((resolve) => setTimeout(resolve, 20))
    socket.destroy()
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200)
  })
})

describe('errors', () => {
  it('hold no stack, no path of a file, and no cause', async () => {
    const answers = [
      await callPublic(server, 'flows.begin', { input: { flowId: 1 } }),
      await callApi(server, 'nothing.here', { key: secretKeys.admin }),
      await callApi(server, 'runs.get', { key: secretKeys.admin, input: { id: 'x' } }),
    ]
    for (const { body } of answers) {
      assert.deepEqual(Object.keys(Object(dig(body, 'error', 'data'))).toSorted(), [
        'authflow',
        'code',
        'httpStatus',
      ])
      assert.doesNotMatch(JSON.stringify(body), /stack|node_modules|\.ts/)
    }
  })
})

describe('health', () => {
  it('says that the process answers and that it can work', async () => {
    const healthy = await fetch(`${server.url}/healthz`)
    assert.deepEqual([healthy.status, await healthy.json()], [200, { status: 'ok' }])
    const ready = await fetch(`${server.url}/readyz`)
    assert.deepEqual([ready.status, await ready.json()], [200, { status: 'ready' }])
  })
})

async function publicIntegrations({ sandbox }: TestServer) {
  const { Slack } = await import('../integrations/slack.ts')
  const { Airtable } = await import('../integrations/airtable.ts')
  const slack = new Slack({
    id: 'slack-customers',
    connect: true,
    oauth: { ...sandbox.slack.client, scopes: ['chat:write'] },
  })
  const airtable = new Airtable({
    id: 'airtable-customers',
    connect: true,
    oauth: { ...sandbox.airtable.client, scopes: ['data.records:read'] },
  })
  return [slack, airtable] as const
}

// Links and installs over HTTP: what programs, people and providers get at these addresses.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { AuthFlow } from '../authflow.ts'
import { createClient } from '../client.ts'
import { Shopify } from '../integrations/shopify.ts'
import { Slack } from '../integrations/slack.ts'
import { listen, type Listening } from '../oauth/fixtures/listen.ts'
import {
  encryptionKeys,
  keepLog,
  locationOf,
  secretKeys,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

const returnUrl = 'https://app.example.com/connected'
const integration = 'slack-customers'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.close())

const own = (): { origin: string } => ({ origin: new URL(server.url).origin })
const linkFor = async (accountId: string): Promise<string> =>
  (await server.client.connectLinks.create({ accountId, integration, returnUrl, locale: 'en' })).url

/** A person: presses the button, consents, and comes back. */
async function follow(url: string): Promise<{ flowId: string; html: string; cookie: string; callback: URL }> {
  const started = await fetch(url, { method: 'POST', headers: own() })
  assert.equal(started.status, 200)
  const cookie = started.headers
    .getSetCookie()
    .map((line) => line.split(';', 1)[0])
    .join('; ')
  const callback = await server.sandbox.slack.consent(locationOf(await started.text()))
  const html = await (await fetch(callback, { headers: { cookie } })).text()
  const flowId = new URL(locationOf(html)).searchParams.get('authflow_flow') ?? ''
  return { flowId, html, cookie, callback }
}

describe('GET /connect/link/:token', () => {
  it('shows a button and spends nothing, whoever reads it', async () => {
    const url = await linkFor('scanned')
    for (const method of ['HEAD', 'GET', 'GET', 'HEAD']) {
      const response = await fetch(url, { method, headers: { 'user-agent': 'a link scanner' } })
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('cache-control'), 'no-store')
      assert.equal(response.headers.get('referrer-policy'), 'same-origin')
      assert.match(
        response.headers.get('content-security-policy') ?? '',
        /form-action 'self';frame-ancestors 'none'$/,
      )
      assert.deepEqual(response.headers.getSetCookie(), [])
      if (method === 'HEAD') continue
      const html = await response.text()
      assert.match(html, /<h1>Connect Slack<\/h1>/)
      assert.match(html, /app\.example\.com asks you/)
      assert.match(html, /<form method="post"><button>Continue<\/button><\/form>/)
    }
    assert.match((await follow(url)).html, /<h1>One more step to connect Slack<\/h1>/)
  })

  it('says what is wrong with a link, as a page', async () => {
    const url = await linkFor('once')
    await follow(url)
    for (const [address, status, code] of [
      [url, 410, 'link_used'],
      [url.slice(0, -1), 404, 'link_invalid'],
    ] as const) {
      const response = await fetch(address)
      assert.equal(response.status, status)
      assert.match(
        await response.text(),
        new RegExp(`Ask for a new one.*<code>${code}</code>|ask for a new one.*<code>${code}</code>`, 's'),
      )
    }
    assert.equal((await fetch(url, { method: 'PUT' })).status, 405)
  })

  it('takes the button’s POST from its own page only', async () => {
    const url = await linkFor('forged')
    for (const [headers, code] of [
      [{ origin: 'https://evil.example' }, 'origin_mismatch'],
      [{ origin: 'null' }, 'origin_opaque'],
      [{}, 'origin_missing'],
    ] as const) {
      const response = await fetch(url, { method: 'POST', headers })
      assert.equal(response.status, 403)
      assert.deepEqual(response.headers.getSetCookie(), [])
      assert.match(await response.text(), new RegExp(`<code>${code}</code>`))
    }
  })
})

describe('connections.confirm', () => {
  it('finishes over the server API and in the process, with a key that may make links', async () => {
    const api = createClient({ url: server.url, secretKey: secretKeys.create })
    const { url } = await api.connectLinks.create({ accountId: 'remote', integration, returnUrl })
    const { flowId } = await follow(url)
    await assert.rejects(
      createClient({ url: server.url, secretKey: secretKeys.read }).connections.confirm({
        flowId,
        accountId: 'remote',
      }),
      {
        code: 'scope_missing',
      },
    )
    const connection = await api.connections.confirm({ flowId, accountId: 'remote', actor: 'person-1' })
    assert.deepEqual([connection.accountId, connection.state], ['remote', 'active'])
    await assert.rejects(api.connections.confirm({ flowId, accountId: 'remote' }), { code: 'flow_ended' })

    const other = await follow(await linkFor('local'))
    await assert.rejects(server.client.connections.confirm({ flowId: other.flowId, accountId: 'remote' }), {
      code: 'account_mismatch',
    })
  })

  it('leaves neither the code nor the token of the link in what the page gets', async () => {
    const url = await linkFor('quiet')
    const { html, callback } = await follow(url)
    assert.equal(html.includes(callback.searchParams.get('code') ?? 'none'), false)
    assert.equal(html.includes(url.slice(url.lastIndexOf('/') + 1)), false)
  })
})

describe('a callback that nobody began', () => {
  const page = 'https://app.example.com/install?from=directory'
  const client = { clientId: 'app', clientSecret: 'app-secret' }
  let directory = ''
  let closeServer = async (): Promise<void> => undefined
  let listening: Listening
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'authflow-install-'))
    const oauth = { ...client, scopes: ['chat:write'] }
    listening = await listen((baseUrl) => {
      const installing = new AuthFlow({
        environment: 'test',
        baseUrl,
        store: `sqlite:${join(directory, 'test.db')}`,
        encryptionKeys,
        worker: false,
        logger: keepLog(),
        integrations: [
          new Shopify({ id: 'shopify-customers', connect: true, oauth: { ...oauth, installUrl: page } }),
          new Slack({ id: 'slack-directory', connect: true, oauth: { ...oauth, installUrl: page } }),
          new Slack({ id: integration, connect: true, oauth }),
        ],
      })
      closeServer = () => installing.close()
      return installing.callback()
    })
  })
  after(async () => {
    await closeServer()
    await listening.close()
    await rm(directory, { recursive: true, force: true })
  })

  const visit = (path: string): Promise<Response> =>
    fetch(`${listening.origin}/callback/${path}`, { redirect: 'manual' })

  it('goes to the host’s page, without the code it brings', async () => {
    for (const query of ['?code=theirs', '?code=theirs&state=', '', '?error=access_denied']) {
      const response = await visit(`slack-directory${query}`)
      assert.equal(response.status, 303)
      assert.equal(response.headers.get('location'), page)
    }
  })

  it('takes nothing along but what the provider signed', async () => {
    const signed = new URLSearchParams({
      host: 'aG9zdA',
      shop: 'acme.myshopify.com',
      timestamp: '1800000000',
    })
    const hmac = createHmac('sha256', client.clientSecret).update(signed.toString()).digest('hex')
    const good = await visit(`shopify-customers?${signed}&hmac=${hmac}`)
    assert.equal(good.headers.get('location'), `${page}&shop=acme.myshopify.com`)
    signed.set('shop', 'evil.myshopify.com')
    const forged = await visit(`shopify-customers?${signed}&hmac=${hmac}&returnUrl=https://evil.example`)
    assert.equal(forged.status, 400)
    assert.match(await forged.text(), /<code>callback_unverified<\/code>/)
  })

  it('stays an error where no page is configured, and wherever there is a state', async () => {
    for (const path of [`${integration}?code=x`, 'slack-directory?code=x&state=y', 'nobody?code=x']) {
      const response = await visit(path)
      assert.equal(response.headers.get('location'), null)
      assert.ok(response.status === 400 || response.status === 404, path)
    }
  })
})

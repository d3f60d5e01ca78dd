// Connect pages over HTTP: the link, the way there, the page, its tokens and its script.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { randomText } from '../../shared/ids.ts'
import { createClient } from '../client.ts'
import type { ConnectPageRequest } from '../connect/connect.ts'
import { Jar, redirectOf as locationOf, visitOf } from './fixtures/connect-pages.ts'
import { expectCode, startPageServer } from './fixtures/page-server.ts'
import { rawRequest } from './fixtures/raw-request.ts'
import { callPublic, pageOrigin, secretKeys, startTestServer } from './fixtures/test-server.ts'

const pages = await startPageServer()
const { server, request, create, open, confirm, enter, askToken } = pages
after(() => pages.close())

describe('connectPages.create', () => {
  it('leads to nobody but the host, and shows nothing that is not there', async () => {
    const faults: [Partial<ConnectPageRequest>, string][] = [
      [{ returnUrl: 'https://evil.example/' }, 'return_url_not_allowed'],
      [{ confirmUrl: 'https://evil.example/' }, 'return_url_not_allowed'],
      [{ returnUrl: `${pageOrigin}.evil.example/` }, 'return_url_not_allowed'],
      [{ returnUrl: 'https://app.example.com:8443/' }, 'return_url_not_allowed'],
      [{ returnUrl: 'https://app.example.com@evil.example/' }, 'invalid_input'],
      [{ returnUrl: '//app.example.com/' }, 'invalid_input'],
      [{ confirmUrl: 'javascript:alert(1)' }, 'invalid_input'],
      [{ accountId: '' }, 'invalid_input'],
      [{ integrations: [] }, 'invalid_input'],
      [{ integrations: ['nobody'] }, 'unknown_integration'],
      [{ lifetimeMs: 59_999 }, 'invalid_input'],
      [{ lifetimeMs: 7 * 86_400_000 + 1 }, 'invalid_input'],
      [{ purposes: [] }, 'invalid_input'],
    ]
    for (const [more, code] of faults) await assert.rejects(create(more), { code }, JSON.stringify(more))
  })

  it('needs the host’s origins to be configured', async () => {
    const bare = await startTestServer()
    try {
      await assert.rejects(bare.client.connectPages.create(request), { code: 'not_supported' })
      for (const path of ['open/x', 'page/x', 'page/x/enter', 'page/x/token', 'assets/x'])
        assert.equal((await fetch(`${bare.url}/connect/${path}`)).status, 404, path)
    } finally {
      await bare.close()
    }
  })

  it('is the same over the server API', async () => {
    const api = createClient({ url: server.url, secretKey: secretKeys.create })
    const jar = new Jar()
    const visit = await open(jar, (await api.connectPages.create(request)).url)
    await assert.rejects(api.connectPages.confirm({ visit, accountId: 'eve' }), { code: 'account_mismatch' })
    const { url, expiresAt } = await api.connectPages.confirm({ visit, accountId: 'ada' })
    assert.ok(Date.parse(expiresAt) - Date.now() <= 60_000)
    assert.equal((await jar.visit(locationOf(await jar.visit(url)).href)).status, 200)
    const reader = createClient({ url: server.url, secretKey: secretKeys.read })
    await assert.rejects(reader.connectPages.create(request), { code: 'scope_missing' })
    await assert.rejects(reader.connectPages.confirm({ visit, accountId: 'ada' }), { code: 'scope_missing' })
  })
})

describe('the way to a connect page', () => {
  it('goes by the host, and ends at an address without secrets', async () => {
    const jar = new Jar()
    const link = await create()
    const asked = await jar.visit(link)
    const host = locationOf(asked)
    assert.equal(`${host.origin}${host.pathname}`, `${pageOrigin}/integrations`)
    assert.equal(host.searchParams.get('tab'), 'all')
    const ticket = await confirm(visitOf(host))
    const entered = await jar.visit(ticket)
    const page = locationOf(entered)
    assert.equal(page.search + page.hash, '')
    const shown = await jar.visit(page.href)
    assert.equal(shown.status, 200)
    const [cookie = ''] = jar.cookies.values()
    for (const response of [asked, entered, shown]) {
      assert.equal(response.headers.get('cache-control'), 'no-store')
      assert.equal(response.headers.get('referrer-policy'), 'no-referrer')
      const secrets = [link.slice(-43), cookie, new URL(ticket).searchParams.get('ticket') ?? '-']
      const told = `${response.headers.get('location')} ${response === shown ? await shown.clone().text() : ''}`
      for (const secret of secrets) assert.equal(told.includes(secret), false)
    }
    for (const response of [asked, entered]) {
      const [line = ''] = response.headers.getSetCookie()
      assert.match(line, /^authflow-page-[\w-]{43}=[\w-]{43}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/)
    }
  })

  it('gives the browser another cookie once the host has confirmed it', async () => {
    const jar = new Jar()
    const ticket = await confirm(await open(jar, await create()))
    const before = new Jar()
    for (const [name, value] of jar.cookies) before.cookies.set(name, value)
    const page = locationOf(await jar.visit(ticket)).href
    await expectCode(await before.visit(page), 403, 'browser_mismatch')
    assert.equal((await jar.visit(page)).status, 200)
  })

  it('is spent by nobody who only opens the link, however often', async () => {
    const link = await create()
    for (const method of ['HEAD', 'GET', 'GET']) {
      const scanner = await new Jar().visit(link, { method, headers: { 'user-agent': 'a link scanner' } })
      assert.equal(scanner.status, 303)
    }
    const jar = new Jar()
    const [first, again] = [await open(jar, link), await open(jar, link)]
    assert.equal(first, again, 'Back and forth in one browser is one visit')
    assert.equal((await jar.visit(await confirm(first))).status, 303)
  })

  it('takes GET only', async () => {
    const link = await create()
    assert.equal((await fetch(link, { method: 'POST' })).status, 405)
    const jar = new Jar()
    const ticket = await confirm(await open(jar, link))
    assert.equal((await jar.visit(ticket, { method: 'HEAD' })).status, 405)
    const page = locationOf(await jar.visit(ticket)).href
    assert.equal((await jar.visit(page, { method: 'POST' })).status, 405)
    assert.equal((await jar.visit(`${page}/token`)).status, 405)
  })
})

describe('an open connect page', () => {
  it('says who asks, in the language of the link or the browser, and lets only its own script run', async () => {
    const jar = new Jar()
    const page = await enter(jar, { locale: 'de-AT' })
    const response = await jar.visit(page, { headers: { 'accept-language': 'fr' } })
    const html = await response.text()
    assert.match(html, /<html lang="de" dir="ltr">/)
    assert.match(html, /<h1>Verbinden Sie Ihre Konten mit Acme &amp; &lt;Co&gt;<\/h1>/)
    assert.match(html, /<button type="button">Slack verbinden<\/button>/)
    assert.match(html, /href="https:\/\/app\.example\.com\/settings"/)
    const policy = response.headers.get('content-security-policy') ?? ''
    const [, own = ''] = /script-src 'nonce-([\w-]{22})'/.exec(policy) ?? []
    assert.equal(html.split(`nonce="${own}"`).length, 3)
    assert.equal(
      policy,
      `default-src 'none';script-src 'nonce-${own}';style-src 'nonce-${own}';img-src data:;connect-src ${server.url}/connect/;base-uri 'none';form-action ${server.url}/connect/start;frame-ancestors 'none'`,
    )
    const arabic = new Jar()
    const other = await arabic.visit(await enter(arabic), { headers: { 'accept-language': 'ar' } })
    assert.match(await other.text(), /<html lang="ar" dir="rtl">/)
    assert.match(other.headers.get('vary') ?? '', /Accept-Language/)
  })

  it('gives connect tokens for its own account, integrations and purposes, to its own origin', async () => {
    const jar = new Jar()
    const page = await enter(jar, { accountId: 'grace', integrations: ['slack-customers'] })
    const { token } = await (await askToken(jar, page)).json()
    const origin = new URL(server.url).origin
    const begin = (flowId: string, more: object = {}) =>
      callPublic(server, 'flows.begin', {
        token,
        origin,
        input: { flowId, integration: 'slack-customers', ...more },
      })
    assert.equal((await begin(randomText(22), { accountId: 'grace' })).status, 200)
    assert.equal((await begin(randomText(22), { accountId: 'ada' })).code, 'account_mismatch')
    for (const [more, status] of [
      [{ body: { purpose: 'manage' } }, 403],
      [{ body: { purpose: 'runs' } }, 400],
      [{ body: { integration: 'airtable-customers' } }, 403],
      [{ origin: 'https://evil.example' }, 403],
      [{ origin: 'null' }, 403],
    ] as const)
      assert.equal((await askToken(jar, page, more)).status, status, JSON.stringify(more))
    assert.equal((await askToken(new Jar(), page)).status, 403)
    const manager = new Jar()
    const managing = await enter(manager, { accountId: 'grace', purposes: ['manage'] })
    assert.equal((await askToken(manager, managing, { body: { purpose: 'manage' } })).status, 200)
    assert.equal((await askToken(manager, managing)).status, 403)
  })

  it('stops to give tokens to a page that asks for far too many', async () => {
    const jar = new Jar()
    const page = await enter(jar)
    const statuses = new Map<number, number>()
    for (let count = 0; count < 205; count += 1) {
      const { status } = await askToken(jar, page)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
    assert.equal(statuses.get(200), 200)
  })

  it('keeps at most five pages in a browser', async () => {
    const jar = new Jar()
    for (let count = 0; count < 7; count += 1) await enter(jar)
    assert.equal(jar.cookies.size, 5)
  })
})

describe('the script of the connect page', () => {
  it('is kept by browsers for as long as it is the same', async () => {
    const jar = new Jar()
    const html = await (await jar.visit(await enter(jar))).text()
    const [, address = ''] = /src="([^"]+)"/.exec(html) ?? []
    const raw = await fetch(address, { headers: { 'accept-encoding': 'identity' } })
    assert.equal(raw.headers.get('content-type'), 'text/javascript; charset=utf-8')
    assert.equal(raw.headers.get('cache-control'), 'public, max-age=31536000, immutable')
    assert.equal(raw.headers.get('x-content-type-options'), 'nosniff')
    const text = await raw.text()
    const zipped = await fetch(address)
    assert.equal(zipped.headers.get('content-encoding'), 'gzip')
    assert.equal(await zipped.text(), text)
    const etag = raw.headers.get('etag') ?? ''
    assert.equal((await rawRequest(address, { headers: { 'if-none-match': etag } })).status, 304)
    assert.equal((await fetch(`${address}x`)).status, 404)
    assert.equal((await fetch(address, { method: 'POST' })).status, 405)
  })
})

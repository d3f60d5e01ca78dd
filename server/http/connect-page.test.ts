// Connect pages over HTTP: the way there, what it takes, and what every other way there comes to (A2 for people without a
// front end of the host).

import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { randomText } from '../../shared/ids.ts'
import { createClient } from '../client.ts'
import type { ConnectPageRequest } from '../connect/connect.ts'
import type { PageFacts, PageVisit, TokenRecord } from '../connect/records.ts'
import { connectSets, tokenSet } from '../connect/sets.ts'
import { openStore } from '../store/open-store.ts'
import { enterConnectPage, Jar, redirectOf as locationOf, visitOf } from './fixtures/connect-pages.ts'
import { bundlePageScript } from './fixtures/page-files.ts'
import { rawRequest } from './fixtures/raw-request.ts'
import {
  callPublic,
  pageOrigin,
  secretKeys,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

const confirmUrl = `${pageOrigin}/integrations?tab=all`
const returnUrl = `${pageOrigin}/settings`
const integrations = ['slack-customers', 'airtable-customers']

let server: TestServer
let folder = ''
before(async () => {
  const bundled = await bundlePageScript()
  folder = bundled.folder
  server = await startTestServer({
    options: { connectPages: { origins: [pageOrigin], name: 'Acme & <Co>', script: bundled.script } },
  })
})
after(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

const request: ConnectPageRequest = { accountId: 'ada', integrations, confirmUrl, returnUrl }
const create = async (more: Partial<ConnectPageRequest> = {}): Promise<string> =>
  (await server.client.connectPages.create({ ...request, ...more })).url

/** Opens a link; what the host is asked. */
const open = async (jar: Jar, link: string): Promise<string> => visitOf(locationOf(await jar.visit(link)))
const confirm = async (visit: string, accountId = 'ada'): Promise<string> =>
  (await server.client.connectPages.confirm({ visit, accountId })).url

/** Goes the whole way as the right person. */
const enter = async (jar: Jar, more: Partial<ConnectPageRequest> = {}): Promise<string> =>
  (await enterConnectPage(server, jar, { ...request, ...more })).page

const expectCode = async (response: Response, status: number, code: string): Promise<void> => {
  assert.equal(response.status, status)
  assert.match(await response.text(), new RegExp(`<code>${code}</code>`))
}

const askToken = (jar: Jar, page: string, more: { body?: object; origin?: string } = {}): Promise<Response> =>
  jar.visit(`${page}/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: more.origin ?? new URL(server.url).origin },
    body: JSON.stringify({ integration: 'slack-customers', purpose: 'create', ...more.body }),
  })

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

describe('a connect page and whoever should not get there (A2)', () => {
  let refused = 0
  after(() =>
    printFigure({
      requirement: 'A2',
      name: 'ways to the page of another, refused',
      value: `${refused} of 9`,
    }),
  )

  it('a victim who opens the link of an attacker: the host confirms another account', async () => {
    const visit = await open(new Jar(), await create({ accountId: 'mallory' }))
    await assert.rejects(confirm(visit, 'victim'), { code: 'account_mismatch' })
    refused += 1
  })

  it('a victim who is sent where the attacker’s own confirmation leads', async () => {
    const [attacker, victim] = [new Jar(), new Jar()]
    const ticket = await confirm(await open(attacker, await create({ accountId: 'mallory' })), 'mallory')
    await expectCode(await victim.visit(ticket), 403, 'browser_mismatch')
    assert.equal(victim.cookies.size, 0)
    refused += 1
  })

  it('the same victim, whose browser opened the attacker’s link before', async () => {
    const [attacker, victim] = [new Jar(), new Jar()]
    const link = await create({ accountId: 'mallory' })
    await open(victim, link)
    const ticket = await confirm(await open(attacker, link), 'mallory')
    await expectCode(await victim.visit(ticket), 403, 'browser_mismatch')
    refused += 1
  })

  it('a thief of a victim’s link who leads the victim to the confirmation', async () => {
    const [thief, victim] = [new Jar(), new Jar()]
    const ticket = await confirm(await open(thief, await create({ accountId: 'victim' })), 'victim')
    // The host sends the victim's browser on, which has no cookie; the thief's has one and no ticket.
    await expectCode(await victim.visit(ticket), 403, 'browser_mismatch')
    const page = ticket.slice(0, ticket.indexOf('/enter'))
    await expectCode(await thief.visit(page), 403, 'browser_mismatch')
    await expectCode(await thief.visit(`${page}/enter?ticket=${randomText(43)}`), 404, 'link_invalid')
    assert.equal((await askToken(thief, page)).status, 403)
    refused += 1
  })

  it('a link that was forwarded: it does not open for the other, and still does for the one', async () => {
    const link = await create()
    await assert.rejects(confirm(await open(new Jar(), link), 'colleague'), { code: 'account_mismatch' })
    const jar = new Jar()
    assert.equal((await jar.visit(await confirm(await open(jar, link)))).status, 303)
    refused += 1
  })

  it('a link that was used: one browser gets in, once', async () => {
    const link = await create()
    const [first, second] = [new Jar(), new Jar()]
    const [one, two] = [await open(first, link), await open(second, link)]
    const answers = await Promise.allSettled([one, two, one, two].map((visit) => confirm(visit)))
    const tickets = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    assert.equal(tickets.length, 1)
    for (const answer of answers)
      if (answer.status === 'rejected') assert.equal(answer.reason.code, 'link_used')
    const [ticket = ''] = tickets
    const entered = (await Promise.all([first, first, second].map((jar) => jar.visit(ticket)))).map(
      ({ status }) => status,
    )
    assert.ok(entered.filter((status) => status === 303).length <= 1)
    await expectCode(await new Jar().visit(link), 410, 'link_used')
    refused += 1
  })

  it('what is over: the link, the way back from the host, the page', async () => {
    const store = await openStore(server.storeUrl)
    await store.migrate(connectSets, 'test')
    const change = async (id: string, set: (page: PageFacts) => Partial<TokenRecord>): Promise<void> => {
      const record = await store.get(tokenSet, id)
      assert.ok(record?.page)
      await store.update(tokenSet, id, {}, { set: set(record.page) })
    }
    const visited = ({ visit, ...page }: PageFacts, set: Partial<PageVisit>): Partial<TokenRecord> => {
      assert.ok(visit)
      return { page: { ...page, visit: { ...visit, ...set } } }
    }
    try {
      const link = await create()
      const jar = new Jar()
      const visit = await open(jar, link)
      const [id = ''] = visit.split('.')
      await change(id, () => ({ expiresAt: 1 }))
      await expectCode(await jar.visit(link), 410, 'link_expired')
      await assert.rejects(confirm(visit), { code: 'link_expired' })

      const late = new Jar()
      const lateVisit = await open(late, await create())
      const [lateId = ''] = lateVisit.split('.')
      const ticket = await confirm(lateVisit)
      await change(lateId, (page) => visited(page, { enterBy: 1 }))
      await expectCode(await late.visit(ticket), 410, 'confirmation_expired')

      const old = new Jar()
      const page = await enter(old)
      const oldId = page.slice(page.lastIndexOf('/') + 1)
      await change(oldId, (facts) => visited(facts, { endsAt: 1 }))
      await expectCode(await old.visit(page), 410, 'link_expired')
      assert.equal((await askToken(old, page)).status, 410)
    } finally {
      await store.close()
    }
    refused += 1
  })

  it('what was revoked: the link, and the page that it opened', async () => {
    const accountId = 'left'
    const [jar, waiting] = [new Jar(), new Jar()]
    const page = await enter(jar, { accountId })
    const link = await create({ accountId })
    const visit = await open(waiting, link)
    await server.client.connectTokens.revoke({ accountId })
    await expectCode(await waiting.visit(link), 404, 'link_invalid')
    await assert.rejects(confirm(visit, accountId), { code: 'link_invalid' })
    await expectCode(await jar.visit(page), 404, 'link_invalid')
    assert.equal((await askToken(jar, page)).status, 404)
    refused += 1
  })

  it('what is made up', async () => {
    const [one, other] = [randomText(43), randomText(43)]
    for (const visit of ['', '.', one, `${one}.${other}`, `${one}.${other}.${one}`, `__proto__.${one}`])
      await assert.rejects(confirm(visit), { code: 'link_invalid' })
    await expectCode(await fetch(`${server.url}/connect/open/ctk_pg_${one}`), 404, 'link_invalid')
    await expectCode(await fetch(`${server.url}/connect/open/ctk_ct_${one}`), 404, 'link_invalid')
    await expectCode(await fetch(`${server.url}/connect/page/${one}`), 403, 'browser_mismatch')
    const jar = new Jar()
    jar.cookies.set(`authflow-page-${one}`, other)
    await expectCode(await jar.visit(`${server.url}/connect/page/${one}`), 404, 'link_invalid')
    // A link of the other kind and a connect token open no page, and the link of a page is no connect token.
    const { url } = await server.client.connectLinks.create({
      accountId: 'ada',
      integration: 'slack-customers',
      returnUrl,
    })
    const link = url.slice(url.lastIndexOf('/') + 1)
    await expectCode(await fetch(`${server.url}/connect/open/${link}`), 404, 'link_invalid')
    const page = await create()
    const token = page.slice(page.lastIndexOf('/') + 1)
    await expectCode(await fetch(`${server.url}/connect/link/${token}`), 404, 'link_invalid')
    const input = { flowId: randomText(22), integration: 'slack-customers' }
    assert.equal((await callPublic(server, 'flows.begin', { token, input })).code, 'token_invalid')
    refused += 1
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

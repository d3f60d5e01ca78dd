// Cross-user session fixation (requirement A2): an attacker begins, a victim is made to finish. In Chromium, with a
// profile for each, over HTTPS, every part on a site of its own.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { printFigure } from '../../scripts/figure.ts'
import { startWorld, type World } from './fixtures/attack-world.ts'
import { launchChromium, openProfile } from './fixtures/chromium.ts'
import {
  clickConnect,
  codeOn,
  lootCallback,
  lootStart,
  selfPosting,
  signIn,
  waitForState,
  type Loot,
} from './fixtures/people.ts'

let world: World
let browser: Browser
before(async () => {
  ;[world, browser] = await Promise.all([startWorld(), launchChromium()])
})
after(async () => {
  await browser?.close()
  await world?.close()
})

let victim: BrowserContext
let attacker: BrowserContext
let tests = 0
beforeEach(async () => {
  tests += 1
  ;[victim, attacker] = await Promise.all([openProfile(browser), openProfile(browser)])
  world.provider.tokenRequests.authorization_code = 0
  world.evil.pages.clear()
})

afterEach(() => Promise.all([victim.close(), attacker.close()]))

/** What the attacker gets hold of, signed in at the provider as themselves; then the victim is at the keyboard. */
async function loot<T extends Loot>(
  take: (world: World, profile: BrowserContext, account: string) => Promise<T>,
): Promise<T> {
  world.provider.person = 'mallory'
  const taken = await take(world, attacker, `mallory-${tests}`)
  world.provider.person = 'victim'
  return taken
}

/** The victim, signed in at the host, opens an address. */
async function victimOpens(url: string): Promise<Page> {
  const page = await signIn(world, victim, { account: `victim-${tests}` })
  await page.goto(url, { waitUntil: 'commit' })
  return page
}

const evilPage = (html: string, headers: Readonly<Record<string, string>> = {}): string => {
  world.evil.pages.set('/trap', { html, headers })
  return `${world.sites.origin('evil')}/trap`
}

async function expectNothing(): Promise<void> {
  assert.equal(world.provider.tokenRequests.authorization_code, 0)
  const accounts = (await world.connections()).map(({ accountId }) => accountId)
  assert.deepEqual(
    accounts.filter((account) => account.endsWith(`-${tests}`)),
    [],
  )
}

describe('a victim who opens what an attacker began (A2)', () => {
  let refused = 0
  const refuse = async (): Promise<void> => {
    await expectNothing()
    refused += 1
  }
  after(() =>
    printFigure({
      requirement: 'A2',
      name: 'variants without token request and connection',
      value: `${refused} of 6`,
    }),
  )

  it('at the provider: the authorize URL', async () => {
    const { authorizeUrl } = await loot(lootStart)
    const page = await victimOpens(authorizeUrl)
    await page.waitForURL(`${world.base}/callback/**`)
    assert.equal(await codeOn(page), 'browser_mismatch')
    await refuse()
  })

  it('at the start: its URL', async () => {
    const { startForm } = await loot(lootStart)
    const page = await victimOpens(`${world.base}/connect/start?${startForm}`)
    assert.equal(await codeOn(page), 'method_not_allowed')
    await refuse()
  })

  it('with the connect token in the attacker’s page', async () => {
    const { startForm } = await loot(lootStart)
    const page = await victimOpens(evilPage('<h1>A nice page</h1>'))
    const flow = startForm.get('flow')
    const calls = [
      ['flows.begin', { flowId: 'A'.repeat(22), integration: 'crm' }],
      ['flows.submit', { flowId: flow, version: 2, method: 'oauth2', values: {} }],
      ['flows.watch', { flows: [{ id: flow, version: 0 }], waitMs: 0 }],
      ['flows.cancel', { flowId: flow }],
    ] as const
    const codes: unknown[] = []
    for (const [path, input] of calls) {
      const call = { url: `${world.base}/connect/trpc/${path}`, token: startForm.get('token'), input }
      codes.push(
        await page.evaluate(async ({ url, token, input: body }) => {
          const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
          const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
          return (await response.json()).error?.data?.authflow?.code
        }, call),
      )
    }
    assert.equal(codes.length, calls.length)
    assert.deepEqual(new Set(codes), new Set(['origin_mismatch']))
    await refuse()
  })

  it('back from the provider: the callback URL', async () => {
    const { callbackUrl } = await loot(lootCallback)
    const page = await victimOpens(callbackUrl)
    assert.equal(await codeOn(page), 'browser_mismatch')
    assert.equal(page.url(), `${world.base}/callback/crm`, 'code and state are gone from the address')
    await refuse()
  })

  it('through a form that posts itself from the attacker’s page', async () => {
    const { startForm } = await loot(lootStart)
    const page = await victimOpens(evilPage(selfPosting(`${world.base}/connect/start`, startForm)))
    await page.waitForURL(`${world.base}/connect/start`)
    assert.equal(await codeOn(page), 'origin_mismatch')
    assert.deepEqual(await victim.cookies(world.base), [])
    await refuse()
  })

  it('through a form without an origin: a sandboxed frame, a data: URL, a page without referrer', async () => {
    const { startForm } = await loot(lootStart)
    const form = selfPosting(`${world.base}/connect/start`, startForm)
    const frames = [
      `<iframe sandbox="allow-scripts allow-forms" srcdoc='${form.replaceAll("'", '&#39;')}'></iframe>`,
      `<iframe src="data:text/html,${encodeURIComponent(form)}"></iframe>`,
    ]
    const page = await signIn(world, victim, { account: `victim-${tests}` })
    for (const html of frames) {
      const answered = world.sites.nextVisit(({ path }) => path === '/connect/start')
      await page.goto(evilPage(html))
      const { method, status, origin } = await answered
      assert.deepEqual([method, status, origin], ['POST', 403, 'null'])
    }
    await page.goto(evilPage(form, { 'referrer-policy': 'no-referrer' }), { waitUntil: 'commit' })
    await page.waitForURL(`${world.base}/connect/start`)
    assert.equal(await codeOn(page), 'origin_opaque')
    assert.match(await page.locator('main p').innerText(), /hides where it is/)
    await refuse()
  })
})

describe('a victim who opens a link that was made for an attacker', () => {
  const linkFor = async (account: string): Promise<string> => {
    const returnUrl = `${world.sites.origin('host')}/connected`
    return (await world.api.connectLinks.create({ accountId: account, integration: 'crm', returnUrl })).url
  }
  const press = async (page: Page): Promise<string> => {
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.waitForURL(/\/connected\?/)
    return page.locator('body').innerText()
  }

  it('connects nothing, for neither of them', async () => {
    world.provider.person = 'victim'
    const page = await victimOpens(await linkFor(`mallory-${tests}`))
    assert.match(await page.locator('main').innerText(), /app\.host\.test.* asks you to connect your account/)
    assert.equal(await press(page), 'account_mismatch')
    const returned = page.url()
    const own = await signIn(world, attacker, { account: `mallory-${tests}` })
    await own.goto(returned)
    assert.equal(await own.locator('body').innerText(), 'account_mismatch')
    await expectNothing()
  })

  it('connects the account that it was made for, once', async () => {
    world.provider.person = 'victim'
    const url = await linkFor(`victim-${tests}`)
    const page = await victimOpens(url)
    assert.equal(await press(page), 'connected as victim')
    assert.equal(world.provider.tokenRequests.authorization_code, 1)
    await page.reload()
    assert.equal(await page.locator('body').innerText(), 'flow_ended')
    await page.goto(url)
    assert.equal(await codeOn(page), 'link_used')
    assert.equal(world.provider.tokenRequests.authorization_code, 1)
  })
})

describe('a victim and the connect page of an attacker (A2)', () => {
  let refused = 0
  const refuse = async (): Promise<void> => {
    await expectNothing()
    refused += 1
  }
  after(() =>
    printFigure({ requirement: 'A2', name: 'connect pages that stayed closed', value: `${refused} of 2` }),
  )
  const linkFor = async (accountId: string): Promise<string> => {
    const host = world.sites.origin('host')
    const urls = { confirmUrl: `${host}/integrations`, returnUrl: `${host}/` }
    return (await world.api.connectPages.create({ accountId, integrations: ['crm'], ...urls })).url
  }
  const headingOf = (page: Page): Promise<string> => page.locator('h1').innerText()

  it('is led to its link: the host sees another account, and the link stays good for its own', async () => {
    const link = await linkFor(`mallory-${tests}`)
    const page = await victimOpens(link)
    await page.waitForURL(`${world.sites.origin('host')}/integrations?**`)
    assert.equal(await page.locator('body').innerText(), 'account_mismatch')
    const [, id = ''] = /authflow_visit=([\w-]{43})\./.exec(page.url()) ?? []
    await page.goto(`${world.base}/connect/page/${id}`)
    assert.equal(await codeOn(page), 'link_invalid')
    const own = await signIn(world, attacker, { account: `mallory-${tests}` })
    await own.goto(link)
    await own.waitForURL(`${world.base}/connect/page/${id}`)
    assert.match(await headingOf(own), /app\.host\.test/)
    await refuse()
  })

  it('is led to the way back from the host, which was confirmed for the attacker', async () => {
    const link = await linkFor(`mallory-${tests}`)
    const own = await signIn(world, attacker, { account: `mallory-${tests}` })
    const confirmed = new Promise<string>((resolve) => (world.settings.keepTicket = resolve))
    // The answer that was taken away is one without a page.
    await own.goto(link).catch(() => undefined)
    const ticket = await confirmed
    const page = await victimOpens(ticket)
    await page.waitForURL(ticket)
    assert.equal(await codeOn(page), 'browser_mismatch')
    await page.goto(new URL(ticket).href.replace(/\/enter.*/, ''))
    assert.equal(await codeOn(page), 'browser_mismatch')
    // The link was spent by the confirmation: no visit of the victim’s own begins there any more.
    await page.goto(link)
    assert.equal(await codeOn(page), 'link_used')
    await own.goto(ticket)
    assert.match(await headingOf(own), /app\.host\.test/)
    await refuse()
  })
})

describe('the same people without an attacker', () => {
  it('connect: one token request, one connection', async () => {
    world.provider.person = 'victim'
    const page = await signIn(world, victim, { account: `victim-${tests}` })
    await clickConnect(page)
    await waitForState(page, 'done')
    assert.equal(world.provider.tokenRequests.authorization_code, 1)
    const own = (await world.connections()).filter(({ accountId }) => accountId === `victim-${tests}`)
    assert.deepEqual(
      own.map(({ identity }) => identity.id),
      ['victim'],
    )
  })

  it('connect at a provider that posts its answer: the cookie comes with the GET after it', async () => {
    world.provider.person = 'victim'
    const page = await signIn(world, victim, { account: `victim-${tests}`, query: '?integration=posted' })
    await clickConnect(page)
    await waitForState(page, 'done')
    assert.equal(world.provider.tokenRequests.authorization_code, 1)
    const back = world.sites.visits.filter(({ path }) => path === '/callback/posted')
    assert.deepEqual(
      back.map(({ method, status }) => [method, status]),
      [
        ['POST', 303],
        ['GET', 200],
      ],
    )
  })
})

// Connecting from pages as hosts really send them: with Cross-Origin-Opener-Policy, with helmet's headers, with a policy
// that names nothing but the connect server; and what the popup and messages from elsewhere can do (C6). In Chromium.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import helmet from 'helmet'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { printFigure } from '../../scripts/figure.ts'
import { pollChannelName } from '../../shared/flow.ts'
import { startWorld, type World } from './fixtures/attack-world.ts'
import { launchChromium, openProfile } from './fixtures/chromium.ts'
import type { HostHeaders } from './fixtures/host-site.ts'
import { clickConnect, codeOn, signIn, waitForState } from './fixtures/people.ts'

let world: World
let browser: Browser
before(async () => {
  ;[world, browser] = await Promise.all([startWorld(), launchChromium()])
})
after(async () => {
  await browser?.close()
  await world?.close()
})

let profile: BrowserContext
let tests = 0
beforeEach(async () => {
  tests += 1
  profile = await openProfile(browser)
  world.provider.person = 'ada'
  world.provider.tokenRequests.authorization_code = 0
  world.settings.providerCoop = false
  world.host.headers = () => undefined
})
afterEach(() => profile.close())

const account = (): string => `ada-${tests}`
const openHost = (query = ''): Promise<Page> => signIn(world, profile, { account: account(), query })

/** What the page's policy and errors say on its console. */
function problemsOf(page: Page): string[] {
  const problems: string[] = []
  page.on('console', (message) => {
    // Chromium asks for an icon by itself, and when it likes.
    if (message.location().url.endsWith('/favicon.ico')) return
    if (message.type() === 'error') problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(error.message))
  return problems
}

const policies: Readonly<Record<string, () => HostHeaders>> = {
  'no headers': () => () => undefined,
  'Cross-Origin-Opener-Policy: same-origin': () => (_req, res) => {
    res.setHeader('cross-origin-opener-policy', 'same-origin')
  },
  'helmet’s default headers, and the server’s origin in two directives': () => (req, res) => {
    const ours = ["'self'", world.base]
    const directives = { 'connect-src': ours, 'form-action': ours }
    helmet({ contentSecurityPolicy: { directives } })(req, res, () => undefined)
    assert.equal(res.getHeader('cross-origin-opener-policy'), 'same-origin')
    assert.equal(res.getHeader('referrer-policy'), 'no-referrer')
  },
  'a policy that names the server’s origin and its own scripts': () => (_req, res) => {
    const policy = [
      "default-src 'none'",
      "script-src 'self'",
      `connect-src 'self' ${world.base}`,
      `form-action ${world.base}`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ]
    res.setHeader('content-security-policy', policy.join(';'))
  },
}

describe('a host’s page connects', () => {
  let connected = 0
  after(() =>
    printFigure({
      requirement: 'C5',
      name: 'host policies × provider policies that connect',
      value: `${connected} of 8`,
    }),
  )

  for (const [name, headers] of Object.entries(policies)) {
    for (const providerCoop of [false, true]) {
      const where = providerCoop ? ', at a provider with Cross-Origin-Opener-Policy' : ''
      it(`with ${name}${where}`, async () => {
        world.host.headers = headers()
        world.settings.providerCoop = providerCoop
        const page = await openHost()
        const problems = problemsOf(page)
        const asked = new Set<string>()
        profile.on('request', (request) => asked.add(new URL(request.url()).origin))
        const [popup] = await Promise.all([page.waitForEvent('popup'), clickConnect(page)])
        await Promise.all([waitForState(page, 'done'), popup.isClosed() || popup.waitForEvent('close')])
        assert.equal(world.provider.tokenRequests.authorization_code, 1)
        assert.deepEqual(problems, [])
        const own = [world.sites.origin('host'), world.base, world.sites.origin('provider')]
        for (const origin of asked) assert.ok(own.includes(origin), `${origin} was asked for something`)
        connected += 1
      })
    }
  }
})

describe('a page whose origin is opaque', () => {
  it('gets no further than its own failure, and is told the code by the server', async () => {
    const page = await openHost()
    await page.goto(`${world.sites.origin('host')}/opaque`)
    const frame = page.frameLocator('iframe')
    await frame.locator('auth-trigger:defined button').click()
    await frame.locator('auth-flow[data-state=failed]').waitFor()
    assert.equal(world.provider.tokenRequests.authorization_code, 0)

    const { token } = await world.api.connectTokens.create({
      accountId: account(),
      integrations: ['crm'],
      origins: [world.sites.origin('host')],
    })
    const form = new URLSearchParams({ token, flow: 'A'.repeat(22), mode: 'popup' })
    // In a window of its own, because the server's pages show themselves in no frame.
    await frame.locator('body').evaluate(
      (body, { action, fields }) => {
        const inputs = fields.map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`)
        body.innerHTML = `<form method="post" action="${action}" target="_blank">${inputs.join('')}<button>Go</button></form>`
      },
      { action: `${world.base}/connect/start`, fields: [...form] },
    )
    const go = frame.getByRole('button', { name: 'Go' })
    const [popup] = await Promise.all([page.waitForEvent('popup'), go.click()])
    assert.equal(await codeOn(popup), 'origin_opaque')
    assert.match(await popup.locator('main p').innerText(), /restricted frame/)
  })
})

describe('the popup (C6)', () => {
  it('has no opener, nor any name that it could be found by', async () => {
    world.evil.authorize = () => ({
      html: `<title>provider</title><script>
        try { opener && opener.postMessage('here', '*') } catch {}
        document.title = JSON.stringify([String(window.opener), window.name, document.referrer.includes('authflow_')])
      </script>`,
    })
    const page = await openHost('?integration=evil')
    await page.evaluate(() => addEventListener('message', () => document.body.setAttribute('data-told', '')))
    const [popup] = await Promise.all([page.waitForEvent('popup'), clickConnect(page)])
    await popup.waitForFunction(() => document.title.startsWith('['))
    const [opener, name, referrer]: unknown[] = JSON.parse(await popup.title())
    assert.equal(opener, 'null')
    assert.equal(referrer, false)
    // Random, and made anew for each window.
    assert.match(String(name), /^([\w-]{22})?$/)
    assert.equal(await page.locator('body').getAttribute('data-told'), null)
  })
})

/** What somebody might send who hopes that the page believes it. */
const lie = fc.oneof(
  fc.jsonValue(),
  fc.record({
    type: fc.constantFrom('authflow', 'auth-success', 'auth-attempt', 'done', 'poll now'),
    stage: fc.constantFrom('done', 'failed', 'cancelled', 'authorize'),
    state: fc.constantFrom('done', 'failed', 'idle'),
    flowId: fc.string(),
    version: fc.integer(),
    connection: fc.record({
      state: fc.constant('active'),
      identity: fc.record({ id: fc.string(), label: fc.string() }),
    }),
  }),
  fc.constantFrom('poll now', 'done', 'close', '', null, 0, true),
)

describe('messages from elsewhere (C6)', () => {
  it('change no state, however many and whatever they say', async () => {
    world.evil.authorize = () => ({ html: '<title>waiting</title>' })
    const page = await openHost('?integration=evil')
    const [popup] = await Promise.all([page.waitForEvent('popup'), clickConnect(page)])
    await waitForState(page, 'authorize')
    await page.evaluate(() => {
      const element = document.querySelector('auth-flow')
      for (const type of [
        'auth-state-change',
        'auth-success',
        'auth-error',
        'auth-cancel',
        'auth-popup-closed',
      ])
        element?.addEventListener(type, () => element.setAttribute('data-seen', type))
    })
    const lies = fc.sample(lie, { numRuns: 500, seed: 6 }).map((one) => JSON.stringify(one))
    world.evil.pages.set('/liar', { html: '<title>liar</title>' })
    const liar = await embed(page, `${world.sites.origin('evil')}/liar`)
    const neighbour = await profile.newPage()
    await neighbour.goto(`${world.sites.origin('host')}/login?account=${account()}`)
    await liar.evaluate((list) => {
      for (const one of list) parent.postMessage(JSON.parse(one), '*')
    }, lies)
    // All that a message can do is to let the page ask the server.
    const asked = world.sites.nextVisit(({ path }) => path.endsWith('/flows.watch'))
    await neighbour.evaluate(
      ({ list, name }) => {
        const channel = new BroadcastChannel(name)
        for (const one of list) channel.postMessage(JSON.parse(one))
      },
      { list: lies, name: pollChannelName },
    )
    await asked
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)))
    const flow = page.locator('auth-flow')
    assert.equal(await flow.getAttribute('data-state'), 'authorize')
    assert.equal(await flow.getAttribute('data-seen'), null)
    assert.equal(popup.isClosed(), false)
    assert.equal((await world.connections()).filter(({ accountId }) => accountId === account()).length, 0)
    printFigure({
      requirement: 'C6',
      name: 'fuzzed messages that changed a state',
      value: `0 of ${lies.length * 2}`,
    })
  })
})

/** A frame of another site inside the page. */
async function embed(page: Page, url: string) {
  await page.evaluate((src) => {
    const frame = document.createElement('iframe')
    frame.src = src
    document.body.append(frame)
  }, url)
  const frame = await page.waitForEvent('framenavigated', (one) => one.url() === url)
  return frame
}

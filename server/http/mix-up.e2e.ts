// Mix-up of integrations and authorization servers (requirement A3): a provider that is the attacker's sends the browser
// on to an honest one, so that the honest one's code is handed to the attacker's token endpoint. In Chromium.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { printFigure } from '../../scripts/figure.ts'
import { issuerHash } from '../oauth/authorize.ts'
import { oidcClient } from '../oauth/fixtures/oidc.ts'
import { startWorld, type World } from './fixtures/attack-world.ts'
import { launchChromium, openProfile } from './fixtures/chromium.ts'
import { clickConnect, codeOn, lootStart, signIn, waitForState } from './fixtures/people.ts'

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
let tests = 0
beforeEach(async () => {
  tests += 1
  victim = await openProfile(browser)
  world.provider.person = 'victim'
  world.provider.tokenRequests.authorization_code = 0
  world.evilTokens.requests.length = 0
})
afterEach(() => victim.close())

/** The honest server's authorize URL as the attacker's provider makes it, with what it got of the victim's own flow. */
function honestAuthorize(query: URLSearchParams, changes: Readonly<Record<string, string>> = {}): string {
  const url = new URL(`${world.sites.origin('provider')}/auth`)
  for (const [name, value] of query) url.searchParams.set(name, value)
  for (const [name, value] of Object.entries({ scope: 'openid things', ...changes }))
    url.searchParams.set(name, value)
  assert.equal(url.searchParams.get('client_id'), oidcClient.clientId)
  return url.href
}

const callback = (path: string): string => `${world.base}/callback/${path}`

/** The victim connects at an integration, choosing the attacker's server where there is a choice. */
async function connectAt(integration: string): Promise<{ page: Page; popup: Page }> {
  const query = `?integration=${integration}`
  const page = await signIn(world, victim, { account: `victim-${tests}`, query })
  if (integration !== 'own') {
    const [popup] = await Promise.all([page.waitForEvent('popup'), clickConnect(page)])
    return { page, popup }
  }
  await page.locator('auth-flow').evaluate((element) => element.removeAttribute('method'))
  await clickConnect(page)
  await page.locator('auth-form [name=server]').selectOption('evil')
  const submit = page.locator('auth-form [data-part=submit]')
  const [popup] = await Promise.all([page.waitForEvent('popup'), submit.click()])
  return { page, popup }
}

/** How the flow on the page ended. */
async function failureOn(page: Page): Promise<unknown> {
  await waitForState(page, 'failed')
  return page.evaluate(() => {
    const element = document.querySelector('auth-flow')
    return element && 'flow' in element
      ? JSON.parse(JSON.stringify(element.flow.getSnapshot().error)).code
      : null
  })
}

describe('a provider that sends the browser on to an honest one (A3)', () => {
  let closed = 0
  const expectNoCode = async (): Promise<void> => {
    assert.deepEqual(world.evilTokens.requests, [])
    assert.equal(world.provider.tokenRequests.authorization_code, 0)
    const own = (await world.connections()).filter(({ accountId }) => accountId === `victim-${tests}`)
    assert.deepEqual(own, [])
    closed += 1
  }
  after(() =>
    printFigure({
      requirement: 'A3',
      name: 'variants without a code at the malicious token endpoint',
      value: `${closed} of 6`,
    }),
  )

  it('and back to the honest integration, with the state of its own flow', async () => {
    world.evil.authorize = (query) => honestAuthorize(query, { redirect_uri: callback('crm') })
    const { page } = await connectAt('evil')
    assert.equal(await failureOn(page), 'callback_mismatch')
    await expectNoCode()
  })

  it('and back to its own integration, where the honest one lets it', async () => {
    world.evil.authorize = (query) => honestAuthorize(query)
    const { page } = await connectAt('evil')
    assert.equal(await failureOn(page), 'issuer_mismatch')
    await expectNoCode()
  })

  it('with a fresh state that the attacker began at the honest integration', async () => {
    const attacker = await openProfile(browser)
    const { authorizeUrl } = await lootStart(world, attacker, `mallory-${tests}`)
    world.evil.authorize = () => authorizeUrl
    const { popup } = await connectAt('evil')
    await popup.waitForURL(`${callback('crm')}**`)
    assert.equal(await codeOn(popup), 'browser_mismatch')
    await expectNoCode()
    await attacker.close()
  })

  it('chosen by the user, and back to the callback of the honest server', async () => {
    const address = callback(`own/${issuerHash(world.sites.origin('provider'))}`)
    world.evil.authorize = (query) => honestAuthorize(query, { redirect_uri: address })
    const { page } = await connectAt('own')
    assert.equal(await failureOn(page), 'callback_mismatch')
    await expectNoCode()
  })

  it('chosen by the user, and back to its own callback, which the honest server does not know', async () => {
    const address = callback(`own/${issuerHash(world.sites.origin('evil'))}`)
    let asked = ''
    world.evil.authorize = (query) => {
      asked = query.get('redirect_uri') ?? ''
      return honestAuthorize(query)
    }
    const { popup } = await connectAt('own')
    await popup.getByText('redirect_uri', { exact: false }).first().waitFor()
    assert.equal(asked, address)
    await expectNoCode()
  })

  it('is no way to bring an honest code to the path of another integration', async () => {
    const kept = new Promise<string>((resolve) => (world.settings.keepCallback = resolve))
    const { page } = await connectAt('crm')
    const rerouted = (await kept).replace(callback('crm'), callback('evil'))
    assert.match(rerouted, /\/callback\/evil\?code=/)
    const other = await victim.newPage()
    await other.goto(rerouted)
    assert.equal(await codeOn(other), 'callback_mismatch')
    assert.equal(await failureOn(page), 'callback_mismatch')
    await expectNoCode()
  })
})

describe('servers that the user chooses', () => {
  it('connect when they are honest, each at its own callback', async () => {
    const page = await signIn(world, victim, { account: `victim-${tests}`, query: '?integration=own' })
    await page.locator('auth-flow').evaluate((element) => element.removeAttribute('method'))
    await clickConnect(page)
    await page.locator('auth-form [name=server]').selectOption('honest')
    await page.locator('auth-form [data-part=submit]').click()
    await waitForState(page, 'done')
    assert.equal(world.provider.tokenRequests.authorization_code, 1)
  })
})

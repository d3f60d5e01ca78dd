// The hosted page as a customer of the demo sees it: no front end of the host, and yet connected. In both colours, on a
// phone and on a desk, from right to left.

import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { AxeResults } from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { launchBrowser } from './browser.ts'
import { createDataDirectory, findFreePorts, startDemo, type DemoProcess } from './demo-process.ts'
import { flowOf, openPage, waitForConnection } from './page.ts'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** Pictures for people go where this says; without it there are none. */
const pictures = process.env['AUTHFLOW_PICTURES']

let browser: Browser
let demo: DemoProcess
let removeData = async (): Promise<void> => undefined
before(async () => {
  const data = await createDataDirectory()
  removeData = data.remove
  const port = await findFreePorts()
  ;[browser, demo] = await Promise.all([launchBrowser(), startDemo({ port, dataDirectory: data.path })])
})
after(async () => {
  await browser?.close()
  await demo?.stop()
  await removeData()
})

async function open(options: BrowserContextOptions = {}): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  context.setDefaultTimeout(30_000)
  return openPage(context, `${demo.baseUrl}/demo/hosted`)
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  const { violations: found } = await page.evaluate<AxeResults>('axe.run(document)')
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

async function picture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return
  await mkdir(pictures, { recursive: true })
  await page.screenshot({ path: join(pictures, `hosted-${name}.png`), fullPage: true })
}

const click = (page: Page, service: string): Promise<void> =>
  flowOf(page, service).locator('auth-trigger:defined button').click()

/** Consents in the page itself, which comes back to where it was. */
async function consentAs(page: Page, person: string): Promise<void> {
  await page.getByTestId(`sandbox-person-${person}`).check()
  await page.getByTestId('sandbox-allow').click()
  await page.waitForURL(/\/connect\/page\/[\w-]{43}$/)
}

describe('the hosted page', () => {
  it('is reached by a click, and has nothing in its address but its id', async () => {
    const context = await browser.newContext()
    const { page, problems } = await openPage(context, demo.baseUrl)
    await page.getByRole('link', { name: 'Hosted page' }).click()
    await page.waitForURL(/\/connect\/page\/[\w-]{43}$/)
    assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'Connect your accounts to Acme')
    for (const name of ['Slack', 'GitHub', 'Airtable', 'Shopify'])
      assert.ok(await page.getByRole('button', { name: `Connect ${name}` }).isVisible(), name)
    await page.getByRole('link', { name: 'Back to Acme' }).click()
    await page.waitForURL(`${demo.baseUrl}/`)
    assert.deepEqual(problems, [])
    await context.close()
  })

  it('connects, asks for more after consent, connects again and disconnects, without a window', async () => {
    const { page, problems } = await open()
    await click(page, 'slack')
    await consentAs(page, 'ada')
    const slack = flowOf(page, 'slack')
    await slack.getByLabel('Channel').waitFor()
    await slack.getByLabel('Channel').selectOption({ label: '#general' })
    await slack.locator('auth-form [type=submit]').click()
    await waitForConnection(page, 'slack', 'active')
    assert.match(await slack.locator('[data-part=status]').innerText(), /^Connected as /)
    await page.reload()
    await waitForConnection(page, 'slack', 'active')
    await picture(page, 'connected')
    assert.deepEqual(await violations(page), [])
    assert.match(await slack.locator('[data-part=status]').innerText(), /^Connected as /)
    await page.getByRole('button', { name: 'Connect Slack again' }).click()
    await consentAs(page, 'ada')
    await waitForConnection(page, 'slack', 'active')
    await page.getByRole('button', { name: 'Disconnect Slack' }).click()
    await waitForConnection(page, 'slack', 'none')
    assert.ok(await page.getByRole('button', { name: 'Connect Slack', exact: true }).isVisible())
    assert.deepEqual(problems, [])
    await page.context().close()
  })

  it('asks for fields first, says what is wrong with them, and takes keys', async () => {
    const { page, problems } = await open()
    await click(page, 'shopify')
    const shopify = flowOf(page, 'shopify')
    await shopify.getByLabel('Shop').fill('not a shop')
    await shopify.locator('auth-form [type=submit]').click()
    await shopify.getByText('This is not a Shopify address.').waitFor()
    await shopify.getByLabel('Shop').fill('acme')
    await shopify.locator('auth-form [type=submit]').click()
    await page.getByTestId('sandbox-consent').waitFor()
    await consentAs(page, 'ada')
    await waitForConnection(page, 'shopify', 'active')
    assert.deepEqual(problems, [])
    await page.context().close()
  })

  it('can be gone away from and come back to, and is nobody else’s', async () => {
    const { page } = await open()
    const address = page.url()
    await page.goto(demo.baseUrl)
    await page.goto(address)
    await page.getByRole('button', { name: 'Connect Slack' }).waitFor()
    const stranger = await browser.newContext()
    const other = await stranger.newPage()
    await other.goto(address)
    assert.equal(await other.locator('main code').innerText(), 'browser_mismatch')
    await stranger.close()
    await page.context().close()
  })

  it('speaks of fields, methods and mistakes in the language of the browser, after the way to a provider, too', async () => {
    const { page, problems } = await open({ locale: 'de-AT' })
    await click(page, 'shopify')
    const shopify = flowOf(page, 'shopify')
    await shopify.getByLabel('Shop-Adresse').fill('not a shop')
    await shopify.locator('auth-form [type=submit]').click()
    await shopify.getByText('Das ist keine Adresse bei Shopify.').waitFor()
    await click(page, 'airtable')
    await flowOf(page, 'airtable').getByLabel('Persönliches Zugriffstoken').check()
    await click(page, 'slack')
    await consentAs(page, 'ada')
    await flowOf(page, 'slack').getByLabel('Kanal').waitFor()
    assert.deepEqual(problems, [])
    await page.context().close()
  })

  const looks: Readonly<Record<string, BrowserContextOptions>> = {
    'desk-light': {},
    'desk-dark': { colorScheme: 'dark' },
    'phone-light': { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 },
    'phone-dark': { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, colorScheme: 'dark' },
    'phone-arabic': { viewport: { width: 360, height: 740 }, locale: 'ar' },
    'desk-german': { locale: 'de-AT' },
    narrow: { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 },
    forced: { forcedColors: 'active' },
  }
  for (const [name, options] of Object.entries(looks)) {
    it(`can be read and used: ${name}`, async () => {
      const { page, problems } = await open(options)
      await flowOf(page, 'slack').locator('auth-trigger:defined').waitFor()
      await picture(page, name)
      assert.deepEqual(await violations(page), [])
      await click(page, 'airtable')
      await flowOf(page, 'airtable').locator('auth-form form').waitFor()
      await click(page, 'shopify')
      await flowOf(page, 'shopify').locator('auth-form form').waitFor()
      await flowOf(page, 'shopify').locator('auth-form [type=submit]').click()
      await picture(page, `${name}-open`)
      assert.deepEqual(await violations(page), [])
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      assert.ok(wide <= 0, `${wide} px too wide`)
      assert.deepEqual(problems, [])
      await page.context().close()
    })
  }
})

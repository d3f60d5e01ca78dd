// The demo's whole story in a real browser, popup blocker on: connect each service, act as the account, disconnect.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { launchBrowser } from './browser.ts'
import { createDataDirectory, findFreePorts, startDemo, type DemoProcess } from './demo-process.ts'
import {
  allowAs,
  card,
  chooseChannel,
  connect,
  disconnect,
  flowOf,
  openConsent,
  openPage,
  waitForConnection,
} from './page.ts'

describe('the demo', () => {
  let browser: Browser
  let demo: DemoProcess
  let data: Awaited<ReturnType<typeof createDataDirectory>>

  before(async () => {
    data = await createDataDirectory()
    const port = await findFreePorts()
    ;[browser, demo] = await Promise.all([launchBrowser(), startDemo({ port, dataDirectory: data.path })])
  })
  after(async () => {
    await browser?.close()
    assert.equal(await demo?.stop(), 0, 'the demo ends by itself on SIGTERM')
    await data?.remove()
  })

  /** A person with a browser of their own. */
  async function visit(path = '/'): Promise<{ context: BrowserContext; page: Page; problems: string[] }> {
    const context = await browser.newContext()
    const opened = await openPage(context, demo.baseUrl + path)
    return { context, ...opened }
  }

  it('connects Slack in a popup, posts as the account, and disconnects', async () => {
    const { context, page, problems } = await visit()
    await connect(page, 'slack', 'ada')
    const status = flowOf(page, 'slack').locator('auth-status')
    await status.getByText(/Connected as .*in workspace Acme/).waitFor()

    await card(page, 'slack').getByRole('button', { name: 'Post a message' }).click()
    const run = card(page, 'slack').locator('.activity-run[data-state=succeeded]')
    await run.waitFor()
    assert.match(await run.innerText(), /Post message/)
    const arrived = card(page, 'slack').getByRole('list', { name: 'Arrived in Slack' })
    await arrived.getByText(/A new order came in/).waitFor()
    assert.match(await arrived.innerText(), /#general of Acme/)

    await page.reload()
    await waitForConnection(page, 'slack', 'active')
    await disconnect(page, 'slack')
    await page.reload()
    await waitForConnection(page, 'slack', 'none')
    assert.deepEqual(problems, [])
    await context.close()
  })

  it('asks for the channel after consent, posts there, and nowhere else', async () => {
    const { context, page, problems } = await visit()
    const flow = flowOf(page, 'slack')
    const popup = await openConsent(page, flow.locator('auth-trigger button'))
    await allowAs(popup, 'ada')
    const choice = flow.getByRole('combobox', { name: 'Channel' })
    await choice.waitFor()
    assert.deepEqual(await choice.locator('option').allInnerTexts(), [
      'Choose a channel',
      '#general',
      '#random',
      '🔒 orders',
    ])
    // Nothing is connected before the answer, and a reload takes it up where it was.
    await page.reload()
    await choice.waitFor()
    assert.equal(await flow.getAttribute('data-connection'), 'none')
    await chooseChannel(page, '🔒 orders')
    await waitForConnection(page, 'slack', 'active')
    await card(page, 'slack').getByRole('button', { name: 'Post a message' }).click()
    await card(page, 'slack').locator('.activity-run[data-state=succeeded]').waitFor()
    const arrived = card(page, 'slack').getByRole('list', { name: 'Arrived in Slack' })
    await arrived.getByText('#orders of Acme').waitFor()

    // Another channel needs no window at the provider, and nothing goes there before it was chosen.
    page.on('popup', (popup) => problems.push(`a window was opened: ${popup.url()}`))
    await flow.getByRole('button', { name: 'Change channel' }).click()
    await choice.waitFor()
    assert.equal(await choice.locator('option:checked').innerText(), '🔒 orders')
    assert.equal(await flow.getAttribute('data-connection'), 'active')
    await chooseChannel(page, '#random')
    await page.locator('auth-flow[integration=slack-customers][data-state=done]').waitFor()
    await card(page, 'slack').getByRole('button', { name: 'Post a message' }).click()
    await arrived.getByText('#random of Acme').waitFor()
    await disconnect(page, 'slack')
    assert.deepEqual(problems, [])
    await context.close()
  })

  it('shows nothing of it to a second browser', async () => {
    const first = await visit()
    await connect(first.page, 'slack', 'ada')
    await card(first.page, 'slack').getByRole('button', { name: 'Post a message' }).click()
    await card(first.page, 'slack').locator('.activity-run[data-state=succeeded]').waitFor()

    const second = await visit()
    await waitForConnection(second.page, 'slack', 'none')
    assert.equal(await second.page.locator('.activity-run').count(), 0)
    assert.equal(await second.page.locator('.activity-arrived li').count(), 0)
    await connect(second.page, 'slack', 'grace')
    await flowOf(second.page, 'slack')
      .getByText(/workspace Globex/)
      .waitFor()
    await first.page.reload()
    await flowOf(first.page, 'slack')
      .getByText(/workspace Acme/)
      .waitFor()
    await first.context.close()
    await second.context.close()
  })

  it('connects GitHub and comments on an issue', async () => {
    const { context, page, problems } = await visit()
    await connect(page, 'github', 'ada')
    await card(page, 'github').getByRole('button', { name: 'Comment on issue #1' }).click()
    await card(page, 'github').locator('.activity-run[data-state=succeeded]').waitFor()
    await card(page, 'github').getByText('acme/website #1').waitFor()
    await disconnect(page, 'github')
    assert.deepEqual(problems, [])
    await context.close()
  })

  it('watches a repository as the account: an issue at GitHub starts its job', async () => {
    const { context, page, problems } = await visit()
    await connect(page, 'github', 'ada')
    await card(page, 'github').getByRole('button', { name: 'Watch for new issues' }).click()
    const watching = card(page, 'github').locator('.activity-run[data-state=succeeded]')
    await watching.getByText('Register trigger').waitFor()

    const standIn = await context.newPage()
    await standIn.goto(`http://127.0.0.1:${demo.port + 2}/`)
    await standIn.getByTestId('sandbox-text').fill('The logo is upside down')
    await standIn.getByTestId('sandbox-as').selectOption('ada')
    await standIn.getByTestId('sandbox-submit').click()
    await standIn.getByText('The logo is upside down', { exact: true }).waitFor()

    const arrived = card(page, 'github').getByRole('list', { name: 'Arrived at GitHub' })
    await arrived.getByText(/Thanks for “The logo is upside down”/).waitFor()
    await card(page, 'github').getByText('GitHub thanks for an issue').waitFor()

    await disconnect(page, 'github')
    assert.deepEqual(problems, [])
    await context.close()
  })

  it('connects Airtable by a personal access token, once it is right', async () => {
    const { context, page } = await visit()
    const flow = flowOf(page, 'airtable')
    await flow.locator('auth-trigger button').click()
    await flow.getByRole('radio', { name: /personal access token/i }).check()
    const input = flow.locator('input[name=apiKey]')
    await input.fill(`pat${'A'.repeat(14)}.${'0'.repeat(64)}`)
    await flow.locator('auth-form [type=submit]').click()
    await flow.locator('[data-field=apiKey][data-invalid]').waitFor()
    assert.equal(await input.getAttribute('aria-invalid'), 'true')

    const tokens = card(page, 'airtable').getByRole('link', { name: /personal access token/i })
    const [standIn] = await Promise.all([context.waitForEvent('page'), tokens.click()])
    const token = /pat[A-Za-z0-9]{14}\.[0-9a-f]{64}/.exec(await standIn.locator('main').innerText())?.[0]
    assert.ok(token, 'the stand-in shows a token')
    await standIn.close()
    await input.fill(token)
    await flow.locator('auth-form [type=submit]').click()
    await waitForConnection(page, 'airtable', 'active')
    await card(page, 'airtable').getByRole('button', { name: 'Add a record' }).click()
    await card(page, 'airtable').locator('.activity-run[data-state=succeeded]').waitFor()
    await card(page, 'airtable')
      .getByText(/New lead from the demo/)
      .waitFor()
    await disconnect(page, 'airtable')
    await context.close()
  })

  it('connects Airtable by OAuth, chosen in the form', async () => {
    const { context, page } = await visit()
    const flow = flowOf(page, 'airtable')
    await flow.locator('auth-trigger button').click()
    await flow.getByRole('radio', { name: /sign in|oauth/i }).check()
    const popup = await openConsent(page, flow.locator('auth-form [type=submit]'))
    await allowAs(popup, 'grace')
    await waitForConnection(page, 'airtable', 'active')
    await context.close()
  })

  it('asks for the shop, refuses another host at the field, and goes to that shop', async () => {
    const { context, page } = await visit()
    const flow = flowOf(page, 'shopify')
    await flow.locator('auth-trigger button').click()
    const shop = flow.locator('input[name=shop]')
    await shop.fill('evil.com')
    await flow.locator('auth-form [type=submit]').click()
    await flow.locator('[data-field=shop][data-invalid]').waitFor()
    assert.match(await flow.locator('[data-field=shop] [data-part=error]').innerText(), /myshopify\.com/)

    await shop.fill('https://ACME.myshopify.com/admin')
    const popup = await openConsent(page, flow.locator('auth-form [type=submit]'))
    assert.match(popup.url(), /acme\.myshopify\.com/)
    await allowAs(popup, 'ada')
    await waitForConnection(page, 'shopify', 'active')
    await card(page, 'shopify').getByRole('button', { name: 'Add a product' }).click()
    await card(page, 'shopify').locator('.activity-run[data-state=succeeded]').waitFor()
    await card(page, 'shopify')
      .getByText(/Demo mug/)
      .waitFor()
    await disconnect(page, 'shopify')
    await context.close()
  })

  it('takes a shop by its bare name', async () => {
    const { context, page } = await visit()
    const flow = flowOf(page, 'shopify')
    await flow.locator('auth-trigger button').click()
    await flow.locator('input[name=shop]').fill('globex')
    const popup = await openConsent(page, flow.locator('auth-form [type=submit]'))
    assert.match(popup.url(), /globex\.myshopify\.com/)
    await allowAs(popup, 'grace')
    await waitForConnection(page, 'shopify', 'active')
    await context.close()
  })

  it('says that access was denied, on the page, and lets the user try again', async () => {
    const { context, page } = await visit()
    const popup = await openConsent(page, flowOf(page, 'slack').locator('auth-trigger button'))
    const closed = popup.waitForEvent('close')
    await popup.getByTestId('sandbox-deny').click()
    await closed
    await flowOf(page, 'slack')
      .locator('auth-status')
      .getByText(/not granted|cancel/i)
      .waitFor()
    await connect(page, 'slack', 'ada')
    await context.close()
  })

  for (const path of ['/plain', '/unstyled']) {
    it(`connects on ${path} with the same markup`, async () => {
      const { context, page, problems } = await visit(path)
      await connect(page, 'slack', 'ada')
      await card(page, 'slack').getByRole('button', { name: 'Post a message' }).click()
      await card(page, 'slack').locator('[data-run][data-state=succeeded]').waitFor()
      await disconnect(page, 'slack')
      assert.deepEqual(problems, [])
      await context.close()
    })
  }

  it('serves a second site on another origin under helmet’s headers', async () => {
    const context = await browser.newContext()
    const { page, problems } = await openPage(context, `http://127.0.0.1:${demo.port + 5}/`)
    const headers = (await page.request.get(page.url())).headers()
    assert.match(headers['content-security-policy'] ?? '', /default-src 'self'/)
    assert.equal(headers['cross-origin-opener-policy'], 'same-origin')
    assert.equal(headers['referrer-policy'], 'no-referrer')
    await connect(page, 'slack', 'grace')
    await flowOf(page, 'slack')
      .getByText(/workspace Globex/)
      .waitFor()
    await disconnect(page, 'slack')
    assert.deepEqual(problems, [])
    await context.close()
  })

  it('sends other names of the machine to its own', async () => {
    const context = await browser.newContext()
    const { page } = await openPage(context, `http://127.0.0.1:${demo.port}/plain`)
    assert.equal(page.url(), `${demo.baseUrl}/plain`)
    await context.close()
  })
})

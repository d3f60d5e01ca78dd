// The demo by keyboard alone: the focus never falls off the page.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser } from './browser.ts'
import { createDataDirectory, findFreePorts, startDemo, type DemoProcess } from './demo-process.ts'
import { allowAs, openPage, waitForConnection } from './page.ts'

const focused = (page: Page): Promise<string> =>
  page.evaluate(() => document.activeElement?.textContent?.trim() ?? '')

/** Presses Tab until the control has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 30; presses++) {
    if ((await focused(page)) === name) return
    await page.keyboard.press('Tab')
  }
  assert.fail(`Tab does not lead to ${name}`)
}

async function waitForFocus(page: Page, name: string): Promise<void> {
  await page.locator('button:focus', { hasText: name }).waitFor({ timeout: 5000 })
}

describe('the demo by keyboard', () => {
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
    assert.equal(await demo?.stop(), 0)
    await data?.remove()
  })

  for (const name of ['the Tailwind page', 'the second site']) {
    it(`connects and disconnects on ${name}`, async () => {
      const context = await browser.newContext()
      const url = name === 'the second site' ? `http://127.0.0.1:${demo.port + 5}` : demo.baseUrl
      const { page, problems } = await openPage(context, url)
      await waitForConnection(page, 'slack', 'none')
      await tabTo(page, 'Sign in with Slack')
      const [popup] = await Promise.all([page.waitForEvent('popup'), page.keyboard.press('Enter')])
      await popup.getByTestId('sandbox-consent').waitFor()
      await allowAs(popup, 'ada')
      // The focus is at the choice of the channel; typing finds it.
      await page.locator('select[name=channel]:focus').waitFor()
      await page.keyboard.type('#ran')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await waitForConnection(page, 'slack', 'active')
      // Another channel: the focus goes to the choice and comes back to the button.
      await waitForFocus(page, 'Change channel')
      await page.keyboard.press('Enter')
      await page.locator('select[name=channel]:focus').waitFor()
      await page.keyboard.type('#gen')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await page.locator('auth-flow[integration=slack-customers][data-state=done]').waitFor()
      await waitForFocus(page, 'Change channel')
      await page.keyboard.press('Tab')
      await waitForFocus(page, 'Disconnect')
      await page.keyboard.press('Enter')
      await waitForConnection(page, 'slack', 'none')
      await waitForFocus(page, 'Sign in with Slack')
      assert.deepEqual(problems, [])
      await context.close()
    })
  }
})

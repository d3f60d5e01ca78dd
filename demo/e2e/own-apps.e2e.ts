// The demo with an app of the host's own at one provider: at its public address, without stand-ins.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Browser, BrowserContext } from 'playwright-core'
import { launchBrowser } from './browser.ts'
import { createDataDirectory, findFreePorts, startDemo, type DemoProcess } from './demo-process.ts'
import { openPage } from './page.ts'

const publicUrl = 'https://demo.example.com'

describe('the demo with SLACK_CLIENT_ID and SLACK_CLIENT_SECRET', () => {
  let browser: Browser
  let demo: DemoProcess
  let data: Awaited<ReturnType<typeof createDataDirectory>>

  before(async () => {
    data = await createDataDirectory()
    const env = { SLACK_CLIENT_ID: 'id', SLACK_CLIENT_SECRET: 'secret', AUTHFLOW_BASE_URL: publicUrl }
    const port = await findFreePorts()
    ;[browser, demo] = await Promise.all([
      launchBrowser(),
      startDemo({ port, dataDirectory: data.path, env }),
    ])
  })
  after(async () => {
    await browser?.close()
    assert.equal(await demo?.stop(), 0)
    await data?.remove()
  })

  /** A browser for which the public address is the demo, as behind whatever ends TLS. */
  async function createContext(): Promise<BrowserContext> {
    const context = await browser.newContext()
    await context.route(`${publicUrl}/**`, async (route) => {
      const { pathname, search } = new URL(route.request().url())
      const headers = { ...route.request().headers(), host: new URL(publicUrl).host }
      await route.fulfill({ response: await route.fetch({ url: demo.baseUrl + pathname + search, headers }) })
    })
    return context
  }

  it('starts no stand-ins and no second site', () => {
    assert.match(demo.output(), /authflow demo: https:\/\/demo\.example\.com/)
    assert.doesNotMatch(demo.output(), /stand-in|site/)
  })

  for (const path of ['/', '/plain', '/unstyled']) {
    it(`shows only Slack on ${path}, and names the variables of the others`, async () => {
      const context = await createContext()
      const { page, problems } = await openPage(context, publicUrl + path)
      const note = page.locator('[data-missing]')
      await note.waitFor()
      const text = await note.innerText()
      for (const service of ['GITHUB', 'AIRTABLE', 'SHOPIFY'])
        assert.match(text, new RegExp(`${service}_CLIENT_ID and ${service}_CLIENT_SECRET`))
      assert.doesNotMatch(text, /SLACK/)
      const services = await page
        .locator('[data-service]')
        .evaluateAll((cards) => cards.map((card) => card.getAttribute('data-service')))
      assert.deepEqual(services, ['slack'])
      assert.equal(await page.locator('[data-mode=stand-ins]:visible').count(), 0)
      assert.deepEqual(problems, [])
      // The page may be asking for something, whose answer nobody takes any more.
      await context.unrouteAll({ behavior: 'ignoreErrors' })
      await context.close()
    })
  }
})

// The README's markup is what the demo's pages use: the same elements, attributes and text, apart from classes.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Browser, BrowserContext } from 'playwright-core'
import { readmeBlocks } from '../../scripts/readme-blocks.ts'
import { launchBrowser } from './browser.ts'
import { createDataDirectory, findFreePorts, startDemo, type DemoProcess } from './demo-process.ts'

/** The first `auth-flow` of a document as it was written, without what each host chooses for itself. */
function outline(html: string): string | undefined {
  const flow = new DOMParser().parseFromString(html, 'text/html').querySelector('auth-flow')
  for (const element of flow ? [flow, ...flow.querySelectorAll('*')] : []) {
    for (const name of element.getAttributeNames())
      if (name.endsWith('class') || ['account-id', 'token-url'].includes(name)) element.removeAttribute(name)
  }
  return flow?.outerHTML.replace(/\s+/g, ' ').replace(/\s*([<>])\s*/g, '$1')
}

describe('the markup of the README', () => {
  let browser: Browser
  let context: BrowserContext
  let demo: DemoProcess
  let data: Awaited<ReturnType<typeof createDataDirectory>>

  before(async () => {
    data = await createDataDirectory()
    const port = await findFreePorts()
    ;[browser, demo] = await Promise.all([launchBrowser(), startDemo({ port, dataDirectory: data.path })])
    context = await browser.newContext()
  })
  after(async () => {
    await browser?.close()
    assert.equal(await demo?.stop(), 0)
    await data?.remove()
  })

  for (const path of ['/', '/plain', '/unstyled']) {
    it(`is that of ${path}`, async () => {
      const shown = readmeBlocks().find(({ language }) => language === 'html')
      assert.ok(shown)
      const page = await context.newPage()
      const response = await page.goto(demo.baseUrl + path)
      assert.ok(response)
      const expected = await page.evaluate(outline, shown.text)
      assert.match(expected ?? '', /^<auth-flow integration="slack-customers"/)
      assert.equal(await page.evaluate(outline, await response.text()), expected)
      await page.close()
    })
  }
})

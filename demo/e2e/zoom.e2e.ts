// The demo's pages as people look at them who need more than the usual: at 200 % zoom, on the narrowest screen that WCAG
// names (1.4.10: 320 CSS px), in forced colours, in the dark and from right to left, with the panel open and closed.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, describe, it } from 'node:test'
import type { AxeResults } from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { launchBrowser } from './browser.ts'
import { createDataDirectory, findFreePorts, startDemo, type DemoProcess } from './demo-process.ts'
import { openPage } from './page.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A browser window of 1280 px: at 200 % zoom the page has half of it, and each CSS px is two. */
const views: Readonly<Record<string, BrowserContextOptions>> = {
  'at 200 % zoom': { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 },
  'at 400 % zoom, which is 320 px': { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 },
  'in forced colours': { viewport: { width: 1280, height: 800 }, forcedColors: 'active' },
  'in the dark': { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
}

/** What sticks out of the window, is cut off, or lies over another control. */
const misplaced = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const found: string[] = []
    const width = document.documentElement.clientWidth
    if (document.documentElement.scrollWidth > width)
      found.push(`the page is ${document.documentElement.scrollWidth} px wide`)
    const controls = [
      ...document.querySelectorAll<HTMLElement>('button, input:not([type=hidden]), select, a'),
    ].filter((one) => one.checkVisibility())
    const boxes = controls.map((control) => control.getBoundingClientRect())
    for (const [index, control] of controls.entries()) {
      const box = boxes[index]
      if (!box || box.width === 0) continue
      const told = `${control.localName} “${control.textContent?.trim() || control.getAttribute('name')}”`
      if (box.left < -1 || box.right > width + 1) found.push(`${told} sticks out`)
      if (control.scrollWidth > control.clientWidth + 1 && control.localName === 'button')
        found.push(`${told} is cut off`)
      for (const [other, second] of boxes.entries()) {
        if (other <= index || controls[other]?.contains(control) || control.contains(controls[other] ?? null))
          continue
        const across = Math.min(box.right, second.right) - Math.max(box.left, second.left)
        const down = Math.min(box.bottom, second.bottom) - Math.max(box.top, second.top)
        if (across > 1 && down > 1 && controls[other]?.closest('dialog') === control.closest('dialog'))
          found.push(`${told} lies over ${controls[other]?.textContent?.trim()}`)
      }
    }
    return found
  })

/** Violations of axe, with the page's colours as they are. */
async function violations(page: Page): Promise<string[]> {
  // Not as a script of the page, whose policy allows none but its own.
  await page.evaluate(axe)
  const { violations: found } = await page.evaluate<AxeResults>('axe.run(document)')
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

/** Buttons that look like mere text where backgrounds are left out: without a border and not underlined. */
const flatButtons = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    [...document.querySelectorAll('button')]
      .filter((button) => {
        const { borderTopStyle, borderTopWidth, textDecorationLine } = getComputedStyle(button)
        const bordered = borderTopStyle !== 'none' && parseFloat(borderTopWidth) > 0
        return button.checkVisibility() && !bordered && textDecorationLine !== 'underline'
      })
      .map((button) => button.textContent.trim()),
  )

/** What shows where the focus is: an outline or a border that the unfocused control has not. */
const focusShows = (page: Page): Promise<boolean> =>
  page.evaluate(() => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement ?? document.body)
    return outlineStyle !== 'none' && parseFloat(outlineWidth) > 0
  })

describe('the demo’s pages', () => {
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

  for (const [view, options] of Object.entries(views)) {
    for (const path of ['/', '/plain', '/unstyled']) {
      for (const dir of ['ltr', 'rtl']) {
        it(`${path} ${view}, ${dir}: nothing is cut off, covered or out of reach`, async () => {
          const context = await browser.newContext({ ...options, reducedMotion: 'reduce' })
          const { page, problems } = await openPage(context, demo.baseUrl + path)
          await page.evaluate((to) => void (document.dir = to), dir)
          await page.locator('auth-flow[data-connection]').first().waitFor()
          assert.deepEqual([...(await misplaced(page)), ...(await violations(page))], [])

          const flow = page.locator('auth-flow[integration=shopify-customers]').first()
          const opener = flow.locator('auth-trigger').getByRole('button').first()
          await opener.scrollIntoViewIfNeeded()
          await opener.focus()
          await page.keyboard.press('Enter')
          await flow.locator('auth-form [name=shop]').waitFor()
          assert.deepEqual([...(await misplaced(page)), ...(await violations(page))], [])
          if (options.forcedColors) assert.deepEqual(await flatButtons(page), [])
          await page.keyboard.press('Tab')
          assert.ok(await focusShows(page), 'the focus shows')
          const shots = process.env['AUTHFLOW_SCREENSHOTS']
          if (shots)
            await page.screenshot({
              path: `${shots}/${path.slice(1) || 'tailwind'}-${view.replace(/\W+/g, '-')}-${dir}.png`,
              fullPage: true,
            })
          assert.deepEqual(problems, [])
          await context.close()
        })
      }
    }
  }
})

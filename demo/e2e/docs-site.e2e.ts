// `npm run docs` as a reader has it: the site, and its examples at the stand-in providers beside it.

import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Browser } from 'playwright-core'
import { root } from '../../scripts/source-files.ts'
import { launchBrowser } from './browser.ts'
import { allowAs } from './page.ts'

const siteUrl = 'http://localhost:5173'
/** The package and the examples are built first. */
const startLimitMs = 300_000
const isInstalled = existsSync(join(root, 'docs/node_modules/vitepress'))

/** Resolves when the site is served; rejects with what was printed when it ends before. */
function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    const fail = (): void => reject(new Error(`the site was not served:\n${text}`))
    const timer = setTimeout(fail, startLimitMs)
    const read = (chunk: Buffer): void => {
      text += chunk.toString()
      if (!text.includes(siteUrl)) return
      clearTimeout(timer)
      resolve()
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('exit', fail)
  })
}

describe('npm run docs', { skip: !isInstalled && 'first: npm ci --prefix docs --ignore-scripts' }, () => {
  let child: ChildProcess
  let browser: Browser
  before(
    async () => {
      // A group of its own, which gets the signal of Ctrl+C as a terminal sends it.
      child = spawn(process.execPath, ['--import', 'tsx', 'scripts/docs.ts'], { cwd: root, detached: true })
      ;[browser] = await Promise.all([launchBrowser(), started(child)])
    },
    { timeout: startLimitMs },
  )
  after(async () => {
    await browser?.close()
    if (child?.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  })

  it('connects an example through the popup of a stand-in provider', async () => {
    const page = await browser.newPage()
    await page.goto(`${siteUrl}/recipes/modal`)
    const example = page.frameLocator('.live-example iframe')
    await example.getByRole('button', { name: 'Connect Shopify' }).click()
    await example.getByRole('textbox', { name: 'Shop' }).fill('acme')
    const [popup] = await Promise.all([
      page.waitForEvent('popup'),
      example.locator('auth-form [type=submit]').click(),
    ])
    await allowAs(popup, 'ada')
    await example.getByText('Connected as Acme in acme.myshopify.com').waitFor()

    // One token for a whole list, and the same account on the next page.
    await page.goto(`${siteUrl}/recipes/list`)
    await example.locator('[data-integration=shopify]').getByText('Connected as Acme').waitFor()
    // The fake knows nothing of that account.
    await page.locator('.live-example select').selectOption('connects')
    await example.locator('[data-integration=shopify] auth-flow[data-connection=none]').waitFor()
    await page.close()
  })

  it('ends with Ctrl+C, and its servers with it', async () => {
    const ended = once(child, 'exit')
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGINT')
    await ended
    for (const url of [siteUrl, 'http://localhost:4390/healthz'])
      await assert.rejects(fetch(url), TypeError, url)
  })
})

// Opens every page of the built site in Chromium, at phone and desktop width, light and dark: nothing comes on the
// console, nothing is wider than the window, axe finds nothing, each link to a page of the site leads to one, and the
// sidebar names no page twice. Screenshots go to test-results/site.
//
//   npm run docs:build && npm run docs:check [-- path …]

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join } from 'node:path'
import type { AxeResults } from 'axe-core'
import { chromium, type Browser, type Page } from 'playwright-core'
import { listFiles, root } from './source-files.ts'

const built = join(root, 'docs/.vitepress/dist')
const shots = join(root, 'test-results/site')
const origin = 'http://docs.localhost'
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const views = ([390, 1280] as const).flatMap((width) =>
  (['light', 'dark'] as const).map((colorScheme) => ({ width, colorScheme })),
)
type View = (typeof views)[number]

/** What axe finds in VitePress's own frame: its search button, its groups in the sidebar, its home page without a main. */
const ofTheTheme = ['label-content-name-mismatch', 'nested-interactive', 'landmark-one-main', 'region']

/** Paths of the site's pages, as links name them. */
function listPages(): string[] {
  const files = listFiles([''], ['.html'], built).filter((file) => !/^(404\.html|examples\/)/.test(file))
  return files.map((file) => `/${file}`.replace(/(index)?\.html$/, ''))
}

/** The file behind a path, where there is one. */
function fileAt(path: string): string | undefined {
  const name = path.endsWith('/') ? `${path}index.html` : extname(path) === '' ? `${path}.html` : path
  const file = join(built, decodeURIComponent(name))
  return existsSync(file) ? file : undefined
}

/** A page of the browser that sees the site as a static host would serve it, and nothing else. */
async function openPage(browser: Browser, { width, colorScheme }: View): Promise<Page> {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme })
  await context.route('**', async (route) => {
    const { origin: asked, pathname } = new URL(route.request().url())
    const file = asked === origin ? fileAt(pathname) : undefined
    await route.fulfill(file === undefined ? { status: 404, body: '' } : { path: file })
  })
  // Axe reads the long pages for a while on a busy machine.
  context.setDefaultTimeout(120_000)
  return context.newPage()
}

/** Runs in the page: what is wider than the window, the innermost first. */
const wideParts = (): string[] => {
  const { scrollWidth, clientWidth } = document.documentElement
  if (scrollWidth <= clientWidth) return []
  const wide = [...document.querySelectorAll('main *')].filter(
    (part) => part.getBoundingClientRect().right > clientWidth + 1,
  )
  return [`${scrollWidth} px wide: ${wide.at(-1)?.outerHTML.slice(0, 120)}`]
}

/** Runs in the page: links of the sidebar that are there twice. */
const repeatedLinks = (): string[] => {
  const links = [...document.querySelectorAll('.VPSidebar a')].map((link) => link.getAttribute('href'))
  return links
    .filter((link, index) => links.indexOf(link) !== index)
    .map((link) => `the sidebar repeats ${link}`)
}

async function brokenLinks(page: Page): Promise<string[]> {
  const links = await page.$$eval('a[href]', (all) => all.map((link) => (link as HTMLAnchorElement).href))
  const broken = links.filter((link) => {
    const { origin: target, pathname } = new URL(link)
    return target === origin && fileAt(pathname) === undefined
  })
  return [...new Set(broken)].map((link) => `${link} leads nowhere`)
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  const { violations: found } = await page.evaluate<AxeResults>('axe.run(document)')
  const own = found.filter(({ id }) => !ofTheTheme.includes(id))
  return own.map(({ id, nodes }) => `axe ${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' ')}`)
}

/** What is wrong with a page in one view. */
async function judge(page: Page, path: string, { width, colorScheme }: View): Promise<string[]> {
  const said: string[] = []
  const listen = (text: string): void => void said.push(`console: ${text}`)
  page.on('pageerror', (error) => listen(error.message))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) listen(message.text())
  })
  await page.goto(origin + path, { waitUntil: 'networkidle' })
  const name = `${path === '/' ? 'index' : path.slice(1).replaceAll('/', '-')}-${width}-${colorScheme}.png`
  await page.screenshot({ path: join(shots, name), fullPage: true })
  const found = [await page.evaluate(wideParts), await page.evaluate(repeatedLinks), await brokenLinks(page)]
  // Colours go by the scheme and roles by the width: two of the four views show axe all of both.
  const isForAxe = (colorScheme === 'dark') === width > 1000
  const wrong = [...said, ...found.flat(), ...(isForAxe ? await violations(page) : [])]
  page.removeAllListeners()
  return wrong
}

async function main(): Promise<number> {
  if (!existsSync(built)) {
    console.error('First: npm run docs:build')
    return 1
  }
  const wanted = process.argv.slice(2)
  const pages = listPages().filter((path) => wanted.length === 0 || wanted.includes(path))
  const browser = await chromium.launch({
    executablePath: process.env['CHROME_PATH'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  })
  let [passed, failed] = [0, 0]
  try {
    for (const view of views) {
      const page = await openPage(browser, view)
      for (const path of pages) {
        const wrong = await judge(page, path, view)
        if (wrong.length === 0) passed += 1
        else failed += 1
        for (const text of wrong)
          console.error(`FAIL ${path} at ${view.width} px, ${view.colorScheme}: ${text}`)
      }
      await page.context().close()
    }
  } finally {
    await browser.close()
  }
  console.log(`site: ${passed} passed, ${failed} failed`)
  return failed > 0 || passed === 0 ? 1 : 0
}

process.exitCode = await main()

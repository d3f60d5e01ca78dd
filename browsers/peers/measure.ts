// Measures libraries for the table in docs/comparison.md: `npx tsx browsers/peers/measure.ts`. Every request of a peer's page
// is answered here; authflow's page talks to the real server.

import { build } from 'esbuild'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import type { AxeResults } from 'axe-core'
import type { BrowserContext, Page, Route } from 'playwright-core'
import { launchChromium, openProfile } from '../../server/http/fixtures/chromium.ts'
import { startWorld, trigger } from '../world.ts'

interface Peer {
  readonly name: string
  /** The module of a page that has a button `#connect`, after the library's documentation. */
  readonly page: string
  /** Answers of its backend by path, where its documentation says what they are. */
  readonly answers?: Readonly<Record<string, unknown>>
}

/** What was seen of one. */
interface Result {
  readonly name: string
  readonly gzip: number | undefined
  readonly atLoad: readonly string[]
  readonly perConnect: readonly string[]
  readonly findings: readonly string[]
  readonly keyboard: readonly string[]
}

const onClick = (action: string): string => `document.querySelector('#connect').onclick = () => { ${action} }`

const peers: readonly Peer[] = [
  {
    name: '@nangohq/frontend, auth()',
    page: `import Nango from '@nangohq/frontend'
      const nango = new Nango({ connectSessionToken: 'stub' })
      ${onClick("nango.auth('github').catch(() => {})")}`,
  },
  {
    name: '@nangohq/frontend, openConnectUI()',
    page: `import Nango from '@nangohq/frontend'
      const nango = new Nango({ connectSessionToken: 'stub' })
      ${onClick('nango.openConnectUI({})')}`,
  },
  {
    name: 'better-auth/client, linkSocial()',
    page: `import { createAuthClient } from 'better-auth/client'
      const client = createAuthClient({ baseURL: location.origin })
      ${onClick("client.linkSocial({ provider: 'github', callbackURL: '/' })")}`,
    answers: { '/api/auth/link-social': { url: 'https://provider.example/authorize', redirect: true } },
  },
  {
    name: '@useparagon/connect',
    page: `import { paragon } from '@useparagon/connect'
      const ready = paragon.authenticate('00000000-0000-4000-8000-000000000000', 'stub').catch(() => {})
      ${onClick("ready.then(() => paragon.connect('slack')).catch(() => {})")}`,
  },
  {
    name: '@pipedream/sdk/browser, connectAccount()',
    page: `import { createFrontendClient } from '@pipedream/sdk/browser'
      const client = createFrontendClient({ externalUserId: 'stub', tokenCallback: async () => ({ token: 'stub', expiresAt: new Date(Date.now() + 1e6) }) })
      ${onClick("client.connectAccount({ app: 'slack', token: 'stub' })")}`,
  },
  {
    name: '@stackone/hub, element',
    page: `import '@stackone/hub/webcomponent'
      ${onClick("document.body.append(Object.assign(document.createElement('stackone-hub'), { token: 'stub' }))")}`,
  },
]

const origin = 'http://localhost:1'
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Minified for production, everything in one file, as the sizes of the table are. */
async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname, loader: 'js' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['production'],
    define: { 'process.env.NODE_ENV': '"production"' },
    write: false,
    logLevel: 'silent',
  })
  return outputFiles[0]?.text ?? ''
}

/** Requests of every window, without the page itself, its bundle and what the browser asks for by itself. */
function watch(context: BrowserContext, own: readonly string[]): string[] {
  const seen: string[] = []
  context.on('request', (request) => {
    const url = new URL(request.url())
    if (own.includes(url.href) || url.protocol === 'data:' || url.pathname === '/favicon.ico') return
    seen.push(`${request.method()} ${url.host}${url.pathname} (${request.resourceType()})`)
  })
  return seen
}

const settle = (page: Page): Promise<void> => page.waitForTimeout(2_500)

async function findingsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  const { violations } = await page.evaluate<AxeResults>('axe.run(document)')
  return violations.map(({ id, impact, nodes }) => `${id} (${impact}, ${nodes.length})`)
}

/** Runs in the page: what a library has put there and shows, whether it lies over the button, and where the focus is. */
const look = (): { shown: number; covers: boolean; hasFocus: boolean; isBehind: boolean } => {
  const shown = [...document.body.children].filter(
    (part) => !part.matches('main, script') && part.checkVisibility(),
  )
  const button = document.querySelector('#connect')
  const { x = 0, y = 0 } = button?.getBoundingClientRect() ?? {}
  return {
    shown: shown.length,
    covers: document.elementFromPoint(x + 4, y + 4) !== button,
    hasFocus: shown.some((part) => part.contains(document.activeElement)),
    isBehind: document.activeElement === button,
  }
}

/** What a person without a mouse meets, who has begun by Enter: where the focus goes, what Tab reaches, what Escape does. */
async function keyboardOf(page: Page): Promise<string[]> {
  if (!page.url().startsWith(origin)) return ['nothing to try: the page was left']
  const { shown, covers, hasFocus, isBehind } = await page.evaluate(look)
  if (shown === 0) return ['nothing to try: puts nothing into the page']
  const found = [
    covers ? 'lies over the button' : 'lies beside the button',
    hasFocus ? 'the focus goes into it' : 'the focus is not moved into it',
  ]
  let behind = isBehind
  for (let tabs = 0; hasFocus && tabs < 12 && !behind; tabs += 1) {
    await page.keyboard.press('Tab')
    behind = (await page.evaluate(look)).isBehind
  }
  found.push(behind ? 'the button can be reached' : 'the button is out of reach')
  await page.keyboard.press('Escape')
  await settle(page)
  const after = await page.evaluate(look)
  if (after.shown === shown) return [...found, 'Escape in the page does nothing']
  return [
    ...found,
    after.isBehind ? 'Escape closes it, the focus returns' : 'Escape closes it, the focus is lost',
  ]
}

const html = `<!doctype html><html lang="en"><title>Host</title><main><h1>Settings</h1>
<button type="button" id="connect">Connect</button></main><script type="module" src="/bundle.js"></script></html>`

async function answer(route: Route, peer: Peer, script: string): Promise<void> {
  const url = new URL(route.request().url())
  if (url.href === `${origin}/`) return route.fulfill({ contentType: 'text/html', body: html })
  if (url.href === `${origin}/bundle.js`)
    return route.fulfill({ contentType: 'text/javascript', body: script })
  const headers = { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' }
  if (route.request().resourceType() === 'document') {
    return route.fulfill({
      contentType: 'text/html',
      body: '<!doctype html><title>The vendor’s page</title>',
    })
  }
  return route.fulfill({ json: peer.answers?.[url.pathname] ?? {}, headers })
}

async function measure(context: BrowserContext, peer: Peer): Promise<Result> {
  const script = await bundle(peer.page)
  await context.route('**/*', (route) => answer(route, peer, script))
  const seen = watch(context, [`${origin}/`, `${origin}/bundle.js`])
  const page = await context.newPage()
  page.on('websocket', (socket) => seen.push(`WS ${new URL(socket.url()).host}`))
  await page.goto(`${origin}/`)
  await settle(page)
  const atLoad = seen.splice(0)
  await page.focus('#connect')
  await page.keyboard.press('Enter')
  await settle(page)
  const left = !page.url().startsWith(origin)
  return {
    name: peer.name,
    gzip: gzipSync(script, { level: 9 }).length,
    atLoad,
    perConnect: seen,
    findings: left ? ['nothing to look at: the page was left'] : await findingsOf(page),
    keyboard: await keyboardOf(page),
  }
}

/** The same of authflow's page, with the real server; sizes are `npx tsx scripts/check-size.ts`. */
async function measureOwn(context: BrowserContext): Promise<Result> {
  const world = await startWorld()
  try {
    const url = `${world.origin('host')}/?account=peer&token=plain`
    const seen = watch(context, [url, `${world.origin('host')}/app.js`])
    const page = await context.newPage()
    await page.goto(url)
    await settle(page)
    const atLoad = seen.splice(0)
    const [popup] = await Promise.all([page.waitForEvent('popup'), page.click(trigger())])
    await popup.waitForSelector('#allow')
    await settle(page)
    return {
      name: 'authflow, flow and trigger',
      gzip: undefined,
      atLoad,
      perConnect: seen.filter((line) => !line.includes('/events')),
      findings: await findingsOf(page),
      keyboard: ['browsers/accessibility.test.ts'],
    }
  } finally {
    await world.close()
  }
}

const browser = await launchChromium()
for (const run of [measureOwn, ...peers.map((peer) => (context: BrowserContext) => measure(context, peer))]) {
  const context = await openProfile(browser)
  console.log(JSON.stringify(await run(context), undefined, 2))
  await context.close()
}
await browser.close()

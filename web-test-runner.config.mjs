// Component tests in Chromium: `npm run test:ui`. They talk to a real authflow server with stand-in providers, which
// runs as a process beside. Reads CHROME_PATH, else takes Debian's chromium.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { esbuildPlugin } from '@web/dev-server-esbuild'
import { chromeLauncher } from '@web/test-runner-chrome'

const offline = [
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts the server with the tests, and serves its addresses at /connect-server.json. */
function connectServer() {
  let child
  let addresses = '{}'
  return {
    name: 'connect-server',
    async serverStart() {
      child = spawn(process.execPath, ['--import', 'tsx', 'ui/fixtures/connect-server.ts'], {
        cwd: fileURLToPath(new URL('.', import.meta.url)),
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      const lines = createInterface({ input: child.stdout })
      addresses = await new Promise((resolve, reject) => {
        lines.on('line', (line) => line.startsWith('{"endpoint"') && resolve(line))
        child.on('exit', (code) => reject(new Error(`the connect server ended with ${code}`)))
      })
    },
    async serverStop() {
      child?.stdin.end()
    },
    serve({ path }) {
      if (path === '/connect-server.json') return { body: addresses, type: 'json' }
    },
  }
}

/** What only somebody in front of the browser can do: act in the window at the provider. */
function windows() {
  const find = async (browser, selector) => {
    for (
      const end = Date.now() + 15_000;
      Date.now() < end;
      await new Promise((resolve) => setTimeout(resolve, 50))
    ) {
      for (const page of await browser.pages()) {
        // A page may be on its way elsewhere.
        if (await page.$(selector).catch(() => undefined)) return page
      }
    }
    throw new Error(`no window has ${selector}`)
  }
  return {
    name: 'windows',
    async executeCommand({ command, payload, session }) {
      const tests = session.browser.getPage(session.id)
      const browser = tests.browser()
      if (command === 'front') {
        await tests.bringToFront()
        return true
      }
      if (command === 'consent') {
        const page = await find(browser, '[data-testid=sandbox-consent]')
        await page.click('[name=person]')
        await page.click(`[data-testid=sandbox-${payload}]`)
        return page.url()
      }
      if (command === 'refusal') {
        const page = await find(browser, 'small code')
        return page.$eval('small code', (code) => code.textContent).finally(() => page.close())
      }
      if (command === 'close-window') {
        const page = await find(browser, payload)
        await page.close()
        return true
      }
      if (command === 'open-window') {
        const page = await browser.newPage()
        await page.goto(new URL(payload, tests.url()).href)
        return true
      }
      if (command === 'look') {
        const page = await find(browser, payload)
        return { url: page.url(), text: await page.$eval(payload, (element) => element.textContent) }
      }
      if (command === 'back') {
        const page = await find(browser, payload)
        await page.goBack()
        return true
      }
      if (command === 'click') {
        const page = await find(browser, payload)
        await page.bringToFront()
        await page.click(payload)
        return true
      }
    },
  }
}

export default {
  files: 'ui/**/*.browser.test.ts',
  nodeResolve: { exportConditions: ['production', 'default'] },
  hostname: '127.0.0.1',
  // A page in a sandbox has no origin, and its modules are of another one.
  middleware: [
    (context, next) => {
      context.set('access-control-allow-origin', '*')
      return next()
    },
  ],
  // A tab in the background gets neither frames nor the focus.
  concurrency: 1,
  plugins: [
    connectServer(),
    windows(),
    esbuildPlugin({
      ts: true,
      target: 'es2022',
      tsconfig: fileURLToPath(new URL('./tsconfig.json', import.meta.url)),
    }),
  ],
  testFramework: { config: { timeout: 30_000 } },
  browsers: [
    chromeLauncher({
      launchOptions: {
        executablePath: process.env.CHROME_PATH ?? '/usr/bin/chromium',
        // The sandbox needs privileges that containers do not have.
        args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', ...offline],
        // Test drivers switch the popup blocker off, which nobody does who connects an account.
        ignoreDefaultArgs: ['--disable-popup-blocking'],
      },
    }),
  ],
}

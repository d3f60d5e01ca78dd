// The examples of docs/testing.md as they stand: compiled, then run in Chromium and beside a server.

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import type { Browser, Page } from 'playwright-core'
import { runCommand } from '../../scripts/command.ts'
import { readBlocks } from '../../scripts/readme-blocks.ts'
import { root } from '../../scripts/source-files.ts'
import { listen, type Listening } from '../../server/oauth/fixtures/listen.ts'
import { launchBrowser } from './browser.ts'
import { findFreePorts } from './demo-process.ts'

/** What a reader imports, where it is here. */
const sources = {
  authflow: 'server/index.ts',
  'authflow/define': 'ui/define.ts',
  'authflow/fake': 'ui/fake/fake-connect.ts',
  'authflow/integrations/slack': 'server/integrations/slack.ts',
  'authflow/testing': 'server/sandbox/index.ts',
  'authflow/ui': 'ui/index.ts',
}
const alias = Object.fromEntries(Object.entries(sources).map(([name, path]) => [name, join(root, path)]))

/** What each story comes to. */
const stories = {
  Connected: 'done',
  AtTheProvider: 'authorize',
  Verifying: 'verify',
  Refused: 'cancelled',
  ProviderDown: 'failed',
  WindowBlocked: 'blocked',
  NoServer: 'failed',
}

describe('docs/testing.md', () => {
  let folder = ''
  let browser: Browser
  before(async () => {
    browser = await launchBrowser()
    const results = join(root, 'test-results')
    await mkdir(results, { recursive: true })
    // Inside of the repository, where its packages are found.
    folder = await mkdtemp(join(results, 'testing-'))
    const page = await readFile(join(root, 'docs/testing.md'), 'utf8')
    for (const { name, text } of readBlocks(page)) if (name) await writeFile(join(folder, name), text)
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  })
  after(async () => {
    await browser?.close()
    await rm(folder, { recursive: true, force: true })
  })

  const bundle = async (contents: string): Promise<string> => {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: folder, loader: 'ts' },
      bundle: true,
      format: 'esm',
      target: 'es2022',
      alias,
      write: false,
    })
    return outputFiles[0]?.text ?? assert.fail()
  }

  /** A module that runs in Node, its imports of the package replaced by the sources. */
  async function load(name: string) {
    const text = await readFile(join(folder, name), 'utf8')
    const file = join(folder, `here-${name}`)
    await writeFile(
      file,
      text.replaceAll(/'(authflow[^']*)'/g, (_, specifier: string) => JSON.stringify(alias[specifier])),
    )
    return await import(pathToFileURL(file).href)
  }

  /** A page of a site whose only script is the one given; other paths are for the site's own server to answer. */
  const serve = (script: string, rest?: (url: string) => Promise<string>): Promise<Listening> =>
    listen(() => async (req, res) => {
      const url = req.url ?? '/'
      if (url === '/page.js') return res.setHeader('content-type', 'text/javascript').end(script)
      if (url !== '/') return res.setHeader('content-type', 'application/json').end(await rest?.(url))
      return res
        .setHeader('content-type', 'text/html')
        .end(
          '<!doctype html><title>Product</title><body></body><script type="module" src="/page.js"></script>',
        )
    })

  async function open(url: string): Promise<Page> {
    const page = await browser.newPage()
    await page.goto(url)
    return page
  }

  it('has examples that compile', async () => {
    const compilerOptions = {
      noEmit: true,
      types: ['node', 'mocha'],
      paths: Object.fromEntries(Object.entries(alias).map(([name, path]) => [name, [path]])),
    }
    const files = ['connect.stories.ts', 'connect.test.ts', 'stand-ins.ts', 'connect.e2e.ts']
    const config = { extends: join(root, 'tsconfig.json'), compilerOptions, files, include: [] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { code, output } = await runCommand(process.execPath, [tsc, '-p', folder])
    assert.equal(code, 0, output)
  })

  it('has stories that show what they are named after', async () => {
    const site = await serve(
      await bundle(`import meta, * as all from './connect.stories.ts'
        globalThis.show = (name) => {
          const args = { ...meta.args, ...all[name].args }
          globalThis.end = meta.beforeEach({ args })
          const canvasElement = document.body
          canvasElement.append(meta.render())
          meta.play({ canvasElement })
        }
        globalThis.clear = () => {
          globalThis.end()
          document.body.replaceChildren()
        }`),
    )
    try {
      const text = await readFile(join(folder, 'connect.stories.ts'), 'utf8')
      assert.deepEqual(
        [...text.matchAll(/^export const (\w+) = \{/gm)].map(([, name]) => name),
        Object.keys(stories),
      )
      const page = await open(site.origin)
      for (const [name, state] of Object.entries(stories)) {
        await page.evaluate(`show('${name}')`)
        await page.locator(`auth-flow[data-state=${state}]`).waitFor()
        await page.evaluate('clear()')
      }
      await page.close()
    } finally {
      await site.close()
    }
  })

  it('has tests that pass in a browser', async () => {
    const site = await serve(
      await bundle(`const tests = [], around = []
        Object.assign(globalThis, {
          describe: (name, body) => body(),
          beforeEach: (run) => { around[0] = run },
          afterEach: (run) => { around[1] = run },
          it: (name, run) => tests.push([name, run]),
          runAll: async () => {
            const results = {}
            for (const [name, run] of tests) {
              around[0]()
              results[name] = await Promise.resolve(run()).then(() => 'passed', (error) => error.message)
              around[1]()
            }
            return results
          },
        })
        await import('./connect.test.ts')
        globalThis.ready = true`),
    )
    try {
      const page = await open(site.origin)
      await page.waitForFunction('globalThis.ready')
      assert.deepEqual(await page.evaluate('runAll()'), {
        connects: 'passed',
        'says that Slack is down': 'passed',
        'can be refused': 'passed',
      })
      await page.close()
    } finally {
      await site.close()
    }
  })

  it('has a server with a Slack of its own, where a person connects in a window', async () => {
    const { startConnectServer } = await load('stand-ins.ts')
    const { connectAs } = await load('connect.e2e.ts')
    const server = await startConnectServer(await findFreePorts())
    let origin = ''
    const site = await serve(
      await bundle(`import { configureAuthFlow } from 'authflow/ui'
        import stories from './connect.stories.ts'
        configureAuthFlow({
          endpoint: '${server.baseUrl}',
          connectToken: async () => (await fetch('/connect-token')).json(),
        })
        document.body.append(stories.render())`),
      async () => JSON.stringify(await mint()),
    )
    const mint = (): Promise<unknown> =>
      server.client.connectTokens.create({
        accountId: 'ada',
        integrations: ['slack-customers'],
        origins: [origin],
        purpose: 'create',
      })
    try {
      origin = site.origin
      const page = await open(origin)
      await connectAs(page, 'ada', 'deny')
      await page.locator('auth-flow[data-state=cancelled]').waitFor()
      await connectAs(page, 'ada')
      await page.locator('auth-flow[data-state=done]').waitFor()
      const { accessToken } = await server.client.getAuth({ id: 'slack-customers', accountId: 'ada' })
      assert.match(accessToken, /^xoxb-/)
      await page.close()
    } finally {
      await site.close()
      await server.close()
    }
  })
})

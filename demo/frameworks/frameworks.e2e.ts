// Each framework's app as an outsider has it: installed from the packed tarball, type-checked, rendered, hydrated, and
// used in Chromium, in development builds.

import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { runCommand } from '../../scripts/command.ts'
import { readBlocks } from '../../scripts/readme-blocks.ts'
import { root } from '../../scripts/source-files.ts'
import { launchBrowser } from '../e2e/browser.ts'

const folder = join(root, 'demo/frameworks')
const rendered = ['react', 'vue', 'svelte', 'preact']
const apps = [...rendered, 'solid', 'angular']

async function must(command: string, args: readonly string[], cwd = root): Promise<void> {
  const { code, output } = await runCommand(command, args, { cwd })
  assert.equal(code, 0, `${command} ${args.join(' ')}:\n${output}`)
}

/** Builds the package and puts its tarball where the apps look for it. */
async function pack(): Promise<void> {
  await must('npm', ['run', 'build'])
  await must('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder])
  const name = readdirSync(folder).find((file) => /^authflow-.*\.tgz$/.test(file))
  assert.ok(name)
  renameSync(join(folder, name), join(folder, 'authflow.tgz'))
}

async function serve(app: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const child: ChildProcess = spawn(process.execPath, ['../serve.mjs'], {
    cwd: join(folder, app),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const url = await new Promise<string>((resolve, reject) => {
    const add = (chunk: Buffer): void => {
      output += chunk.toString()
      const found = /^(http:\/\/localhost:\d+)$/m.exec(output)?.[1]
      if (found) resolve(found)
    }
    child.stdout?.on('data', add)
    child.stderr?.on('data', add)
    child.once('exit', (code) => reject(new Error(`the app ended with ${code}:\n${output}`)))
  })
  return {
    url,
    stop: async () => {
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    },
  }
}

/** What Angular's compiler says of an app with a component whose template is wrong in five ways. */
async function checkWrongTemplates(app: string): Promise<string> {
  const file = join(app, 'src/wrong.ts')
  writeFileSync(
    file,
    `import { Component } from '@angular/core'
import { authElements } from './auth-elements.ts'

@Component({
  selector: 'wrong-one',
  imports: [authElements],
  template: \`
    <auth-pannel></auth-pannel>
    <auth-flow [tokenurl]="'/'" load="never" [endpoint]="port" (auth-error)="said = $event.detail.connection"></auth-flow>
  \`,
})
export class Wrong {
  readonly port = 3000
  said = ''
}
`,
  )
  try {
    const { code, output } = await runCommand('npm', ['run', 'check'], { cwd: app })
    assert.notEqual(code, 0)
    return output
  } finally {
    rmSync(file)
  }
}

/** What Lit's development build says of itself, once. */
const litNote = /^Lit is in dev mode\./

/** Loads the app until it has no more to optimise: the first load of a development server may reload the page. */
async function openApp(browser: Browser, url: string): Promise<{ page: Page; messages: string[] }> {
  const context = await browser.newContext()
  // A development server optimises at the first load for as long as a busy machine takes.
  context.setDefaultTimeout(120_000)
  const warm = await context.newPage()
  await warm.goto(url, { waitUntil: 'networkidle' })
  await warm.close()
  const page = await context.newPage()
  const messages: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !litNote.test(message.text()))
      messages.push(message.text())
  })
  page.on('pageerror', (error) => messages.push(error.message))
  await page.goto(url, { waitUntil: 'networkidle' })
  await page.waitForFunction(() => document.documentElement.hasAttribute('data-ready'))
  return { page, messages }
}

/** Gives the consent in the window at the provider. */
async function allow(window: Page): Promise<void> {
  await window.locator('[name=person]').first().check()
  await window.getByTestId('sandbox-allow').click()
}

/** Connects where no element has a part in it: the page shows what the hook says. */
async function connectByHook(page: Page): Promise<void> {
  await page.locator('#hook', { hasText: 'idle' }).waitFor()
  const consent = page.waitForEvent('popup').then(allow)
  await page.getByRole('button', { name: 'Sign in by the hook' }).click()
  await consent
  await page.locator('#hook', { hasText: /^done \S+/ }).waitFor()
}

describe('the apps in frameworks', { timeout: 1_800_000 }, () => {
  let browser: Browser
  before(async () => {
    await pack()
    browser = await launchBrowser()
  })
  after(() => browser?.close())

  for (const app of apps) {
    describe(app, () => {
      before(async () => {
        // The tarball is new, whatever an earlier install has.
        rmSync(join(folder, app, 'node_modules/authflow'), { recursive: true, force: true })
        await must('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], join(folder, app))
        assert.ok(existsSync(join(folder, app, 'node_modules/authflow/dist/ui/define.js')))
      })

      it('compiles strictly', () => must('npm', ['run', 'check'], join(folder, app)))

      if (app === 'react')
        it('compiles the examples of docs/frameworks.md', async () => {
          const page = readFileSync(join(root, 'docs/frameworks.md'), 'utf8')
          const examples = readBlocks(page).filter(({ language }) => language === 'tsx')
          assert.equal(examples.length, 2)
          const files = examples.map(({ line }) => join(folder, app, `src/example-${line}.tsx`))
          try {
            for (const [index, file] of files.entries()) writeFileSync(file, examples[index]?.text ?? '')
            await must('npm', ['run', 'check'], join(folder, app))
          } finally {
            for (const file of files) rmSync(file, { force: true })
          }
        })

      if (app === 'angular')
        it('has Angular find what is wrong in a template', async () => {
          const output = await checkWrongTemplates(join(folder, app))
          for (const found of [
            /NG8001:.*'auth-pannel' is not a known element/,
            /NG8002:.*Can't bind to 'tokenurl' since/,
            /TS2322:.*Type '"never"' is not assignable/,
            /TS2322:.*Type 'number' is not assignable to type 'string/,
            /TS2339:.*Property 'connection' does not exist on type 'ErrorReply'/,
          ])
            assert.match(output, found)
        })

      it('shows the elements, delivers the first event, and connects without a message in the console', async () => {
        const { url, stop } = await serve(app)
        try {
          if (rendered.includes(app)) {
            const html = await (await fetch(url)).text()
            assert.match(html, /<auth-flow[^>]*integration="slack"/)
            assert.match(html, /<auth-flow[^>]*account-id="demo"/)
            assert.match(html, /<button type="button">Sign in with Slack<\/button>/)
            assert.match(html, /<auth-panel[^>]*hidden/)
          }
          const { page, messages } = await openApp(browser, url)
          const consent = page.waitForEvent('popup').then(allow)
          await page.getByRole('button', { name: 'Sign in with Slack' }).click()
          await page.locator('#event', { hasText: 'started' }).waitFor()
          await consent
          await page.locator('auth-status', { hasText: 'Connected as' }).waitFor()
          assert.notEqual(await page.locator('#event').innerText(), 'started')
          if (await page.locator('#connections').count())
            await page.locator('#connections', { hasText: '1' }).waitFor()
          if (await page.locator('#hook').count()) await connectByHook(page)
          if (await page.locator('auth-connections').count())
            await page.locator('auth-connections .item h3', { hasText: 'Slack' }).waitFor()
          assert.deepEqual(messages, [])
          await page.context().close()
        } finally {
          await stop()
        }
      })
    })
  }
})

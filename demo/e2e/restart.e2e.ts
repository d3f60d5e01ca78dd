// Killing the demo in the middle of a run, and starting it in ways that cannot work.

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Browser } from 'playwright-core'
import { launchBrowser } from './browser.ts'
import { createDataDirectory, findFreePorts, startDemo } from './demo-process.ts'
import { card, connect, openPage } from './page.ts'

const goesOnWithinMs = 10_000

describe('the demo after a kill', () => {
  let browser: Browser
  before(async () => {
    browser = await launchBrowser()
  })
  after(() => browser?.close())

  it('goes on with the run where it was', async () => {
    const data = await createDataDirectory()
    const port = await findFreePorts()
    let demo = await startDemo({ port, dataDirectory: data.path })
    try {
      const { page } = await openPage(await browser.newContext(), demo.baseUrl)
      await connect(page, 'slack', 'ada')
      await card(page, 'slack').getByRole('button', { name: 'Post, wait 8 s, reply' }).click()
      const arrived = card(page, 'slack').getByRole('list', { name: 'Arrived in Slack' })
      await arrived.getByText(/A long job has begun/).waitFor()

      await demo.stop('SIGKILL')
      const killedAt = Date.now()
      const notice = page.getByText('The server does not answer')
      await notice.waitFor()
      demo = await startDemo({ port, dataDirectory: data.path })
      const startedAt = Date.now()
      const dueIn = Math.max(0, killedAt + 8_000 - startedAt)
      await arrived.getByText(/Done after 8 s/).waitFor({ timeout: dueIn + goesOnWithinMs })
      await card(page, 'slack').locator('[data-run][data-state=succeeded]').waitFor()
      await notice.waitFor({ state: 'detached' })
      assert.equal(
        await arrived.getByText(/A long job has begun/).count(),
        1,
        'the first message was not posted again',
      )
    } finally {
      await demo.stop('SIGKILL')
      await data.remove()
    }
  })

  it('keeps its key to its owner', async () => {
    const data = await createDataDirectory()
    const demo = await startDemo({ port: await findFreePorts(), dataDirectory: data.path })
    assert.match(demo.output(), /Made an encryption key in .*encryption-key \(mode 0600\)/)
    assert.equal((await stat(join(data.path, 'encryption-key'))).mode & 0o777, 0o600)
    await demo.stop()
    await data.remove()
  })
})

describe('the demo with a wrong set-up', () => {
  const cases: readonly { name: string; env: NodeJS.ProcessEnv; says: RegExp }[] = [
    {
      name: 'half an app',
      env: { SLACK_CLIENT_ID: 'x' },
      says: /missing_option: SLACK_CLIENT_SECRET is not set/,
    },
    {
      name: 'an app without a public address',
      env: { SLACK_CLIENT_ID: 'x', SLACK_CLIENT_SECRET: 'y' },
      says: /missing_option: AUTHFLOW_BASE_URL is not set/,
    },
    {
      name: 'an address that is not https',
      env: { SLACK_CLIENT_ID: 'x', SLACK_CLIENT_SECRET: 'y', AUTHFLOW_BASE_URL: 'http://demo.example.com' },
      says: /invalid_base_url: AUTHFLOW_BASE_URL must be an https origin/,
    },
  ]
  for (const { name, env, says } of cases) {
    it(`refuses ${name} and says what to do`, async () => {
      const data = await createDataDirectory()
      await assert.rejects(startDemo({ port: await findFreePorts(), dataDirectory: data.path, env }), says)
      await data.remove()
    })
  }

  it('names the port that is taken', async () => {
    const data = await createDataDirectory()
    const port = await findFreePorts()
    const other = createServer().listen(port + 2, '127.0.0.1')
    await assert.rejects(
      startDemo({ port, dataDirectory: data.path }),
      new RegExp(`port_in_use: .*${port + 2}`, 'i'),
    )
    other.close()
    await data.remove()
  })

  it('uses only the services that have apps, and names what would add the others', async () => {
    const data = await createDataDirectory()
    const port = await findFreePorts()
    const env = {
      SLACK_CLIENT_ID: 'x',
      SLACK_CLIENT_SECRET: 'y',
      AUTHFLOW_BASE_URL: 'https://demo.example.com',
    }
    const demo = await startDemo({ port, dataDirectory: data.path, env })
    try {
      const response = await fetch(`http://127.0.0.1:${port}/plain`, { redirect: 'manual' })
      assert.equal(response.headers.get('location'), 'https://demo.example.com/plain')
      assert.doesNotMatch(demo.output(), /stand-in/)
    } finally {
      await demo.stop()
      await data.remove()
    }
  })
})

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { after, before, describe, it } from 'node:test'
import { readBlocks } from '../../scripts/readme-blocks.ts'
import { root } from '../../scripts/source-files.ts'
import type { Json } from './job.ts'
import { invokeTrigger } from '../triggers/invoke-trigger.ts'
import { startWorld, type World } from '../triggers/fixtures/trigger-world.ts'
import { until } from './fixtures/engine-fixture.ts'

/** The examples of docs/jobs.md, run as they stand; only the names of the package are replaced. */
describe('docs/jobs.md', () => {
  let directory = ''
  let page = ''
  let world: World
  before(async () => {
    page = await readFile(join(root, 'docs/jobs.md'), 'utf8')
    await mkdir(join(root, 'node_modules/.cache'), { recursive: true })
    directory = await mkdtemp(join(root, 'node_modules/.cache/jobs-page-'))
    world = await startWorld()
  })
  after(async () => {
    await world.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function load(name: string): Promise<Record<string, (...given: unknown[]) => unknown>> {
    const block = readBlocks(page).find((one) => one.name === `${name}.ts`)
    assert(block, name)
    const text = block.text
      .replaceAll(/'authflow\/integrations\/(\w+)'/g, (_, provider: string) =>
        JSON.stringify(join(root, `server/integrations/${provider}.ts`)),
      )
      .replaceAll("'authflow'", JSON.stringify(join(root, 'server/index.ts')))
    const file = join(directory, `${name}.ts`)
    await writeFile(file, text)
    return import(pathToFileURL(file).href)
  }

  /** The output of a run of the job that has succeeded. */
  async function outputOf(job: string, payload: Json = null): Promise<{ id: string; output: Json }> {
    const { id } = await world.client.invoke(job, payload, { accountId: '7' })
    await until('it is over', async () => (await world.client.getRun(id)).endedAt !== null)
    const { state, output, error } = await world.client.getRun(id)
    assert.equal(state, 'succeeded', JSON.stringify(error))
    return { id, output }
  }

  it('has branches', async () => {
    const { defineNewsletter } = await load('branches')
    defineNewsletter?.(world.client, async (to: unknown) => `sent to ${String(to)}`)
    assert.deepEqual((await outputOf('newsletter')).output, [
      'sent to ada@example.com',
      'sent to grace@example.com',
    ])
  })

  it('has a status that can be watched', async () => {
    const { defineImport, progress } = await load('status')
    defineImport?.(world.client)
    const { id } = await outputOf('import')
    assert.deepEqual(await progress?.(world.client, id), ['Imported success {"rows":40}'])
  })

  it('has values that the next run goes on with, and calls that look after runs', async () => {
    const { defineSync } = await load('store')
    defineSync?.(world.client, async (from: unknown) => [Number(from) + 1, Number(from) + 2])
    assert.deepEqual((await outputOf('sync')).output, [1, 2])
    assert.deepEqual((await outputOf('sync')).output, [3, 4])
    const { lookAfter } = await load('host')
    assert.deepEqual(await lookAfter?.(world.client), {
      output: [3, 4],
      tasks: ['cursor', 'read', 'keep'],
      more: false,
    })
    assert.equal(typeof (await world.client.store.global.get('looked at')), 'string')
  })

  it('has runs that invoke runs', async () => {
    const { defineReports } = await load('children')
    defineReports?.(world.client)
    assert.deepEqual((await outputOf('report')).output, ['page 0', 'page 1', 'page 2'])
  })

  it('has a run that waits for an event', async () => {
    const { defineOrder, pay } = await load('approval')
    defineOrder?.(world.client)
    const order = outputOf('order', { order: 4 })
    await pay?.(world.client, 3, '7')
    await pay?.(world.client, 4, '8')
    // Before the run waits, or while it does.
    await until(
      'the order is there',
      async () => (await world.client.getRuns({ job: 'order' })).items.length === 1,
    )
    await pay?.(world.client, 4, '7')
    assert.equal((await order).output, 995)
  })

  it('has a loop', async () => {
    const { defineDigest } = await load('loop')
    const rounds: unknown[] = []
    defineDigest?.(world.client, async (round: unknown) => void rounds.push(round))
    await world.client.invoke('digest', { round: 1, rounds: 3 })
    await until('three rounds', () => rounds.length === 3)
    assert.deepEqual(rounds, [1, 2, 3])
  })

  it('has a run that waits for a request', async () => {
    const { defineApproval } = await load('approve')
    const mails: string[] = []
    defineApproval?.(world.client, async (url: unknown) => void mails.push(String(url)))
    const approval = outputOf('approval')
    const url = await until('the mail is there', () => mails[0])
    const headers = { 'content-type': 'application/json' }
    await until('it is taken', async () => {
      const { status } = await fetch(url, { method: 'POST', headers, body: '{"yes":true}' })
      return status === 200
    })
    assert.deepEqual((await approval).output, { yes: true })
  })

  it('has a resolver that gives tokens', async () => {
    const { useOwnTokens } = await load('resolver')
    const [, slack] = world.integrations
    await world.connect('slack-customers', 'connected')
    const { accessToken } = await world.client.getAuth({ id: 'slack-customers', accountId: 'connected' })
    useOwnTokens?.(world.client, slack, new Map([['7', accessToken]]))
    world.client.defineJob({
      id: 'greet',
      name: 'Greet',
      version: '1.0.0',
      trigger: invokeTrigger(),
      integrations: { slack },
      run: async (_, io) => {
        const { channel } = await io.slack.postMessage('hello', { channel: 'G0ACMEORD', text: 'Hello' })
        return channel ?? null
      },
    })
    assert.equal((await outputOf('greet')).output, 'G0ACMEORD')
  })
})

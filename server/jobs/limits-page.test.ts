import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { after, before, describe, it } from 'node:test'
import { readBlocks } from '../../scripts/readme-blocks.ts'
import { root } from '../../scripts/source-files.ts'
import { startWorld, type World } from '../triggers/fixtures/trigger-world.ts'
import { until } from './fixtures/engine-fixture.ts'

/** The examples of docs/limits.md, run as they stand; only the names of the package are replaced. */
describe('docs/limits.md', () => {
  let directory = ''
  let page = ''
  let world: World
  before(async () => {
    page = await readFile(join(root, 'docs/limits.md'), 'utf8')
    await mkdir(join(root, 'node_modules/.cache'), { recursive: true })
    directory = await mkdtemp(join(root, 'node_modules/.cache/limits-page-'))
    world = await startWorld()
  })
  after(async () => {
    await world.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function load(name: string): Promise<Record<string, unknown>> {
    const block = readBlocks(page).find((one) => one.name === `${name}.ts`)
    assert(block, name)
    const file = join(directory, `${name}.ts`)
    await writeFile(file, block.text.replaceAll("'authflow'", JSON.stringify(join(root, 'server/index.ts'))))
    return import(pathToFileURL(file).href)
  }

  it('has jobs whose runs keep to their limits', async () => {
    const { defineJobs } = await load('limits')
    assert(typeof defineJobs === 'function')
    const open: string[] = []
    const most = new Map<string, number>()
    defineJobs(world.client, async (account: string) => {
      open.push(account)
      const kind = account.startsWith('account') ? 'sync' : 'warehouse'
      const now = open.filter((one) => (one.startsWith('account') ? 'sync' : 'warehouse') === kind).length
      most.set(kind, Math.max(most.get(kind) ?? 0, now))
      most.set(account, Math.max(most.get(account) ?? 0, open.filter((one) => one === account).length))
      await new Promise((resolve) => setTimeout(resolve, 20))
      open.splice(open.indexOf(account), 1)
    })
    const ids: string[] = []
    for (let at = 0; at < 16; at += 1) {
      const accountId = `account-${at % 4}`
      ids.push(
        ...(await world.client.sendEvent({ name: 'sync.wanted', payload: null }, { accountId })).runIds,
      )
      ids.push(...(await world.client.sendEvent({ name: 'load.wanted', payload: null })).runIds)
      ids.push(...(await world.client.sendEvent({ name: 'clean.wanted', payload: null })).runIds)
    }
    for (const id of ids)
      await until(
        'it is over',
        async () => (await world.client.runs.get({ id })).state === 'succeeded' || undefined,
        60_000,
      )
    assert.ok((most.get('sync') ?? 0) <= 5 && (most.get('warehouse') ?? 0) <= 10)
    for (let at = 0; at < 4; at += 1) assert.ok((most.get(`account-${at}`) ?? 0) <= 2)
    assert.throws(() => world.client.defineConcurrencyLimit({ id: 'warehouse', limit: 1 }), {
      code: 'duplicate_limit',
    })
  })

  it('has an integration with limits of its own', async () => {
    const { createDocs } = await load('own-limits')
    assert(typeof createDocs === 'function')
    const { rateLimits } = createDocs({ id: 'docs', token: 't' })
    const request = { url: new URL('https://docs.example.com/api/search'), method: 'GET' }
    assert.deepEqual(rateLimits.gates(request), [
      { scope: 'app', name: 'search', pace: { requests: 10, perMs: 1000 } },
    ])
    assert.equal(rateLimits.read(new Response(null, { status: 429 }), request)[0].closedMs, 5000)
  })
})

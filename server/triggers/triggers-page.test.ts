import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { after, before, describe, it } from 'node:test'
import { readBlocks } from '../../scripts/readme-blocks.ts'
import { root } from '../../scripts/source-files.ts'
import { checkFilter } from '../jobs/event-filter.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { startWorld, type World } from './fixtures/trigger-world.ts'

/** The examples of docs/triggers.md, run as they stand; only the names of the package are replaced. */
describe('docs/triggers.md', () => {
  let directory = ''
  let page = ''
  let world: World
  before(async () => {
    page = await readFile(join(root, 'docs/triggers.md'), 'utf8')
    await mkdir(join(root, 'node_modules/.cache'), { recursive: true })
    directory = await mkdtemp(join(root, 'node_modules/.cache/triggers-page-'))
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

  it('has a filter, all of whose parts must hold', async () => {
    const { defineLargeOrders } = await load('filters')
    const seen: unknown[] = []
    defineLargeOrders?.(world.client, (order: { id: number }) => seen.push(order.id))
    const order = {
      id: 0,
      state: 'paid',
      total: 1000,
      customer: { email: 'ann@example.com', deletedAt: null },
      lines: [{ sku: 'PEN-1' }, { sku: 'BOOK-7' }],
      tags: ['rush'],
    }
    const others = [
      { state: 'open' },
      { total: 999 },
      { total: 50_000 },
      { customer: { ...order.customer, email: 'ann@example.org' } },
      { customer: { ...order.customer, deletedAt: '2026-01-01' } },
      { lines: [{ sku: 'PEN-1' }] },
      { tags: ['rush', 'test'] },
      { tags: [] },
    ]
    const payloads = [...others.map((other, index) => ({ ...order, ...other, id: index + 1 })), order]
    const events = await world.client.sendEvents(
      payloads.map((payload) => ({ name: 'order.placed', payload })),
    )
    assert.deepEqual(
      events.map(({ runIds }) => runIds.length),
      payloads.map(({ id }) => (id === 0 ? 1 : 0)),
    )
    await until('it ran', () => seen.length > 0)
    assert.deepEqual(seen, [0])
  })

  it('names the thirteen matchers, and none that there is not', () => {
    const named = new Set(page.match(/\$[a-zA-Z]+/g))
    for (const matcher of named) {
      const operands = ['a', 1, true, [1, 2]]
      const isTaken = operands.some((operand) => {
        try {
          checkFilter({ a: [{ [matcher]: operand }] })
          return true
        } catch {
          return false
        }
      })
      assert(isTaken, matcher)
    }
    assert.equal(named.size, 13)
  })

  it('has schedules that are registered', async () => {
    const { defineSchedules, everyMonday } = await load('schedules')
    const reports = defineSchedules?.(world.client)
    const made = await everyMonday?.(reports, '7', 'Asia/Tokyo')
    assert(typeof made === 'object' && made !== null && 'nextAt' in made)
    const next = new Date(String(made.nextAt))
    assert.deepEqual([next.getUTCDay(), next.getUTCHours()], [1, 0])
  })

  it('has a webhook that can be registered', async () => {
    const { watchIssues } = await load('webhooks')
    const trigger = watchIssues?.(world.client, world.integrations[0])
    assert(
      typeof trigger === 'object' &&
        trigger !== null &&
        'register' in trigger &&
        typeof trigger.register === 'function',
    )
    const made: unknown = await trigger.register('k', { owner: 'acme', repo: 'website' }, { accountId: '1' })
    assert(typeof made === 'object' && made !== null && 'state' in made)
    assert.equal(made.state, 'waiting')
  })

  it('has calls that delay, invoke, cancel and replay', async () => {
    const { defineJobs, control, again } = await load('control')
    defineJobs?.(world.client)
    const answer: unknown = await control?.(world.client, '1')
    assert(Array.isArray(answer))
    const [state, id] = answer.map(String)
    assert.equal(state, 'cancelled')
    assert(id !== undefined)
    await until('it is over', async () => (await world.client.runs.get({ id })).endedAt !== null)
    assert.equal((await world.client.runs.get({ id })).state, 'cancelled')
    const replay: unknown = await again?.(world.client, id)
    assert(typeof replay === 'object' && replay !== null && 'job' in replay)
    assert.equal(replay.job, 'export')
  })

  it('has an endpoint that refuses what is not signed', async () => {
    const { takeOrders } = await load('http')
    takeOrders?.(world.client, `whsec_${Buffer.alloc(24, 1).toString('base64')}`)
    const answer = await fetch(`${world.url}/webhooks/http/orders`, { method: 'POST', body: '{}' })
    assert.equal(answer.status, 401)
  })

  it('has a source that is polled', async () => {
    const { notesOf } = await load('poll')
    const source = notesOf?.(world.integrations[0])
    assert(
      typeof source === 'object' && source !== null && 'poll' in source && typeof source.poll === 'function',
    )
    const auth = { type: 'oauth2', accessToken: 't' }
    const asked: string[] = []
    const fetcher = (url: URL) => {
      asked.push(url.search)
      return Promise.resolve(Response.json({ notes: [{ id: 'n1', text: 'x' }], cursor: 'c1' }))
    }
    const result: unknown = await source.poll({
      params: { folder: 'f' },
      auth,
      fetch: fetcher,
      progress: 'c0',
    })
    assert.deepEqual(result, {
      events: [{ name: 'note', id: 'n1', payload: { id: 'n1', text: 'x' } }],
      progress: 'c1',
    })
    assert.deepEqual(asked, ['?folder=f&after=c0'])
  })
})

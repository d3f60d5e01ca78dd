// F3: deliveries sent again and again to a server that is killed between storing and answering. Providers repeat what was
// not answered; nothing may start twice, and nothing may be lost. AUTHFLOW_LONG=1: 10,000 deliveries.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { printFigure } from '../../scripts/figure.ts'
import { firstWords, killChild, startScript, type Child } from '../fixtures/child.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { allSets } from '../sealed-sets.ts'
import { openStore } from '../store/open-store.ts'
import { deliveries, registrations } from './registration-records.ts'
import { openWebhookClient, ownSecret } from './fixtures/webhook-server.ts'

const isLong = process.env['AUTHFLOW_LONG'] === '1'
const total = isLong ? 10_000 : 600
/** The server kills itself when it is about to give this answer. */
const dieEvery = isLong ? 500 : 150
const duplicates = 0.3
const atOnce = 8
/** A delivery is sent for so long: the server is started again after each of its deaths. */
const patienceMs = 240_000
const script = fileURLToPath(new URL('./fixtures/webhook-server.ts', import.meta.url))
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

let directory = ''
let port = 0
let child: Child | undefined
let starting: Promise<void> | undefined
let deaths = 0
let isOver = false
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authflow-deliveries-'))
  const probe = createServer()
  await once(probe.listen(0, '127.0.0.1'), 'listening')
  const address = probe.address()
  assert(typeof address === 'object' && address !== null)
  port = address.port
  await new Promise((resolve) => probe.close(resolve))
})
after(async () => {
  isOver = true
  await starting?.catch(() => undefined)
  if (child !== undefined) await killChild(child)
  await rm(directory, { recursive: true, force: true })
})

const storeUrl = (): string => `sqlite:${join(directory, 'test.db')}`
const effectsFile = (): string => join(directory, 'effects')

/** Starts the server; again when it dies. */
async function startServer(dies = dieEvery): Promise<void> {
  const started = startScript(script, { args: [storeUrl(), String(port), effectsFile(), String(dies)] })
  child = started
  started.once('exit', () => {
    if (isOver) return
    deaths += 1
    starting = startServer()
    starting.catch(() => undefined)
  })
  await firstWords(started)
}

interface Sent {
  readonly id: string
  readonly body: string
}

/** Sends until it is answered with success, as providers do. How long the last try took, in ms. */
async function send(url: string, { id, body }: Sent): Promise<number> {
  const end = performance.now() + patienceMs
  const headers = {
    'content-type': 'application/json',
    'x-github-delivery': id,
    'x-hub-signature-256': `sha256=${createHmac('sha256', ownSecret).update(body).digest('hex')}`,
  }
  for (;;) {
    const began = performance.now()
    try {
      const answer = await fetch(url, { method: 'POST', headers, body })
      await answer.arrayBuffer()
      if (answer.status === 200) return performance.now() - began
      assert(answer.status >= 500, `unexpected ${answer.status}`)
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
    }
    assert(performance.now() < end, `${id} is not taken`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

describe('F3 deliveries', { timeout: isLong ? 3_000_000 : 900_000 }, () => {
  it('start one run each, whatever is repeated and whoever dies between storing and answering', async () => {
    starting = startServer()
    await starting
    const store = await openStore(storeUrl(), { log: quiet })
    await store.migrate(allSets, 'test')
    const [registration] = (
      await store.list(registrations, { index: 'all', equals: 'registration', limit: 2 })
    ).items
    const url = `http://127.0.0.1:${port}/webhooks/${registration?.hook}`

    const unique = Math.round(total * (1 - duplicates))
    const all: Sent[] = Array.from({ length: total }, (_, index) => {
      const n = index < unique ? index : (index * 7919) % unique
      return { id: `delivery-${n}`, body: JSON.stringify({ n }) }
    })
    // Repeats come close to what they repeat, and among the others.
    all.sort((left, right) => (hash(left) < hash(right) ? -1 : 1))
    let next = 0
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        for (let at = next++; at < all.length; at = next++) await send(url, all[at] as Sent)
      }),
    )

    const { client } = openWebhookClient(storeUrl(), {
      baseUrl: `http://localhost:${port}`,
      worker: false,
      effect: () => undefined,
    })
    const ended = async (): Promise<number | undefined> => {
      let count = 0
      let cursor: string | undefined
      do {
        const page = await client.runs.list({
          job: 'thing',
          limit: 100,
          ...(cursor === undefined ? {} : { cursor }),
        })
        count += page.items.filter(({ state }) => state === 'succeeded').length
        if (page.items.some(({ state }) => state !== 'succeeded')) return undefined
        cursor = page.cursor
      } while (cursor !== undefined)
      return count >= unique ? count : undefined
    }
    const runs = await until('all runs to end', ended, 120_000)
    // One whose reader was killed before it wrote down that it had read is read again, and starts nothing.
    await until(
      'no delivery to be left',
      async () =>
        (await store.list(deliveries, { index: 'place', equals: 'received', limit: 1 })).items.length === 0,
      60_000,
    )
    assert.equal(await ended(), unique, 'reading again started something')
    await client.close()
    await store.close()

    const effects = existsSync(effectsFile()) ? readFileSync(effectsFile(), 'utf8').trim().split('\n') : []
    assert.equal(runs, unique)
    assert.equal(new Set(effects).size, unique)
    assert(deaths >= 2, `${deaths} deaths`)
    printFigure({ requirement: 'F3', name: `runs of ${unique} deliveries sent ${total} times`, value: runs })
    printFigure({ requirement: 'F3', name: 'kills between storing and answering', value: deaths })
  })

  it('are answered soon by a server that nobody kills', async () => {
    isOver = true
    if (child !== undefined) await killChild(child)
    await startServer(0)
    const store = await openStore(storeUrl(), { log: quiet })
    await store.migrate(allSets, 'test')
    const [registration] = (
      await store.list(registrations, { index: 'all', equals: 'registration', limit: 2 })
    ).items
    await store.close()
    const url = `http://127.0.0.1:${port}/webhooks/${registration?.hook}`
    const one = (n: number): Sent => ({ id: `again-${n}`, body: JSON.stringify({ n: 1_000_000 + n }) })
    for (let n = 0; n < 50; n += 1) await send(url, one(n))
    const took: number[] = []
    let next = 50
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        for (let n = next++; n < 1050; n = next++) took.push(await send(url, one(n)))
      }),
    )
    took.sort((left, right) => left - right)
    const at = (part: number): number => Math.round(took[Math.floor(took.length * part)] ?? 0)
    assert.equal(took.length, 1000)
    for (const [name, part] of [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const)
      printFigure({
        requirement: 'F3',
        name: `answered within, ${name}, ${atOnce} at once`,
        value: at(part),
        unit: 'ms',
      })
  })
})

const hash = ({ id, body }: Sent): string =>
  createHmac('sha256', 'order')
    .update(id + body)
    .digest('hex')

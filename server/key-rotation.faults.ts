// B6: rotation while the server is used, and rotations that are killed. With AUTHFLOW_LONG=1 at full size.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { printFigure } from '../scripts/figure.ts'
import {
  accountOf,
  apiKeyOf,
  clientOf,
  newKey,
  openGround,
  seedConnections,
} from './fixtures/seeded-store.ts'
import { killChild, startScript, type Child } from './fixtures/child.ts'
import { dropDatabase } from './fixtures/drop-database.ts'
import { until } from './jobs/fixtures/engine-fixture.ts'
import { allSets } from './sealed-sets.ts'
import { countKeyUsage } from './vault/key-usage.ts'

const long = process.env['AUTHFLOW_LONG'] === '1'
const rows = long ? 10_000 : 2_000
const perSecond = 200
const kills = long ? 10 : 3

const mongoUrl = process.env['TEST_MONGODB_URL']
const mongoSkip = mongoUrl === undefined && 'TEST_MONGODB_URL is not set'
let directory = ''
before(async () => (directory = await mkdtemp(join(tmpdir(), 'authflow-rotation-'))))
after(() => rm(directory, { recursive: true, force: true }))

const children: Child[] = []
afterEach(async () => void (await Promise.all(children.splice(0).map(killChild))))

const sqliteUrl = (name: string): string => `sqlite:${join(directory, `${name}.db`)}`
const mongoDatabase = (name: string): string => {
  const url = new URL(mongoUrl ?? '')
  url.pathname = `/rotation_${name}_${process.pid}`
  return url.href
}

/** A process of `fixtures/ring-process.ts`. Every line that it writes is JSON. */
function startProcess(url: string, keys: string, work: string): { child: Child; lines: string[] } {
  const script = fileURLToPath(new URL('./fixtures/ring-process.ts', import.meta.url))
  const env = { RING_STORE: url, RING_KEYS: keys, RING_WORK: work, RING_ROWS: String(rows) }
  const child = startScript(script, { env })
  children.push(child)
  const lines: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(...text.trim().split('\n')))
  return { child, lines }
}

const hasEnded = ({ exitCode, signalCode }: Child): boolean => exitCode !== null || signalCode !== null

const ended = (child: Child): Promise<void> =>
  new Promise((resolve) => {
    if (hasEnded(child)) resolve()
    else child.on('close', () => resolve())
  })

/** Waits for a line with the word. */
async function lineOf({ lines, child }: ReturnType<typeof startProcess>, part: string): Promise<void> {
  const isSaid = (): boolean => lines.some((line) => line.includes(part))
  await until(`the process says ${part}`, () => isSaid() || hasEnded(child), 120_000)
  assert.ok(isSaid(), `the process ended without ${part}: ${lines.join()}`)
}

/** Asks a reader to end; gives its calls, errors and slowest answers. */
async function report(reader: ReturnType<typeof startProcess>) {
  reader.child.stdin.end()
  await ended(reader.child)
  const last: { calls: number; errors: string[]; p99: number } = JSON.parse(reader.lines.at(-1) ?? '{}')
  return last
}

async function kidsIn(url: string, keys: string): Promise<string[]> {
  const { store } = await openGround(url, keys)
  const usage = await countKeyUsage(store, { sets: allSets })
  await store.close()
  return [...new Set(usage.map(({ kid }) => kid))]
}

async function rotateUnderLoad(url: string, store: string): Promise<void> {
  const [k1, k2] = [newKey('k1'), newKey('k2')]
  await seedConnections(url, k1, rows)
  const client = clientOf(url, `${k2},${k1}`)
  await client.start()
  const reader = startProcess(url, `${k2},${k1}`, `read ${perSecond}`)
  await lineOf(reader, 'ready')
  const startedAt = performance.now()
  const result = await client.keys.rotate()
  const seconds = (performance.now() - startedAt) / 1000
  await delay(500)
  const { calls, errors, p99 } = await report(reader)
  assert.deepEqual(errors, [])
  assert.equal(result.outcome, 'done')
  assert.equal(result.resealed, rows + 1)
  assert.ok(calls > 50, `${calls}`)
  await client.keys.retire({ kid: 'k1' })
  await client.close()
  assert.deepEqual(await kidsIn(url, k2), ['k2'])
  const figure = (name: string, value: number, unit: string): void =>
    printFigure({ requirement: 'B6', name: `${store}: ${name}`, value: Math.round(value * 10) / 10, unit })
  figure('rows sealed anew', rows, 'rows')
  figure('time of a rotation', seconds, 's')
  figure(`getAuth at ${perSecond} a second meanwhile, errors`, errors.length, `of ${calls}`)
  figure('getAuth meanwhile, p99', p99, 'ms')
}

describe('B6: key rotation while the server is used', { timeout: 900_000 }, () => {
  it('fails no getAuth on SQLite, and leaves nothing on the old key', () =>
    rotateUnderLoad(sqliteUrl('load'), 'SQLite'))

  it('fails no getAuth on MongoDB, and leaves nothing on the old key', { skip: mongoSkip }, async () => {
    const url = mongoDatabase('load')
    await rotateUnderLoad(url, 'MongoDB').finally(() => dropDatabase(url))
  })

  it('goes on after kill -9 at any point', async () => {
    const url = sqliteUrl('killed')
    const [k1, k2] = [newKey('k1'), newKey('k2')]
    await seedConnections(url, k1, rows)
    let killed = 0
    for (let round = 0; round < kills; round += 1) {
      const rotation = startProcess(url, `${k2},${k1}`, 'rotate')
      const from = (round / kills) * rows
      await lineOf(rotation, 'ready')
      while (!hasEnded(rotation.child)) {
        const last: { resealed?: number } = JSON.parse(rotation.lines.at(-1) ?? '{}')
        if ((last.resealed ?? 0) >= Math.min(from + 1, rows / kills)) break
        await delay(2)
      }
      if (!hasEnded(rotation.child) && rotation.child.kill('SIGKILL')) killed += 1
      await ended(rotation.child)
    }
    const client = clientOf(url, `${k2},${k1}`)
    const result = await client.keys.rotate()
    assert.equal(result.outcome, 'done')
    // Those that were killed count as alive for 35 s, and do not write with the old key.
    await client.keys.retire({ kid: 'k1' })
    const auth = await client.getAuth({ id: 'keys', accountId: accountOf(rows - 1) })
    assert.equal(auth.type === 'apiKey' && auth.apiKey, apiKeyOf(rows - 1))
    await client.close()
    assert.deepEqual(await kidsIn(url, k2), ['k2'])
    assert.ok(killed > 0)
    printFigure({
      requirement: 'B6',
      name: 'rotations killed, then one to the end: rows left',
      value: 0,
      unit: `after ${killed} kills`,
    })
  })
})

describe('rolling a key out', { timeout: 600_000 }, () => {
  it('goes from one ring to the next with old and new processes side by side, without an error', async () => {
    const url = sqliteUrl('rollout')
    const [k1, k2] = [newKey('k1'), newKey('k2')]
    await seedConnections(url, k1, rows / 4)
    const rings = [k1, `${k1},${k2}`, `${k2},${k1}`]
    const start = async (ring: string) => {
      const reader = startProcess(url, ring, 'read and write')
      await lineOf(reader, 'ready')
      return reader
    }
    const old = await start(rings[0] ?? '')
    const impatient = clientOf(url, `${k2},${k1}`)
    // Nobody else could read what it would write.
    await assert.rejects(impatient.keys.rotate(), { code: 'key_not_rolled_out' })
    await impatient.close()
    const second = await start(rings[1] ?? '')
    assert.deepEqual((await report(old)).errors, [])
    const promoted = await start(rings[2] ?? '')
    const operator = clientOf(url, `${k2},${k1}`)
    // The process before still writes with the old key, so that there may be something left; it reads all of it.
    await operator.keys.rotate({ waitMs: 0 })
    await assert.rejects(operator.keys.retire({ kid: 'k1' }), {
      code: 'key_in_use',
      message: /write with it/,
    })
    await delay(300)
    assert.deepEqual((await report(second)).errors, [])
    assert.equal((await operator.keys.rotate()).outcome, 'done')
    await operator.keys.retire({ kid: 'k1' })
    await delay(300)
    const last = await report(promoted)
    assert.deepEqual(last.errors, [])
    assert.ok(last.calls > 0)
    await operator.close()
    assert.deepEqual(await kidsIn(url, k2), ['k2'])
  })
})

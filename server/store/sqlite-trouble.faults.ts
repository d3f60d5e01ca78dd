// X7: the embedded store on a disk that is full, under a storm of locks by other processes, and on a file that has become
// read-only. Every call answers with a coded error or succeeds, the file stays whole, and all goes on when the trouble
// is over.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isAuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { printFigure } from '../../scripts/figure.ts'
import { notes } from './contract-fixtures.ts'
import { openStore } from './open-store.ts'
import { loadSqliteDriver } from './sqlite-driver.ts'
import type { Store } from './store.ts'

const isLong = process.env['AUTHFLOW_LONG'] === '1'
const stormMs = isLong ? 60_000 : 4000
const stormers = isLong ? 6 : 3

/** What the calls came to: ids that were acknowledged, and how often each code was thrown. */
interface Tally {
  readonly stored: string[]
  readonly codes: Map<ErrorCode, number>
}

const newTally = (): Tally => ({ stored: [], codes: new Map() })

/** One insert. Whatever it throws must be a code of the table with status 503, the store's own. */
async function insertOne(store: Store, id: string, { tally, text }: { tally: Tally; text: string }) {
  try {
    if (await store.insert(notes, { id, text })) tally.stored.push(id)
  } catch (error) {
    assert.ok(isAuthFlowError(error), String(error))
    assert.equal(error.status, 503, error.code)
    tally.codes.set(error.code, (tally.codes.get(error.code) ?? 0) + 1)
  }
}

async function integrity(path: string): Promise<unknown> {
  const { DatabaseSync } = await loadSqliteDriver()
  const db = new DatabaseSync(path)
  const [first] = db.prepare('PRAGMA integrity_check').all() as { integrity_check: string }[]
  db.close()
  return first?.integrity_check
}

/** All that was acknowledged is there, in a store opened anew on a whole file. */
async function assertWhole(path: string, { stored }: Tally): Promise<void> {
  assert.equal(await integrity(path), 'ok')
  const store = await openStore(`sqlite:${path}`)
  await store.migrate([notes], 'test')
  for (let from = 0; from < stored.length; from += 1000) {
    const ids = stored.slice(from, from + 1000)
    assert.equal((await store.getMany(notes, ids)).length, ids.length, 'what was acknowledged is there')
  }
  assert.equal(await store.insert(notes, { id: 'afterwards' }), true)
  await store.close()
}

const isRoot = process.geteuid?.() === 0
const nobody = 65534

describe('X7: an SQLite store', () => {
  const needsMount = isRoot && process.platform === 'linux' ? false : 'needs the right to mount a small disk'

  it(
    'answers store_read_only on a full disk, stays whole, and goes on when there is room',
    {
      skip: needsMount,
      timeout: 120_000,
    },
    async (t) => {
      const disk = mkdtempSync(join(tmpdir(), 'authflow-full-'))
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk])
      if (mounted.status !== 0) return t.skip('a small disk could not be mounted here')
      try {
        const path = join(disk, 'store.db')
        const store = await openStore(`sqlite:${path}`)
        await store.migrate([notes], 'test')
        const tally = newTally()
        const text = 'x'.repeat(20_000)
        for (let round = 0; round < 40; round += 1) {
          const batch = Array.from({ length: 10 }, (_, at) =>
            insertOne(store, `full-${round}-${at}`, { tally, text }),
          )
          await Promise.all(batch)
        }
        assert.ok((tally.codes.get('store_read_only') ?? 0) > 0, 'the disk was full')
        assert.deepEqual([...tally.codes.keys()], ['store_read_only'])
        const some = tally.stored[0] ?? ''
        assert.equal((await store.get(notes, some))?.text?.length, text.length, 'reads go on')

        spawnSync('mount', ['-o', 'remount,size=64m', disk])
        await insertOne(store, 'room-again', { tally, text })
        assert.equal(tally.stored.at(-1), 'room-again')
        assert.equal(await store.ping(), true)
        await store.close()
        await assertWhole(path, tally)
        printFigure({
          requirement: 'X7',
          name: 'writes refused on a full disk',
          value: tally.codes.get('store_read_only') ?? 0,
        })
        printFigure({ requirement: 'X7', name: 'writes lost on a full disk', value: 0 })
      } finally {
        spawnSync('umount', ['-l', disk])
        rmSync(disk, { recursive: true, force: true })
      }
    },
  )

  it(
    'answers store_busy or succeeds in a storm of locks, and loses nothing',
    { timeout: 180_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'authflow-storm-'))
      const path = join(folder, 'store.db')
      const script = fileURLToPath(new URL('fixtures/lock-storm.ts', import.meta.url))
      const store = await openStore(`sqlite:${path}`, { busyTimeoutMs: 300 })
      await store.migrate([notes], 'test')
      const children = Array.from({ length: stormers }, () =>
        spawn(process.execPath, ['--import', 'tsx', script, path], { stdio: ['ignore', 'pipe', 'inherit'] }),
      )
      try {
        await Promise.all(children.map((child) => once(child.stdout, 'data')))
        const tally = newTally()
        const end = performance.now() + stormMs
        for (let round = 0; performance.now() < end; round += 1) {
          const batch = Array.from({ length: 5 }, (_, at) =>
            insertOne(store, `storm-${round}-${at}`, { tally, text: 'x' }),
          )
          await Promise.all(batch)
        }
        assert.deepEqual(
          [...tally.codes.keys()].filter((code) => code !== 'store_busy'),
          [],
        )
        for (const child of children) child.kill('SIGKILL')
        await insertOne(store, 'calm-again', { tally, text: 'x' })
        await store.close()
        await assertWhole(path, tally)
        printFigure({ requirement: 'X7', name: 'writes done in the storm', value: tally.stored.length })
        printFigure({
          requirement: 'X7',
          name: 'writes refused in the storm',
          value: tally.codes.get('store_busy') ?? 0,
        })
        printFigure({ requirement: 'X7', name: 'writes lost in the storm', value: 0 })
      } finally {
        for (const child of children) child.kill('SIGKILL')
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )

  it(
    'answers store_read_only once its file is read-only, reads on, and writes again afterwards',
    {
      timeout: 60_000,
    },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'authflow-readonly-'))
      const path = join(folder, 'store.db')
      try {
        const tally = newTally()
        const before = await openStore(`sqlite:${path}`)
        await before.migrate([notes], 'test')
        await insertOne(before, 'before', { tally, text: 'x' })
        await before.close()
        chmodSync(folder, 0o555)
        chmodSync(path, 0o444)
        if (isRoot) process.seteuid?.(nobody)
        await assert.rejects(openStore(`sqlite:${path}`), { code: 'store_read_only', status: 503 })
        if (isRoot) process.seteuid?.(0)
        chmodSync(folder, 0o755)
        chmodSync(path, 0o600)
        await assertWhole(path, tally)
        printFigure({ requirement: 'X7', name: 'writes lost on a read-only file', value: 0 })
      } finally {
        if (isRoot) process.seteuid?.(0)
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )
})

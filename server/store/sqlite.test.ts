// The store contract on SQLite, and what only a file can have: permissions, locks, damage.

import assert from 'node:assert/strict'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { storeContract } from './contract.ts'
import { marginMs, notes, others, rejectsWith } from './contract-fixtures.ts'
import type { Backend } from './contract-fixtures.ts'
import { openStore } from './open-store.ts'
import { loadSqliteDriver } from './sqlite-driver.ts'
import type { SqlDatabase } from './sqlite-driver.ts'

function openBackend(): Promise<Backend> {
  const folder = mkdtempSync(join(tmpdir(), 'authflow-store-'))
  const path = join(folder, 'nested', 'store.db')
  const url = `sqlite:${path}`
  return Promise.resolve({
    url,
    open: () => openStore(url, { stealMarginMs: marginMs }),
    listUniqueIndexes: () => listUniqueIndexes(path),
    async cleanup() {
      rmSync(folder, { recursive: true })
    },
  })
}

async function openRaw(path: string): Promise<SqlDatabase> {
  const { DatabaseSync } = await loadSqliteDriver()
  return new DatabaseSync(path)
}

async function listUniqueIndexes(path: string): Promise<string[]> {
  const db = await openRaw(path)
  const rows = db
    .prepare(
      `SELECT i.name AS name FROM sqlite_schema s, pragma_index_list(s.name) i
       WHERE s.type = 'table' AND i."unique" AND i.origin <> 'pk'`,
    )
    .all() as { name: string }[]
  db.close()
  return rows.map((row) => row.name)
}

storeContract('SQLite', openBackend)

/** Runs with a path in a folder of its own. */
function withFolder(run: (path: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), 'authflow-sqlite-'))
    try {
      await run(join(folder, 'store.db'))
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
}

describe('openStore with an SQLite URL', () => {
  it(
    'creates a file that only its owner reads, in WAL mode with incremental vacuum',
    withFolder(async (path) => {
      const store = await openStore(`sqlite:${path}`)
      await store.migrate([notes], 'test')
      await store.insert(notes, { id: 'a' })
      for (const file of [path, `${path}-wal`, `${path}-shm`]) {
        assert.equal(statSync(file).mode & 0o777, 0o600, file)
      }
      const db = await openRaw(path)
      const pragma = (name: string): unknown => Object.values(db.prepare(`PRAGMA ${name}`).get() as object)[0]
      assert.deepEqual([pragma('journal_mode'), pragma('auto_vacuum')], ['wal', 2])
      db.close()
      await store.close()
    }),
  )

  it('refuses URLs that name no file', async () => {
    for (const url of [
      'sqlite:',
      'sqlite::memory:',
      'sqlite:file::memory:',
      'sqlite://host/x',
      'mysql://x',
      'x',
      '',
    ]) {
      await rejectsWith('invalid_option', () => openStore(url))
    }
    await rejectsWith('invalid_option', () => openStore(`sqlite:${tmpdir()}`))
  })

  it(
    'refuses a file that is no database',
    withFolder(async (path) => {
      writeFileSync(path, 'this is a letter and no database. '.repeat(200))
      await rejectsWith('store_corrupt', () => openStore(`sqlite:${path}`))
    }),
  )

  it(
    'refuses a file of a newer authflow',
    withFolder(async (path) => {
      const store = await openStore(`sqlite:${path}`)
      await store.migrate([notes], 'test')
      const db = await openRaw(path)
      db.exec(`UPDATE authflow_meta SET value = '999' WHERE key = 'schema'`)
      db.close()
      await rejectsWith('schema_newer', () => store.migrate([notes], 'test'))
      await store.close()
    }),
  )
})

/** True while somebody has a lock on the file, as Linux lists them. */
function isLocked(path: string): boolean {
  return new RegExp(`:${statSync(path).ino} `).test(readFileSync('/proc/locks', 'utf8'))
}

describe('an SQLite file that one process opens twice', () => {
  it(
    'stays locked: the second opening does not end the lock of the first',
    { skip: !existsSync('/proc/locks') && 'only Linux lists locks, in /proc/locks' },
    withFolder(async (path) => {
      const first = await openStore(`sqlite:${path}`)
      assert.ok(isLocked(path))
      const second = await openStore(`sqlite:${path}`)
      assert.ok(isLocked(path))
      await second.close()
      assert.ok(isLocked(path))
      await first.close()
    }),
  )
})

describe('an SQLite file after the last close', () => {
  it(
    'is complete without the log beside it',
    withFolder(async (path) => {
      const store = await openStore(`sqlite:${path}`)
      await store.migrate([notes], 'test')
      await store.insert(notes, { id: 'a', text: 'kept' })
      await store.close()
      const copy = `${path}.copy`
      copyFileSync(path, copy)
      const again = await openStore(`sqlite:${copy}`)
      await again.migrate([notes], 'test')
      assert.equal((await again.get(notes, 'a'))?.text, 'kept')
      await again.close()
    }),
  )
})

const nobody = 65534

/** Root may write everything, so root steps back for this. */
async function asNobody(run: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return run()
  process.seteuid?.(nobody)
  try {
    await run()
  } finally {
    process.seteuid?.(0)
  }
}

describe('an SQLite file that cannot be written', () => {
  it(
    'is refused when the file is read-only, when the directory is, and when there can be none',
    withFolder(async (path) => {
      const store = await openStore(`sqlite:${path}`)
      await store.migrate([notes], 'test')
      await store.close()
      const refuses = (file: string): Promise<void> =>
        asNobody(() => rejectsWith('store_read_only', () => openStore(`sqlite:${file}`)))
      chmodSync(dirname(path), 0o777)
      chmodSync(path, 0o444)
      await refuses(path)
      chmodSync(path, 0o666)
      chmodSync(dirname(path), 0o555)
      for (const file of [path, `${dirname(path)}/new.db`, `${dirname(path)}/new/new.db`]) await refuses(file)
      chmodSync(dirname(path), 0o777)
      const again = await openStore(`sqlite:${path}`)
      await again.migrate([notes], 'test')
      await again.close()
    }),
  )
})

describe('an SQLite lease', () => {
  it(
    'ends with the boot of the machine it was taken in',
    withFolder(async (path) => {
      const store = await openStore(`sqlite:${path}`)
      const db = await openRaw(path)
      const takenAfter = async (change: string): Promise<boolean> => {
        const name = `lease-${change.length}`
        const lease = await store.acquireLease(name, 'before', 60_000)
        assert.equal(await store.acquireLease(name, 'after', 60_000), undefined)
        db.exec(`UPDATE authflow_leases SET ${change} WHERE name = '${name}'`)
        const next = await store.acquireLease(name, 'after', 60_000)
        return next !== undefined && next.fence > (lease?.fence ?? Infinity)
      }
      assert.equal(await takenAfter('boot = lower(boot)'), false)
      assert.equal(await takenAfter("boot = 'another'"), true)
      // Where boots have no name: a clock that was ahead of this one was another boot's.
      assert.equal(await takenAfter('since_ms = since_ms + 1e9'), true)
      db.close()
      await store.close()
    }),
  )
})

describe('a document that an SQLite store writes again and again', () => {
  it(
    'is seen as another process left it',
    withFolder(async (path) => {
      const store = await openStore(`sqlite:${path}`)
      await store.migrate([notes], 'test')
      const db = await openRaw(path)
      await store.insert(notes, { id: 'a', count: 1 })
      const raise = (): Promise<boolean> => store.update(notes, 'a', {}, { increment: { count: 1 } })
      assert.equal(await raise(), true)
      db.exec(`UPDATE set_notes SET body = json_set(body, '$.count', 10)`)
      assert.equal(await raise(), true)
      assert.equal((await store.get(notes, 'a'))?.count, 11)
      db.exec('DELETE FROM set_notes')
      assert.equal(await raise(), false)
      db.close()
      await store.close()
    }),
  )

  it(
    'is as it was when its batch is undone because of a neighbour',
    withFolder(async (path) => {
      const store = await openStore(`sqlite:${path}`)
      await store.migrate([notes, others], 'test')
      await store.insert(notes, { id: 'a', count: 1 })
      const db = await openRaw(path)
      db.exec('DROP TABLE set_others')
      db.close()
      const results = await Promise.allSettled([
        store.update(notes, 'a', { count: 1 }, { increment: { count: 1 } }),
        store.insert(others, { id: 'b' }),
        store.update(notes, 'a', { count: 2 }, { push: { tags: 'x' } }),
      ])
      assert.deepEqual(
        results.map((result) => (result.status === 'fulfilled' ? result.value : 'failed')),
        [true, 'failed', true],
      )
      const note = await store.get(notes, 'a')
      assert.deepEqual([note?.version, note?.count, note?.tags], [3, 2, ['x']])
      await store.close()
    }),
  )

  it(
    'is not spoilt by a change that is refused halfway',
    withFolder(async (path) => {
      const store = await openStore(`sqlite:${path}`)
      await store.migrate([notes], 'test')
      await store.insert(notes, { id: 'a', text: 'before', count: 1 })
      const change = { set: { text: 'after' }, push: { count: 'x' } }
      await rejectsWith('invalid_input', () => store.update(notes, 'a', {}, change))
      assert.equal(await store.update(notes, 'a', {}, { increment: { count: 1 } }), true)
      const note = await store.get(notes, 'a')
      assert.deepEqual([note?.text, note?.count, note?.version], ['before', 2, 2])
      await store.close()
    }),
  )
})

describe('an SQLite file under a foreign lock', () => {
  it(
    'answers store_busy once the time is over, and goes on when the lock is gone',
    withFolder(async (path) => {
      const store = await openStore(`sqlite:${path}`, { busyTimeoutMs: 200 })
      await store.migrate([notes], 'test')
      const db = await openRaw(path)
      db.exec('BEGIN IMMEDIATE')
      const start = performance.now()
      const late = rejectsWith('store_busy', () => store.insert(notes, { id: 'late' }))
      assert.equal(await store.get(notes, 'late'), undefined)
      await late
      assert.ok(performance.now() - start >= 200)
      await rejectsWith('store_busy', () => store.acquireLease('l', 'o', 10))
      assert.equal(await store.ping(), false)
      const waiting = store.insert(notes, { id: 'patient' })
      db.exec('ROLLBACK')
      assert.equal(await waiting, true)
      assert.equal(await store.get(notes, 'late'), undefined)
      db.close()
      await store.close()
    }),
  )

  it(
    'cannot be opened while locked',
    withFolder(async (path) => {
      const db = await openRaw(path)
      db.exec('BEGIN EXCLUSIVE')
      await rejectsWith('store_busy', () => openStore(`sqlite:${path}`, { busyTimeoutMs: 100 }))
      db.exec('ROLLBACK')
      db.close()
      await (await openStore(`sqlite:${path}`)).close()
    }),
  )

  it(
    'keeps its integrity in a storm of six writers',
    withFolder(async (path) => {
      const stores = await Promise.all(Array.from({ length: 6 }, () => openStore(`sqlite:${path}`)))
      await Promise.all(stores.map((store) => store.migrate([notes, others], 'test')))
      await stores[0]?.insert(notes, { id: 'sum' })
      const work = stores.map(async (store, at) => {
        for (let step = 0; step < 30; step++) {
          await Promise.all([
            store.insert(others, { id: `${at}-${step}` }),
            store.update(notes, 'sum', {}, { increment: { count: 1 } }),
          ])
        }
      })
      await Promise.all(work)
      assert.equal((await stores[0]?.get(notes, 'sum'))?.count, 180)
      for (const store of stores) await store.close()
      const db = await openRaw(path)
      assert.deepEqual(
        { ...(db.prepare('PRAGMA integrity_check').get() as object) },
        { integrity_check: 'ok' },
      )
      db.close()
    }),
  )
})

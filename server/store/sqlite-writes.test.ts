// The write queue on a real database: batches, outcomes, full disks.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { AuthFlowError } from '../../shared/errors.ts'
import { rejectsWith } from './contract-fixtures.ts'
import { loadSqliteDriver } from './sqlite-driver.ts'
import type { SqlDatabase, SqlStatement } from './sqlite-driver.ts'
import { WriteQueue } from './sqlite-writes.ts'

interface Setup {
  readonly db: SqlDatabase
  readonly queue: WriteQueue
  readonly insert: SqlStatement
  commits: number
}

function withQueue(run: (setup: Setup) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), 'authflow-writes-'))
    const { DatabaseSync } = await loadSqliteDriver()
    const db = new DatabaseSync(join(folder, 'x.db'))
    try {
      db.exec('PRAGMA journal_mode = WAL')
      db.exec('CREATE TABLE t (id PRIMARY KEY, body)')
      const queue = new WriteQueue(db, { busyTimeoutMs: 1000, onCommit: () => setup.commits++ })
      const setup: Setup = { db, queue, insert: db.prepare('INSERT INTO t VALUES (?, ?)'), commits: 0 }
      await run(setup)
    } finally {
      db.close()
      rmSync(folder, { recursive: true })
    }
  }
}

const count = (db: SqlDatabase): unknown =>
  Object.values(db.prepare('SELECT count(*) FROM t').get() as object)[0]

describe('WriteQueue', () => {
  it(
    'commits together what arrives together, in order, at most 200 at a time',
    withQueue(async (setup) => {
      const order: number[] = []
      const writes = Array.from({ length: 401 }, (_, at) =>
        setup.queue.add(() => {
          order.push(at)
          return setup.insert.run(at, null).changes
        }),
      )
      assert.equal(setup.commits, 0)
      const changes = await Promise.all(writes)
      assert.ok(changes.every((change) => Number(change) === 1))
      assert.deepEqual(
        order,
        [...order].sort((left, right) => left - right),
      )
      await setup.queue.drain()
      assert.ok(setup.commits >= 3 && setup.commits <= 20, `${setup.commits} commits`)
    }),
  )

  it(
    'ends a batch that takes long, so that the event loop goes on',
    withQueue(async (setup) => {
      const slow = (): void => {
        const end = performance.now() + 8
        while (performance.now() < end);
      }
      await Promise.all(Array.from({ length: 8 }, () => setup.queue.add(slow)))
      assert.ok(setup.commits >= 2, `${setup.commits} commits`)
    }),
  )

  it(
    'rejects a write that refuses itself, and one whose statement fails, alone',
    withQueue(async (setup) => {
      const results = await Promise.allSettled([
        setup.queue.add(() => setup.insert.run('a', 1)),
        setup.queue.add(() => {
          throw new AuthFlowError('conflict')
        }),
        setup.queue.add(() => setup.insert.run('b', { no: 'value' } as never)),
        setup.queue.add(() => setup.insert.run('c', 1)),
      ])
      assert.deepEqual(
        results.map((result) => (result.status === 'rejected' ? result.reason.code : 'written')),
        ['written', 'conflict', 'internal', 'written'],
      )
      assert.equal(count(setup.db), 2)
    }),
  )

  it(
    'answers store_read_only when the disk is full, keeps neighbours, and goes on with less',
    withQueue(async ({ db, queue, insert }) => {
      const { page_count: pages } = db.prepare('PRAGMA page_count').get() as { page_count: number }
      db.exec(`PRAGMA max_page_count = ${pages + 4}`)
      const results = await Promise.allSettled([
        queue.add(() => insert.run('before', 1)),
        queue.add(() => insert.run('large', 'x'.repeat(100_000))),
        queue.add(() => insert.run('after', 1)),
      ])
      assert.deepEqual(
        results.map((result) => (result.status === 'rejected' ? result.reason.code : 'written')),
        ['written', 'store_read_only', 'written'],
      )
      await rejectsWith('store_read_only', () => queue.add(() => insert.run('large', 'x'.repeat(100_000))))
      assert.equal(count(db), 2)
      assert.deepEqual(
        { ...(db.prepare('PRAGMA integrity_check').get() as object) },
        { integrity_check: 'ok' },
      )
    }),
  )
})

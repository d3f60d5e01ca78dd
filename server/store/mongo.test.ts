// The store contract on MongoDB, and what only a server can have: lost answers, conflicts, no server at all.

import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { MongoClient } from 'mongodb'
import type { Document } from 'mongodb'
import { randomText } from '../../shared/ids.ts'
import { dropDatabase } from '../fixtures/drop-database.ts'
import { storeContract } from './contract.ts'
import { marginMs, notes, others, rejectsWith } from './contract-fixtures.ts'
import type { Backend } from './contract-fixtures.ts'
import { startLossyProxy, type LossyProxy } from './contract-proxy.ts'
import { openStore } from './open-store.ts'
import { insertStep, updateStep } from './store.ts'
import type { Store } from './store.ts'

const serverUrl = process.env['TEST_MONGODB_URL'] ?? ''

/** The server's URL with a database of its own. */
function databaseUrl(database: string, host?: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${database}`
  if (host !== undefined) url.host = host
  return url.href
}

async function withClient<T>(database: string, run: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(databaseUrl(database), { socketTimeoutMS: 3000 })
  try {
    return await run(client)
  } finally {
    await client.close()
  }
}

const prefix = 'authflow_test_'
const leftoverAgeMs = 10 * 60_000

function openBackend(): Promise<Backend> {
  const database = `${prefix}${Date.now()}_${randomText(6).replaceAll('-', 'x')}`
  const url = databaseUrl(database)
  return Promise.resolve({
    url,
    open: () => openStore(url, { stealMarginMs: marginMs }),
    listUniqueIndexes: () => withClient(database, listUniqueIndexes),
    cleanup: () => dropDatabase(url),
  })
}

async function dropLeftovers(): Promise<void> {
  const { databases } = await withClient('admin', (client) =>
    client.db().admin().listDatabases({ nameOnly: true }),
  )
  for (const { name } of databases) {
    const [, createdAt] = /^authflow_test_([0-9]+)_/.exec(name) ?? []
    if (createdAt !== undefined && Number(createdAt) < Date.now() - leftoverAgeMs)
      await dropDatabase(databaseUrl(name))
  }
}

async function listUniqueIndexes(client: MongoClient): Promise<string[]> {
  const unique: string[] = []
  for (const collection of await client.db().collections()) {
    const indexes: Document[] = await collection.listIndexes().toArray()
    for (const index of indexes) if (index['unique'] && index['name'] !== '_id_') unique.push(index['name'])
  }
  return unique
}

/** Runs with a store behind a proxy that can lose answers. */
function behindProxy(run: (store: Store, proxy: LossyProxy) => Promise<void>) {
  return async (): Promise<void> => {
    const backend = await openBackend()
    const { hostname, port } = new URL(serverUrl)
    const proxy = await startLossyProxy(hostname, Number(port || 27017))
    try {
      const database = new URL(backend.url).pathname.slice(1)
      const store = await openStore(databaseUrl(database, `127.0.0.1:${proxy.port}`), { busyTimeoutMs: 1500 })
      try {
        await store.migrate([notes, others], 'test')
        await run(store, proxy)
        assert.equal(proxy.lost(), true, 'the answers were lost')
      } finally {
        await store.close()
      }
    } finally {
      await proxy.close()
      await backend.cleanup()
    }
  }
}

describe('openStore with a MongoDB URL', () => {
  it('refuses a URL that cannot be understood, and keeps its password to itself', async () => {
    for (const url of [
      'mongodb://',
      'mongodb://user:secret@',
      'mongodb://user:secret@host/?w=',
      'mongodb://a:b:c',
    ]) {
      await assert.rejects(openStore(url), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'invalid_option')
        assert.ok(!`${error.message} ${String(error.cause)}`.includes('secret'))
        return true
      })
    }
  })

  it('answers store_unavailable when there is no server', async () => {
    const start = performance.now()
    await rejectsWith('store_unavailable', () => openStore('mongodb://127.0.0.1:9/x', { busyTimeoutMs: 200 }))
    assert.ok(performance.now() - start < 4000)
  })
})

if (serverUrl === '') {
  it('Store contract: MongoDB', { skip: 'TEST_MONGODB_URL is not set: no MongoDB to test with' }, () => {})
} else {
  before(dropLeftovers)
  storeContract('MongoDB', openBackend)

  describe('a MongoDB answer that got lost', () => {
    it(
      'after an insert: it is one insert, and true',
      behindProxy(async (store, { loseAnswerTo }) => {
        loseAnswerTo('insert')
        assert.equal(await store.insert(notes, { id: 'a' }), true)
        assert.equal(await store.insert(notes, { id: 'a' }), false)
      }),
    )

    it(
      'after an update: it is one update, and true',
      behindProxy(async (store, { loseAnswerTo }) => {
        await store.insert(notes, { id: 'a', text: 'free' })
        await store.insert(notes, { id: 'b', text: 'taken' })
        loseAnswerTo('update')
        const claim = (id: string): Promise<boolean> =>
          store.update(notes, id, { text: 'free' }, { set: { text: 'mine' }, increment: { count: 1 } })
        assert.deepEqual(await Promise.all([claim('a'), claim('b')]), [true, false])
        const claimed = await store.get(notes, 'a')
        assert.deepEqual(claimed, { id: 'a', text: 'mine', count: 1, version: 2 })
      }),
    )

    it(
      'after updateAndGet and after a lease: one winner',
      behindProxy(async (store, { loseAnswerTo }) => {
        await store.insert(notes, { id: 'a' })
        loseAnswerTo('findAndModify')
        assert.equal((await store.updateAndGet(notes, 'a', {}, { increment: { count: 1 } }))?.count, 1)
        loseAnswerTo('findAndModify')
        const lease = await store.acquireLease('job', 'me', 60_000)
        assert.ok(lease)
        assert.equal(await store.acquireLease('job', 'you', 60_000), undefined)
        assert.equal(await store.renewLease(lease, 60_000), true)
      }),
    )

    it(
      'after a removal: true, once',
      behindProxy(async (store, { loseAnswerTo }) => {
        await store.insert(notes, { id: 'a' })
        loseAnswerTo('delete')
        assert.equal(await store.remove(notes, 'a'), true)
        assert.equal(await store.remove(notes, 'a'), false)
      }),
    )

    it(
      'after a commit: one transaction, and true',
      behindProxy(async (store, { loseAnswerTo }) => {
        await store.insert(notes, { id: 'a' })
        loseAnswerTo('commitTransaction')
        const steps = [
          updateStep(notes, 'a', {}, { increment: { count: 1 } }),
          insertStep(others, { id: 'b' }),
        ]
        assert.equal(await store.transact(steps), true)
        assert.equal((await store.get(notes, 'a'))?.count, 1)
        assert.ok(await store.get(others, 'b'))
      }),
    )
  })

  describe('a MongoDB server that is away', () => {
    it(
      'is store_unavailable, and serves again when it is back',
      behindProxy(async (store, { setAway }) => {
        await store.insert(notes, { id: 'a' })
        setAway(true)
        const failed = await Promise.allSettled([
          store.insert(notes, { id: 'b' }),
          store.get(notes, 'a'),
          store.updateAndGet(notes, 'a', {}, { increment: { count: 1 } }),
          store.transact([insertStep(notes, { id: 'c' })]),
          store.acquireLease('job', 'me', 1000),
        ])
        const codes = failed.map((result) => (result.status === 'rejected' ? result.reason.code : 'done'))
        assert.deepEqual(codes, Array(5).fill('store_unavailable'))
        assert.equal(await store.ping(), false)
        setAway(false)
        assert.equal(await store.ping(), true)
        assert.equal(await store.insert(notes, { id: 'b' }), true)
        assert.deepEqual(await store.get(notes, 'a'), { id: 'a', version: 1 })
      }),
    )
  })

  describe('MongoDB bulks', () => {
    it('know their own writes while others write the same documents', async () => {
      const backend = await openBackend()
      const first = await backend.open()
      const stores = [first, await backend.open(), await backend.open()]
      try {
        for (const store of stores) await store.migrate([notes, others], 'test')
        const ids = Array.from({ length: 20 }, (_, at) => `n${at}`)
        await Promise.all(ids.map((id) => first.insert(notes, { id, count: 0 })))
        // Half of all compare-and-sets fail, so that every bulk is short.
        const wins = new Map<string, number>()
        const work = stores.map(async (store) => {
          for (let round = 0; round < 15; round++) {
            const tries = ids.map(async (id, at) => {
              const match = at % 2 ? { count: { lessThan: 1000 } } : { count: 1000 }
              const won = await store.update(notes, id, match, { increment: { count: 1 } })
              if (won) wins.set(id, (wins.get(id) ?? 0) + 1)
            })
            await Promise.all(tries)
          }
        })
        await Promise.all(work)
        for (const note of await first.getMany(notes, ids)) {
          assert.equal(note.count, wins.get(note.id) ?? 0, note.id)
          assert.equal(note.version, 1 + (note.count ?? 0))
          assert.deepEqual(Object.keys(note).sort(), ['count', 'id', 'version'])
        }
      } finally {
        for (const store of stores) await store.close()
        await backend.cleanup()
      }
    })
  })
}

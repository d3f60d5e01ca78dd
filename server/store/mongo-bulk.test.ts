// Bulks as the server sees them.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MongoClient, type Document } from 'mongodb'
import { randomText } from '../../shared/ids.ts'
import { dropDatabase } from '../fixtures/drop-database.ts'
import { parseChange, parseMatch } from './change.ts'
import { MongoBulk, type Outcome } from './mongo-bulk.ts'
import type { Raw } from './mongo-document.ts'
import { withinLimit } from './mongo-limit.ts'

const serverUrl = process.env['TEST_MONGODB_URL'] ?? ''
const skip = serverUrl === '' && 'TEST_MONGODB_URL is not set: no MongoDB to test with'

/** Hands each id to a bulk in the order given; resolves with what became of each. */
function settle(
  ids: readonly string[],
  send: (items: (Outcome & { id: string })[]) => Promise<void>,
): Promise<boolean[]> {
  const items: (Outcome & { id: string })[] = []
  const outcomes = ids.map(
    (id) => new Promise<boolean>((settled, reject) => items.push({ id, settle: settled, reject })),
  )
  void send(items)
  return Promise.all(outcomes)
}

describe('MongoBulk', { skip }, () => {
  it('writes in the order of ids, whatever the order of calls, and tells each what became of it', async () => {
    const url = new URL(serverUrl)
    url.pathname = `/authflow_bulk_${randomText(8).replaceAll('-', 'x')}`
    const client = new MongoClient(url.href, { monitorCommands: true })
    const sent: string[][] = []
    client.on('commandStarted', ({ command }: { command: Document }) => {
      const writes: Document[] = command['updates'] ?? command['documents'] ?? []
      if (writes.length > 0) sent.push(writes.map((one) => one['_id'] ?? one['q']['_id']['$eq']))
    })
    try {
      const collection = client.db().collection<Raw>('notes')
      const bulk = new MongoBulk(collection, { writer: 'writer', now: Date.now, within: withinLimit })
      const insert = (ids: readonly string[]): Promise<boolean[]> =>
        settle(ids, (items) =>
          bulk.insert(items.map(({ id, ...rest }) => ({ raw: { _id: id, version: 1 }, ...rest }))),
        )
      assert.deepEqual(await insert(['c', 'a', 'b']), [true, true, true])
      assert.deepEqual(await insert(['d', 'a']), [true, false])
      const edit = parseChange({ set: { text: 'x' } })
      const update = await settle(['e', 'b', 'a'], (items) =>
        bulk.update(items.map((item) => ({ ...item, terms: parseMatch({}), edit }))),
      )
      assert.deepEqual(update, [false, true, true])
      const removed = await settle(['d', 'z', 'c'], (items) =>
        bulk.remove(items.map((item) => ({ ...item, terms: parseMatch({}) }))),
      )
      assert.deepEqual(removed, [true, false, true])
      assert.deepEqual(sent, [
        ['a', 'b', 'c'],
        ['a', 'd'],
        ['a', 'b', 'e'],
        ['c', 'd', 'z'],
      ])
    } finally {
      await client.close()
      await dropDatabase(url.href)
    }
  })
})

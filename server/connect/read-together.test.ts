import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { openWorkbench } from './fixtures/workbench.ts'
import { readTogether } from './read-together.ts'
import { tokenSet } from './sets.ts'

const bench = await openWorkbench([])
const { store } = bench
after(() => bench.close())

const token = (id: string) => ({
  id,
  accountId: `account of ${id}`,
  integrations: [],
  origins: [],
  purpose: 'create' as const,
  returnUrls: [],
  scopes: null,
  actor: 'ada',
  mintedBy: 'web',
  expiresAt: 1,
  spentAt: null,
})

describe('readTogether', () => {
  it('gives each caller its own document, and undefined for what is not there', async () => {
    for (const id of ['a', 'b']) await store.insert(tokenSet, token(id))
    const read = readTogether(store, tokenSet)
    const found = await Promise.all(['b', 'nothing', 'a', 'b'].map(read))
    assert.deepEqual(
      found.map((document) => document?.accountId),
      ['account of b', undefined, 'account of a', 'account of b'],
    )
  })

  it('gives more callers at once than one read takes their own', async () => {
    const ids = Array.from({ length: 250 }, (_, index) => `many-${index}`)
    for (const id of ids) await store.insert(tokenSet, token(id))
    const read = readTogether(store, tokenSet)
    const found = await Promise.all(ids.map(read))
    assert.deepEqual(
      found.map((document) => document?.id),
      ids,
    )
  })

  it('sees what was written before it was asked, and asks anew each time', async () => {
    await store.insert(tokenSet, token('changing'))
    const read = readTogether(store, tokenSet)
    assert.equal((await read('changing'))?.spentAt, null)
    await store.update(tokenSet, 'changing', {}, { set: { spentAt: 7 } })
    assert.equal((await read('changing'))?.spentAt, 7)
    await store.remove(tokenSet, 'changing')
    assert.equal(await read('changing'), undefined)
  })

  it('fails for all who asked with a read that fails, and goes on working', async () => {
    const read = readTogether(store, tokenSet)
    const results = await Promise.allSettled(['a', 'x'.repeat(10_000)].map(read))
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.equal((await read('a'))?.id, 'a')
  })
})

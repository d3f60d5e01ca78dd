import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Fields } from './document.ts'
import { MongoRanges, type IdRange } from './mongo-ranges.ts'

/** A collection of two documents that counts what it is asked. */
function createRanges() {
  const asked: string[] = []
  const ranges = new MongoRanges(({ from, limit }: IdRange) => {
    asked.push(from)
    if (from === 'away') return Promise.reject(new Error('away'))
    const documents: Fields[] = [{ id: `${from}1` }, { id: `${from}2` }]
    return Promise.resolve(documents.slice(0, limit))
  })
  const get = (from: string, limit = 10): Promise<Fields[]> => ranges.get({ from, to: `${from}~`, limit })
  return { asked, get }
}

describe('MongoRanges', () => {
  it('reads a range once that many ask for in one turn, and gives each documents of its own', async () => {
    const { asked, get } = createRanges()
    const [one, two] = await Promise.all([get('a'), get('a')])
    assert.deepEqual(asked, ['a'])
    assert.deepEqual(one, [{ id: 'a1' }, { id: 'a2' }])
    assert.deepEqual(two, one)
    assert.notEqual(two[0], one[0])
  })

  it('reads again for who asks once the read is under way: it may not see what was written by then', async () => {
    const { asked, get } = createRanges()
    const first = get('a')
    await new Promise((resolve) => setImmediate(resolve))
    await Promise.all([first, get('a')])
    assert.deepEqual(asked, ['a', 'a'])
  })

  it('keeps other ranges and other limits apart', async () => {
    const { asked, get } = createRanges()
    const found = await Promise.all([get('a'), get('b'), get('a', 1)])
    assert.deepEqual(
      found.map((documents) => documents.length),
      [2, 2, 1],
    )
    assert.deepEqual(asked, ['a', 'b', 'a'])
  })

  it('tells all callers what went wrong', async () => {
    const { get } = createRanges()
    const ends = await Promise.allSettled([get('away'), get('away')])
    assert.deepEqual(
      ends.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
  })
})

// Contract: pages by index and ranges by id.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { listAll, notes, others, rejectsWith, withPair } from './contract-fixtures.ts'
import type { Note, OpenBackend } from './contract-fixtures.ts'
import { compareText } from './change.ts'
import { insertStep } from './store.ts'

/** Declares the cases. */
export function pagingCases(openBackend: OpenBackend): void {
  describe('list', () => {
    it('pages in index order, both ways, for all kinds of values', withPair(openBackend, pagesInOrder))
    it(
      'neither repeats nor hides documents while others are written',
      withPair(openBackend, pagesUnderWrites),
    )
    it('keeps to its bounds', withPair(openBackend, keepsBounds))
    it('follows what updates do to the indexed fields', withPair(openBackend, followsUpdates))
    it('finds documents by their version', withPair(openBackend, findsVersions))
    it('takes cursors of its own query only', withPair(openBackend, refusesCursors))
  })
  describe('range', () => {
    it('gives ids from inclusive to exclusive, in order', withPair(openBackend, ranges))
  })
  describe('count', () => {
    it('counts ids and first fields between bounds, up to its limit', withPair(openBackend, counts))
  })
}

type Run = Parameters<typeof withPair>[1]
type Place = string | number | boolean | null

const rank = (value: Note['at']): number => {
  if (value === null || value === undefined) return 0
  return typeof value === 'number' ? 1 : typeof value === 'string' ? 2 : 3
}

const findsVersions: Run = async ({ store, second }) => {
  await Promise.all([store.insert(others, { id: 'a' }), store.insert(others, { id: 'b' })])
  await store.transact([insertStep(others, { id: 'c' })])
  assert.equal(await store.update(others, 'b', {}, { set: { text: 'x' } }), true)
  const idsOf = async (version: number): Promise<string[]> =>
    (await second.list(others, { index: 'byVersion', equals: version, limit: 10 })).items.map(({ id }) => id)
  assert.deepEqual([await idsOf(1), await idsOf(2)], [['a', 'c'], ['b']])
}

/** Null, numbers, text by code points, booleans; then by id. */
function comparePlaces(left: Note, right: Note): number {
  const a = left.at
  const b = right.at
  if (rank(a) !== rank(b)) return rank(a) - rank(b)
  if (typeof a === 'string' && typeof b === 'string' && a !== b) return compareText(a, b)
  if (rank(a) !== 0 && a !== b) return Number(a) - Number(b)
  return compareText(left.id, right.id)
}

/** Drivers may take a number for whole that is nearer to one than 2^-52. Nobody pages by such. */
const isClear = (value: number): boolean =>
  Number.isInteger(value) || Math.abs(value - Math.round(value)) > 1e-15

const place = fc.oneof(
  fc.constant(null),
  fc.constant(undefined),
  fc.constantFrom(true, false),
  fc.integer({ min: -2, max: 2 }),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .filter(isClear)
    .map((value) => value + 0),
  fc.constantFrom('', 'a', 'b', 'ä', '\uffee', '\u{1f600}', '5'),
)

const pagesInOrder: Run = async ({ store, second }) => {
  let round = 0
  const property = fc.asyncProperty(
    fc.array(place, { maxLength: 14 }),
    fc.integer({ min: 1, max: 5 }),
    async (places, limit) => {
      const group = `g${round++}`
      const documents = places.map((at, index) => ({
        id: `${group}-${(index * 7) % 16}`,
        group,
        ...(at === undefined ? {} : { at }),
      }))
      await Promise.all(documents.map((document) => store.insert(notes, document)))
      const expected = documents.map((document) => ({ ...document, version: 1 })).sort(comparePlaces)
      assert.deepEqual(await listAll(second, { equals: group, limit }), expected)
      assert.deepEqual(await listAll(second, { equals: group, limit, order: 'desc' }), expected.reverse())
    },
  )
  await fc.assert(property, { numRuns: 20 })
  for (const equals of [true, 1, null])
    await store.insert(notes, { id: `kind-${equals}`, group: equals, at: 1 })
  for (const equals of [true, 1, null]) {
    const { items } = await second.list(notes, { index: 'byGroup', equals, limit: 10 })
    assert.deepEqual(
      items.map((note) => note.id),
      [`kind-${equals}`],
    )
  }
}

const pagesUnderWrites: Run = async ({ store, second }) => {
  for (const order of ['asc', 'desc'] as const) {
    const group = `writes-${order}`
    const stable = Array.from({ length: 20 }, (_, at) => ({
      id: `${order}-s${at + 10}`,
      group,
      at: Math.floor(at / 3),
    }))
    await Promise.all(stable.map((document) => store.insert(notes, document)))
    let step = 0
    const seen = await listAll(second, { equals: group, limit: 3, order }, async () => {
      // In front of the page, behind it, and among equals of its place; some go away again.
      for (const at of [-1, 3, 9]) await store.insert(notes, { id: `${order}-w${step}-${at}`, group, at })
      await store.remove(notes, `${order}-w${step - 1}-3`)
      step++
    })
    const ids = seen.map((note) => note.id)
    assert.equal(new Set(ids).size, ids.length, 'repeated')
    assert.deepEqual(
      ids.filter((id) => id.includes('-s')).sort(),
      stable.map((document) => document.id).sort(),
    )
  }
}

const keepsBounds: Run = async ({ store, second }) => {
  const places: Place[] = [null, true, 'a', 'b', 'c', 1, 2, 3, 4]
  await Promise.all(places.map((at, index) => store.insert(notes, { id: `b${index}`, group: 'g', at })))
  const query = async (bounds: object): Promise<Place[]> => {
    const page = await second.list(notes, { index: 'byGroup', equals: 'g', limit: 100, ...bounds })
    return page.items.map((note) => note.at ?? null)
  }
  assert.deepEqual(await query({ from: 2, to: 4 }), [2, 3])
  assert.deepEqual(await query({ from: 2 }), [2, 3, 4])
  assert.deepEqual(await query({ to: 3 }), [1, 2])
  assert.deepEqual(await query({ from: 'b' }), ['b', 'c'])
  assert.deepEqual(await query({ to: 'c', order: 'desc' }), ['b', 'a'])
  assert.deepEqual(await query({ from: 4, to: 4 }), [])
  for (const order of ['asc', 'desc'] as const) {
    const items = await listAll(second, { equals: 'g', from: 1, to: 4, limit: 1, order })
    const expected = [1, 2, 3]
    assert.deepEqual(
      items.map((note) => note.at),
      order === 'asc' ? expected : expected.reverse(),
    )
  }
}

const followsUpdates: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'a', group: 'g', at: 1 })
  await store.update(notes, 'a', {}, { increment: { at: 4 } })
  const at5 = await second.list(notes, { index: 'byGroup', equals: 'g', from: 5, limit: 5 })
  assert.equal(at5.items.length, 1)
  await store.update(notes, 'a', {}, { unset: ['at'], set: { group: 'h' } })
  assert.equal((await second.list(notes, { index: 'byGroup', equals: 'g', limit: 5 })).items.length, 0)
  assert.deepEqual(await listAll(second, { equals: 'h', limit: 5 }), [{ id: 'a', group: 'h', version: 3 }])
}

const refusesCursors: Run = async ({ store }) => {
  await Promise.all(['a', 'b'].map((id) => store.insert(notes, { id, group: 'g', at: 1, text: 'g' })))
  const { cursor } = await store.list(notes, { index: 'byGroup', equals: 'g', limit: 1 })
  assert.ok(cursor)
  for (const bad of [
    '',
    'x',
    `x${cursor}`,
    Buffer.from('["notes","byGroup",[{"$gt":""},"a"]]').toString('base64url'),
  ]) {
    await rejectsWith('invalid_input', () =>
      store.list(notes, { index: 'byGroup', equals: 'g', limit: 1, cursor: bad }),
    )
  }
  await rejectsWith('invalid_input', () =>
    store.list(notes, { index: 'byText', equals: 'g', limit: 1, cursor }),
  )
}

const ranges: Run = async ({ store, second }) => {
  await Promise.all(['p1', 'p2', 'p3', 'q1', 'P9'].map((id) => store.insert(notes, { id })))
  const ids = async (from: string, to: string, limit: number): Promise<string[]> =>
    (await second.range(notes, from, to, limit)).map((note) => note.id)
  assert.deepEqual(await ids('p1', 'p3', 10), ['p1', 'p2'])
  assert.deepEqual(await ids('p', 'q', 2), ['p1', 'p2'])
  assert.deepEqual(await ids('p', 'p\uffff', 10), ['p1', 'p2', 'p3'])
  assert.deepEqual(await ids('', '~', 10), ['P9', 'p1', 'p2', 'p3', 'q1'])
  assert.deepEqual(await ids('q', 'p', 10), [])
}

const counts: Run = async ({ store, second }) => {
  const groups = ['wait', 'wait', 'wait', 'wait!', 'waiter', 'x/1', 'x/2']
  const documents = groups.map((group, at) => ({ id: `c${at}`, group }))
  await Promise.all(documents.map((document) => store.insert(notes, document)))
  await store.insert(notes, { id: 'c9' })
  const count = (from: string, to: string, limit = 100): Promise<number> =>
    second.count(notes, { index: 'byGroup', from, to, limit })
  assert.equal(await count('wait', 'wait!'), 3)
  assert.equal(await count('wait', 'wait!', 2), 2)
  assert.equal(await count('x/', 'x0'), 2)
  assert.equal(await count('y', 'z'), 0)
  assert.equal(await second.count(notes, { from: 'c2', to: 'c9', limit: 100 }), 5)
  await store.update(notes, 'c0', {}, { set: { group: 'y' } })
  await store.remove(notes, 'c1')
  assert.equal(await count('wait', 'wait!'), 1)
  const bad = [
    { index: 'nowhere', from: 'a', to: 'b', limit: 1 },
    { index: 'byGroup', from: 'a', to: 'b', limit: 0 },
    { index: 'byGroup', from: 'a', to: 'b', limit: 100_001 },
  ]
  for (const query of bad) await rejectsWith('invalid_input', () => store.count(notes, query))
}

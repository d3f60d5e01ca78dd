// Contract: single documents. Inserting once, compare-and-set, changes, what JSON survives, what is refused.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { listAll, notes, others, rejectsWith, withPair } from './contract-fixtures.ts'
import type { Note, OpenBackend } from './contract-fixtures.ts'
import { defineSet } from './store.ts'
import type { Change, Match, Store, StoredDocument } from './store.ts'

/** Declares the cases. */
export function documentCases(openBackend: OpenBackend): void {
  describe('insert', () => {
    it('stores version 1 once and leaves the first document alone', withPair(openBackend, insertsOnce))
    it('has one winner among 50 writers of one pair', withPair(openBackend, pairHasOneWinner))
    it('takes what the document was at the call', withPair(openBackend, snapshots))
    it('needs no unique index besides the id', withPair(openBackend, noUniqueIndex))
  })
  describe('getMany', () => {
    it('keeps the order of the ids and leaves out what is absent', withPair(openBackend, getsMany))
  })
  describe('update', () => {
    it('judges every form of a match', withPair(openBackend, judgesMatches))
    it('sets, adds, appends and removes at once', withPair(openBackend, changesAtOnce))
    it('lets one of 50 compare-and-sets win', withPair(openBackend, casHasOneWinner))
    it('loses no increment of two instances', withPair(openBackend, countsAll))
    it('gives each of many concurrent writes its own outcome', withPair(openBackend, ownOutcomes))
    it('refuses to add to text and to append to a number', withPair(openBackend, refusesWrongKinds))
  })
  describe('updateAndGet', () => {
    it('gives back its own change, or undefined', withPair(openBackend, updatesAndGets))
  })
  describe('remove', () => {
    it('deletes what matches and frees the id', withPair(openBackend, removes))
    it('has one winner among 50', withPair(openBackend, removeHasOneWinner))
  })
  describe('documents', () => {
    it('come back as JSON would have them', withPair(openBackend, keepsJson))
    it('over 12 MB are refused, neighbours are kept', withPair(openBackend, refusesLarge))
  })
  describe('calls with bad input', () => {
    it('throw invalid_input and change nothing', withPair(openBackend, refusesBadInput))
  })
}

type Run = Parameters<typeof withPair>[1]

const insertsOnce: Run = async ({ store, second }) => {
  assert.equal(await store.insert(notes, { id: 'a', text: 'first' }), true)
  assert.equal(await second.insert(notes, { id: 'a', text: 'second' }), false)
  assert.equal(await store.insert(others, { id: 'a', text: 'other set' }), true)
  assert.deepEqual(await second.get(notes, 'a'), { id: 'a', text: 'first', version: 1 })
  assert.equal(await second.get(notes, 'b'), undefined)
}

const pairHasOneWinner: Run = async ({ store, second }) => {
  const id = 'account-1:slack-customers'
  const tries = Array.from({ length: 50 }, (_, at) =>
    (at % 2 ? store : second).insert(notes, { id, count: at }),
  )
  const won = (await Promise.all(tries)).flatMap((result, at) => (result ? [at] : []))
  assert.equal(won.length, 1)
  assert.equal((await store.get(notes, id))?.count, won[0])
}

const snapshots: Run = async ({ store }) => {
  const data = { list: [1] }
  const inserted = store.insert(notes, { id: 'a', data })
  data.list.push(2)
  await inserted
  const updated = store.update(notes, 'a', {}, { push: { tags: data } })
  data.list.push(3)
  await updated
  const got = await store.get(notes, 'a')
  assert.deepEqual(got, { id: 'a', data: { list: [1] }, tags: [{ list: [1, 2] }], version: 2 })
  // And what comes back is the caller's own.
  Object.assign(got ?? {}, { text: 'spoilt' })
  assert.equal((await store.get(notes, 'a'))?.text, undefined)
}

const noUniqueIndex: Run = async ({ backend }) => {
  assert.deepEqual(await backend.listUniqueIndexes(), [])
}

const getsMany: Run = async ({ store }) => {
  await Promise.all(['a', 'b', 'c'].map((id) => store.insert(notes, { id })))
  const got = await store.getMany(notes, ['c', 'x', 'a'])
  assert.deepEqual(
    got.map((note) => note.id),
    ['c', 'a'],
  )
  assert.deepEqual(await store.getMany(notes, []), [])
}

/** A match as code without types gives it: a value may be of another kind than the field. */
const unchecked = (match: object): Match<Note> => Object.assign({}, match)

const judged: [Match<Note>, boolean][] = [
  [{}, true],
  [{ text: 'ä' }, true],
  [{ text: 'a' }, false],
  [{ text: null }, false],
  [{ count: 5 }, true],
  [{ count: 5, text: 'a' }, false],
  [{ count: 5, text: 'ä', flag: false }, true],
  [{ flag: false }, true],
  [{ flag: true }, false],
  // Kinds are not mixed, and an array is none of its elements.
  [unchecked({ flag: 0 }), false],
  [unchecked({ count: '5' }), false],
  [unchecked({ tags: 'x' }), false],
  [{ tags: { in: ['x'] } }, false],
  [{ tags: { lessThan: 'y' } }, false],
  [{ tags: null }, false],
  [{ data: null }, false],
  [{ data: 'x' }, false],
  // Absent is null.
  [{ group: null }, true],
  [{ at: null }, true],
  [{ group: { in: ['x', null] } }, true],
  [{ expireAt: null }, true],
  [{ group: 'x' }, false],
  [{ group: { lessThan: 1 } }, false],
  [{ at: { lessThan: 'x' } }, false],
  [{ count: { lessThan: 6 } }, true],
  [{ count: { lessThan: 5 } }, false],
  [{ count: { lessThan: '6' } }, false],
  [{ text: { lessThan: 'z' } }, false],
  [{ text: { lessThan: 'ö' } }, true],
  [{ flag: { lessThan: 1 } }, false],
  [{ count: { in: [1, 5] } }, true],
  [{ count: { in: [1, '5'] } }, false],
  [{ count: { in: [] } }, false],
  [{ flag: { in: [false] } }, true],
  [{ id: 'a' }, true],
  [{ id: 'b' }, false],
  [{ version: 1 }, true],
  [{ version: 2 }, false],
  [{ text: '$set' }, false],
]

const judgesMatches: Run = async ({ store }) => {
  const note = { id: 'a', text: 'ä', count: 5, flag: false, tags: ['x'], data: { x: 1 }, at: null }
  for (const [match, expected] of judged) {
    await store.insert(notes, note)
    const label = JSON.stringify(match)
    assert.equal((await store.updateAndGet(notes, 'a', match, {})) !== undefined, expected, label)
    await store.remove(notes, 'a')
    await store.insert(notes, note)
    assert.equal(await store.update(notes, 'a', match, { set: { count: 5 } }), expected, label)
    await store.remove(notes, 'a')
    await store.insert(notes, note)
    assert.equal(await store.remove(notes, 'a', match), expected, label)
    await store.remove(notes, 'a')
  }
  assert.equal(await store.update(notes, 'absent', {}, {}), false)
}

const changesAtOnce: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'a', text: 'x', count: 1.5, tags: [1], flag: true, at: 7 })
  const change: Change<Note> = {
    set: { text: null, data: { a: [] } },
    increment: { count: -2 },
    push: { tags: [2, 3] },
    unset: ['flag', 'group'],
  }
  assert.equal(await store.update(notes, 'a', {}, change), true)
  const changed = { id: 'a', text: null, count: -0.5, tags: [1, [2, 3]], data: { a: [] }, at: 7, version: 2 }
  assert.deepEqual(await second.get(notes, 'a'), changed)
  // Absent and null count as nothing yet.
  await store.update(notes, 'a', {}, { set: { tags: null, count: null } })
  await store.update(notes, 'a', {}, { push: { tags: null }, increment: { count: 3 } })
  await store.insert(notes, { id: 'b' })
  await store.update(notes, 'b', {}, { push: { tags: { k: 'v' } }, increment: { count: 2 ** 40 } })
  await store.update(notes, 'b', {}, { increment: { count: 2 ** 31 } })
  const { tags, count, version } = (await second.get(notes, 'a')) ?? {}
  assert.deepEqual({ tags, count, version }, { tags: [null], count: 3, version: 4 })
  assert.deepEqual(await second.get(notes, 'b'), {
    id: 'b',
    tags: [{ k: 'v' }],
    count: 2 ** 40 + 2 ** 31,
    version: 3,
  })
  // An update of nothing still is a new version.
  assert.equal((await store.updateAndGet(notes, 'b', {}, {}))?.version, 4)
}

const casHasOneWinner: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'a', text: 'free' })
  const tries = Array.from({ length: 50 }, (_, at) =>
    (at % 2 ? store : second).update(notes, 'a', { text: 'free' }, { set: { text: `owner ${at}` } }),
  )
  const won = (await Promise.all(tries)).flatMap((result, at) => (result ? [`owner ${at}`] : []))
  assert.equal(won.length, 1)
  const { text, version } = (await store.get(notes, 'a')) ?? {}
  assert.deepEqual({ text, version }, { text: won[0], version: 2 })
}

const countsAll: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'a' })
  const raise = (at: number): Promise<boolean> =>
    (at % 2 ? store : second).update(notes, 'a', {}, { increment: { count: 1 } })
  const results = await Promise.all(Array.from({ length: 200 }, (_, at) => raise(at)))
  assert.ok(results.every(Boolean))
  const { count, version } = (await store.get(notes, 'a')) ?? {}
  assert.deepEqual({ count, version }, { count: 200, version: 201 })
}

const ownOutcomes: Run = async ({ store, second }) => {
  for (let at = 0; at < 40; at += 2) await store.insert(notes, { id: `n${at}`, count: at, text: 'old' })
  const outcome = async (at: number): Promise<string> => {
    const id = `n${at}`
    const from = at % 3 === 0 ? second : store
    try {
      if (at % 4 < 2) return String(await from.insert(notes, { id, text: 'new' }))
      if (at % 8 < 4)
        return String(await from.update(notes, id, { text: 'old' }, { increment: { count: 1 } }))
      return String(await from.update(notes, id, {}, { increment: { text: 1 } as never }))
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    }
  }
  const results = await Promise.all(Array.from({ length: 40 }, (_, at) => outcome(at)))
  for (const [at, result] of results.entries()) {
    const exists = at % 2 === 0
    if (at % 4 < 2) assert.equal(result, String(!exists), `insert ${at}`)
    else if (at % 8 < 4) assert.equal(result, String(exists), `update ${at}`)
    else assert.equal(result, exists ? 'invalid_input' : 'false', `wrong kind ${at}`)
  }
}

const refusesWrongKinds: Run = async ({ store }) => {
  await store.insert(notes, { id: 'a', text: 'x', count: 1 })
  const before = await store.get(notes, 'a')
  await rejectsWith('invalid_input', () => store.update(notes, 'a', {}, { increment: { text: 1 } as never }))
  await rejectsWith('invalid_input', () =>
    store.updateAndGet(notes, 'a', {}, { push: { count: 1 } as never }),
  )
  assert.deepEqual(await store.get(notes, 'a'), before)
}

const updatesAndGets: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'a', count: 0 })
  const raise = (at: number): Promise<Note | undefined> =>
    (at % 2 ? store : second).updateAndGet(notes, 'a', {}, { increment: { count: 1 } })
  const results = await Promise.all(Array.from({ length: 40 }, (_, at) => raise(at)))
  const counts = results.map((note) => note?.count ?? 0).sort((left, right) => left - right)
  assert.deepEqual(
    counts,
    Array.from({ length: 40 }, (_, at) => at + 1),
  )
  for (const note of results) assert.equal(note?.version, (note?.count ?? 0) + 1)
  assert.equal(await store.updateAndGet(notes, 'a', { count: 7 }, {}), undefined)
  assert.equal(await store.updateAndGet(notes, 'absent', {}, {}), undefined)
}

const removes: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'a', text: 'x' })
  assert.equal(await second.remove(notes, 'a', { text: 'y' }), false)
  assert.equal(await second.remove(notes, 'a', { text: 'x' }), true)
  assert.equal(await store.remove(notes, 'a'), false)
  assert.equal(await store.get(notes, 'a'), undefined)
  assert.equal(await store.insert(notes, { id: 'a', text: 'again' }), true)
  assert.deepEqual(await second.get(notes, 'a'), { id: 'a', text: 'again', version: 1 })
}

const removeHasOneWinner: Run = async ({ store, second }) => {
  const ids = Array.from({ length: 10 }, (_, at) => `r${at}`)
  await Promise.all(ids.map((id) => store.insert(notes, { id })))
  const tries = Array.from({ length: 50 }, (_, at) => (at % 2 ? store : second).remove(notes, `r${at % 10}`))
  const results = await Promise.all(tries)
  for (const at of ids.keys()) {
    const wins = results.filter((result, index) => result && index % 10 === at)
    assert.equal(wins.length, 1, `winners of r${at}`)
  }
  assert.deepEqual(await store.getMany(notes, ids), [])
}

// Keys and texts that a database may take for its own.
const sharp = fc.constantFrom(
  '$set',
  '$',
  'a.b',
  '.',
  '',
  '__proto__',
  'constructor',
  'toString',
  '_id',
  '_bsontype',
  'a\0b',
  '\ud800',
)
const key = fc.oneof(fc.string({ unit: 'binary' }), sharp)
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.oneof(fc.string({ unit: 'binary' }), sharp),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: false }),
  ),
})).value

const keepsJson: Run = async ({ store, second }) => {
  let at = 0
  const property = fc.asyncProperty(json, fc.array(json, { maxLength: 3 }), async (data, tags) => {
    const id = `j${at++}`
    const like = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
    await store.insert(notes, { id, data, tags })
    assert.deepEqual(await second.get(notes, id), { id, data: like(data), tags: like(tags), version: 1 })
    await store.update(notes, id, {}, { set: { data: { in: data } }, push: { tags: data } })
    const expected = { id, data: like({ in: data }), tags: like([...tags, data]), version: 2 }
    assert.deepEqual(await second.get(notes, id), expected)
    assert.equal(JSON.stringify((await store.get(notes, id))?.data), JSON.stringify(expected.data))
  })
  const driversOwn = { hasOwnProperty: { _bsontype: 'ObjectId', id: 'x' } }
  await fc.assert(property, { numRuns: 60, examples: [[driversOwn, [driversOwn]]] })
  let deep: unknown = 'bottom'
  for (let level = 0; level < 300; level++) deep = level % 2 ? [deep] : { deep }
  await store.insert(notes, { id: 'deep', data: deep, tags: [deep] })
  await store.update(notes, 'deep', {}, { push: { tags: deep } })
  const back = await second.get(notes, 'deep')
  assert.equal(JSON.stringify(back?.data), JSON.stringify(deep))
  assert.equal(JSON.stringify(back?.tags), JSON.stringify([deep, deep]))
}

const refusesLarge: Run = async ({ store, second }) => {
  const large = 'x'.repeat(13 * 1024 * 1024)
  const [refused, kept] = await Promise.allSettled([
    store.insert(notes, { id: 'large', data: large }),
    store.insert(notes, { id: 'small', data: 'x' }),
  ])
  assert.equal(refused.status, 'rejected')
  assert.deepEqual(kept, { status: 'fulfilled', value: true })
  await rejectsWith('document_too_large', () => store.insert(notes, { id: 'large', data: large }))
  await rejectsWith('document_too_large', () => store.update(notes, 'small', {}, { set: { data: [large] } }))
  await rejectsWith('document_too_large', () =>
    store.transact([
      { verb: 'update', set: 'notes', id: 'small', match: {}, change: { push: { tags: large } } },
    ]),
  )
  assert.deepEqual(await second.get(notes, 'small'), { id: 'small', data: 'x', version: 1 })
  // Grown by changes that are small enough each.
  const part = 'é'.repeat(3 * 1024 * 1024)
  await store.update(notes, 'small', {}, { push: { tags: part } })
  await rejectsWith('document_too_large', async () => {
    for (let at = 0; at < 3; at++) await store.update(notes, 'small', {}, { push: { tags: part } })
  })
  const wide = Array.from({ length: 100_000 }, (_, at) => ({ at }))
  await store.insert(notes, { id: 'wide', data: wide })
  assert.deepEqual((await second.get(notes, 'wide'))?.data, wide)
}

interface Loose extends StoredDocument {
  readonly [field: string]: unknown
}

const loose = defineSet<Loose>('notes', { byGroup: ['group', 'at'] })
const unknownSet = defineSet<Note>('never')

const badCalls: [string, (store: Store) => Promise<unknown>][] = [
  ['empty id', (store) => store.insert(notes, { id: '' })],
  ['long id', (store) => store.insert(notes, { id: 'x'.repeat(513) })],
  ['id beyond ASCII', (store) => store.insert(notes, { id: 'ä' })],
  ['id with a line break', (store) => store.get(notes, 'a\n')],
  ['no id', (store) => store.insert(notes, {} as never)],
  ['field like an operator', (store) => store.insert(loose, { id: 'b', $set: 1 })],
  ['field with a dot', (store) => store.update(loose, 'a', {}, { set: { 'data.x': 1 } })],
  ['field of the prototype', (store) => store.insert(loose, JSON.parse('{"id":"b","__proto__":1}'))],
  ['field of the adapter', (store) => store.update(loose, 'a', { _id: 'a' }, {})],
  ['no number', (store) => store.insert(notes, { id: 'b', count: NaN })],
  ['infinite number', (store) => store.update(notes, 'a', {}, { increment: { count: Infinity } })],
  ['a bigint', (store) => store.insert(notes, { id: 'b', data: { deep: 1n } })],
  ['a function', (store) => store.insert(notes, { id: 'b', data: () => 1 })],
  ['an indexed object', (store) => store.insert(loose, { id: 'b', group: {} })],
  ['an indexed array', (store) => store.update(loose, 'a', {}, { set: { at: [1] } })],
  ['appending to an indexed field', (store) => store.update(loose, 'a', {}, { push: { at: 1 } })],
  ['an indexed broken text', (store) => store.insert(notes, { id: 'b', group: '\ud800' })],
  ['an indexed NUL', (store) => store.update(notes, 'a', {}, { set: { group: 'a\0b' } })],
  ['changing the id', (store) => store.update(loose, 'a', {}, { set: { id: 'b' } })],
  ['changing the version', (store) => store.update(loose, 'a', {}, { increment: { version: 1 } })],
  ['one field twice', (store) => store.update(notes, 'a', {}, { set: { text: 'x' }, unset: ['text'] })],
  ['expireAt in text', (store) => store.insert(loose, { id: 'b', expireAt: '2030-01-01' as never })],
  ['adding to expireAt', (store) => store.update(notes, 'a', {}, { increment: { expireAt: 1 } })],
  ['a match of undefined', (store) => store.update(loose, 'a', { text: undefined as never }, {})],
  ['a match with an operator', (store) => store.remove(loose, 'a', { text: { $gt: '' } as never })],
  ['a match with two conditions', (store) => store.remove(loose, 'a', { n: { lessThan: 1, in: [1] } })],
  ['a match of an object', (store) => store.remove(loose, 'a', { n: { in: [{}] } as never })],
  ['a match with too many values', (store) => store.remove(loose, 'a', { n: { in: Array(21).fill(1) } })],
  ['too many ids', (store) => store.getMany(notes, Array(1001).fill('a'))],
  ['a set that was not migrated', (store) => store.get(unknownSet, 'a')],
  [
    'a step of a set that was not migrated',
    (store) => store.transact([{ verb: 'insert', set: 'never', document: { id: 'b' } }]),
  ],
  ['an unknown index', (store) => store.list(notes, { index: 'nope', equals: 1, limit: 1 })],
  ['a limit of 0', (store) => store.list(notes, { index: 'byGroup', equals: 1, limit: 0 })],
  ['a limit of 1001', (store) => store.range(notes, 'a', 'b', 1001)],
  [
    'a foreign cursor',
    (store) => store.list(notes, { index: 'byGroup', equals: 1, limit: 1, cursor: 'eyJ9' }),
  ],
  [
    'bounds of two kinds',
    (store) => store.list(notes, { index: 'byGroup', equals: 1, limit: 1, from: 1, to: 'x' }),
  ],
  [
    'bounds without a second field',
    (store) => store.list(notes, { index: 'byText', equals: 'x', limit: 1, from: 1 }),
  ],
  ['a lease of no time', (store) => store.acquireLease('l', 'o', 0)],
  ['a lease for half a ms', (store) => store.acquireLease('l', 'o', 0.5)],
  ['a lease without a name', (store) => store.acquireLease('', 'o', 10)],
  ['sweeping nothing', (store) => store.sweepExpired(0)],
]

const refusesBadInput: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'a', text: 'x', group: 'g' })
  for (const [label, call] of badCalls) {
    await assert.doesNotReject(
      rejectsWith('invalid_input', () => call(store)),
      label,
    )
  }
  const all = await listAll(second, { equals: 'g', limit: 10 })
  assert.deepEqual(all, [{ id: 'a', text: 'x', group: 'g', version: 1 }])
  assert.equal(await second.get(notes, 'b'), undefined)
}

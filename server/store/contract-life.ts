// Contract: a store's life. Migrating, retention, watching, closing.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { listAll, notes, others, rejectsWith, withPair } from './contract-fixtures.ts'
import type { Note, OpenBackend } from './contract-fixtures.ts'
import { defineSet, insertStep, updateStep } from './store.ts'
import type { Store } from './store.ts'

/** Declares the cases. */
export function lifeCases(openBackend: OpenBackend): void {
  describe('migrate', () => {
    it('may be repeated and run at once', withPair(openBackend, repeats))
    it('builds a new index over what is there', withPair(openBackend, buildsIndex))
    it('refuses another environment', withPair(openBackend, refusesEnvironment))
    it('refuses definitions that cannot work', withPair(openBackend, refusesDefinitions))
  })
  describe('examine', () => {
    it(
      'finds what migrate would do, does nothing, and lets what fits be read',
      withPair(openBackend, examines),
    )
  })
  describe('expireAt', () => {
    it('hides a document at once; sweeping frees its id', withPair(openBackend, expires))
    it('is swept at most as often as the limit says', withPair(openBackend, sweepsSome))
  })
  describe('onChange', () => {
    it('tells of own and of foreign writes until it is stopped', withPair(openBackend, tells))
  })
  describe('ping', () => {
    it('is true while the store works', withPair(openBackend, pings))
  })
  describe('close', () => {
    it('finishes accepted writes, then every verb throws closed', withPair(openBackend, closes))
  })
}

type Run = Parameters<typeof withPair>[1]

const repeats: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'a', group: 'g', at: 1 })
  await Promise.all([store, second, store, second].map((one) => one.migrate([others, notes], 'test')))
  const third = defineSet<Note>('third', { byAt: ['at'] })
  await Promise.all([store.migrate([third], 'test'), second.migrate([third], 'test')])
  await store.insert(third, { id: 't', at: 5 })
  assert.equal((await second.list(third, { index: 'byAt', equals: 5, limit: 1 })).items.length, 1)
  assert.deepEqual(await listAll(second, { equals: 'g', limit: 5 }), [
    { id: 'a', group: 'g', at: 1, version: 1 },
  ])
}

const examines: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'a', group: 'g', at: 1 })
  const third = defineSet<Note>('third', { byAt: ['at'] })
  const wider = defineSet<Note>('notes', { byFlag: ['flag', 'count'] })
  const sets = [others, wider, third]
  for (let times = 0; times < 2; times += 1)
    assert.deepEqual(await second.examine(sets, 'test'), { missing: ['third'], changed: ['notes'] })
  assert.deepEqual(await second.examine([others, notes], 'test'), { missing: [], changed: [] })
  assert.equal((await second.get(notes, 'a'))?.group, 'g')
  await rejectsWith('environment_mismatch', () => second.examine([notes], 'other'))
  await second.migrate(sets, 'test')
  assert.deepEqual(await store.examine(sets, 'test'), { missing: [], changed: [] })
}

const buildsIndex: Run = async ({ store, second }) => {
  for (let at = 0; at < 5; at++)
    await store.insert(notes, { id: `n${at}`, flag: at % 2 === 0, count: at, group: 'g' })
  const wider = defineSet<Note>('notes', { byFlag: ['flag', 'count'], byGroup: ['group', 'count'] })
  await second.migrate([wider], 'test')
  const flagged = await second.list(wider, { index: 'byFlag', equals: true, order: 'desc', limit: 10 })
  assert.deepEqual(
    flagged.items.map((note) => note.count),
    [4, 2, 0],
  )
  await second.insert(wider, { id: 'new', flag: true, count: 9, group: 'g' })
  const grouped = await second.list(wider, { index: 'byGroup', equals: 'g', from: 4, limit: 10 })
  assert.deepEqual(
    grouped.items.map((note) => note.count),
    [4, 9],
  )
}

const refusesEnvironment: Run = async ({ store, second }) => {
  await rejectsWith('environment_mismatch', () => store.migrate([notes], 'production'))
  await store.insert(notes, { id: 'a' })
  assert.ok(await second.get(notes, 'a'))
}

const refusesDefinitions: Run = async ({ store }) => {
  const bad = [
    defineSet<Note>('no spaces'),
    defineSet<Note>(''),
    defineSet<Note>('x"; DROP TABLE set_notes; --'),
    defineSet<Note>('x', { 'bad name': ['at'] }),
    defineSet<Note>('x', { twice: ['at', 'at'] }),
    defineSet<Note>('x', { operator: ['$set' as never] }),
  ]
  for (const set of bad) await rejectsWith('invalid_input', () => store.migrate([set], 'test'))
}

const expires: Run = async ({ store, second }) => {
  const past = store.now() - 1
  await store.insert(notes, { id: 'gone', group: 'g', at: 1, expireAt: past })
  await store.insert(notes, { id: 'soon', group: 'g', at: 2, expireAt: store.now() + 60_000 })
  await store.insert(notes, { id: 'never', group: 'g', at: 3, expireAt: null })
  assert.equal(await second.get(notes, 'gone'), undefined)
  assert.equal((await second.getMany(notes, ['gone', 'soon', 'never'])).length, 2)
  assert.deepEqual(
    (await listAll(second, { equals: 'g', limit: 1 })).map((note) => note.id),
    ['soon', 'never'],
  )
  assert.equal((await second.range(notes, 'a', 'z', 10)).length, 2)
  assert.equal((await second.get(notes, 'soon'))?.expireAt, (await store.get(notes, 'soon'))?.expireAt)
  // What is hidden can't be changed, and its id is taken until it is deleted.
  assert.equal(await store.update(notes, 'gone', {}, { unset: ['expireAt'] }), false)
  assert.equal(await store.updateAndGet(notes, 'gone', {}, { set: { expireAt: null } }), undefined)
  assert.equal(await store.remove(notes, 'gone'), false)
  assert.equal(await store.transact([updateStep(notes, 'gone', {}, { set: { text: 'x' } })]), false)
  await store.update(notes, 'soon', {}, { set: { expireAt: past } })
  assert.equal(await second.get(notes, 'soon'), undefined)
  await store.sweepExpired(100)
  assert.equal(await store.sweepExpired(100), 0)
  assert.equal(await store.insert(notes, { id: 'gone', text: 'again' }), true)
  assert.equal(await store.transact([insertStep(notes, { id: 'soon' })]), true)
  assert.equal((await second.get(notes, 'never'))?.expireAt, null)
}

const sweepsSome: Run = async ({ store }) => {
  const past = store.now() - 1
  const ids = Array.from({ length: 260 }, (_, at) => `x${at}`)
  await Promise.all(ids.map((id) => store.insert(notes, { id, expireAt: past })))
  await store.insert(others, { id: 'x', expireAt: past })
  const counts: number[] = []
  for (let at = 0; at < 3; at++) counts.push(await store.sweepExpired(120))
  // The database may delete some on its own meanwhile (MongoDB does), never more than there were.
  assert.ok(counts.every((count) => count <= 120) && counts.reduce((sum, count) => sum + count, 0) <= 261)
  if (store.kind === 'sqlite') assert.deepEqual(counts, [120, 120, 21])
  assert.equal(await store.sweepExpired(120), 0)
  const inserted = await Promise.all(ids.map((id) => store.insert(notes, { id })))
  assert.ok(inserted.every(Boolean))
}

const tells: Run = async ({ store, second }) => {
  let own = 0
  let foreign = 0
  const stopOwn = store.onChange(() => own++)
  const stopThrowing = second.onChange(() => {
    throw new Error('a listener of the test')
  })
  const stopForeign = second.onChange(() => foreign++)
  await sleep(60)
  const before = { own, foreign }
  await store.insert(notes, { id: 'a' })
  await until(() => own > before.own && foreign > before.foreign)
  stopOwn()
  stopForeign()
  stopThrowing()
  stopForeign()
  const after = { own, foreign }
  await store.insert(notes, { id: 'b' })
  await sleep(100)
  assert.deepEqual({ own, foreign }, after)
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000
  while (!holds()) {
    assert.ok(performance.now() < deadline, 'within 5 s')
    await sleep(10)
  }
}

const pings: Run = async ({ store }) => {
  assert.equal(await store.ping(), true)
  assert.ok(Math.abs(store.now() - Date.now()) < 60_000)
  assert.ok(store.kind === 'sqlite' || store.kind === 'mongodb')
}

const verbs: [string, (store: Store) => unknown][] = [
  ['migrate', (store) => store.migrate([notes], 'test')],
  ['insert', (store) => store.insert(notes, { id: 'x' })],
  ['get', (store) => store.get(notes, 'x')],
  ['getMany', (store) => store.getMany(notes, ['x'])],
  ['update', (store) => store.update(notes, 'x', {}, {})],
  ['updateAndGet', (store) => store.updateAndGet(notes, 'x', {}, {})],
  ['remove', (store) => store.remove(notes, 'x')],
  ['transact', (store) => store.transact([insertStep(notes, { id: 'x' })])],
  ['transact without steps', (store) => store.transact([])],
  ['list', (store) => store.list(notes, { index: 'byGroup', equals: 1, limit: 1 })],
  ['range', (store) => store.range(notes, 'a', 'b', 1)],
  ['acquireLease', (store) => store.acquireLease('l', 'o', 10)],
  ['renewLease', (store) => store.renewLease({ name: 'l', owner: 'o', fence: 1 }, 10)],
  ['releaseLease', (store) => store.releaseLease({ name: 'l', owner: 'o', fence: 1 })],
  ['takeFence', (store) => store.takeFence('l')],
  ['onChange', (store) => store.onChange(() => {})],
  ['sweepExpired', (store) => store.sweepExpired(1)],
  ['ping', (store) => store.ping()],
]

const closes: Run = async ({ store, second }) => {
  const writes = Array.from({ length: 300 }, (_, at) => store.insert(notes, { id: `c${at}` }))
  const closing = store.close()
  const rejected = rejectsWith('closed', () => store.insert(notes, { id: 'late' }))
  assert.ok((await Promise.all(writes)).every(Boolean))
  await rejected
  await Promise.all([closing, store.close()])
  await store.close()
  for (const [name, call] of verbs) {
    await assert.doesNotReject(
      rejectsWith('closed', async () => call(store)),
      name,
    )
  }
  assert.equal((await second.range(notes, 'c', 'd', 1000)).length, 300)
}

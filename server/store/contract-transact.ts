// Contract: transactions. All or nothing, also among many at once.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { notes, others, rejectsWith, withPair } from './contract-fixtures.ts'
import type { OpenBackend } from './contract-fixtures.ts'
import { insertStep, removeStep, updateStep, vacantStep } from './store.ts'
import type { Step } from './store.ts'

/** Declares the cases. */
export function transactCases(openBackend: OpenBackend): void {
  describe('transact', () => {
    it('applies all steps', withPair(openBackend, appliesAll))
    it('applies none when one does not', withPair(openBackend, appliesNone))
    it('sees its own steps', withPair(openBackend, seesItself))
    it('has one winner for each of 50 claims in parallel', withPair(openBackend, claims))
    it('keeps a sum over two documents', withPair(openBackend, transfers))
    it('leaves its neighbours alone when it fails', withPair(openBackend, neighbours))
    it('applies only where nothing is, or says that it can not', withPair(openBackend, vacancies))
  })
}

type Run = Parameters<typeof withPair>[1]

const appliesAll: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'a', count: 1, group: 'g', at: 1 })
  await store.insert(others, { id: 'b' })
  const done = await store.transact([
    updateStep(notes, 'a', { count: 1 }, { increment: { count: 1 }, set: { at: 2 } }),
    removeStep(others, 'b'),
    insertStep(others, { id: 'c', data: { $set: 1 } }),
  ])
  assert.equal(done, true)
  assert.deepEqual(await second.get(notes, 'a'), { id: 'a', count: 2, group: 'g', at: 2, version: 2 })
  assert.equal(await second.get(others, 'b'), undefined)
  assert.deepEqual(await second.get(others, 'c'), { id: 'c', data: { $set: 1 }, version: 1 })
  const page = await second.list(notes, { index: 'byGroup', equals: 'g', from: 2, limit: 5 })
  assert.equal(page.items.length, 1)
  assert.equal(await store.transact([]), true)
}

const appliesNone: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'a', count: 1 })
  await store.insert(others, { id: 'b', text: 'x' })
  const good: Step[] = [
    updateStep(notes, 'a', {}, { increment: { count: 1 } }),
    insertStep(notes, { id: 'new' }),
  ]
  const bad: Step[] = [
    insertStep(others, { id: 'b' }),
    updateStep(others, 'b', { text: 'y' }, {}),
    updateStep(others, 'absent', {}, {}),
    removeStep(others, 'b', { text: 'y' }),
    removeStep(others, 'absent'),
  ]
  for (const step of bad) {
    assert.equal(await store.transact([...good, step]), false, JSON.stringify(step))
    assert.equal(await store.transact([step, ...good]), false, JSON.stringify(step))
  }
  const wrong = {
    verb: 'update' as const,
    set: 'others',
    id: 'b',
    match: {},
    change: { increment: { text: 1 } },
  }
  await rejectsWith('invalid_input', () => store.transact([...good, wrong]))
  await rejectsWith('invalid_input', () => store.transact([...good, insertStep(others, { id: '' })]))
  assert.deepEqual(await second.get(notes, 'a'), { id: 'a', count: 1, version: 1 })
  assert.deepEqual(await second.get(others, 'b'), { id: 'b', text: 'x', version: 1 })
  assert.equal(await second.get(notes, 'new'), undefined)
}

const seesItself: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'old', text: 'x', group: 'g', at: 1 })
  const done = await store.transact([
    insertStep(notes, { id: 'a', count: 1 }),
    updateStep(notes, 'a', { count: 1 }, { increment: { count: 1 } }),
    updateStep(notes, 'a', { count: 2 }, { push: { tags: 'x' } }),
    insertStep(notes, { id: 'b' }),
    removeStep(notes, 'b', { version: 1 }),
    removeStep(notes, 'old'),
    insertStep(notes, { id: 'old', group: 'h', at: 2 }),
  ])
  assert.equal(done, true)
  assert.deepEqual(await second.get(notes, 'a'), { id: 'a', count: 2, tags: ['x'], version: 3 })
  assert.equal(await second.get(notes, 'b'), undefined)
  assert.deepEqual(await second.get(notes, 'old'), { id: 'old', group: 'h', at: 2, version: 1 })
  assert.equal((await second.list(notes, { index: 'byGroup', equals: 'g', limit: 5 })).items.length, 0)
  assert.equal((await second.list(notes, { index: 'byGroup', equals: 'h', limit: 5 })).items.length, 1)
  assert.equal(await store.transact([insertStep(notes, { id: 'c' }), insertStep(notes, { id: 'c' })]), false)
}

const claims: Run = async ({ store, second }) => {
  const ids = Array.from({ length: 10 }, (_, at) => `run-${at}`)
  await Promise.all(ids.map((id) => store.insert(notes, { id, text: 'due' })))
  const claim = (id: string, owner: number): Promise<boolean> =>
    (owner % 2 ? store : second).transact([
      updateStep(notes, id, { text: 'due' }, { set: { text: `owner-${owner}` } }),
      insertStep(others, { id: `${id}-by-${owner}` }),
    ])
  const tries = Array.from({ length: 50 }, (_, at) => ({ id: `run-${at % 10}`, owner: at }))
  const results = await Promise.all(tries.map(({ id, owner }) => claim(id, owner)))
  for (const id of ids) {
    const winners = tries.filter((one, at) => one.id === id && results[at]).map((one) => one.owner)
    assert.equal(winners.length, 1, id)
    assert.equal((await store.get(notes, id))?.text, `owner-${winners[0]}`)
  }
  const traces = await store.range(others, 'run-', 'run.', 1000)
  assert.equal(traces.length, 10)
}

const transfers: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'left', count: 20 })
  await store.insert(notes, { id: 'right', count: 20 })
  const transfer = async (at: number): Promise<boolean> => {
    const [from, to] = at % 3 ? ['left', 'right'] : ['right', 'left']
    const source = await store.get(notes, from ?? '')
    return (at % 2 ? store : second).transact([
      updateStep(notes, from ?? '', { version: source?.version ?? 0 }, { increment: { count: -1 } }),
      updateStep(notes, to ?? '', {}, { increment: { count: 1 } }),
    ])
  }
  const results = await Promise.all(Array.from({ length: 30 }, (_, at) => transfer(at)))
  assert.ok(results.some(Boolean))
  const [left, right] = await store.getMany(notes, ['left', 'right'])
  assert.equal((left?.count ?? 0) + (right?.count ?? 0), 40)
  const applied = results.filter(Boolean).length
  assert.equal((left?.version ?? 0) + (right?.version ?? 0), 2 + 2 * applied)
}

const neighbours: Run = async ({ store, second }) => {
  await store.insert(notes, { id: 'taken' })
  const results = await Promise.all([
    store.insert(notes, { id: 'before' }),
    store.transact([insertStep(notes, { id: 'within' }), insertStep(notes, { id: 'taken' })]),
    store.update(notes, 'taken', {}, { set: { text: 'x' } }),
    store.transact([insertStep(notes, { id: 'good' })]),
    store.insert(notes, { id: 'after' }),
  ])
  assert.deepEqual(results, [true, false, true, true, true])
  const found = await second.getMany(notes, ['before', 'within', 'taken', 'good', 'after'])
  assert.deepEqual(
    found.map((note) => note.id),
    ['before', 'taken', 'good', 'after'],
  )
}

const vacancies: Run = async ({ store, second }) => {
  const insert = (id: string, from: string, to: string): Promise<boolean> =>
    store.transact([vacantStep(notes, from, to), insertStep(others, { id })])
  if (!store.capabilities.cheapTransactions) {
    await rejectsWith('invalid_input', () => insert('a', 'b', 'c'))
    assert.equal(await second.get(others, 'a'), undefined)
    return
  }
  await second.insert(notes, { id: 'b/1' })
  await second.insert(notes, { id: 'd/1', expireAt: store.now() - 1 })
  assert.equal(await insert('in', 'b/', 'b0'), false)
  assert.equal(await insert('from', 'b/1', 'b/2'), false)
  assert.equal(await second.get(others, 'in'), undefined)
  assert.equal(await insert('before', 'a', 'b/1'), true, 'the end is not part of it')
  assert.equal(await insert('after', 'b/2', 'c'), true)
  assert.equal(await insert('expired', 'd/', 'd0'), true)
  assert.equal(await second.remove(notes, 'b/1'), true)
  // Whichever comes first, the two never both find nothing.
  const [vacant] = await Promise.all([insert('in', 'b/', 'b0'), second.insert(notes, { id: 'b/2' })])
  assert.equal((await second.get(others, 'in')) !== undefined, vacant)
  assert.equal(await insert('late', 'b/', 'b0'), false)
}

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { createDirectory, until } from './fixtures/engine-fixture.ts'
import { DispatchNotes } from './dispatch-notes.ts'
import { dispatches, jobSets, type DispatchDocument } from './records.ts'

const directory = createDirectory()
let store: Store

before(async () => {
  store = await openStore(`sqlite:${directory.path}/notes.db`)
  await store.migrate(jobSets, 'test')
})

after(async () => {
  await store.close()
  directory.remove()
})

const stored = (): Promise<DispatchDocument[]> => store.range(dispatches, '', '~', 100)

describe('DispatchNotes', () => {
  it('notes events of one turn together, and forgets them when all are done', async () => {
    const notes = new DispatchNotes({ store, now: () => 7 })
    const parts = await Promise.all(['a', 'b', 'c'].map((id) => notes.add(id)))
    const [note, ...others] = await stored()
    assert.deepEqual([note?.events, note?.createdAt, others.length], [['a', 'b', 'c'], 7, 0])
    parts[0]?.done()
    parts[1]?.done()
    assert.equal((await stored()).length, 1)
    parts[2]?.done()
    await until('it is gone', async () => (await stored()).length === 0)
  })

  it('keeps the note while one event is not done, and makes a new one for those of the next turn', async () => {
    const notes = new DispatchNotes({ store, now: () => 7 })
    const first = await notes.add('a')
    const second = await notes.add('b')
    assert.deepEqual((await stored()).map(({ events }) => events).sort(), [['a'], ['b']])
    second.done()
    await until('one is left', async () => (await stored()).length === 1)
    assert.deepEqual((await stored())[0]?.events, ['a'])
    first.done()
    await until('it is gone', async () => (await stored()).length === 0)
  })

  it('puts no more into a note than the sweep may read at once', async () => {
    const notes = new DispatchNotes({ store, now: () => 7 })
    const parts = await Promise.all(Array.from({ length: 250 }, (_, at) => notes.add(`e${at}`)))
    const sizes = (await stored()).map(({ events = [] }) => events.length)
    assert.deepEqual(
      sizes.sort((left, right) => left - right),
      [50, 100, 100],
    )
    for (const part of parts) part.done()
    await until('they are gone', async () => (await stored()).length === 0)
  })
})

// A store that takes no transactions at no cost: the event is stored first, and a run that this process has a free slot for
// is stored as its own.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { backends } from '../connect/fixtures/backends.ts'
import { aroundStore } from '../connect/fixtures/around-store.ts'
import { queueSets } from '../queue/store-queue.ts'
import type { DocumentSet, NewDocument, Store, StoredDocument } from '../store/store.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import { dispatches, runs } from './records.ts'

for (const backend of backends) {
  describe(
    `an event whose run can start in its sender's process, on ${backend.name}`,
    { skip: backend.skip },
    () => {
      const directory = createDirectory()
      const inserted = new Map<string, Readonly<Record<string, unknown>>[]>()
      let storeUrl: string | undefined
      let fixture: EngineFixture
      let refuses: string | undefined

      const around = (store: Store): Store =>
        aroundStore(store, {
          capabilities: { ...store.capabilities, cheapTransactions: false },
          async insert<T extends StoredDocument>(set: DocumentSet<T>, document: NewDocument<T>) {
            inserted.set(set.name, [...(inserted.get(set.name) ?? []), { ...document }])
            if (refuses === set.name) throw new Error('cut off')
            return store.insert(set, document)
          },
        })

      before(async () => {
        storeUrl = backend.open()
        fixture = await openEngine(directory.path, { storeUrl, aroundStore: around, concurrency: 3 })
        fixture.engine.defineJob({
          id: 'quick',
          name: 'quick',
          version: '1.0.0',
          trigger: eventTrigger({ name: 'quick' }),
          run: (payload) => payload,
        })
        await fixture.engine.start()
        await new Promise((resolve) => setTimeout(resolve, 50))
      })

      after(async () => {
        await fixture.close()
        await backend.drop(storeUrl)
        directory.remove()
      })

      const noNotes = (): Promise<unknown> =>
        until('no note is left', async () => (await fixture.store.range(dispatches, '', '~', 9)).length === 0)
      const hints = (): number => inserted.get(queueSets[0].name)?.length ?? 0

      it('is stored as claimed, without a hint', async () => {
        const { runIds } = await fixture.engine.sendEvent({ name: 'quick', payload: 1 })
        await reaches(fixture.engine, runIds[0], 'succeeded')
        const [run] = inserted.get(runs.name) ?? []
        assert.equal(run?.['state'], 'running')
        assert.equal(hints(), 0)
        await noNotes()
      })

      it('goes into the queue where there is no free slot, and all of them end', async () => {
        const sent = await Promise.all(
          Array.from({ length: 30 }, (_, payload) => fixture.engine.sendEvent({ name: 'quick', payload })),
        )
        for (const { runIds } of sent) await reaches(fixture.engine, runIds[0], 'succeeded')
        assert.ok(hints() > 0)
      })

      it('is finished by the sweep when its sender was cut off, and then runs once', async () => {
        refuses = runs.name
        await assert.rejects(
          fixture.engine.sendEvent({ name: 'quick', payload: 'cut', id: 'cut' }),
          /cut off/,
        )
        refuses = undefined
        const [note] = await fixture.store.range(dispatches, '', '~', 9)
        assert.ok(note)
        await fixture.store.update(dispatches, note.id, {}, { set: { createdAt: note.createdAt - 6000 } })
        await fixture.engine.sweep()
        const { runIds } = await fixture.engine.sendEvent({ name: 'quick', payload: 'cut', id: 'cut' })
        const { id } = await reaches(fixture.engine, runIds[0], 'succeeded')
        assert.equal((await fixture.engine.describeRun(id)).output, 'cut')
        await noNotes()
      })

      it('is not forgotten while its sender may still store it', async () => {
        const note = {
          id: 'slow',
          scope: 'dispatch',
          createdAt: Date.now() - 6000,
          events: ['never', 'either'],
        } as const
        await fixture.store.insert(dispatches, note)
        await fixture.engine.sweep()
        assert.equal((await fixture.store.range(dispatches, '', '~', 9)).length, 1)
        await fixture.store.update(dispatches, 'slow', {}, { set: { createdAt: Date.now() - 61_000 } })
        await fixture.engine.sweep()
        assert.deepEqual(await fixture.store.range(dispatches, '', '~', 9), [])
      })
    },
  )
}

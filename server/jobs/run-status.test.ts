import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { backends } from '../connect/fixtures/backends.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO } from './job.ts'
import { runs } from './records.ts'

for (const backend of backends) {
  describe(`statuses of a run, on ${backend.name}`, { skip: backend.skip }, () => {
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let fixture: EngineFixture

    beforeEach(async () => {
      directory = createDirectory()
      url = backend.open()
      fixture = await openEngine(directory.path, { storeUrl: url })
      await fixture.engine.start()
    })
    afterEach(async () => {
      await fixture.close()
      await backend.drop(url)
      directory.remove()
    })

    async function start(work: (io: IO) => Promise<void>): Promise<string> {
      fixture.engine.defineJob({
        id: 'job',
        name: 'Job',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'job' }),
        run: async (_, io) => work(io),
      })
      const sent = await fixture.engine.sendEvent({ name: 'job', payload: null }, { accountId: 'ada' })
      const [id] = sent.runIds
      assert.ok(id !== undefined)
      return id
    }

    it('are what their changes made of them, with what they were before', async () => {
      const id = await start(async (io) => {
        const status = await io.createStatus('import', { label: 'Importing', data: { done: 0 } })
        await status.update('half', { data: { done: 5 } })
        await io.wait('nap', 0.2)
        await status.update('end', { label: 'Imported', state: 'success' })
        await io.createStatus('next', { label: 'Sending', state: 'failure' })
      })
      await reaches(fixture.engine, id, 'succeeded', 60_000)
      const { run, statuses } = await fixture.engine.getRunStatuses(id)
      assert.deepEqual(run, { id, state: 'succeeded' })
      const seen = statuses.map(({ createdAt, updatedAt, history, ...rest }) => {
        assert.ok(createdAt <= updatedAt)
        return { ...rest, history: history.map((before) => [before.label, before.state, before.data]) }
      })
      assert.deepEqual(seen, [
        {
          id: 'import',
          label: 'Imported',
          state: 'success',
          data: { done: 5 },
          history: [
            ['Importing', 'loading', { done: 0 }],
            ['Importing', 'loading', { done: 5 }],
          ],
        },
        { id: 'next', label: 'Sending', state: 'failure', data: null, history: [] },
      ])
    })

    it('may be watched while the run goes on, and are apart in branches', async () => {
      const id = await start(async (io) => {
        await io.parallel('all', ['a', 'b'], async (label, index) => {
          const status = await io.createStatus('one', { label })
          if (index === 1) await status.update('done', { state: 'success' })
        })
        await io.wait('long', 60)
      })
      await reaches(fixture.engine, id, 'waiting')
      const { run, statuses } = await fixture.engine.getRunStatuses(id, 'ada')
      assert.equal(run.state, 'waiting')
      assert.deepEqual(
        statuses.map(({ id: own, label, state }) => [own, label, state]),
        [
          ['all#/0/one', 'a', 'loading'],
          ['all#/1/one', 'b', 'success'],
        ],
      )
      await fixture.engine.cancelRun(id)
    })

    it('keep their order and their last fifty changes when they no longer fit into the run', async () => {
      const id = await start(async (io) => {
        const status = await io.createStatus('big', { label: 'Big' })
        for (let step = 1; step <= 60; step += 1) {
          const text = String(step).padStart(12_000, '.')
          await status.update(`step ${step}`, { data: { step, text } })
        }
      })
      await reaches(fixture.engine, id, 'succeeded', 60_000)
      assert.equal((await fixture.store.get(runs, id))?.overflowed, true)
      const [status] = (await fixture.engine.getRunStatuses(id)).statuses
      assert.equal(status?.data?.['step'], 60)
      assert.deepEqual(
        status?.history.map(({ data }) => data?.['step']),
        Array.from({ length: 50 }, (_, index) => index + 10),
      )
    })

    it('are sealed, and hidden from other accounts', async () => {
      const id = await start(async (io) => {
        await io.createStatus('one', { label: 'CANARY-LABEL', data: { note: 'CANARY-DATA' } })
      })
      await reaches(fixture.engine, id, 'succeeded', 60_000)
      assert.doesNotMatch(JSON.stringify(await fixture.store.get(runs, id)), /CANARY/)
      await assert.rejects(fixture.engine.getRunStatuses(id, 'grace'), { code: 'not_found' })
      await assert.rejects(fixture.engine.getRunStatuses('nothing'), { code: 'not_found' })
    })
  })
}

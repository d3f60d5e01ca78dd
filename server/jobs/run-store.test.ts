import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { backends } from '../connect/fixtures/backends.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO } from './job.ts'
import { runs, tasks, values } from './records.ts'

const missing = 'nothing'

for (const backend of backends) {
  describe(`io.store, on ${backend.name}`, { skip: backend.skip }, () => {
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let fixture: EngineFixture
    const seen: unknown[] = []

    beforeEach(async () => {
      directory = createDirectory()
      url = backend.open()
      seen.length = 0
      fixture = await openEngine(directory.path, { storeUrl: url })
      await fixture.engine.start()
    })
    afterEach(async () => {
      await fixture.close()
      await backend.drop(url)
      directory.remove()
    })

    async function run(job: string, work: (io: IO) => Promise<void>): Promise<string> {
      fixture.engine.defineJob({
        id: job,
        name: job,
        version: '1.0.0',
        trigger: eventTrigger({ name: job }),
        run: async (_, io) => work(io),
      })
      const [id] = (await fixture.engine.sendEvent({ name: job, payload: null })).runIds
      await reaches(fixture.engine, id, 'succeeded', 60_000)
      assert.ok(id !== undefined)
      return id
    }

    for (const scope of ['run', 'job', 'global'] as const) {
      it(`.${scope} sets, gets, has and deletes, once each`, async () => {
        await run('one', async (io) => {
          const store = io.store[scope]
          const before = [await store.has('has 1', 'n'), (await store.get('get 1', 'n')) ?? missing]
          await store.set('set 1', 'n', { count: 1 })
          await store.set('set null', 'empty', null)
          const first = await store.get('get 2', 'n')
          await store.set('set 2', 'n', { count: 2 })
          await io.wait('nap', 0.2)
          const second = [await store.get('get 3', 'n'), await store.get('get null', 'empty')]
          const deleted = [await store.delete('del 1', 'n'), await store.delete('del 2', 'n')]
          seen.push([...before, first, ...second, ...deleted, await store.has('has 2', 'n')])
        })
        // Once: the first pass ended in the wait.
        assert.deepEqual(seen, [[false, missing, { count: 1 }, { count: 2 }, null, true, false, false]])
      })
    }

    it('reads on replay what the run read, whatever was written since', async () => {
      await run('one', async (io) => {
        const before = (await io.store.global.get('before', 'n')) ?? missing
        await io.runTask('others', () => fixture.engine.values.set('n', 'theirs'))
        await io.wait('nap', 0.2)
        seen.push(before, await io.store.global.get('after', 'n'))
      })
      assert.deepEqual(seen, [missing, 'theirs'])
    })

    it('writes once: a replay does not undo what others wrote after', async () => {
      await run('one', async (io) => {
        await io.store.global.set('mine', 'n', 1)
        await io.runTask('others', () => fixture.engine.values.set('n', 2))
        await io.wait('nap', 0.2)
      })
      assert.equal(await fixture.engine.values.get('n'), 2)
    })

    it('keeps its places apart: this run, this job, the environment', async () => {
      const id = await run('one', async (io) => {
        for (const scope of ['run', 'job', 'global'] as const)
          await io.store[scope].set(`set ${scope}`, 'name', `one ${scope}`)
      })
      await run('two', async (io) => {
        for (const scope of ['run', 'job', 'global'] as const)
          seen.push((await io.store[scope].get(`get ${scope}`, 'name')) ?? missing)
      })
      assert.deepEqual(seen.splice(0), [missing, missing, 'one global'])
      const again = await fixture.engine.replayRun(id)
      await reaches(fixture.engine, again.id, 'succeeded')
      fixture.engine.defineJob({
        id: 'one',
        name: 'one',
        version: '2.0.0',
        trigger: eventTrigger({ name: 'one again' }),
        run: async (_, io) => {
          for (const scope of ['run', 'job', 'global'] as const)
            seen.push((await io.store[scope].get(`get ${scope}`, 'name')) ?? missing)
        },
      })
      const [next] = (await fixture.engine.sendEvent({ name: 'one again', payload: null })).runIds
      await reaches(fixture.engine, next, 'succeeded')
      assert.deepEqual(seen, [missing, 'one job', 'one global'])
    })

    it('takes 256 KB a value, in their order when they lie beside the run', async () => {
      const big = 'x'.repeat(256 * 1024 - 2)
      const id = await run('one', async (io) => {
        const codes: unknown[] = []
        for (const scope of ['run', 'job', 'global'] as const) {
          await io.store[scope].set(`big ${scope}`, 'n', big)
          await io.store[scope].set(`bigger ${scope}`, 'n', `${big}x`).catch((error: unknown) => {
            codes.push(error instanceof Error && 'code' in error && error.code)
          })
        }
        for (let step = 0; step < 12; step += 1) await io.store.run.set(`set ${step}`, 'n', step)
        await io.wait('nap', 0.2)
        seen.push(codes, await io.store.run.get('get', 'n'), await io.store.job.has('has', 'n'))
      })
      assert.deepEqual(seen, [['value_too_large', 'value_too_large', 'value_too_large'], 11, true])
      assert.equal((await fixture.store.get(runs, id))?.overflowed, true)
    })

    it('is sealed: neither names nor values can be read in the store', async () => {
      const id = await run('one', async (io) => {
        for (const scope of ['run', 'job', 'global'] as const) {
          await io.store[scope].set(`set ${scope}`, 'CANARY-NAME', 'CANARY-VALUE')
          await io.store[scope].get(`get ${scope}`, 'CANARY-NAME')
        }
      })
      const stored = [
        await fixture.store.get(runs, id),
        ...(await fixture.store.range(values, 'global/', 'global0', 10)),
        ...(await fixture.store.range(values, 'job/one/', 'job/one0', 10)),
        ...(await fixture.store.range(tasks, `${id}/`, `${id}0`, 10)),
      ]
      assert.equal(stored.length, 3)
      assert.doesNotMatch(JSON.stringify(stored), /CANARY/)
    })

    it('leaves values of a run to its end: they have no record of their own', async () => {
      const id = await run('one', (io) => io.store.run.set('set', 'n', 1))
      assert.deepEqual(await fixture.store.range(values, '', '~', 10), [])
      assert.equal(typeof (await fixture.store.get(runs, id))?.expireAt, 'number')
    })

    it('has the values of the environment outside of runs', async () => {
      const { values: own } = fixture.engine
      assert.deepEqual(
        [await own.get('n'), await own.has('n'), await own.delete('n')],
        [undefined, false, false],
      )
      await own.set('n', ['a', { b: null }])
      assert.deepEqual([await own.get('n'), await own.has('n')], [['a', { b: null }], true])
      assert.deepEqual([await own.delete('n'), await own.get('n')], [true, undefined])
      await assert.rejects(own.set('', 1), { code: 'invalid_input' })
      await assert.rejects(own.set('n', 'x'.repeat(256 * 1024)), { code: 'value_too_large' })
    })

    it('sets once although many set at once', async () => {
      const { values: own } = fixture.engine
      await Promise.all(Array.from({ length: 20 }, (_, index) => own.set('n', index)))
      assert.equal(typeof (await own.get('n')), 'number')
      assert.equal((await fixture.store.range(values, '', '~', 10)).length, 1)
    })
  })
}

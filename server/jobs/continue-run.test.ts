import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { aroundStore } from '../connect/fixtures/around-store.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { reaches, until } from './fixtures/engine-fixture.ts'
import { openScene, type OutsideScene } from './fixtures/outside-scene.ts'
import { dispatches, runs, type RunDocument } from './records.ts'

for (const backend of backends) {
  describe(`io.continueAsNew on ${backend.name}`, { skip: backend.skip }, () => {
    let scene: OutsideScene
    const seen: unknown[] = []

    beforeEach(async () => {
      seen.length = 0
      scene = await openScene(backend)
      scene.job('loop', async (io, context, left) => {
        seen.push([left, context.account?.id, context.event.context, context.run.id])
        await io.runTask('step', () => null)
        if (typeof left === 'number' && left > 0) {
          await io.wait('nap', 0.01)
          try {
            await io.continueAsNew(left - 1)
          } finally {
            seen.push('finally')
          }
        }
        return 'the last one'
      })
    })
    afterEach(() => scene.close())

    const all = async (): Promise<RunDocument[]> =>
      (await scene.fixture.store.list(runs, { index: 'all', equals: 'run', limit: 100 })).items

    it('goes on as a new run of the same account and context, each with a journal of its own', async () => {
      await scene.fixture.engine.invoke('loop', 3, { accountId: 'ada', context: 'why' })
      await until('four runs are over', async () => {
        const found = await all()
        return found.length === 4 && found.every(({ state }) => state === 'succeeded') ? true : undefined
      })
      const payloads = new Map(
        seen.map((one) => (Array.isArray(one) ? [one[3], one.slice(0, 3)] : [null, one])),
      )
      assert.deepEqual(
        [...payloads.values()],
        [3, 2, 1, 0].map((left) => [left, 'ada', 'why']),
      )
      const found = await all()
      assert.equal(found.filter(({ continuedAs }) => continuedAs !== undefined).length, 3)
      const byTime = found.toSorted((left, right) => left.createdAt - right.createdAt).map(({ id }) => id)
      for (const [at, id] of byTime.entries()) {
        const { continues, continuedAs } = await scene.fixture.engine.getRun(id)
        assert.deepEqual([continues, continuedAs], [byTime[at - 1] ?? null, byTime[at + 1] ?? null])
      }
      assert.ok(found.every(({ journal }) => new Set(journal?.flat().map(({ path }) => path)).size <= 2))
    })

    it('is waited for to the end of the last one, and cancelled with who waits', async () => {
      const results: unknown[] = []
      const id = await scene.begin(async (io) => {
        const result = await io.invokeAndWait('ask', 'loop', 2)
        results.push(result.ok && result.output)
      })
      await reaches(scene.fixture.engine, id, 'succeeded')
      assert.deepEqual(results, ['the last one'])
      scene.job('sleeper', async (io, _, round) => {
        if (round === 0) await io.continueAsNew(1)
        await io.wait('long', 3600)
      })
      const waiting = await scene.begin(async (io) => void (await io.invokeAndWait('ask', 'sleeper', 0)))
      const last = await until('it sleeps', async () =>
        (await all()).find(({ job, state }) => job === 'sleeper' && state === 'waiting'),
      )
      await until('its parent too', async () => (await scene.record(waiting)).state === 'waiting')
      await scene.fixture.engine.cancelRun(waiting)
      await reaches(scene.fixture.engine, last.id, 'cancelled')
    })

    it('does not go on when it is cancelled while the next run is being made', async () => {
      await scene.close()
      let release = (): void => undefined
      let isHeld: Promise<void> | undefined
      scene = await openScene(backend, {
        aroundStore: (store) =>
          aroundStore(store, {
            insert: async (set, document) => {
              if (set.name === dispatches.name) await isHeld
              return store.insert(set, document)
            },
          }),
      })
      const { engine } = scene.fixture
      scene.job('cut', async (io, { run }, round) => {
        if (round !== 0) return io.wait('long', 3600)
        isHeld = new Promise((resolve) => (release = resolve))
        const going = io.continueAsNew(1)
        await engine.cancelRun(run.id)
        release()
        return going
      })
      const { id } = await engine.invoke('cut', 0)
      await reaches(engine, id, 'cancelled')
      const next = await until('the next one is over', async () =>
        (await all()).find(({ continues, endedAt }) => continues === id && endedAt !== undefined),
      )
      assert.equal(next.state, 'cancelled')
    })

    it('is refused inside a task, and for what is no JSON', async () => {
      const inTask = await scene.begin(async (io) => void (await io.runTask('t', () => io.continueAsNew(1))))
      const { error } = await reaches(scene.fixture.engine, inTask, 'failed')
      assert.match(error?.message ?? '', /not in a task/)
      const large = await scene.begin((io) => io.continueAsNew('x'.repeat(300_000)))
      assert.equal((await reaches(scene.fixture.engine, large, 'failed')).error?.code, 'event_too_large')
    })
  })
}

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { z } from 'zod'
import type { ErrorCode } from '../../shared/errors.ts'
import { aroundStore } from '../connect/fixtures/around-store.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { reaches, until } from './fixtures/engine-fixture.ts'
import { openScene, type OutsideScene } from './fixtures/outside-scene.ts'
import type { IO, Json } from './job.ts'
import type { WaitForEventOptions } from './outside-io.ts'
import { dispatches, events, type RunDocument } from './records.ts'
import { eventWaits, takings } from './wait-records.ts'

for (const backend of backends) {
  describe(`io.waitForEvent on ${backend.name}`, { skip: backend.skip }, () => {
    let scene: OutsideScene
    let refused = false

    beforeEach(async () => {
      refused = false
      scene = await openScene(backend, {
        // A sender that dies between storing an event and telling those who wait.
        aroundStore: (store) =>
          aroundStore(store, {
            range: (...query) =>
              refused && query[0].name === eventWaits.name
                ? Promise.reject(new Error('the sender died'))
                : store.range(...query),
          }),
      })
    })
    afterEach(() => scene.close())

    const send = (name: string, payload: Json, accountId?: string): Promise<unknown> =>
      scene.fixture.engine.sendEvent({ name, payload }, accountId === undefined ? {} : { accountId })

    const openWaits = async (): Promise<number> =>
      (await scene.fixture.store.range(eventWaits, '', '~', 1000)).filter(({ state }) => state === 'open')
        .length

    const waits = (count: number): Promise<unknown> =>
      until(`${count} runs wait`, async () => ((await openWaits()) === count ? true : undefined), 20_000)

    /** The run has written down that it waits under the key. */
    const waitsAt = (key: string): Promise<unknown> =>
      until(`a run waits at ${key}`, async () => {
        const found = await scene.fixture.store.range(eventWaits, '', '~', 1000)
        return found.some(({ path, state }) => path === key && state === 'open') ? true : undefined
      })

    /** The run sleeps: what comes now finds it so. */
    const sleeps = (id: string): Promise<RunDocument> =>
      until('the run sleeps', async () => {
        const run = await scene.record(id)
        return run.state === 'waiting' ? run : undefined
      })

    const over = (id: string, state: 'succeeded' | 'failed' = 'succeeded') =>
      reaches(scene.fixture.engine, id, state)

    const payloadOf = async (io: IO, key: string, options: WaitForEventOptions): Promise<Json> =>
      (await io.waitForEvent(key, options)).payload

    it('sleeps until the event comes, gives all of it, and gives the same on every replay', async () => {
      const seen: unknown[] = []
      const id = await scene.begin(async (io) => {
        seen.push(await io.waitForEvent('paid', { name: 'order.paid' }))
        await io.wait('nap', 3600)
      }, 'ada')
      await sleeps(id)
      const timestamp = new Date('2026-01-02T03:04:05Z')
      const event = { id: 'e1', name: 'order.paid', payload: { sum: 3 }, context: 'why', timestamp }
      await scene.fixture.engine.sendEvent(event, { accountId: 'ada' })
      await until('it heard', () => (seen.length > 0 ? true : undefined))
      await sleeps(id)
      scene.advance(3600_000)
      await scene.fixture.engine.sweep()
      await over(id)
      const expected = { ...event, source: 'authflow', accountId: 'ada' }
      assert.deepEqual(seen.slice(-2), [expected, expected])
      assert.equal(await openWaits(), 0)
    })

    it('counts what came since the run began, but neither what came before nor what started it', async () => {
      const { engine } = scene.fixture
      await send('early', 'before')
      scene.advance(10)
      let letGo = (): void => undefined
      const gate = new Promise<void>((resolve) => (letGo = resolve))
      const seen: Json[] = []
      engine.defineJob({
        id: 'started-by',
        name: 'Started by',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'early', filter: { start: [true] } }),
        run: async (_, io) => {
          await io.runTask('hold', () => gate)
          seen.push(await payloadOf(io, 'one', { name: 'early' }))
          const late = io.waitForEvent('two', { name: 'early', timeoutInSeconds: 0 })
          await assert.rejects(late, { code: 'wait_timeout' })
          seen.push(await payloadOf(io, 'three', { name: 'early', since: new Date(0) }))
        },
      })
      const { runIds } = await engine.sendEvent({ name: 'early', payload: { start: true } })
      await send('early', 'during')
      letGo()
      await over(runIds[0] ?? '')
      assert.deepEqual(seen.slice(-2), ['during', 'before'])
    })

    it('gives each event to one wait of a run', async () => {
      const seen: Json[] = []
      const id = await scene.begin(async (io) => {
        for (const key of ['a', 'b', 'c']) seen.push(await payloadOf(io, key, { name: 'tick' }))
        const both = await Promise.all(['d', 'e'].map((key) => payloadOf(io, key, { name: 'tick' })))
        seen.push(both.toSorted())
      })
      for (let tick = 1; tick <= 3; tick += 1) {
        await waitsAt('abc'[tick - 1] ?? '')
        await send('tick', tick)
      }
      await waits(2)
      await Promise.all([send('tick', 4), send('tick', 5)])
      await over(id)
      assert.deepEqual(seen.slice(-4), [1, 2, 3, [4, 5]])
    })

    it('gives it to every run that waits for it', async () => {
      const ids = await Promise.all(
        Array.from({ length: 30 }, () => scene.begin((io) => payloadOf(io, 'wait', { name: 'news' }))),
      )
      await waits(30)
      await send('news', 1)
      for (const id of ids) await over(id)
      assert.equal((await scene.fixture.store.range(takings, '', '~', 100)).length, 30)
    })

    it('hears only what its contextFilter asks for, of what comes and of what came before', async () => {
      const seen: Json[] = []
      const tell = (payload: number, from: string): Promise<unknown> =>
        scene.fixture.engine.sendEvent({ name: 'told', payload, context: { from } })
      const contextFilter = { from: ['shop'] }
      const id = await scene.begin(async (io) => {
        seen.push(await payloadOf(io, 'first', { name: 'told', contextFilter }))
        seen.push(await payloadOf(io, 'both', { name: 'told', contextFilter, filter: { length: [1] } }))
      })
      await sleeps(id)
      await tell(1, 'till')
      await tell(2, 'shop')
      await waitsAt('both')
      await sleeps(id)
      assert.deepEqual(await openWaits(), 1)
      await scene.fixture.engine.sendEvent({
        name: 'told',
        payload: { length: 1 },
        context: { from: 'till' },
      })
      await scene.fixture.engine.sendEvent({
        name: 'told',
        payload: { length: 1 },
        context: { from: 'shop' },
      })
      await over(id)
      assert.deepEqual(seen.slice(-2), [2, { length: 1 }])
      const later = await scene.begin((io) =>
        payloadOf(io, 'back', { name: 'told', contextFilter: { from: ['till'] }, since: new Date(0) }),
      )
      await over(later)
    })

    it('hears only what its filter, its account and its source ask for', async () => {
      const seen: Json[] = []
      const id = await scene.begin(async (io) => {
        const filter = { id: [7], kind: [{ $startsWith: 'pa' }] }
        seen.push(await payloadOf(io, 'filter', { name: 'order', filter }))
        seen.push(await payloadOf(io, 'other', { name: 'order', accountId: 'bob', source: 'shop' }))
      }, 'ada')
      await sleeps(id)
      await send('order', { id: 8, kind: 'paid' }, 'ada')
      await send('order', { id: 7, kind: 'paid' }, 'bob')
      await send('order', { id: 7, kind: 'paid' })
      await send('orders', { id: 7, kind: 'paid' }, 'ada')
      await sleeps(id)
      assert.equal(await openWaits(), 1)
      await send('order', { id: 7, kind: 'partly' }, 'ada')
      await waitsAt('other')
      await send('order', 1, 'bob')
      await scene.fixture.engine.sendEvent(
        { name: 'order', source: 'shop', payload: 2 },
        { accountId: 'bob' },
      )
      await over(id)
      assert.deepEqual(seen.slice(-2), [{ id: 7, kind: 'partly' }, 2])
    })

    it('ends with wait_timeout, once and for all, and takes nothing after that', async () => {
      const seen: unknown[] = []
      const id = await scene.begin(async (io) => {
        const late = await io
          .waitForEvent('late', { name: 'never', timeoutInSeconds: 3600 })
          .catch((error: unknown) => error)
        seen.push(late)
        await io.waitForEvent('go', { name: 'go' })
      })
      const { dueAt = 0 } = await sleeps(id)
      scene.advance(dueAt - Date.now())
      await scene.fixture.engine.sweep()
      await waitsAt('go')
      await sleeps(id)
      await send('never', 1)
      await send('go', 1)
      await over(id)
      const told = 'AuthFlowError: io.waitForEvent «late» of job job-1: nothing came within 3600 seconds.'
      assert.deepEqual([...new Set(seen.map(String))], [told])
      assert.equal(seen.length, 2)
      assert.equal(await openWaits(), 0)
    })

    it('can be waited for anew when a run that failed so is resumed', async () => {
      const id = await scene.begin((io) => payloadOf(io, 'wait', { name: 'again', timeoutInSeconds: 1 }))
      const { dueAt = 0 } = await sleeps(id)
      scene.advance(dueAt - Date.now())
      await scene.fixture.engine.sweep()
      assert.equal((await over(id, 'failed')).error?.code, 'wait_timeout')
      await scene.fixture.engine.resumeRun(id)
      await waits(1)
      await send('again', 5)
      await over(id)
    })

    it('hears a delayed event when it is delivered', async () => {
      const id = await scene.begin((io) => payloadOf(io, 'wait', { name: 'later' }))
      await sleeps(id)
      await scene.fixture.engine.sendEvent({ name: 'later', payload: 1 }, { deliverAfter: 60 })
      assert.equal(await openWaits(), 1)
      scene.advance(60_000)
      await over(id)
    })

    it('hears events of processes without a worker, and parses what it hears', async () => {
      const sender = await scene.open()
      const schema = z.object({ at: z.string().transform((text) => new Date(text)) })
      const seen: unknown[] = []
      const id = await scene.begin(async (io) => {
        seen.push((await io.waitForEvent('date', { name: 'date', schema })).payload.at)
        await io.waitForEvent('bad', { name: 'bad', schema })
      })
      await sleeps(id)
      await sender.engine.sendEvent({ name: 'date', payload: { at: '2026-01-01T00:00:00Z' } })
      await waitsAt('bad')
      await sender.engine.sendEvent({ name: 'bad', payload: { at: 1 } })
      const { error } = await over(id, 'failed')
      assert.equal(error?.code, 'invalid_payload')
      assert.deepEqual(seen[0], new Date('2026-01-01T00:00:00Z'))
    })

    it('goes on beside a task that runs', async () => {
      let letGo = (): void => undefined
      const gate = new Promise<void>((resolve) => (letGo = resolve))
      const id = await scene.begin(async (io) => {
        const long = io.runTask('long', () => gate)
        await io.waitForEvent('short', { name: 'meanwhile' })
        letGo()
        await long
      })
      await waits(1)
      const sender = await scene.open()
      await sender.engine.sendEvent({ name: 'meanwhile', payload: null })
      await over(id)
    })

    it('is told by the sweep where the sender died before it told', async () => {
      const id = await scene.begin((io) => payloadOf(io, 'wait', { name: 'cut' }))
      await sleeps(id)
      refused = true
      await assert.rejects(send('cut', 1), /the sender died/)
      refused = false
      assert.equal((await scene.record(id)).state, 'waiting')
      assert.equal((await scene.fixture.store.range(dispatches, '', '~', 10)).length, 1)
      scene.advance(6000)
      await scene.fixture.engine.sweep()
      await over(id)
      assert.equal((await scene.fixture.store.range(dispatches, '', '~', 10)).length, 0)
    })

    it('misses nothing that is sent while it begins to wait', async () => {
      const ids: string[] = []
      for (let round = 0; round < 40; round += 1) {
        const name = `race-${round}`
        const begun = scene.begin((io) => payloadOf(io, 'wait', { name }))
        // From the run's first moments to its sleep, a little later in every round.
        for (let turn = 0; turn < round % 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
        scene.advance(1)
        ids.push(await begun)
        await send(name, round)
      }
      for (const id of ids) await over(id)
      assert.equal((await scene.fixture.store.range(takings, '', '~', 100)).length, 40)
    })

    it('leaves nothing behind when the run is cancelled, and stores what it waits for sealed', async () => {
      const filter = { secret: ['s3cr3t-canary'] }
      const id = await scene.begin((io) => payloadOf(io, 'wait', { name: 'sealed', filter }))
      await sleeps(id)
      const [wait] = await scene.fixture.store.range(eventWaits, '', '~', 10)
      assert.doesNotMatch(JSON.stringify(wait), /s3cr3t/)
      await scene.fixture.engine.cancelRun(id)
      await until('the wait is gone', async () => ((await openWaits()) === 0 ? true : undefined))
      const { place, state } = await scene.record(id)
      assert.deepEqual([place, state], [undefined, 'cancelled'])
      await send('sealed', { secret: 's3cr3t-canary' })
      const all = await scene.fixture.store.range(events, '', '~', 10)
      assert.doesNotMatch(JSON.stringify(all), /s3cr3t/)
    })

    const wrong: readonly (readonly [string, ErrorCode, (io: IO) => Promise<unknown>])[] = [
      [
        'a key that was used',
        'duplicate_task_key',
        async (io) => {
          await io.runTask('key', () => 1)
          await io.waitForEvent('key', { name: 'x' })
        },
      ],
      ['an empty name', 'invalid_input', (io) => io.waitForEvent('key', { name: '' })],
      [
        'a time that is none',
        'invalid_input',
        (io) => io.waitForEvent('key', { name: 'x', timeoutInSeconds: -1 }),
      ],
      [
        'a date that is none',
        'invalid_input',
        (io) => io.waitForEvent('key', { name: 'x', since: new Date(NaN) }),
      ],
      [
        'a filter that is none',
        'invalid_input',
        (io) => io.waitForEvent('key', { name: 'x', filter: { a: [{ $no: 1 }] } }),
      ],
      [
        'an account that is none',
        'invalid_input',
        (io) => io.waitForEvent('key', { name: 'x', accountId: '' }),
      ],
    ]
    for (const [what, code, work] of wrong) {
      it(`refuses ${what}`, async () => {
        const id = await scene.begin(async (io) => void (await work(io)))
        assert.equal((await over(id, 'failed')).error?.code, code)
      })
    }

    it('refuses to wait for something else on replay', async () => {
      let name = 'first'
      const id = await scene.begin((io) => payloadOf(io, 'wait', { name }))
      await sleeps(id)
      name = 'second'
      await send('first', 1)
      assert.equal((await over(id, 'failed')).error?.code, 'replay_mismatch')
    })
  })
}

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { isAuthFlowError } from '../../shared/errors.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import {
  createClock,
  createDirectory,
  openEngine,
  reaches,
  running,
  until,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import type { Json, JobOptions } from './job.ts'
import { events, runs, tasks } from './records.ts'
import { readRetention } from './retention.ts'

const dayMs = 86_400_000

describe('readRetention', () => {
  it('gives the defaults of the documentation', () => {
    const { auditDays, ...rest } = readRetention()
    const days = Object.values(rest).map((ms) => ms / dayMs)
    assert.deepEqual([...days, auditDays], [30, 30, 7, 35, 365])
  })

  it('takes the least and the most of each', () => {
    for (const [name, least, most] of [
      ['runDays', 1, 3650],
      ['eventDays', 7, 3650],
      ['deliveryBodyDays', 1, 30],
      ['deliveryIdDays', 30, 3650],
      ['auditDays', 1, 3650],
    ] as const) {
      for (const days of [least, most]) readRetention({ [name]: days })
      for (const days of [least - 1, most + 1, least + 0.5, Number.NaN, Infinity, `${least}`])
        assert.throws(
          () => readRetention({ [name]: days as number }),
          (error) =>
            isAuthFlowError(error) &&
            error.code === 'invalid_option' &&
            error.details.option === `retention.${name}` &&
            error.message.includes(`from ${least} to ${most}`),
          `${name}: ${days}`,
        )
    }
  })

  it('refuses a name that there is not', () => {
    assert.throws(() => readRetention(Object.assign({ runDays: 3 }, { runs: 3 })), {
      code: 'invalid_option',
      message: /no `runs`.*runDays/,
    })
  })
})

for (const backend of backends)
  describe(`what is kept, on ${backend.name}`, { skip: backend.skip }, () => {
    const retention = readRetention({ runDays: 3, eventDays: 10 })
    let directory: ReturnType<typeof createDirectory>
    let storeUrl: string | undefined
    let clock: ReturnType<typeof createClock>
    let open: EngineFixture[]

    beforeEach(() => {
      directory = createDirectory()
      storeUrl = backend.open()
      clock = createClock()
      open = []
    })

    afterEach(async () => {
      for (const fixture of open) await fixture.close()
      await backend.drop(storeUrl)
      directory.remove()
    })

    interface Setup {
      readonly concurrencyLimit?: number
      readonly isStarted?: boolean
    }

    async function start(
      run: JobOptions<Json>['run'],
      { isStarted = true, ...more }: Setup = {},
    ): Promise<EngineFixture> {
      const fixture = await openEngine(directory.path, { storeUrl, retention, now: running(clock.now) })
      open.push(fixture)
      const trigger = eventTrigger({ name: 'go' })
      fixture.engine.defineJob({ id: 'job', name: 'Job', version: '1.0.0', trigger, run, ...more })
      if (isStarted) await fixture.engine.start()
      return fixture
    }

    const send = async ({ engine }: EngineFixture, payload: Json = null): Promise<string> =>
      (await engine.sendEvent({ name: 'go', payload })).runIds[0] ?? assert.fail('no run')

    const eventOf = async ({ store }: EngineFixture, run: string) => {
      const { event } = (await store.get(runs, run)) ?? assert.fail('no run')
      return (await store.get(events, event)) ?? assert.fail('no event')
    }

    const soon = (ms: number): boolean => ms >= 0 && ms < 60_000

    it('is what the options say of runs, large results and events', async () => {
      const fixture = await start(async (_, io) => {
        for (const at of [0, 1]) await io.runTask(`large ${at}`, () => Promise.resolve('x'.repeat(200_000)))
      })
      const id = await send(fixture)
      await reaches(fixture.engine, id, 'succeeded')
      const run = (await fixture.store.get(runs, id)) ?? assert.fail()
      assert.equal((run.expireAt ?? 0) - (run.endedAt ?? 0), 3 * dayMs)
      const beside = await until('the results beside it', async () => {
        const found = await fixture.store.range(tasks, `${id}/`, `${id}0`, 10)
        return found.length > 0 && found.every(({ expireAt }) => expireAt !== undefined) ? found : undefined
      })
      for (const { expireAt } of beside) assert.equal(expireAt, run.expireAt)
      const event = await eventOf(fixture, id)
      assert.ok(soon((event.expireAt ?? 0) - event.createdAt - 10 * dayMs))
    })

    it('says in a refusal for how long', async () => {
      const fixture = await start(() => Promise.resolve())
      await assert.rejects(fixture.engine.getRun(`run_${'x'.repeat(44)}`), {
        code: 'not_found',
        message: /for 3 days/,
      })
    })

    it('is the event for as long as its longest sleeper needs it', async () => {
      const fixture = await openEngine(directory.path, { storeUrl, retention, now: running(clock.now) })
      open.push(fixture)
      for (const [id, days] of [
        ['long', 100],
        ['short', 20],
      ] as const)
        fixture.engine.defineJob({
          id,
          name: id,
          version: '1.0.0',
          trigger: eventTrigger({ name: 'go' }),
          run: async (_, io) => io.wait('a while', days * 86_400),
        })
      await fixture.engine.start()
      const { runIds } = await fixture.engine.sendEvent({ name: 'go', payload: null })
      for (const id of runIds) await reaches(fixture.engine, id, 'waiting')
      const left = async (): Promise<number> =>
        ((await eventOf(fixture, runIds[0] ?? '')).expireAt ?? 0) - clock.now() - 110 * dayMs
      assert.ok(soon(await left()), 'whichever fell asleep last')
      await fixture.engine.cancelRun(runIds[1] ?? '')
      await fixture.engine.replayRun(runIds[1] ?? '')
      assert.ok(soon(await left()), 'a replay needs it for less long')
    })

    it('is the event of a run that waits in line for very long', async () => {
      let goOn = (): void => undefined
      const held = new Promise<void>((resolve) => (goOn = resolve))
      const fixture = await start((_, io) => io.runTask('hold', () => held), { concurrencyLimit: 1 })
      const first = await send(fixture)
      const second = await send(fixture)
      await reaches(fixture.engine, second, 'blocked')
      for (let days = 0; days < 25; days += 4) {
        clock.advance(4 * dayMs)
        await fixture.engine.sweep()
      }
      for (const id of [first, second]) {
        const { expireAt } = await eventOf(fixture, id)
        assert.ok((expireAt ?? 0) > clock.now() + 4 * dayMs, 'there until the next look, and longer')
      }
      goOn()
    })

    it('is the event of a run that nobody takes, and is not touched while that is young', async () => {
      const fixture = await start(() => Promise.resolve(), { isStarted: false })
      const id = await send(fixture)
      const { expireAt, version } = await eventOf(fixture, id)
      await fixture.engine.sweep()
      assert.deepEqual((await eventOf(fixture, id)).version, version)
      clock.advance(8 * dayMs)
      await fixture.engine.sweep()
      const kept = (await eventOf(fixture, id)).expireAt ?? 0
      assert.ok(soon(kept - (expireAt ?? 0) - 8 * dayMs))
    })
  })

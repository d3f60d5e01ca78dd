// Concurrency limits on each of the stores, MongoDB where TEST_MONGODB_URL names one.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { backends } from '../connect/fixtures/backends.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { ConcurrencyLimit, type JobConcurrency } from './concurrency.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO } from './job.ts'
import { lanes, lanesOf, waits } from './lane-records.ts'
import { runs } from './records.ts'

interface Begun {
  readonly accountId: string
  readonly runId: string
  end(): void
}

/** Runs that have begun, held until they are told to end. */
class Stage {
  readonly begun: Begun[] = []
  readonly order: string[] = []
  most = 0
  #open = 0

  async perform(accountId: string, runId: string): Promise<void> {
    this.#open += 1
    this.most = Math.max(this.most, this.#open)
    this.order.push(accountId)
    await new Promise<void>((end) => this.begun.push({ accountId, runId, end }))
    this.#open -= 1
  }

  /** Lets everything go that has begun and whatever begins. */
  async endAll(count: number): Promise<void> {
    for (let ended = 0; ended < count; ended += 1) {
      const next = await until('another run begins', () => this.begun.shift())
      next.end()
    }
  }
}

for (const backend of backends) {
  describe(`concurrencyLimit on ${backend.name}`, { skip: backend.skip }, () => {
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let stage: Stage
    const open: EngineFixture[] = []

    beforeEach(() => {
      directory = createDirectory()
      url = backend.open()
      stage = new Stage()
    })

    afterEach(async () => {
      for (const { end } of stage.begun) end()
      for (const fixture of open.splice(0)) await fixture.close()
      await backend.drop(url)
      directory.remove()
    })

    async function start(options: { concurrency?: number } = {}): Promise<EngineFixture> {
      const fixture = await openEngine(directory.path, { storeUrl: url, concurrency: 20, ...options })
      open.push(fixture)
      return fixture
    }

    interface Shape {
      readonly id?: string
      readonly version?: string
      readonly run?: (io: IO, hold: () => Promise<void>) => Promise<void>
    }

    /** A job whose runs hold their one task until they are let go. */
    function define(
      { engine }: EngineFixture,
      concurrencyLimit: JobConcurrency | undefined,
      { id = 'job', version = '1.0.0', run = (io, hold) => io.runTask('hold', hold) }: Shape = {},
    ): void {
      engine.defineJob({
        id,
        name: id,
        version,
        trigger: eventTrigger({ name: id }),
        ...(concurrencyLimit === undefined ? {} : { concurrencyLimit }),
        run: (_, io, ctx) => run(io, () => stage.perform(ctx.account?.id ?? '-', ctx.run.id)),
      })
    }

    async function send(
      { engine }: EngineFixture,
      accounts: readonly string[],
      name = 'job',
    ): Promise<string[]> {
      const ids: string[] = []
      for (const accountId of accounts) {
        const scope = accountId === '-' ? {} : { accountId }
        ids.push(...(await engine.sendEvent({ name, payload: null }, scope)).runIds)
      }
      return ids
    }

    const stateOf = async ({ engine }: EngineFixture, id: string): Promise<string> =>
      (await engine.getRun(id)).state

    const times = (count: number, account: string): string[] => Array.from({ length: count }, () => account)

    /** Every lane is empty, and nothing waits. */
    const isIdle = async ({ store }: EngineFixture): Promise<true | undefined> => {
      const rows = await store.range(lanes, '!', '~', 1000)
      const left = await store.range(waits, '!', '~', 1)
      return rows.every(({ active }) => active === 0) && left.length === 0 ? true : undefined
    }

    it('runs so many at a time and lets the next one begin when one ends', async () => {
      const fixture = await start()
      define(fixture, 2)
      await fixture.engine.start()
      const ids = await send(fixture, times(6, 'ada'))
      await until('two have begun', () => stage.begun[1])
      assert.equal(
        (await Promise.all(ids.map((id) => stateOf(fixture, id)))).filter((state) => state === 'blocked')
          .length,
        4,
      )
      await stage.endAll(6)
      for (const id of ids) await reaches(fixture.engine, id, 'succeeded')
      assert.equal(stage.most, 2)
      await until('the lane is empty', () => isIdle(fixture))
    })

    it('lets accounts take turns, whatever the number of runs that one of them has waiting', async () => {
      const fixture = await start()
      define(fixture, 1)
      await fixture.engine.start()
      await send(fixture, [...times(40, 'greedy'), 'ada', 'bob', 'ada'])
      await stage.endAll(43)
      // One of the greedy account's is under way when the others come; then each account has one turn a round.
      assert.equal(stage.order[0], 'greedy')
      assert.deepEqual(stage.order.slice(1, 3).toSorted(), ['ada', 'bob'])
      assert.deepEqual(stage.order.slice(3, 5).toSorted(), ['ada', 'greedy'])
    })

    it('begins the one run of an account after at most one more of another that has hundreds', async () => {
      const fixture = await start()
      define(fixture, 1)
      // Nobody runs them yet.
      await send(fixture, times(300, 'greedy'))
      await send(fixture, ['ada'])
      await fixture.engine.start()
      await stage.endAll(4)
      assert.deepEqual(stage.order.slice(0, 3), ['greedy', 'ada', 'greedy'])
    })

    it('counts each account for itself, and all of them together', async () => {
      const fixture = await start()
      define(fixture, { limit: 3, perAccount: 2 })
      await fixture.engine.start()
      await send(fixture, [...times(5, 'ada'), ...times(5, 'bob')])
      await until('three have begun', () => stage.begun[2])
      const first = stage.order.slice(0, 3)
      assert.equal(stage.begun.length, 3)
      assert.ok(first.filter((account) => account === 'ada').length <= 2)
      assert.ok(first.filter((account) => account === 'bob').length <= 2)
      await stage.endAll(10)
      assert.equal(stage.most, 3)
      await until('the lanes are empty', () => isIdle(fixture))
      // Rows of accounts are not kept.
      assert.deepEqual(
        (await fixture.store.range(lanes, '!', '~', 10)).map(({ name, active }) => [name, active]),
        [['job/job', 0]],
      )
    })

    it('has one limit for all jobs that share it', async () => {
      const fixture = await start()
      const shared = new ConcurrencyLimit({ id: 'database', limit: 2 })
      define(fixture, shared, { id: 'one' })
      define(fixture, shared, { id: 'two' })
      await fixture.engine.start()
      await send(fixture, times(3, 'ada'), 'one')
      await send(fixture, times(3, 'ada'), 'two')
      await until('two have begun', () => stage.begun[1])
      await stage.endAll(6)
      assert.equal(stage.most, 2)
      await until('the lane is empty', () => isIdle(fixture))
    })

    it('holds over processes', async () => {
      const fixtures = [await start(), await start()]
      for (const fixture of fixtures) define(fixture, 2)
      for (const fixture of fixtures) await fixture.engine.start()
      const [first, second] = fixtures
      assert.ok(first && second)
      await Promise.all([send(first, times(10, 'ada')), send(second, times(10, 'bob'))])
      await until('two have begun', () => stage.begun[1])
      await stage.endAll(20)
      assert.equal(stage.most, 2)
      await until('the lane is empty', () => isIdle(first))
    })

    it('frees the slot of a run that sleeps, and lets it go on before new runs', async () => {
      const fixture = await start()
      const begun: string[] = []
      define(fixture, 1, {
        run: async (io, hold) => {
          begun.push('begun')
          await io.wait('rest', 0.3)
          await io.runTask('hold', hold)
        },
      })
      await fixture.engine.start()
      const [first] = await send(fixture, ['sleeper'])
      assert.ok(first)
      await reaches(fixture.engine, first, 'waiting')
      await until('its slot is free', () => isIdle(fixture))
      const stored = await fixture.store.get(runs, first)
      assert.equal(stored?.slots, undefined)
      await send(fixture, times(3, 'other'))
      await stage.endAll(4)
      await reaches(fixture.engine, first, 'succeeded')
      assert.equal(stage.most, 1)
    })

    it('takes a higher limit at the next start, for runs that wait already too', async () => {
      const before = await start()
      define(before, 1)
      await before.engine.start()
      await send(before, times(5, 'ada'))
      await until('one has begun', () => stage.begun[0])
      await new Promise((resolve) => setTimeout(resolve, 5))
      const after = await start()
      define(after, 3)
      await after.engine.start()
      await send(after, ['ada'])
      await until('three have begun', () => stage.begun[2])
      assert.equal(stage.begun.length, 3)
      await stage.endAll(6)
      assert.equal(stage.most, 3)
    })

    it('lets go on what runs when the limit becomes lower, and keeps to it from then on', async () => {
      const before = await start()
      define(before, 3)
      await before.engine.start()
      await send(before, times(3, 'ada'))
      await until('three have begun', () => stage.begun[2])
      await new Promise((resolve) => setTimeout(resolve, 5))
      const after = await start()
      define(after, 1)
      await after.engine.start()
      await send(after, times(3, 'ada'))
      stage.begun.shift()?.end()
      stage.begun.shift()?.end()
      await until('two are over', async () => {
        const [row] = await after.store.range(lanes, '!', '~', 1)
        return row?.active === 1 ? true : undefined
      })
      assert.equal(stage.begun.length, 1)
      await stage.endAll(4)
      await until('the lane is empty', () => isIdle(after))
    })

    it('runs what waited for a limit that its job does not have any more', async () => {
      const before = await start()
      define(before, 1)
      const ids = await send(before, times(3, 'ada'))
      const after = await start()
      define(after, undefined)
      await after.engine.start()
      await stage.endAll(3)
      for (const id of ids) await reaches(after.engine, id, 'succeeded')
      await until('the lane is empty', () => isIdle(after))
    })

    it('cancels a run that waits, and passes the slot of a cancelled one on', async () => {
      const fixture = await start()
      define(fixture, 1)
      await fixture.engine.start()
      const [first, second, third] = await send(fixture, times(3, 'ada'))
      assert.ok(first && second && third)
      await until('one has begun', () => stage.begun[0])
      assert.equal((await fixture.engine.cancelRun(second)).state, 'cancelled')
      await fixture.engine.cancelRun(first)
      stage.begun.shift()?.end()
      await reaches(fixture.engine, first, 'cancelled')
      await stage.endAll(1)
      await reaches(fixture.engine, third, 'succeeded')
      await until('the lane is empty', () => isIdle(fixture))
    })

    it('passes the slot on when a run fails, is resumed, or is given back by a worker that stops', async () => {
      const fixture = await start()
      let isBroken = true
      define(fixture, 1, {
        run: async (io, hold) => {
          await io.runTask('hold', hold)
          if (isBroken) throw new Error('broken')
        },
      })
      await fixture.engine.start()
      const [first, second] = await send(fixture, times(2, 'ada'))
      assert.ok(first && second)
      await stage.endAll(1)
      await reaches(fixture.engine, first, 'failed')
      isBroken = false
      await fixture.engine.resumeRun(first)
      await stage.endAll(1)
      await reaches(fixture.engine, first, 'succeeded')
      await reaches(fixture.engine, second, 'succeeded')
      await until('the lane is empty', () => isIdle(fixture))
    })

    it('frees a slot that nobody uses, and finishes giving one that was cut off', async () => {
      const fixture = await start()
      define(fixture, 1)
      const [lane] = lanesOf({ name: 'job/job', limit: 1, since: 1 }, null)
      assert.ok(lane)
      // As after a crash between the end of a run and giving its slot back.
      const row = { name: lane.name, limit: 1, since: 1, active: 1, token: 5 }
      await fixture.store.insert(lanes, { id: lane.id, ...row, holders: { run_gone: 5 } })
      await fixture.engine.start()
      const [id] = await send(fixture, ['ada'])
      assert.ok(id)
      assert.equal(await stateOf(fixture, id), 'blocked')
      await fixture.engine.sweep()
      await until('it has begun', () => stage.begun[0])
      // As after a crash between giving a slot and telling the run.
      const [next] = await send(fixture, ['ada'])
      assert.ok(next)
      await fixture.store.update(lanes, lane.id, {}, { set: { holders: { [next]: 7 }, active: 1, limit: 1 } })
      await fixture.engine.sweep()
      await until('it has begun too', () => stage.begun[1])
      await stage.endAll(2)
      await until('the lane is empty', async () => {
        await fixture.engine.sweep()
        return isIdle(fixture)
      })
    })

    it('takes a run to its next lane that was cut off on the way there', async () => {
      const fixture = await start()
      define(fixture, { limit: 1, perAccount: 1 })
      await fixture.engine.start()
      const [first, second] = await send(fixture, ['ada', 'bob'])
      assert.ok(first && second)
      await until('one has begun', () => stage.begun[0])
      const next = await until('the other has its first slot, and waits for the next', async () => {
        const run = await fixture.store.get(runs, second)
        if (run?.slots === undefined || run.waitsFor === undefined) return undefined
        return fixture.store.get(waits, run.waitsFor.id)
      })
      // As after a crash right after the run's record was written.
      assert.ok(await fixture.store.remove(waits, next.id))
      stage.begun.shift()?.end()
      await reaches(fixture.engine, first, 'succeeded')
      await fixture.engine.sweep()
      await stage.endAll(1)
      await reaches(fixture.engine, second, 'succeeded')
      await until('the lanes are empty', () => isIdle(fixture))
    })

    it('stores nothing more for a job without a limit', async () => {
      const fixture = await start()
      define(fixture, undefined)
      await fixture.engine.start()
      const ids = await send(fixture, ['ada'])
      await stage.endAll(1)
      await reaches(fixture.engine, ids[0], 'succeeded')
      assert.equal((await fixture.store.range(lanes, '!', '~', 1)).length, 0)
    })
  })
}

describe('concurrencyLimit', () => {
  it('refuses what can not be a limit, at the call that said it', async () => {
    const directory = createDirectory()
    const fixture = await openEngine(directory.path)
    const define = (concurrencyLimit: JobConcurrency): void =>
      fixture.engine.defineJob({
        id: 'job',
        name: 'Job',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'job' }),
        concurrencyLimit,
        run: () => undefined,
      })
    const shared = { id: 'x', limit: 2 }
    for (const bad of [0, -1, 1.5, Number.NaN, 10_001, {}, { limit: 0 }, { perAccount: 0.5 }, shared])
      assert.throws(
        () => define(bad),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'invalid_input')
          assert.match(error.message, /concurrencyLimit of job job/)
          return true
        },
      )
    assert.throws(() => new ConcurrencyLimit({ id: 'no spaces', limit: 1 }), { code: 'invalid_input' })
    assert.throws(() => new ConcurrencyLimit({ id: 'x' }), { code: 'invalid_input' })
    assert.throws(() => new ConcurrencyLimit({ id: 'x', limit: 0 }), { code: 'invalid_input' })
    define(2)
    await fixture.close()
    directory.remove()
  })
})

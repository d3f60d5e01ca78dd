import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { AuthFlowError } from '../../shared/errors.ts'
import { aroundStore } from '../connect/fixtures/around-store.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, Json, RunContext } from './job.ts'
import { cancels, events, runs } from './records.ts'

const unknownRun = `run_${'x'.repeat(44)}`

for (const backend of backends) {
  describe(`JobEngine.cancelRun on ${backend.name}`, { skip: backend.skip }, () => {
    const open: EngineFixture[] = []
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined

    beforeEach(() => {
      directory = createDirectory()
      url = backend.open()
    })
    afterEach(async () => {
      for (const fixture of open.splice(0)) await fixture.close()
      await backend.drop(url)
      directory.remove()
    })

    /** An engine with one job that does the work; started unless told otherwise. */
    async function start(
      work: (io: IO, ctx: RunContext) => Promise<Json | void>,
      { isStarted = true } = {},
    ): Promise<EngineFixture> {
      const fixture = await openEngine(directory.path, { storeUrl: url })
      open.push(fixture)
      fixture.engine.defineJob({
        id: 'job',
        name: 'Job',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'job' }),
        run: (_, io, ctx) => work(io, ctx),
      })
      if (isStarted) await fixture.engine.start()
      return fixture
    }

    const send = async ({ engine }: EngineFixture): Promise<string> => {
      const [id] = (await engine.sendEvent({ name: 'job', payload: null })).runIds
      assert.ok(id !== undefined)
      return id
    }

    it('ends a run that was never taken up at once, and nobody takes it up later', async () => {
      const calls: string[] = []
      const fixture = await start(async (io) => io.runTask('only', () => void calls.push('only')), {
        isStarted: false,
      })
      const id = await send(fixture)
      const cancelled = await fixture.engine.cancelRun(id)
      assert.equal(cancelled.state, 'cancelled')
      assert.notEqual(cancelled.endedAt, null)
      await fixture.engine.start()
      const other = await send(fixture)
      await reaches(fixture.engine, other, 'succeeded')
      await fixture.engine.sweep()
      assert.deepEqual(calls, ['only'])
      assert.equal((await fixture.engine.getRun(id)).state, 'cancelled')
    })

    it('ends a run that waits at once', async () => {
      const fixture = await start(async (io) => io.wait('long', 3600))
      const id = await send(fixture)
      await reaches(fixture.engine, id, 'waiting')
      assert.equal((await fixture.engine.cancelRun(id)).state, 'cancelled')
      const run = await fixture.engine.getRun(id)
      assert.deepEqual(
        run.tasks.map(({ key, state }) => [key, state]),
        [['long', 'cancelled']],
      )
    })

    it('aborts the signal of a task, stores what it brings, and begins nothing new', async () => {
      const calls: string[] = []
      const fixture = await start(async (io, { signal }) => {
        await io.runTask('heeding', async (task) => {
          calls.push('begun')
          await new Promise((resolve) => task.signal.addEventListener('abort', resolve))
          calls.push(`run aborted: ${signal.aborted}`)
          return 'kept'
        })
        await io.runTask('next', () => void calls.push('next'))
      })
      const id = await send(fixture)
      await until('the task runs', () => calls.length > 0)
      assert.equal((await fixture.engine.cancelRun(id)).state, 'running')
      const run = await reaches(fixture.engine, id, 'cancelled')
      assert.deepEqual(calls, ['begun', 'run aborted: true'])
      assert.deepEqual(
        run.tasks.map(({ key, state }) => [key, state]),
        [['heeding', 'succeeded']],
      )
      assert.equal(run.error, null)
    })

    it('is cancelled, not failed, when its task throws at the signal, and is not tried again', async () => {
      let attempts = 0
      const fixture = await start(async (io) => {
        const wait = (task: { signal: AbortSignal }): Promise<never> =>
          new Promise((_, reject) => {
            attempts += 1
            task.signal.addEventListener('abort', () => reject(new Error('aborted')))
          })
        await Promise.all([
          io.runTask('final', wait),
          io.runTask('again', wait, { retry: { limit: 5, minTimeoutInMs: 0, randomize: false } }),
        ])
      })
      const id = await send(fixture)
      await until('both tasks run', () => attempts === 2)
      await fixture.engine.cancelRun(id)
      await reaches(fixture.engine, id, 'cancelled')
      assert.equal(attempts, 2)
    })

    it('ends although the code around goes on for ever, and a task inside another would begin', async () => {
      let isCancelled = false
      const calls: string[] = []
      const fixture = await start(async (io) => {
        await io.runTask('outer', async () => {
          calls.push('outer')
          while (!isCancelled) await new Promise((resolve) => setTimeout(resolve, 2))
          await io.runTask('inner', () => void calls.push('inner'))
        })
        await new Promise(() => undefined)
      })
      const id = await send(fixture)
      await until('it runs', () => calls.length > 0)
      await fixture.engine.cancelRun(id)
      isCancelled = true
      await reaches(fixture.engine, id, 'cancelled')
      assert.deepEqual(calls, ['outer'])
    })

    it("cancels another process's run, and leaves no note behind", async () => {
      const calls: string[] = []
      const work = async (io: IO): Promise<void> =>
        io.runTask('heeding', async (task) => {
          calls.push('begun')
          await new Promise((resolve) => task.signal.addEventListener('abort', resolve))
        })
      const first = await start(work)
      const second = await start(work, { isStarted: false })
      const id = await send(first)
      await until('the task runs', () => calls.length > 0)
      await second.engine.cancelRun(id)
      await reaches(second.engine, id, 'cancelled')
      const left = async (): Promise<number> => (await first.store.range(cancels, '', '~', 10)).length
      await until('the note is gone', async () => (await left()) === 0)
    })

    it('is seen by another process with its next write, which is stored all the same', async () => {
      const calls: string[] = []
      let goOn = (): void => undefined
      const reads: string[] = []
      const fixture = await openEngine(directory.path, {
        storeUrl: url,
        // One that never looks for notes, as between two heartbeats.
        aroundStore: (store) =>
          aroundStore(store, {
            range: (set, ...bounds) =>
              set.name === cancels.name ? Promise.resolve([]) : store.range(set, ...bounds),
            get: (set, id) => {
              if (set.name === runs.name) reads.push(id)
              return store.get(set, id)
            },
          }),
      })
      open.push(fixture)
      fixture.engine.defineJob({
        id: 'job',
        name: 'Job',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'job' }),
        run: async (_, io) => {
          await io.runTask('held', () => new Promise<void>((resolve) => (goOn = resolve)))
          const { signal } = await io.runTask('next', (task) => {
            calls.push('next')
            return { signal: task.signal.aborted }
          })
          calls.push(`after ${signal}`)
        },
      })
      await fixture.engine.start()
      const id = await send(fixture)
      await until('the task runs', async () => (await fixture.engine.getRun(id)).tasks.length > 0)
      const other = await start(async () => undefined, { isStarted: false })
      assert.equal((await other.engine.cancelRun(id)).state, 'running')
      reads.length = 0
      goOn()
      const run = await reaches(other.engine, id, 'cancelled')
      assert.deepEqual(calls, [])
      assert.deepEqual(
        run.tasks.map(({ key, state }) => [key, state]),
        [['held', 'succeeded']],
      )
      assert.deepEqual(reads, [], 'the write itself told of it')
    })

    it('is heeded by the next worker when the one that was told dies', async () => {
      const work = async (io: IO): Promise<void> => io.wait('long', 0.3)
      const fixture = await start(work, { isStarted: false })
      const id = await send(fixture)
      // As a worker leaves it behind that took the run and died before it heeded.
      const taken = { set: { state: 'running' as const, owner: 'dead.0.0.x', fence: 1 } }
      await fixture.store.update(runs, id, {}, { ...taken, unset: ['dueAt'] })
      assert.equal((await fixture.engine.cancelRun(id)).state, 'running')
      const requeued = { state: 'queued' as const, place: 'queued', dueAt: 1 }
      await fixture.store.update(runs, id, {}, { set: requeued, unset: ['owner'] })
      await fixture.engine.start()
      await reaches(fixture.engine, id, 'cancelled')
      assert.deepEqual((await fixture.engine.getRun(id)).tasks, [])
    })

    it('leaves a run that is over as it is', async () => {
      const fixture = await start(async () => 7)
      const id = await send(fixture)
      const before = await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(await fixture.engine.cancelRun(id), before)
      assert.deepEqual(await fixture.engine.getRun(id), before)
    })

    it('is safe to call many times at once while the run starts, waits and ends', async () => {
      const fixture = await start(async (io) => {
        for (const step of [1, 2, 3]) {
          await io.runTask(`task ${step}`, () => step)
          await io.wait(`wait ${step}`, 0.001)
        }
      })
      const ids = await Promise.all(Array.from({ length: 20 }, () => send(fixture)))
      await Promise.all([...ids, ...ids].map((id) => fixture.engine.cancelRun(id)))
      await until('all are over', async () => {
        const found = await fixture.store.getMany(runs, ids)
        return found.every(({ endedAt, owner }) => endedAt !== undefined && owner === undefined)
      })
      for (const run of await fixture.store.getMany(runs, ids))
        assert.ok(run.state === 'cancelled' || run.state === 'succeeded', run.state)
    })

    it('tells that there is no such run', async () => {
      const fixture = await start(async () => undefined)
      for (const id of ['x', unknownRun]) {
        await assert.rejects(
          fixture.engine.cancelRun(id),
          (error) => error instanceof AuthFlowError && error.code === 'not_found',
        )
      }
      assert.deepEqual(await fixture.store.range(events, '', '~', 10), [])
    })
  })
}

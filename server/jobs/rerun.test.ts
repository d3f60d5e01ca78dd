import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { ErrorCode } from '../../shared/errors.ts'
import type { RunState } from '../../shared/flow.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, Json, RunContext, Task } from './job.ts'
import { events, runs } from './records.ts'

type Work = (io: IO, ctx: RunContext, payload: Json) => Promise<Json | void>

for (const backend of backends) {
  describe(`runs that are over, on ${backend.name}`, { skip: backend.skip }, () => {
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let fixture: EngineFixture
    const calls: string[] = []

    beforeEach(async () => {
      directory = createDirectory()
      url = backend.open()
      calls.length = 0
      fixture = await openEngine(directory.path, { storeUrl: url })
      await fixture.engine.start()
    })
    afterEach(async () => {
      await fixture.close()
      await backend.drop(url)
      directory.remove()
    })

    function define(work: Work, { version = '1.0.0', enabled = true } = {}): void {
      fixture.engine.defineJob({
        id: 'job',
        name: 'Job',
        version,
        enabled,
        trigger: eventTrigger({ name: 'job' }),
        run: (payload, io, ctx) => work(io, ctx, payload),
      })
    }

    async function run(state: RunState, payload: Json = null): Promise<string> {
      const [id] = (await fixture.engine.sendEvent({ name: 'job', payload }, { accountId: 'ada' })).runIds
      return (await reaches(fixture.engine, id, state)).id
    }

    const rejects = (promise: Promise<unknown>, code: ErrorCode): Promise<void> =>
      assert.rejects(promise, { code })
    const note =
      (what: string, fails?: () => boolean) =>
      ({ attempt }: Task): string => {
        calls.push(`${what} ${attempt}`)
        if (fails?.() === true) throw Object.assign(new Error(`${what} failed`), { status: 500 })
        return what
      }

    it('replay as new runs of the same event, with the highest version of the job', async () => {
      define(async (io, { run: { isRetry } }, payload) =>
        io.runTask('one', () => void calls.push(`1.0.0 ${JSON.stringify(payload)} ${isRetry}`)))
      const id = await run('succeeded', { n: 1 })
      define(
        async (io, { run: { isRetry }, account }, payload) =>
          io.runTask(
            'one',
            () => void calls.push(`1.1.0 ${JSON.stringify(payload)} ${isRetry} ${account?.id}`),
          ),
        { version: '1.1.0' },
      )
      const before = await fixture.engine.getRun(id)
      const replay = await fixture.engine.replayRun(id)
      assert.notEqual(replay.id, id)
      assert.deepEqual([replay.state, replay.jobVersion, replay.accountId], ['queued', '1.1.0', 'ada'])
      await reaches(fixture.engine, replay.id, 'succeeded')
      assert.deepEqual(calls, ['1.0.0 {"n":1} false', '1.1.0 {"n":1} true ada'])
      assert.deepEqual(await fixture.engine.getRun(id), before)
      const again = await fixture.engine.replayRun(id)
      assert.notEqual(again.id, replay.id)
      await reaches(fixture.engine, again.id, 'succeeded')
    })

    it('are not replayed while they go on, without their event, or when the job is off', async () => {
      define(async (io, _, payload) => io.wait('long', payload === null ? 3600 : 0))
      await rejects(fixture.engine.replayRun(await run('waiting')), 'run_not_over')
      const id = await run('succeeded', 1)
      define(async () => undefined, { version: '2.0.0', enabled: false })
      await rejects(fixture.engine.replayRun(id), 'job_disabled')
      define(async () => undefined, { version: '3.0.0' })
      const event = (await fixture.store.get(runs, id))?.event ?? ''
      await fixture.store.remove(events, event)
      await rejects(fixture.engine.replayRun(id), 'not_found')
      await rejects(fixture.engine.replayRun('nothing'), 'not_found')
    })

    it('resume from the task that failed, with its attempts anew, and keep the rest', async () => {
      let isBroken = true
      const retry = { limit: 2, minTimeoutInMs: 1, maxTimeoutInMs: 1 }
      const keys: string[] = []
      define(async (io) => {
        await io.runTask('one', note('one'))
        await io
          .runTask(
            'caught',
            note('caught', () => true),
          )
          .catch(() => undefined)
        const fails = note('two', () => isBroken)
        await io.runTask('two', (task) => (keys.push(task.idempotencyKey), fails(task)), { retry })
        await io.runTask('three', note('three'))
        return calls.length
      })
      const id = await run('failed')
      assert.deepEqual(calls.splice(0), ['one 1', 'caught 1', 'two 1', 'two 2'])
      const again = await fixture.engine.resumeRun(id)
      assert.deepEqual([again.endedAt, again.error], [null, null])
      await reaches(fixture.engine, id, 'failed')
      assert.deepEqual(calls.splice(0), ['two 1', 'two 2'])
      isBroken = false
      await fixture.engine.resumeRun(id)
      const done = await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(calls, ['two 1', 'three 1'])
      assert.deepEqual(
        done.tasks.map(({ key, state }) => [key, state]),
        [
          ['one', 'succeeded'],
          ['caught', 'failed'],
          ['two', 'succeeded'],
          ['three', 'succeeded'],
        ],
      )
      // Each known answer makes the next attempt a new request to the provider.
      assert.equal(new Set(keys).size, keys.length)
      const stored = await fixture.store.get(runs, id)
      assert.equal(stored?.failedAt, undefined)
    })

    it('resume from a task inside others, through an error that names it as its cause', async () => {
      let isBroken = true
      define(async (io) => {
        await io.runTask('outer/task', async () => {
          await io.runTask('kept', note('kept'))
          await io
            .runTask(
              'caught',
              note('caught', () => true),
            )
            .catch(() => undefined)
          try {
            await io.runTask(
              'inner',
              note('inner', () => isBroken),
            )
          } catch (cause) {
            throw new Error('outer failed', { cause })
          }
        })
      })
      const id = await run('failed')
      assert.deepEqual(calls.splice(0), ['kept 1', 'caught 1', 'inner 1'])
      isBroken = false
      await fixture.engine.resumeRun(id)
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(calls, ['inner 1'])
    })

    it('resume where results are too large for the run itself', async () => {
      let isBroken = true
      define(async (io) => {
        for (const at of [1, 2])
          await io.runTask(`large ${at}`, () => (calls.push(`large ${at}`), 'x'.repeat(300_000)))
        await io.runTask(
          'last',
          note('last', () => isBroken),
        )
      })
      const id = await run('failed')
      isBroken = false
      calls.length = 0
      await fixture.engine.resumeRun(id)
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(calls, ['last 1'])
    })

    it('resume where the code of the run itself threw', async () => {
      let isBroken = true
      define(async (io) => {
        await io.runTask('one', note('one'))
        if (isBroken) throw new Error('broken')
      })
      const id = await run('failed')
      isBroken = false
      await fixture.engine.resumeRun(id)
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(calls, ['one 1'])
    })

    it('resume once, however many ask', async () => {
      let isBroken = true
      define(async (io) =>
        void (await io.runTask(
          'one',
          note('one', () => isBroken),
        )))
      const id = await run('failed')
      isBroken = false
      const asked = await Promise.allSettled(Array.from({ length: 10 }, () => fixture.engine.resumeRun(id)))
      assert.ok(asked.some(({ status }) => status === 'fulfilled'))
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(calls, ['one 1', 'one 1'])
    })

    it('are not resumed unless they failed', async () => {
      define(async (io, _, payload) => io.wait('long', payload === null ? 3600 : 0))
      const waiting = await run('waiting')
      await rejects(fixture.engine.resumeRun(waiting), 'run_not_over')
      await fixture.engine.cancelRun(waiting)
      await rejects(fixture.engine.resumeRun(waiting), 'run_not_failed')
      await rejects(fixture.engine.resumeRun(await run('succeeded', 1)), 'run_not_failed')
      await rejects(fixture.engine.resumeRun('nothing'), 'not_found')
    })

    it('are found by state, with account and job, over pages', async () => {
      define(async (_, __, payload) => {
        if (payload === 'fail') throw new Error('as told')
      })
      const failed: string[] = []
      for (let at = 0; at < 3; at += 1) {
        failed.unshift(await run('failed', 'fail'))
        await run('succeeded', at)
      }
      for (const query of [{}, { accountId: 'ada' }, { job: 'job', accountId: 'ada' }]) {
        const found: string[] = []
        let cursor: string | undefined
        do {
          const page = await fixture.engine.listRuns({
            ...query,
            state: 'failed',
            limit: 2,
            ...(cursor && { cursor }),
          })
          found.push(...page.items.map(({ id }) => id))
          ;({ cursor } = page)
        } while (cursor !== undefined)
        assert.deepEqual(found, failed)
      }
      assert.deepEqual((await fixture.engine.listRuns({ state: 'cancelled' })).items, [])
    })
  })
}

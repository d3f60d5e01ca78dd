import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { currentIO, currentPlace, currentRun } from './execution.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { JobOptions, Json } from './job.ts'

describe('onSuccess and onFailure of a job', () => {
  const directory = createDirectory()
  let fixture: EngineFixture
  const told: unknown[] = []
  const stacks: unknown[] = []

  before(async () => {
    fixture = await openEngine(directory.path)
    await fixture.engine.start()
  })
  after(async () => {
    await fixture.close()
    directory.remove()
  })

  type Options = JobOptions<Json>
  type Hooks = Pick<Options, 'onSuccess' | 'onFailure'>
  const options = (id: string, run: Options['run'], hooks: Hooks = {}): Options => ({
    id,
    name: id,
    version: '1.0.0',
    trigger: eventTrigger({ name: id }),
    run,
    onSuccess: ({ run: { id: runId, startedAt }, job, account, output }) => {
      assert.ok(startedAt instanceof Date)
      told.push(['success', runId, job, account, output])
    },
    onFailure: ({ run: { id: runId }, account, error: { stack, ...error } }) => {
      stacks.push(stack)
      told.push(['failure', runId, account, error])
    },
    ...hooks,
  })
  async function send(job: string): Promise<string> {
    const [id] = (await fixture.engine.sendEvent({ name: job, payload: null }, { accountId: 'ada' })).runIds
    assert.ok(id !== undefined)
    return id
  }

  it('are told once of a run with a wait in it that succeeded, with its output', async () => {
    fixture.engine.defineJob(
      options('good', async (_, io) => {
        await io.wait('nap', 0.2)
        return { sum: 3 }
      }),
    )
    const id = await send('good')
    await reaches(fixture.engine, id, 'succeeded')
    await until('it was told', () => told.length > 0)
    assert.deepEqual(told.splice(0), [
      ['success', id, { id: 'good', version: '1.0.0' }, { id: 'ada' }, { sum: 3 }],
    ])
  })

  it('are told of a run that failed, with the error as it is shown', async () => {
    fixture.engine.defineJob(
      options('bad', () => {
        throw new TypeError('broken')
      }),
    )
    const id = await send('bad')
    const { error } = await reaches(fixture.engine, id, 'failed')
    await until('it was told', () => told.length > 0)
    assert.deepEqual(error, { code: 'run_failed', message: 'TypeError: broken' })
    assert.deepEqual(told.splice(0), [['failure', id, { id: 'ada' }, error]])
    assert.match(stacks.splice(0).join(), /^TypeError: broken\n +at .*run-end\.test\.ts:\d+/)
  })

  it('are told nothing of a run that was cancelled', async () => {
    fixture.engine.defineJob(
      options('stopped', async (_, io) =>
        io.runTask(
          'long',
          (task) => new Promise((resolve) => task.signal.addEventListener('abort', () => resolve())),
        ),
      ),
    )
    const id = await send('stopped')
    await reaches(fixture.engine, id, 'running')
    await until('the task runs', async () => (await fixture.engine.getRun(id)).tasks.length > 0)
    await fixture.engine.cancelRun(id)
    await reaches(fixture.engine, id, 'cancelled')
    fixture.engine.defineJob(options('next', () => 1))
    await send('next')
    await until('the next was told', () => told.length > 0)
    assert.equal(told.splice(0).length, 1)
  })

  it('change nothing by throwing, which is logged with the run', async () => {
    const onSuccess = (): never => {
      throw new Error('hook')
    }
    fixture.engine.defineJob(options('throwing', () => 1, { onSuccess }))
    const id = await send('throwing')
    await reaches(fixture.engine, id, 'succeeded')
    const line = await until('it is logged', () => fixture.lines.find(({ facts }) => facts['run'] === id))
    assert.deepEqual([line.level, line.facts['job'], line.facts['hook']], ['error', 'throwing', 'onSuccess'])
    assert.deepEqual((await fixture.engine.getRun(id)).state, 'succeeded')
  })

  it('are called outside of the run whose code started theirs', async () => {
    const places: unknown[] = []
    const look = (): void => void places.push([currentPlace(), currentRun(), currentIO()])
    fixture.engine.defineJob({
      ...options('started', (payload) => {
        if (payload === 'fail') throw new Error('broken')
      }),
      onSuccess: look,
      onFailure: look,
    })
    fixture.engine.defineJob(
      options('starting', async (_, io) => {
        await io.sendEvent('in a task', { name: 'started', payload: null })
        await fixture.engine.sendEvent({ name: 'started', payload: 'fail' })
      }),
    )
    await send('starting')
    await until('both hooks were called', () => places.length === 2)
    assert.deepEqual(places, [
      ['outside', undefined, undefined],
      ['outside', undefined, undefined],
    ])
  })

  it('must be functions', () => {
    const wrong = JSON.parse('{"onSuccess":"mail"}') as Hooks
    assert.throws(() => fixture.engine.defineJob(options('wrong', () => 1, wrong)), {
      code: 'invalid_input',
      message: /onSuccess of job wrong/,
    })
  })
})

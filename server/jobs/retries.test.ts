import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { AuthFlowError } from '../../shared/errors.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import {
  createClock,
  createDirectory,
  openEngine,
  reaches,
  until,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import type { OnError, RetryOptions, Task, TaskOptions } from './job.ts'
import { runs } from './records.ts'
import { retry } from '../../shared/retry.ts'

const directory = createDirectory()
const clock = createClock()
let fixture: EngineFixture
let count = 0

before(async () => {
  fixture = await openEngine(directory.path, { now: clock.now, random: () => 0.5 })
  await fixture.engine.start()
})

after(async () => {
  await fixture.close()
  directory.remove()
})

interface Story {
  readonly callback: (task: Task) => number
  readonly options?: TaskOptions
  readonly onError?: OnError
}

/** Sends an event to a job with one task; resolves with the run's id. */
async function begin({ callback, options, onError }: Story): Promise<string> {
  const id = `job-${(count += 1)}`
  fixture.engine.defineJob({
    id,
    name: id,
    version: '1.0.0',
    trigger: eventTrigger({ name: id }),
    run: (_, io) => io.runTask('task', callback, options, onError),
  })
  const event = await fixture.engine.sendEvent({ name: id, payload: null })
  return event.runIds[0] ?? ''
}

/** Waits until the run sleeps, says for how long, and lets that time pass. */
async function passDelay(runId: string): Promise<number> {
  const delay = await until('the run sleeps', async () => {
    const record = await fixture.store.get(runs, runId)
    const rest = (record?.dueAt ?? 0) - clock.now()
    return record?.state === 'waiting' && rest > 0 ? rest : undefined
  })
  clock.advance(delay)
  await fixture.engine.sweep()
  return delay
}

const failing = (times: number): ((task: Task) => number) => {
  return (task) => {
    if (task.attempt <= times) throw new Error(`attempt ${task.attempt}`)
    return task.attempt
  }
}

describe('retries of a task', () => {
  it('follow the preset, over as many passes as it takes', async () => {
    const runId = await begin({ callback: failing(4), options: { retry: retry.standardBackoff } })
    const delays: number[] = []
    for (let index = 0; index < 4; index += 1) delays.push(await passDelay(runId))
    const summary = await reaches(fixture.engine, runId, 'succeeded')
    // One and a half times the base: the randomness stands at its middle.
    assert.deepEqual(delays, [750, 750, 1350, 2430])
    assert.equal(summary.tasks[0]?.attempts, 5)
  })

  it('end after `limit` attempts with the last error', async () => {
    const policy: RetryOptions = { limit: 3, minTimeoutInMs: 100, randomize: false }
    const runId = await begin({ callback: failing(9), options: { retry: policy } })
    await passDelay(runId)
    await passDelay(runId)
    const summary = await reaches(fixture.engine, runId, 'failed')
    assert.equal(summary.error?.message, 'attempt 3')
    assert.deepEqual(
      summary.tasks.map(({ state, attempts }) => [state, attempts]),
      [['failed', 3]],
    )
  })

  it('do not happen unless asked for', async () => {
    const summary = await reaches(fixture.engine, await begin({ callback: failing(1) }), 'failed')
    assert.equal(summary.tasks[0]?.attempts, 1)
  })

  it('show as retrying meanwhile', async () => {
    const runId = await begin({
      callback: failing(1),
      options: { retry: { limit: 2, minTimeoutInMs: 60_000 } },
    })
    const summary = await reaches(fixture.engine, runId, 'waiting')
    assert.equal(summary.tasks[0]?.state, 'retrying')
    await passDelay(runId)
    await reaches(fixture.engine, runId, 'succeeded')
  })

  it('are not lost when the clock of the process jumps ahead', async () => {
    const runId = await begin({
      callback: failing(1),
      options: { retry: { limit: 2, minTimeoutInMs: 5000 } },
    })
    await reaches(fixture.engine, runId, 'waiting')
    clock.advance(7_200_000)
    await fixture.engine.sweep()
    await reaches(fixture.engine, runId, 'succeeded')
  })

  it('keep the finished children of a parent, and stop where a child has failed for good', async () => {
    const calls: string[] = []
    const id = `job-${(count += 1)}`
    const policy: RetryOptions = { limit: 3, minTimeoutInMs: 100 }
    fixture.engine.defineJob({
      id,
      name: id,
      version: '1.0.0',
      trigger: eventTrigger({ name: id }),
      run: async (_, io) => {
        const parent = (key: string, last: (task: Task) => Promise<number>): Promise<number> =>
          io.runTask(
            key,
            async (task) => {
              await io.runTask('child', () => void calls.push(`${key} child`))
              return last(task)
            },
            { retry: policy },
          )
        await parent('retried', (task) =>
          task.attempt < 2 ? Promise.reject(new Error('once')) : Promise.resolve(1),
        )
        await parent('given up', () => io.runTask('hopeless', () => Promise.reject(new Error('never'))))
      },
    })
    const event = await fixture.engine.sendEvent({ name: id, payload: null })
    await passDelay(event.runIds[0] ?? '')
    const summary = await reaches(fixture.engine, event.runIds[0], 'failed')
    assert.deepEqual(calls, ['retried child', 'given up child'])
    const attempts = Object.fromEntries(summary.tasks.map(({ key, attempts: made }) => [key, made]))
    assert.deepEqual(attempts, { retried: 2, child: 1, 'given up': 1, hopeless: 1 })
  })
})

describe('onError', () => {
  it('is awaited and may replace the error', async () => {
    const runId = await begin({
      callback: failing(1),
      onError: async (error) => {
        await new Promise((resolve) => setTimeout(resolve, 10))
        return new AuthFlowError('provider_rejected', `not today: ${(error as Error).message}`)
      },
    })
    const summary = await reaches(fixture.engine, runId, 'failed')
    assert.deepEqual(summary.error, { code: 'provider_rejected', message: 'not today: attempt 1' })
  })

  it('may ask for another try at a time of its own, without a retry policy', async () => {
    const onError: OnError = () => ({ retryAt: new Date(clock.now() + 7000) })
    const runId = await begin({ callback: failing(2), onError })
    assert.deepEqual([await passDelay(runId), await passDelay(runId)], [7000, 7000])
    await reaches(fixture.engine, runId, 'succeeded')
  })

  it('may stop retrying, with another error', async () => {
    const onError: OnError = () => ({ skipRetrying: true, error: new Error('enough') })
    const runId = await begin({ callback: failing(1), options: { retry: retry.exponentialBackoff }, onError })
    const summary = await reaches(fixture.engine, runId, 'failed')
    assert.equal(summary.error?.message, 'enough')
  })

  it('replaces the error when it throws', async () => {
    const onError: OnError = () => Promise.reject(new Error('from onError'))
    const summary = await reaches(fixture.engine, await begin({ callback: failing(1), onError }), 'failed')
    assert.equal(summary.error?.message, 'from onError')
  })
})

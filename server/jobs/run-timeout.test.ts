import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO } from './job.ts'

describe('timeoutInMs of a job', () => {
  let directory: ReturnType<typeof createDirectory>
  let fixture: EngineFixture

  beforeEach(async () => {
    directory = createDirectory()
    fixture = await openEngine(directory.path)
    await fixture.engine.start()
  })
  afterEach(async () => {
    await fixture.close()
    directory.remove()
  })

  function define(timeoutInMs: number, run: (io: IO) => Promise<void>): void {
    fixture.engine.defineJob({
      id: 'job',
      name: 'Job',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'job' }),
      timeoutInMs,
      run: (_, io) => run(io),
    })
  }

  const send = async (): Promise<string | undefined> =>
    (await fixture.engine.sendEvent({ name: 'job', payload: null })).runIds[0]

  it('fails a run that runs for too long, and aborts what is under way', async () => {
    let isAborted = false
    define(150, (io) =>
      io.runTask('long', ({ signal }) => {
        signal.addEventListener('abort', () => (isAborted = true))
        return new Promise<void>(() => undefined)
      }),
    )
    const run = await reaches(fixture.engine, await send(), 'failed')
    assert.equal(run.error?.code, 'run_timed_out')
    await until('the signal', () => isAborted || undefined)
  })

  it('fails a run that sleeps for too long, at its time and not when it would wake', async () => {
    define(300, (io) => io.wait('long', 3600))
    const id = await send()
    await reaches(fixture.engine, id, 'waiting')
    assert.equal((await reaches(fixture.engine, id, 'failed')).error?.code, 'run_timed_out')
  })

  it('gives a resumed run its time anew', async () => {
    let waits = 3600
    define(500, (io) => io.runTask('quick', () => undefined).then(() => io.wait(`for ${waits}`, waits)))
    const id = await send()
    assert.ok(id)
    await reaches(fixture.engine, id, 'failed')
    waits = 0
    await fixture.engine.resumeRun(id)
    await reaches(fixture.engine, id, 'succeeded')
  })

  it('lets runs alone that are in time, and refuses what can be no time', async () => {
    define(60_000, (io) => io.runTask('quick', () => undefined))
    await reaches(fixture.engine, await send(), 'succeeded')
    for (const bad of [0, -1, 1.5, Number.NaN, 366 * 24 * 3_600_000 + 1])
      assert.throws(() => define(bad, () => Promise.resolve()), { code: 'invalid_input' })
  })
})

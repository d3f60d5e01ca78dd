import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { invokeTrigger } from '../triggers/invoke-trigger.ts'
import {
  createClock,
  createDirectory,
  openEngine,
  until,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import type { RunLogLine } from './engine.ts'
import type { IO } from './job.ts'

describe('errors in lines of io.logger', () => {
  const directory = createDirectory()
  let fixture: EngineFixture
  /** Stands still while a run is awake, so that no pass outlasts a wait. */
  const clock = createClock()
  let count = 0

  before(async () => {
    fixture = await openEngine(directory.path, { now: clock.now })
    await fixture.engine.start()
  })
  after(async () => {
    await fixture.close()
    directory.remove()
  })

  async function linesOf(work: (io: IO) => Promise<void>): Promise<RunLogLine[]> {
    const id = `logging-${(count += 1)}`
    fixture.engine.defineJob({
      id,
      name: id,
      version: '1.0.0',
      trigger: invokeTrigger(),
      run: (_, io) => work(io),
    })
    const run = await fixture.engine.invoke(id, null)
    await until('the run is over', async () => {
      const { state } = await fixture.engine.getRun(run.id)
      if (state === 'waiting') {
        clock.advance(60_000)
        await fixture.engine.sweep()
      }
      return state === 'succeeded'
    })
    return fixture.engine.getRunLog(run.id)
  }

  it('are kept by name, message, code and the place they were thrown at', async () => {
    const [line] = await linesOf(async (io) => {
      await io.logger.error('failed', {
        error: Object.assign(new TypeError('broken'), { code: 'E7' }),
        row: 3,
      })
    })
    const { error, row } = line?.facts ?? {}
    const { stack, ...rest } = Object(error) as Record<string, unknown>
    assert.deepEqual([rest, row], [{ name: 'TypeError', message: 'broken', code: 'E7' }, 3])
    assert.match(String(stack), /^TypeError: broken\n +at .*log-lines\.test\.ts:\d+/)
  })

  it('may be all that there is to say', async () => {
    const [line] = await linesOf(async (io) => {
      await io.logger.warn('failed', new RangeError('too far'))
    })
    assert.deepEqual([line?.facts['name'], line?.facts['message']], ['RangeError', 'too far'])
  })

  it('say nothing of the request that an HTTP client gives as its JSON', async () => {
    const failed = Object.assign(new Error('401'), { toJSON: () => ({ headers: 'Bearer CANARY' }) })
    const [line] = await linesOf(async (io) => {
      await io.logger.error('refused', { failed })
    })
    assert.ok(!JSON.stringify(line).includes('CANARY'))
    assert.equal(Object(line?.facts['failed']).message, '401')
  })

  it('make one line over all passes, wherever they were thrown in each', async () => {
    let passes = 0
    const thrown = [new Error('again'), new Error('again')]
    const lines = await linesOf(async (io) => {
      await io.logger.error('failed', { error: thrown[passes++] ?? new Error('a third pass') })
      await io.wait('nap', 60)
    })
    assert.equal(passes, 2)
    assert.equal(lines.length, 1)
  })
})

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { noMetrics, type Metrics } from '../../shared/metrics.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, until, type EngineFixture } from './fixtures/engine-fixture.ts'

let directory: ReturnType<typeof createDirectory>
let fixture: EngineFixture
const ended: string[] = []
const lags: number[] = []
const metrics: Metrics = {
  ...noMetrics,
  runEnded: (job, outcome) => void ended.push(`${job} ${outcome}`),
  queueLag: (ms) => void lags.push(ms),
}

beforeEach(async () => {
  directory = createDirectory()
  fixture = await openEngine(directory.path, { metrics })
})

afterEach(async () => {
  await fixture.close()
  directory.remove()
})

describe('H3: what the engine counts', () => {
  it('is the end of each run, once, and how late it was taken from the queue', async () => {
    const { engine } = fixture
    const trigger = eventTrigger({ name: 'go' })
    engine.defineJob({
      id: 'good',
      name: 'Good',
      version: '1.0.0',
      trigger,
      run: async (_, io) => {
        await io.wait('moment', 0.05)
      },
    })
    engine.defineJob({
      id: 'bad',
      name: 'Bad',
      version: '1.0.0',
      trigger,
      run: () => Promise.reject(new Error('no')),
    })
    await engine.start()
    const { runIds } = await engine.sendEvent({ name: 'go', payload: null })
    const states = await Promise.all(
      runIds.map((id) =>
        until('the end', async () => {
          const { state } = await engine.getRun(id)
          return state === 'succeeded' || state === 'failed' ? state : undefined
        }),
      ),
    )
    assert.deepEqual(states.toSorted(), ['failed', 'succeeded'])
    await until('both are counted', () => ended.length === 2 || undefined)
    assert.deepEqual(ended.toSorted(), ['bad failed', 'good succeeded'])
    assert(lags.length >= 1)
    assert(lags.every((ms) => ms >= 0 && ms < 60_000))
  })
})

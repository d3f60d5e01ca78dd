import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { noMetrics, type Metrics } from '../../shared/metrics.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'

/** What was counted, in the order in which it came. */
interface Counted {
  readonly runs: string[]
  readonly executions: string[]
  readonly attempts: string[]
  readonly steals: string[]
  readonly lags: number[]
  readonly times: number[]
}

let directory: ReturnType<typeof createDirectory>
let fixture: EngineFixture
let counted: Counted

function countInto({ runs, executions, attempts, steals, lags, times }: Counted): Metrics {
  const keep =
    (list: string[]) =>
    (job: string, outcome: string, ms: number): void => {
      list.push(`${job} ${outcome}`)
      times.push(ms)
    }
  return {
    ...noMetrics,
    runEnded: keep(runs),
    executionEnded: keep(executions),
    taskEnded: keep(attempts),
    leaseStolen: (kind, count = 1) => void steals.push(`${kind} ${count}`),
    queueLag: (ms) => void lags.push(ms),
  }
}

beforeEach(async () => {
  directory = createDirectory()
  counted = { runs: [], executions: [], attempts: [], steals: [], lags: [], times: [] }
  fixture = await openEngine(directory.path, { metrics: countInto(counted) })
})

afterEach(async () => {
  await fixture.close()
  directory.remove()
})

const trigger = eventTrigger({ name: 'go' })

describe('H3: what the engine counts', () => {
  it('is the end of each run, execution and attempt, and how late runs were begun', async () => {
    const { engine } = fixture
    engine.defineJob({
      id: 'good',
      name: 'Good',
      version: '1.0.0',
      trigger,
      run: async (_, io) => {
        await io.runTask('shaky', ({ attempt }) => (attempt === 1 ? Promise.reject(new Error('no')) : 1), {
          retry: { limit: 2, minTimeoutInMs: 1 },
        })
        await io.wait('moment', 0.2)
      },
    })
    engine.defineJob({
      id: 'bad',
      name: 'Bad',
      version: '1.0.0',
      trigger,
      run: async (_, io) => {
        await io.runTask('broken', () => Promise.reject(new Error('no')))
      },
    })
    await engine.start()
    const { runIds } = await engine.sendEvent({ name: 'go', payload: null })
    const ends = runIds.map((id) =>
      until('the end', async () => (await engine.getRun(id)).endedAt ?? undefined),
    )
    await Promise.all(ends)
    await until('all is counted', () => counted.executions.length === 3 || undefined)
    assert.deepEqual(counted.runs.toSorted(), ['bad failed', 'good succeeded'])
    assert.deepEqual(counted.executions.toSorted(), ['bad failed', 'good asleep', 'good finished'])
    assert.deepEqual(counted.attempts.toSorted(), ['bad failed', 'good retrying', 'good succeeded'])
    assert.equal(counted.lags.length, 3)
    for (const ms of [...counted.times, ...counted.lags]) assert(ms >= 0 && ms < 60_000)
  })

  it('is the end of a run that is cancelled before it begins', async () => {
    const { engine } = fixture
    engine.defineJob({ id: 'never', name: 'Never', version: '1.0.0', trigger, run: () => undefined })
    const { runIds } = await engine.sendEvent({ name: 'go', payload: null })
    await engine.cancelRun(runIds[0] ?? '')
    assert.deepEqual(counted.runs, ['never cancelled'])
    assert.deepEqual(counted.executions, [])
  })
})

describe('census', () => {
  it('tells how many runs wait for a slot of a limit', async () => {
    const { engine } = fixture
    let go = (): void => undefined
    const gone = new Promise<void>((resolve) => (go = resolve))
    const run = async (): Promise<void> => gone
    engine.defineJob({ id: 'narrow', name: 'Narrow', version: '1.0.0', trigger, concurrencyLimit: 1, run })
    await engine.start()
    for (const payload of [1, 2, 3]) await engine.sendEvent({ name: 'go', payload })
    const { executing, waiting } = await until('one runs', async () => {
      const census = await engine.census()
      return census.executing === 1 && census.waiting.blocked === 2 ? census : undefined
    })
    assert.deepEqual([executing, waiting.queued], [1, 0])
    go()
    await until('all are through', () => counted.runs.length === 3 || undefined)
    assert.equal((await engine.census()).waiting.blocked, 0)
  })

  it('tells how many runs wait for what, and how late the latest is', async () => {
    const { engine } = fixture
    engine.defineJob({
      id: 'sleepy',
      name: 'Sleepy',
      version: '1.0.0',
      trigger,
      run: (_, io) => io.wait('long', 3600),
    })
    const none = { queued: 0, asleep: 0, blocked: 0, parked: 0, version: 0 }
    const idle = { executing: 0, slots: 0, waiting: none, hints: 0, oldestDueMs: 0 }
    assert.deepEqual(await engine.census(), idle)
    const sent = await Promise.all([1, 2, 3].map((payload) => engine.sendEvent({ name: 'go', payload })))
    await new Promise((resolve) => setTimeout(resolve, 20))
    const before = await engine.census()
    assert.deepEqual(before.waiting, { ...none, queued: 3 })
    assert(before.oldestDueMs >= 15)
    await engine.start()
    for (const { runIds } of sent) await reaches(engine, runIds[0], 'waiting')
    assert.deepEqual(await engine.census(), {
      executing: 0,
      slots: 50,
      waiting: { ...none, asleep: 3 },
      hints: 3,
      oldestDueMs: 0,
    })
  })
})

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { createStoreQueue } from '../queue/store-queue.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, Json, RunContext } from './job.ts'
import { places, runs, workers, type RunDocument } from './records.ts'
import { defaultRetention } from './retention.ts'

let directory: ReturnType<typeof createDirectory>
let open: EngineFixture[]

beforeEach(() => {
  directory = createDirectory()
  open = []
})

afterEach(async () => {
  for (const fixture of open) await fixture.close()
  directory.remove()
})

type Work = (io: IO, context: RunContext, name: string) => Promise<Json | void>

/** An engine with one job, `job`, that does the work. */
async function engineOf(name: string, work: Work, concurrency = 50): Promise<EngineFixture> {
  const fixture = await openEngine(directory.path, { concurrency })
  open.push(fixture)
  fixture.engine.defineJob({
    id: 'job',
    name: 'Job',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'job' }),
    run: (_, io, context) => work(io, context, name),
  })
  return fixture
}

const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function send({ engine }: EngineFixture, count: number): Promise<string[]> {
  const sent = await Promise.all(
    Array.from({ length: count }, () => engine.sendEvent({ name: 'job', payload: null })),
  )
  return sent.flatMap(({ runIds }) => runIds)
}

const allDone = ({ store }: EngineFixture, ids: readonly string[], ms?: number): Promise<RunDocument[]> =>
  until(
    'all runs are done',
    async () => {
      const found = await store.getMany(runs, ids)
      return found.length === ids.length && found.every(({ state }) => state === 'succeeded')
        ? found
        : undefined
    },
    ms,
  )

describe('two engines on one store', () => {
  it('share the runs, and each task runs once', async () => {
    const calls: string[] = []
    const takenBy = new Set<string>()
    const work: Work = async (io, context, name) => {
      for (const key of ['a', 'b', 'c']) {
        await io.runTask(key, async () => {
          takenBy.add(name)
          calls.push(`${context.run.id} ${key}`)
          await rest(1)
        })
      }
    }
    const first = await engineOf('first', work, 10)
    const second = await engineOf('second', work, 10)
    await Promise.all([first.engine.start(), second.engine.start()])
    const ids = await send(first, 150)
    const found = await allDone(second, ids)
    assert.equal(calls.length, 450)
    assert.equal(new Set(calls).size, 450)
    assert.equal(takenBy.size, 2)
    assert.ok(found.every(({ owner, journal }) => owner === undefined && journal?.flat().length === 3))
  })

  it('wake each other: a run sent by one that has no worker starts at once', async () => {
    const worker = await engineOf('worker', async (io) => void (await io.runTask('a', () => 1)))
    await worker.engine.start()
    const sender = await openEngine(directory.path)
    open.push(sender)
    await rest(100)
    const event = await sender.engine.sendEvent({ name: 'job', payload: null })
    assert.equal(event.runIds.length, 1, 'it knows the job from what the worker published')
    await reaches(sender.engine, event.runIds[0], 'succeeded')
  })
})

describe('a worker whose slots are taken', () => {
  /** Runs wait inside their task until they are let go; who took them, in order. */
  function held() {
    const takenBy: string[] = []
    let letGo: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (letGo = resolve))
    const work: Work = async (io, _, name) => {
      await io.runTask('a', async () => {
        takenBy.push(name)
        await gate
      })
    }
    return { takenBy, letGo, work }
  }

  it('gives back what it claimed ahead when none of its runs ends, and another worker runs it', async () => {
    const { takenBy, letGo, work } = held()
    const first = await engineOf('first', work, 1)
    await first.engine.start()
    const second = await engineOf('second', work, 1)
    await second.engine.start()
    const ids = await send(first, 2)
    await until('both run', () => (takenBy.length === 2 ? true : undefined))
    assert.deepEqual(takenBy.toSorted(), ['first', 'second'])
    letGo()
    const found = await allDone(first, ids)
    assert.ok(found.every(({ suspect, strikes }) => suspect === undefined && strikes === undefined))
  })

  it('runs each once, whether claimed ahead, from the queue or given back', async () => {
    const order: string[] = []
    const work: Work = async (io, context) => {
      await io.runTask('a', async () => {
        order.push(context.run.id)
        await rest(1)
      })
    }
    const fixture = await engineOf('only', work, 2)
    await fixture.engine.start()
    const ids = await send(fixture, 60)
    const found = await allDone(fixture, ids)
    assert.deepEqual(order.toSorted(), ids.toSorted())
    assert.ok(
      found.every(({ fence }) => fence === 1),
      'no run was claimed a second time',
    )
  })

  it('gives back what it claimed ahead when it stops', async () => {
    const { takenBy, letGo, work } = held()
    const first = await engineOf('first', work, 1)
    await first.engine.start()
    const ids = await send(first, 2)
    const second = await engineOf('second', work, 2)
    await second.engine.start()
    const stopped = first.engine.stop(2000)
    await until('the other one runs it', () => (takenBy.includes('second') ? true : undefined))
    letGo()
    await stopped
    await allDone(second, ids)
    assert.deepEqual(takenBy, ['first', 'second'])
  })
})

describe('stop', () => {
  it('lets running tasks end, gives the rest back, and nothing runs twice', async () => {
    const calls: string[] = []
    const work: Work = async (io, context) => {
      for (const key of ['a', 'b', 'c', 'd']) {
        await io.runTask(key, async () => {
          calls.push(`${context.run.id} ${key}`)
          await rest(20)
        })
      }
    }
    const first = await engineOf('first', work, 100)
    const second = await engineOf('second', work, 100)
    await first.engine.start()
    const ids = await send(first, 120)
    await until('it is busy', () => (calls.length > 120 ? true : undefined))
    await first.engine.stop(5000)
    const stopped = performance.now()
    const left = (await first.store.getMany(runs, ids)).filter(({ owner }) => owner !== undefined)
    assert.equal(left.length, 0)
    await second.engine.start()
    await allDone(second, ids)
    assert.ok(performance.now() - stopped < 5000)
    assert.equal(calls.length, 480)
    assert.equal(new Set(calls).size, 480)
    assert.ok((await second.store.getMany(runs, ids)).every(({ suspect }) => suspect !== true))
  })

  it('aborts tasks at the deadline and lets others run them', async () => {
    const seen: string[] = []
    const work: Work = async (io, _, name) => {
      await io.runTask('long', (task) => {
        seen.push(name)
        if (name === 'second') return 1
        return new Promise<number>((_resolve, reject) => {
          task.signal.addEventListener('abort', () => reject(new Error('aborted')))
        })
      })
    }
    const first = await engineOf('first', work)
    const second = await engineOf('second', work)
    await first.engine.start()
    const ids = await send(first, 1)
    await until('it runs', () => (seen.length > 0 ? true : undefined))
    await first.engine.stop(50)
    await second.engine.start()
    await allDone(second, ids)
    assert.deepEqual(seen, ['first', 'second'])
  })

  it('can be called twice, and ends what was never started', async () => {
    const { engine } = await engineOf('never', () => Promise.resolve())
    await engine.stop(10)
    await engine.stop(10)
    await assert.rejects(engine.start(), { code: 'closed' })
  })
})

describe('a worker that has died', () => {
  const ghost = 'ghost'

  /** A run as a worker that died left it: its lease is over, its record is not. */
  async function haunt(fixture: EngineFixture, left: Partial<RunDocument>): Promise<string> {
    const [id = ''] = await send(fixture, 1)
    const { store } = fixture
    const at = store.now() - 60_000
    if ((await store.get(workers, ghost)) === undefined) {
      await store.insert(workers, { id: ghost, scope: 'worker', startedAt: at, seenAt: at, jobs: [] })
    }
    const set = { state: 'running' as const, owner: ghost, place: places.ownedBy(ghost), ...left }
    await store.update(runs, id, {}, { set, increment: { fence: 1 }, unset: ['dueAt'] })
    return id
  }

  it('leaves its runs to the others, one at a time until they have committed something', async () => {
    let active = 0
    let most = 0
    const work: Work = async (io) => {
      active += 1
      most = Math.max(most, active)
      await io.runTask('first', () => rest(10))
      active -= 1
    }
    const fixture = await engineOf('heir', work)
    const ids = [await haunt(fixture, {}), await haunt(fixture, {}), await haunt(fixture, {})]
    await fixture.engine.start()
    const found = await allDone(fixture, ids)
    assert.equal(most, 1)
    assert.ok(found.every(({ suspect, alone, strikes }) => !suspect && !alone && !strikes))
  })

  it('does not keep its heir waiting for a hint that led nowhere', async () => {
    const fixture = await engineOf('heir', async (io) => void (await io.runTask('first', () => 1)))
    const [id = ''] = await send(fixture, 1)
    await fixture.store.update(runs, id, {}, { set: { suspect: true } })
    const queue = createStoreQueue(fixture.store)
    const dueAt = fixture.store.now() - 1000
    // Found in the same look as the suspect, and settled after it.
    await queue.add([{ job: 'job', version: '1.0.0', runId: 'run_that_never_was', dueAt }])
    await queue.close()
    await fixture.engine.start()
    await allDone(fixture, [id])
  })

  it('does not get a third run of what killed it three times', async () => {
    let calls = 0
    const fixture = await engineOf('heir', async () => void (calls += 1))
    const id = await haunt(fixture, { suspect: true, alone: true, strikes: 2 })
    await fixture.engine.start()
    const summary = await reaches(fixture.engine, id, 'failed')
    assert.equal(summary.error?.code, 'crash_loop')
    assert.equal(calls, 0)
    assert.ok(
      ((await fixture.store.get(runs, id))?.expireAt ?? 0) > Date.now() + defaultRetention.runMs - 60_000,
    )
  })

  it('is not given up while its lease is held', async () => {
    const fixture = await engineOf('heir', () => Promise.resolve())
    const id = await haunt(fixture, {})
    const lease = await fixture.store.acquireLease(`worker/${ghost}`, ghost, 3000)
    assert.ok(lease)
    await fixture.engine.start()
    await fixture.engine.sweep()
    assert.equal((await fixture.store.get(runs, id))?.owner, ghost)
    await fixture.store.releaseLease(lease)
    await fixture.engine.sweep()
    await reaches(fixture.engine, id, 'succeeded')
  })
})

describe('a worker that lost its lease', () => {
  it('drops what it was doing, joins again and goes on', async () => {
    const outcomes: string[] = []
    const work: Work = async (io, context) => {
      await io.runTask('slow', async (task) => {
        outcomes.push(`begun ${task.attempt}`)
        await rest(outcomes.length === 1 ? 2500 : 5)
        outcomes.push(context.run.id)
      })
    }
    const fixture = await engineOf('only', work)
    await fixture.engine.start()
    const [id] = await send(fixture, 1)
    const run = await until('it runs', async () => {
      const found = await fixture.store.get(runs, id ?? '')
      return found?.state === 'running' ? found : undefined
    })
    await fixture.store.takeFence(`worker/${run.owner}`)
    const [after] = await allDone(fixture, [id ?? ''])
    assert.ok((after?.fence ?? 0) > (run.fence ?? 0))
    await rest(50)
    assert.equal(after?.journal?.flat().length, 1)
    assert.ok(fixture.lines.some(({ message }) => message.includes('joining again')))
  })
})

describe('a stale hint', () => {
  it('for a run that is not there is put off, and the run is found once it is', async () => {
    const fixture = await engineOf('only', async (io) => void (await io.runTask('a', () => 1)))
    const [id = ''] = await send(fixture, 1)
    const record = await fixture.store.get(runs, id)
    assert.ok(record)
    await fixture.store.remove(runs, id)
    await fixture.engine.start()
    await rest(100)
    const { version: _, ...document } = record
    await fixture.store.insert(runs, { ...document, dueAt: fixture.store.now() - 40_000 })
    // The hint itself comes back in five seconds; the sweep knows the run by its record.
    await fixture.engine.sweep()
    await reaches(fixture.engine, id, 'succeeded')
  })
})

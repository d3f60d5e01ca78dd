import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { AuthFlowError } from '../../shared/errors.ts'
import { queueSets } from '../queue/store-queue.ts'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { JobOptions, Json } from './job.ts'
import { jobSets, runs } from './records.ts'

describe('results of tasks', () => {
  const directory = createDirectory()
  let store: Store
  let fixture: EngineFixture
  /** Writes into records of runs, and how many of the next ones fail. */
  const writes = { made: 0, toFail: 0 }

  before(async () => {
    store = await openStore(`sqlite:${directory.path}/jobs.db`, {})
    await store.migrate([...jobSets, ...queueSets], 'test')
    const counting: Store = new Proxy(store, {
      get: (target, name) => {
        if (name !== 'update') {
          const member: unknown = Reflect.get(target, name)
          return typeof member === 'function' ? member.bind(target) : member
        }
        const update: Store['update'] = async (set, ...rest) => {
          if (set.name !== runs.name) return target.update(set, ...rest)
          writes.made += 1
          writes.toFail -= 1
          if (writes.toFail >= 0) throw new AuthFlowError('store_busy')
          return target.update(set, ...rest)
        }
        return update
      },
    })
    fixture = await openEngine(directory.path, { store: counting })
    await fixture.engine.start()
  })
  after(async () => {
    await fixture.close()
    await store.close()
    directory.remove()
  })

  async function begin(id: string, run: JobOptions<Json>['run']): Promise<string> {
    fixture.engine.defineJob({ id, name: id, version: '1.0.0', trigger: eventTrigger({ name: id }), run })
    const [runId] = (await fixture.engine.sendEvent({ name: id, payload: null })).runIds
    assert.ok(runId !== undefined)
    return runId
  }
  const stored = async (runId: string): Promise<string[]> => {
    const { tasks } = await fixture.engine.getRun(runId)
    return tasks.filter(({ state }) => state === 'succeeded').map(({ key }) => key)
  }

  it('are stored before the next task begins', async () => {
    const seen: string[][] = []
    const id = await begin('in-order', async (_, io, ctx) => {
      await Promise.all([io.runTask('a', () => 1), io.runTask('b', () => sleep(5))])
      await io.runTask('c', async () => void seen.push(await stored(ctx.run.id)))
      await io.runTask('d', async () => void seen.push(await stored(ctx.run.id)))
    })
    await reaches(fixture.engine, id, 'succeeded')
    assert.deepEqual(seen, [
      ['a', 'b'],
      ['a', 'b', 'c'],
    ])
  })

  it('are stored while code of the run beside tasks goes on', async () => {
    const id = await begin('beside', async (_, io, ctx) => {
      await io.runTask('a', () => 1)
      await until('the result is stored', async () => (await stored(ctx.run.id)).includes('a'))
    })
    await reaches(fixture.engine, id, 'succeeded')
  })

  it('are stored with the end of the run where nothing comes between', async () => {
    writes.made = 0
    const id = await begin('one-write', async (_, io) => io.runTask('a', () => ({ ok: true })))
    await reaches(fixture.engine, id, 'succeeded')
    assert.equal(writes.made, 1)
    assert.deepEqual(await stored(id), ['a'])
  })

  it('of a task that may not run twice are stored before its caller goes on', async () => {
    writes.made = 0
    const before: number[] = []
    const id = await begin('not-twice', async (_, io) => {
      await io.runTask('a', () => 1, { onInterrupt: 'fail' })
      before.push(writes.made)
    })
    await reaches(fixture.engine, id, 'succeeded')
    assert.deepEqual(before, [2])
  })

  it('survive a store that is away while they are written, and the code that goes on meanwhile', async () => {
    const id = await begin('away', async (_, io) => {
      await io.runTask('a', () => 1)
      writes.toFail = 3
      await sleep(10)
    })
    await reaches(fixture.engine, id, 'succeeded')
    assert.deepEqual(await stored(id), ['a'])
  })
})

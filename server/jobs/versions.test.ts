import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as rest } from 'node:timers/promises'
import { queueSets } from '../queue/store-queue.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import {
  createClock,
  createDirectory,
  openEngine,
  reaches,
  until,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import type { JobOptions } from './job.ts'

const minutes = 60_000
const [wakeups] = queueSets

let directory: ReturnType<typeof createDirectory>
let clock: ReturnType<typeof createClock>
let open: EngineFixture[]
let done: string[]

beforeEach(() => {
  directory = createDirectory()
  clock = createClock()
  open = []
  done = []
})

afterEach(async () => {
  for (const fixture of open) await fixture.close()
  directory.remove()
})

/** An engine that has the job `walk` at the version. Its runs sleep for a minute between two steps. */
async function engineOf(
  version: string,
  more: Pick<JobOptions<null>, 'onVersionGone'> = {},
): Promise<EngineFixture> {
  const fixture = await openEngine(directory.path, { now: clock.now })
  open.push(fixture)
  fixture.engine.defineJob({
    id: 'walk',
    name: 'Walk',
    version,
    trigger: eventTrigger({ name: 'walk' }),
    ...more,
    run: async (_, io) => {
      await io.runTask('first', () => void done.push(`first ${version}`))
      await io.wait('pause', 60)
      await io.runTask('second', () => void done.push(`second ${version}`))
    },
  })
  await fixture.engine.start()
  return fixture
}

const alarmsOf = ({ lines }: EngineFixture): Record<string, unknown>[] =>
  lines.filter(({ level }) => level === 'error').map(({ facts }) => facts)

const hintsOf = ({ store }: EngineFixture): Promise<number> =>
  store.count(wakeups, { from: '!', to: '~', limit: 10 })

/** A run of 1.0.0 that sleeps; its worker is gone. */
async function orphan(): Promise<string> {
  const old = await engineOf('1.0.0')
  const { runIds } = await old.engine.sendEvent({ name: 'walk', payload: null })
  const [id = ''] = runIds
  await reaches(old.engine, id, 'waiting')
  await old.engine.stop(1000)
  return id
}

describe('a run of a version that no worker has', () => {
  it('waits for fifteen minutes, then is set aside with an alarm, and goes on when the version is back', async () => {
    const id = await orphan()
    const young = await engineOf('2.0.0')
    clock.advance(10 * minutes)
    await young.engine.sweep()
    assert.equal((await young.engine.getRun(id)).state, 'waiting', 'a deploy takes its time')
    clock.advance(7 * minutes)
    await young.engine.sweep()
    await reaches(young.engine, id, 'waiting_for_version')
    assert.deepEqual(alarmsOf(young), [{ run: id, job: 'walk', version: '1.0.0' }])
    await until('no hint is left', async () => (await hintsOf(young)) === 0)
    await young.engine.sweep()
    assert.equal(alarmsOf(young).length, 1, 'one alarm for a run')
    const again = await engineOf('1.0.0')
    await again.engine.sweep()
    await reaches(again.engine, id, 'succeeded')
    assert.deepEqual(done, ['first 1.0.0', 'second 1.0.0'])
  })

  for (const [what, version, more] of [
    ['the version is back', '1.0.0', {}],
    ['a later one takes it', '2.1.0', { onVersionGone: 'latest' }],
  ] as const)
    it(`goes on at once when ${what}, although the store is slow`, async () => {
      const id = await orphan()
      const young = await engineOf('2.0.0')
      clock.advance(17 * minutes)
      await young.engine.sweep()
      await reaches(young.engine, id, 'waiting_for_version')
      const { engine, store } = await engineOf(version, more)
      const update = store.update.bind(store)
      store.update = async (set, name, match, change) => {
        // Longer than a hint that leads nowhere is looked at again.
        if (set.name === 'runs') await rest(300)
        return update(set, name, match, change)
      }
      await engine.sweep()
      await reaches(engine, id, 'succeeded')
    })

  it('goes on with the highest version where that says so, and repeats nothing', async () => {
    const id = await orphan()
    const young = await engineOf('2.0.0', { onVersionGone: 'latest' })
    clock.advance(5 * minutes)
    await young.engine.sweep()
    assert.equal((await young.engine.getRun(id)).state, 'waiting')
    clock.advance(12 * minutes)
    await young.engine.sweep()
    const { jobVersion } = await reaches(young.engine, id, 'succeeded')
    assert.equal(jobVersion, '2.0.0')
    assert.deepEqual(done, ['first 1.0.0', 'second 2.0.0'])
    assert.deepEqual(alarmsOf(young), [])
    await until('no hint is left', async () => (await hintsOf(young)) === 0)
  })

  it('is taken along when a later version says so', async () => {
    const id = await orphan()
    const young = await engineOf('2.0.0')
    clock.advance(17 * minutes)
    await young.engine.sweep()
    await reaches(young.engine, id, 'waiting_for_version')
    const younger = await engineOf('2.1.0', { onVersionGone: 'latest' })
    await younger.engine.sweep()
    const { jobVersion } = await reaches(younger.engine, id, 'succeeded')
    assert.equal(jobVersion, '2.1.0')
  })
})

describe('onVersionGone', () => {
  it('takes what it knows and nothing else', async () => {
    const fixture = await openEngine(directory.path)
    open.push(fixture)
    assert.throws(
      () =>
        fixture.engine.defineJob({
          id: 'walk',
          name: 'Walk',
          version: '1.0.0',
          trigger: eventTrigger({ name: 'walk' }),
          // @ts-expect-error: no such way
          onVersionGone: 'newest',
          run: () => undefined,
        }),
      { code: 'invalid_input' },
    )
  })
})

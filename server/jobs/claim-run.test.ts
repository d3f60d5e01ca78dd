import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { aroundStore } from '../connect/fixtures/around-store.ts'
import type { Change, DocumentSet, Match, Store, StoredDocument } from '../store/store.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createStoreQueue, queueSets } from '../queue/store-queue.ts'
import { openStore } from '../store/open-store.ts'
import { claimRun } from './claim-run.ts'
import {
  createClock,
  createDirectory,
  openEngine,
  reaches,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import { Lanes } from './lanes.ts'
import { jobSets, places, runs } from './records.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

/** The first claim of a run comes before its record, which is there when it is looked for. */
function tooEarly(store: Store): Store {
  let claims = 0
  return aroundStore(store, {
    async updateAndGet<T extends StoredDocument>(
      set: DocumentSet<T>,
      id: string,
      match: Match<T>,
      change: Change<T>,
    ) {
      if (set.name === 'runs' && (claims += 1) === 1) return undefined
      return store.updateAndGet(set, id, match, change)
    },
  })
}

describe('a hint whose run is not stored', () => {
  it('is looked at again soon, then ever more seldom, and forgotten after a minute', async () => {
    const directory = createDirectory()
    const store = await openStore(`sqlite:${directory.path}/hints.db`)
    await store.migrate([...jobSets, ...queueSets], 'test')
    const clock = createClock()
    const queue = createStoreQueue(store, { now: clock.now })
    const here = { store, queue, now: clock.now, log: quiet }
    const core = { ...here, lanes: new Lanes(here) }
    try {
      await queue.add([{ runId: 'run_none', job: 'job', version: '1.0.0', dueAt: clock.now() }])
      const start = clock.now()
      const pauses: number[] = []
      for (;;) {
        const [hint] = await queue.claim([{ job: 'job', version: '1.0.0' }], 1)
        assert.ok(hint)
        assert.equal(await claimRun(core, hint, { owner: 'one', limit: undefined }), undefined)
        const [left] = await store.range(queueSets[0], '0', 'g', 1)
        if (left === undefined) break
        const pause = Number.parseInt(left.id.slice(10, 22), 16) - clock.now()
        pauses.push(pause)
        clock.advance(pause)
      }
      assert.equal(pauses[0], 50)
      assert.ok(pauses.every((pause, index) => pause >= (pauses[index - 1] ?? 0) && pause <= 5000))
      const total = clock.now() - start
      assert.ok(total >= 55_000 && total <= 65_000, `${total} ms`)
    } finally {
      await queue.close()
      await store.close()
      directory.remove()
    }
  })
})

describe('a hint that is read before its run is due', () => {
  let directory: ReturnType<typeof createDirectory>
  const open: EngineFixture[] = []
  beforeEach(() => (directory = createDirectory()))
  afterEach(async () => {
    for (const { close } of open.splice(0)) await close()
    directory.remove()
  })

  async function engineOf(around: (store: Store) => Store = (store) => store): Promise<EngineFixture> {
    const fixture = await openEngine(directory.path, { aroundStore: around })
    open.push(fixture)
    fixture.engine.defineJob({
      id: 'job',
      name: 'Job',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'job' }),
      run: async (_, io) => void (await io.runTask('one', () => 1)),
    })
    return fixture
  }

  // Nobody sweeps here: a hint that is lost stays lost.
  it('finds it when it is stored between two reads', async () => {
    const fixture = await engineOf(tooEarly)
    const [id] = (await fixture.engine.sendEvent({ name: 'job', payload: null })).runIds
    await fixture.engine.start()
    await reaches(fixture.engine, id, 'succeeded')
  })

  it('finds it when it is made due just after', async () => {
    const fixture = await engineOf()
    const [id = ''] = (await fixture.engine.sendEvent({ name: 'job', payload: null })).runIds
    const owner = 'one that is gone'
    const taken = { state: 'running' as const, owner, place: places.ownedBy(owner) }
    assert.ok(await fixture.store.update(runs, id, {}, { set: taken, unset: ['dueAt'] }))
    await fixture.engine.start()
    await delay(20)
    const due = { state: 'queued' as const, place: places.queued, dueAt: fixture.store.now() }
    assert.ok(await fixture.store.update(runs, id, { owner }, { set: due, unset: ['owner'] }))
    await reaches(fixture.engine, id, 'succeeded')
  })
})

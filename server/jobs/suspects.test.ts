import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as rest } from 'node:timers/promises'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, Json } from './job.ts'
import { places, runs, workers, type RunDocument } from './records.ts'
import { Suspects } from './suspects.ts'

describe('Suspects', () => {
  interface Named {
    readonly run: Pick<RunDocument, 'id' | 'strikes'>
  }

  const suspect = (id: string, strikes?: number): Named => ({
    run: { id, ...(strikes === undefined ? {} : { strikes }) },
  })

  it('gives out the one with the fewest strikes, of those the first', () => {
    const suspects = new Suspects<Named>(() => undefined)
    for (const one of [suspect('a', 2), suspect('b'), suspect('c', 1), suspect('d')]) suspects.add(one)
    const order = Array.from({ length: 5 }, () => suspects.takeNext()?.run.id)
    assert.deepEqual(order, ['b', 'd', 'c', 'a', undefined])
  })

  it('hands on what it held in vain, holds none for as long as that took, and then for twice as long', async () => {
    const handedOn: [string, number][] = []
    const suspects = new Suspects<Named>(({ run: { id } }, pauseMs) => {
      handedOn.push([id, pauseMs])
      if (id === 'b') suspects.add(suspect('c'))
    })
    suspects.add(suspect('a'))
    suspects.add(suspect('b'))
    assert.equal(suspects.size, 2)
    const [first, second, third] = await until('all are handed on', () =>
      handedOn.length === 3 ? handedOn : undefined,
    )
    assert.deepEqual([first, second, third?.[0]], [['a', 1000], ['b', 1000], 'c'])
    const pauseMs = third?.[1] ?? 0
    assert.ok(pauseMs > 0 && pauseMs <= 1000, `${pauseMs} ms`)
    // A timer may be early by a part of a millisecond.
    await rest(pauseMs + 1)
    suspects.add(suspect('a'))
    await until('it is handed on', () => handedOn.length === 4)
    assert.deepEqual(handedOn[3], ['a', 2000])
    assert.equal(suspects.size, 0)
  })

  it('hands on nothing that was taken out', async () => {
    const suspects = new Suspects<Named>(() => assert.fail('handed on'))
    for (const id of ['a', 'b', 'c']) suspects.add(suspect(id))
    assert.equal(suspects.takeNext()?.run.id, 'a')
    const others = suspects.takeAll().map(({ run }) => run.id)
    assert.deepEqual(others, ['b', 'c'])
    await rest(1200)
  })
})

describe('a worker with suspects', () => {
  const ghost = 'ghost'
  let directory: ReturnType<typeof createDirectory>
  let fixture: EngineFixture
  const begun: string[] = []
  let work: (io: IO, run: string) => Promise<Json | void>

  beforeEach(async () => {
    directory = createDirectory()
    begun.length = 0
    fixture = await openEngine(directory.path)
    fixture.engine.defineJob({
      id: 'job',
      name: 'Job',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'job' }),
      run: (_, io, { run }) => {
        begun.push(run.id)
        return work(io, run.id)
      },
    })
  })

  afterEach(async () => {
    await fixture.close()
    directory.remove()
  })

  async function send(): Promise<string> {
    const { runIds } = await fixture.engine.sendEvent({ name: 'job', payload: null })
    return runIds[0] ?? assert.fail('no run')
  }

  const read = async (id: string): Promise<RunDocument> =>
    (await fixture.store.get(runs, id)) ?? assert.fail('it is gone')

  /** A run that is due, with something in its record; to be called before the engine starts. */
  async function due(set: Partial<RunDocument>): Promise<string> {
    const id = await send()
    await fixture.store.update(runs, id, {}, { set })
    return id
  }

  /** A run that a worker had when it died. */
  async function orphan(left: Partial<RunDocument>): Promise<string> {
    const id = await send()
    const { store } = fixture
    const at = store.now() - 60_000
    await store.insert(workers, { id: ghost, scope: 'worker', startedAt: at, seenAt: at, jobs: [] })
    const set = { state: 'running' as const, owner: ghost, place: places.ownedBy(ghost), ...left }
    await store.update(runs, id, {}, { set, increment: { fence: 1 }, unset: ['dueAt'] })
    return id
  }

  const gate = () => {
    let open: () => void = () => undefined
    const opened = new Promise<void>((resolve) => (open = resolve))
    return { open: () => open(), opened }
  }

  it('takes other runs while a suspect would have to wait for a long one', async () => {
    const { open, opened } = gate()
    const long = await due({})
    const suspect = await due({ suspect: true })
    work = async (io, run) => void (await io.runTask('only', () => (run === long ? opened : undefined)))
    const { engine } = fixture
    await engine.start()
    await until('both are taken', async () => (await read(suspect)).owner !== undefined && begun.length === 1)
    await reaches(engine, await send(), 'succeeded')
    assert.equal((await read(long)).state, 'running')
    assert.ok(!begun.includes(suspect))
    open()
    await reaches(engine, suspect, 'succeeded')
  })

  it('lets those go first that have ended no process alone', async () => {
    work = async (io) => void (await io.runTask('only', () => 1))
    const last = await due({ suspect: true, strikes: 1 })
    const others = [await due({ suspect: true }), await due({ suspect: true })]
    await fixture.engine.start()
    for (const id of [...others, last]) await reaches(fixture.engine, id, 'succeeded')
    assert.deepEqual(begun.slice(0, 2).toSorted(), others.toSorted())
    assert.equal(begun[2], last)
  })

  it('holds no other run while one is alone that has ended a process', async () => {
    const { open, opened } = gate()
    work = async (io) => void (await io.runTask('only', () => opened))
    const ids = [await due({ suspect: true, strikes: 1 }), await due({ suspect: true, strikes: 1 })]
    await fixture.engine.start()
    const [first] = await until('one runs', () => (begun.length > 0 ? begun : undefined))
    const other = await read(ids.find((id) => id !== first) ?? '')
    assert.deepEqual([other.state, other.owner, other.suspect], ['queued', undefined, true])
    open()
    for (const id of ids) await reaches(fixture.engine, id, 'succeeded')
  })

  it('lets a run rest that ended a process while it was alone, each time for longer', async () => {
    work = async (io) => void (await io.runTask('only', () => 1))
    const ids = [await orphan({ alone: true }), await orphan({ alone: true, strikes: 1 }), await orphan({})]
    const at = fixture.store.now()
    await fixture.engine.start()
    await reaches(fixture.engine, ids[2], 'succeeded')
    const [once, twice] = await fixture.store.getMany(runs, ids)
    assert.deepEqual([once?.strikes, twice?.strikes], [1, 2])
    const rests = [once, twice].map((run) => (run?.dueAt ?? 0) - at)
    assert.ok(rests[0] !== undefined && rests[0] >= 30_000, `${rests[0]} ms`)
    assert.ok(rests[1] !== undefined && rests[1] >= 60_000, `${rests[1]} ms`)
    assert.equal(begun.length, 1)
  })

  it('counts nothing against one that fell asleep while it was alone', async () => {
    work = async (io) => io.wait('pause', 3600)
    const id = await due({ suspect: true })
    await fixture.engine.start()
    await reaches(fixture.engine, id, 'waiting')
    const { suspect, alone } = await read(id)
    assert.deepEqual([suspect, alone], [true, undefined])
  })

  it('takes up what the dead had although the store is slow', async () => {
    work = async (io) => void (await io.runTask('only', () => 1))
    const id = await orphan({})
    const { store } = fixture
    const update = store.update.bind(store)
    store.update = async (set, name, match, change) => {
      // Longer than a hint that leads nowhere is looked at again.
      if (set.name === 'runs' && change.unset?.includes('owner' as never) === true) await rest(300)
      return update(set, name, match, change)
    }
    await fixture.engine.start()
    await reaches(fixture.engine, id, 'succeeded')
  })
})

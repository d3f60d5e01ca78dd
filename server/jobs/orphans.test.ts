// Runs that a living worker owns and does not run: something failed between a claim and its end.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as rest } from 'node:timers/promises'
import { AuthFlowError } from '../../shared/errors.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, Json } from './job.ts'
import { runs } from './records.ts'

let directory: ReturnType<typeof createDirectory>
let fixture: EngineFixture

beforeEach(async () => {
  directory = createDirectory()
  fixture = await openEngine(directory.path)
})

afterEach(async () => {
  await fixture.close()
  directory.remove()
})

async function begin(work: (io: IO) => Promise<Json | void>): Promise<string> {
  const { engine } = fixture
  const trigger = eventTrigger({ name: 'go' })
  engine.defineJob({ id: 'go', name: 'Go', version: '1.0.0', trigger, run: (_, io) => work(io) })
  await engine.start()
  const { runIds } = await engine.sendEvent({ name: 'go', payload: null })
  return runIds[0] ?? ''
}

describe('a run that its worker owns', () => {
  it('falls asleep although the queue is away for a moment', async () => {
    const { store } = fixture
    const insert = store.insert.bind(store)
    let failures = 2
    store.insert = (set, document) =>
      set.name === 'wakeups' && failures-- > 0
        ? Promise.reject(new AuthFlowError('store_busy'))
        : insert(set, document)
    const id = await begin((io) => io.wait('pause', 3600))
    await reaches(fixture.engine, id, 'waiting', 3000)
  })

  for (const isApplied of [true, false]) {
    it(`goes on when its claim failed ${isApplied ? 'after' : 'before'} it was made`, async () => {
      const { store, engine } = fixture
      const claim = store.updateAndGet.bind(store)
      let isLost = false
      store.updateAndGet = async (set, id, match, change) => {
        if (isLost || change.increment === undefined) return claim(set, id, match, change)
        isLost = true
        if (isApplied) await claim(set, id, match, change)
        throw new AuthFlowError('store_unavailable')
      }
      const id = await begin(async (io) => {
        await io.wait('pause', 1)
        return io.runTask('last', () => 1)
      })
      await until('the claim failed', () => isLost || undefined)
      await reaches(engine, id, 'succeeded', 5000)
    })
  }

  it('goes on when the pass could not be stored, although the store is slow', async () => {
    const { store, engine } = fixture
    const update = store.update.bind(store)
    let failures = 1
    store.update = async (set, id, match, change) => {
      if (set.name !== 'runs' || change.unset?.includes('owner' as never) !== true)
        return update(set, id, match, change)
      if (failures-- > 0) throw new AuthFlowError('store_corrupt')
      // Longer than a hint that leads nowhere is looked at again.
      await rest(300)
      return update(set, id, match, change)
    }
    const id = await begin((io) => io.runTask('only', () => 1))
    await reaches(engine, id, 'succeeded', 5000)
  })

  it('is left alone while it runs', async () => {
    const { engine, store } = fixture
    let end: (() => void) | undefined
    const id = await begin((io) => io.runTask('long', () => new Promise<void>((resolve) => (end = resolve))))
    await until('it runs', () => end)
    for (let round = 0; round < 3; round += 1) await engine.sweep()
    assert.equal((await store.get(runs, id))?.state, 'running')
    end?.()
    await reaches(engine, id, 'succeeded')
    assert.equal((await store.get(runs, id))?.fence, 1)
  })

  it('fails when its log lines outgrow its record', { timeout: 60_000 }, async () => {
    const id = await begin(async (io) => {
      for (let line = 0; line < 3000; line += 1) await io.logger.info(`${line} ${'x'.repeat(9000)}`)
    })
    const summary = await reaches(fixture.engine, id, 'failed', 20_000)
    assert.equal(summary.error?.code, 'run_too_large')
  })

  it('does not end the process with a log line that nobody awaits', async () => {
    const id = await begin(async (io) => {
      void io.logger.info('large', { text: 'x'.repeat(30_000) })
      await io.runTask('after', () => 1)
    })
    await reaches(fixture.engine, id, 'succeeded')
  })
})

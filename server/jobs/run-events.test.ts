import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { invokeTrigger } from '../triggers/invoke-trigger.ts'
import {
  createClock,
  createDirectory,
  openEngine,
  until,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import type { SendEventOptions } from './engine.ts'
import type { IO, Json } from './job.ts'

describe('events of runs', () => {
  const directory = createDirectory()
  /** Stands still while a run is awake, so that every wait ends a pass. */
  const clock = createClock()
  let fixture: EngineFixture
  let count = 0
  /** Account and payload of the runs of job `hearer`. */
  const heard: unknown[] = []

  before(async () => {
    fixture = await openEngine(directory.path, { now: clock.now })
    await fixture.engine.start()
    fixture.engine.defineJob({
      id: 'hearer',
      name: 'Hearer',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'said' }),
      run: (payload, _, { account }) => void heard.push([account?.id ?? null, payload]),
    })
  })
  after(async () => {
    await fixture.close()
    directory.remove()
  })

  /** Runs the work as ada, over all its passes; its output, and how many passes that were. */
  async function run(work: (io: IO) => Promise<Json>): Promise<{ output: Json; passes: number }> {
    const { engine } = fixture
    heard.length = 0
    const id = `speaker-${(count += 1)}`
    let passes = 0
    engine.defineJob({
      id,
      name: id,
      version: '1.0.0',
      trigger: invokeTrigger(),
      run: async (_, io) => {
        passes += 1
        const output = await work(io)
        await io.wait('another pass', 60)
        return output
      },
    })
    const { id: runId } = await engine.invoke(id, null, { accountId: 'ada' })
    return until('the run is over', async () => {
      const { state, output } = await engine.describeRun(runId)
      if (state === 'waiting') {
        clock.advance(60_000)
        await engine.sweep()
      }
      return state === 'succeeded' ? { output, passes } : undefined
    })
  }

  const hearAll = (number: number): Promise<boolean> => until('all were heard', () => heard.length >= number)

  it('are sent once over all passes, as the account of the run unless another is named', async () => {
    const { output, passes } = await run(async (io) => {
      const unset: SendEventOptions = Object.fromEntries([['accountId', undefined]])
      const first = await io.sendEvent('own', { name: 'said', payload: 1 })
      await io.sendEvent('of grace', { name: 'said', payload: 2 }, { accountId: 'grace' })
      // As code without types gives a setting that is not set.
      await io.sendEvent('unset', { name: 'said', payload: 3 }, unset)
      return first.accountId
    })
    await hearAll(3)
    assert.deepEqual([output, passes], ['ada', 2])
    assert.deepEqual(heard.toSorted(), [
      ['ada', 1],
      ['ada', 3],
      ['grace', 2],
    ])
  })

  it('are sent many at a time, with their records in order', async () => {
    const { output } = await run(async (io) => {
      const records = await io.sendEvents(
        'all',
        [1, 2, 3].map((payload) => ({ name: 'said', payload })),
      )
      return records.map(({ runIds, accountId }) => `${runIds.length} of ${accountId}`)
    })
    await hearAll(3)
    assert.deepEqual(output, ['1 of ada', '1 of ada', '1 of ada'])
    assert.equal(heard.length, 3)
  })

  it('are told of as they were when the run first came there', async () => {
    const { output, passes } = await run(async (io) => {
      await io.sendEvent('later', { name: 'said', id: 'told', payload: 1 }, { deliverAfter: 1 })
      return (await io.getEvent('look', 'told')).state
    })
    await hearAll(1)
    assert.deepEqual([output, passes], ['delayed', 2])
    assert.equal((await fixture.engine.getEvent('told', { accountId: 'ada' })).state, 'delivered')
  })

  it('are taken back while they are delayed', async () => {
    const { output } = await run(async (io) => {
      await io.sendEvent('later', { name: 'said', id: 'taken back', payload: 1 }, { deliverAfter: 1 })
      return (await io.cancelEvent('no', 'taken back')).state
    })
    assert.equal(output, 'cancelled')
    clock.advance(60_000)
    await fixture.engine.sweep()
    const { state, runs } = await fixture.engine.getEvent('taken back', { accountId: 'ada' })
    assert.deepEqual([state, runs, heard], ['cancelled', [], []])
  })
})

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { z } from 'zod'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { Json } from './job.ts'
import { dispatches, eventKey, events, runs } from './records.ts'

const directory = createDirectory()
let fixture: EngineFixture
let second: EngineFixture

before(async () => {
  fixture = await openEngine(directory.path)
  second = await openEngine(directory.path)
  const define = (
    id: string,
    options: { version?: string; enabled?: boolean; done?: (what: unknown) => void } = {},
  ) => ({
    id,
    name: id,
    version: options.version ?? '1.0.0',
    enabled: options.enabled ?? true,
  })
  for (const { engine } of [fixture, second]) {
    engine.defineJob({
      ...define('strict'),
      trigger: eventTrigger({ name: 'strict', schema: z.object({ user: z.object({ age: z.number() }) }) }),
      run: (payload) => payload.user.age,
    })
    engine.defineJob({ ...define('plain'), trigger: eventTrigger({ name: 'plain' }), run: () => undefined })
    engine.defineJob({
      ...define('pro'),
      trigger: eventTrigger({ names: ['filtered'], filter: { plan: ['pro'] } }),
      run: () => undefined,
    })
    engine.defineJob({
      ...define('by-context'),
      trigger: eventTrigger({
        name: 'by-context',
        filter: { plan: ['pro'] },
        contextFilter: { from: ['shop'] },
      }),
      run: () => undefined,
    })
    engine.defineJob({
      ...define('billing'),
      trigger: eventTrigger({ name: 'filtered', source: 'billing' }),
      run: () => undefined,
    })
    for (const version of ['1.9.0', '1.10.0', '1.2.0']) {
      engine.defineJob({
        ...define('versioned', { version }),
        trigger: eventTrigger({ name: 'versioned' }),
        run: () => undefined,
      })
    }
    engine.defineJob({ ...define('off'), trigger: eventTrigger({ name: 'off' }), run: () => undefined })
    engine.defineJob({
      ...define('off', { version: '2.0.0', enabled: false }),
      trigger: eventTrigger({ name: 'off' }),
      run: () => undefined,
    })
  }
  await fixture.engine.start()
})

after(async () => {
  await fixture.close()
  await second.close()
  directory.remove()
})

const isStored = async (id: string, accountId: string | null = null): Promise<boolean> =>
  (await fixture.store.get(events, eventKey('test', accountId, 'authflow', id))) !== undefined

describe('sendEvent', () => {
  it('gives back the event as it was taken in, with its runs', async () => {
    const timestamp = new Date('2026-01-02T03:04:05Z')
    const event = await fixture.engine.sendEvent(
      { name: 'plain', payload: 1, id: 'one', timestamp },
      { accountId: 'ada' },
    )
    assert.deepEqual(
      { ...event, runIds: event.runIds.length },
      {
        id: 'one',
        name: 'plain',
        timestamp: '2026-01-02T03:04:05.000Z',
        accountId: 'ada',
        state: 'delivered',
        runIds: 1,
      },
    )
    const summary = await reaches(fixture.engine, event.runIds[0], 'succeeded')
    assert.equal(summary.accountId, 'ada')
    assert.equal(summary.jobName, 'plain')
  })

  it('refuses a payload that a matching job can’t take, names the place, and stores nothing', async () => {
    await assert.rejects(
      fixture.engine.sendEvent({ name: 'strict', payload: { user: { age: 'x' } }, id: 'bad' }),
      {
        code: 'invalid_payload',
        message: /payload\.user\.age/,
      },
    )
    assert.equal(await isStored('bad'), false)
    await fixture.engine.sendEvent({ name: 'strict', payload: { user: { age: 7 } }, id: 'bad' })
  })

  it('starts nothing twice for one id, and answers with the same runs', async () => {
    const event = { name: 'plain', payload: { a: 1, b: 2 }, id: 'again' }
    const first = await fixture.engine.sendEvent(event)
    const repeat = await fixture.engine.sendEvent({ ...event, payload: { b: 2, a: 1 } })
    assert.deepEqual(repeat, first)
  })

  it('refuses another payload or name under the same id', async () => {
    const event = { name: 'plain', payload: 1, id: 'taken' }
    await fixture.engine.sendEvent(event)
    await assert.rejects(fixture.engine.sendEvent({ ...event, payload: 2 }), { code: 'event_conflict' })
    await assert.rejects(fixture.engine.sendEvent({ ...event, name: 'other' }), { code: 'event_conflict' })
  })

  it('tells ids of different accounts and sources apart', async () => {
    const event = { name: 'plain', payload: 1, id: 'shared' }
    const sent = [
      await fixture.engine.sendEvent(event),
      await fixture.engine.sendEvent({ ...event, payload: 2 }, { accountId: 'ada' }),
      await fixture.engine.sendEvent({ ...event, payload: 3 }, { accountId: 'bob' }),
      await fixture.engine.sendEvent({ ...event, payload: 4, source: 'elsewhere' }),
    ]
    assert.equal(new Set(sent.flatMap(({ runIds }) => runIds)).size, 3, 'and no job wants the last source')
  })

  it('makes one run of eight sends at once through two engines', async () => {
    const event = { name: 'plain', payload: { n: 1 }, id: 'eight' }
    const engines = [fixture.engine, second.engine]
    const sent = await Promise.all(
      Array.from({ length: 8 }, (_, index) => engines[index % 2]?.sendEvent(event)),
    )
    assert.equal(new Set(sent.map((each) => JSON.stringify(each))).size, 1)
    const runId = sent[0]?.runIds[0]
    await reaches(fixture.engine, runId, 'succeeded')
    const { items } = await fixture.engine.listRuns({ job: 'plain', limit: 100 })
    assert.equal(items.filter(({ id }) => id === runId).length, 1)
  })

  it('starts what filter and source ask for', async () => {
    const started = async (payload: { plan: string }, source?: string): Promise<number> =>
      (
        await fixture.engine.sendEvent({
          name: 'filtered',
          payload,
          ...(source === undefined ? {} : { source }),
        })
      ).runIds.length
    assert.deepEqual(
      [
        await started({ plan: 'pro' }),
        await started({ plan: 'free' }),
        await started({ plan: 'free' }, 'billing'),
      ],
      [1, 0, 1],
    )
  })

  it('starts what filter and contextFilter both ask for, also where the event was delayed', async () => {
    const { engine } = fixture
    const [pro, free] = [{ plan: 'pro' }, { plan: 'free' }]
    const shop = { from: 'shop' }
    const events: [payload: Json, context: Json | undefined, runs: number][] = [
      [pro, shop, 1],
      [free, shop, 0],
      [pro, { from: 'till' }, 0],
      [pro, undefined, 0],
    ]
    for (const [payload, context, runs] of events) {
      const event = { name: 'by-context', payload, ...(context === undefined ? {} : { context }) }
      assert.equal((await engine.sendEvent(event)).runIds.length, runs)
    }
    const delay = { deliverAfter: 0.2 }
    const other = { name: 'by-context', payload: pro, context: { from: 'till' } }
    const late = [
      await engine.sendEvent({ ...other, context: shop }, delay),
      await engine.sendEvent(other, delay),
    ]
    const told = await Promise.all(
      late.map(({ id }) =>
        until('it is delivered', async () => {
          const details = await engine.getEvent(id)
          return details.state === 'delivered' ? details : undefined
        }),
      ),
    )
    assert.deepEqual(
      told.map(({ runIds }) => runIds.length),
      [1, 0],
    )
  })

  it('starts the highest version, by number and not by spelling', async () => {
    const event = await fixture.engine.sendEvent({ name: 'versioned', payload: null })
    assert.equal(event.runIds.length, 1)
    assert.equal((await reaches(fixture.engine, event.runIds[0], 'succeeded')).jobVersion, '1.10.0')
  })

  it('starts nothing of a job whose highest version is off', async () => {
    assert.deepEqual((await fixture.engine.sendEvent({ name: 'off', payload: null })).runIds, [])
  })

  it('takes payloads of 256 KB and no more', async () => {
    const payload = 'x'.repeat(256 * 1024 - 2)
    const event = await fixture.engine.sendEvent({ name: 'plain', payload })
    await reaches(fixture.engine, event.runIds[0], 'succeeded')
    await assert.rejects(fixture.engine.sendEvent({ name: 'plain', payload: `${payload}x` }), {
      code: 'event_too_large',
    })
  })

  it('refuses what has no name, an overlong id, a bad time, an empty account and what is no JSON', async () => {
    const cyclic: Record<string, unknown> = {}
    cyclic['self'] = cyclic
    const { engine } = fixture
    const refused = [
      engine.sendEvent({ name: '', payload: 1 }),
      engine.sendEvent({ name: 'plain', payload: 1, id: 'x'.repeat(257) }),
      engine.sendEvent({ name: 'plain', payload: 1, timestamp: new Date('never') }),
      engine.sendEvent({ name: 'plain', payload: 1 }, { accountId: '' }),
      engine.sendEvent({ name: 'plain', payload: cyclic as never }),
      engine.sendEvent({ name: 'plain', payload: undefined as never }),
    ]
    for (const sent of refused) await assert.rejects(sent, { code: 'invalid_input' })
  })

  it('stores the payload sealed', async () => {
    await fixture.engine.sendEvent({
      name: 'plain',
      payload: { word: 'aubergine' },
      context: 'turnip',
      id: 'sealed',
    })
    const record = JSON.stringify(
      await fixture.store.get(events, eventKey('test', null, 'authflow', 'sealed')),
    )
    assert.ok(!record.includes('aubergine') && !record.includes('turnip'))
  })

  it('leaves an event that was cut off to the sweep, which makes its runs', async () => {
    const sent = await fixture.engine.sendEvent({ name: 'plain', payload: 5, id: 'cut off' })
    await reaches(fixture.engine, sent.runIds[0], 'succeeded')
    const key = eventKey('test', null, 'authflow', 'cut off')
    await fixture.store.remove(runs, sent.runIds[0] ?? '')
    await fixture.store.insert(dispatches, { id: key, scope: 'dispatch', createdAt: Date.now() - 60_000 })
    await second.engine.sweep()
    await reaches(fixture.engine, sent.runIds[0], 'succeeded')
    assert.equal(await fixture.store.get(dispatches, key), undefined)
  })
})

describe('defineJob', () => {
  it('refuses a bad version, a second definition and an unusable id', () => {
    const job = {
      id: 'plain',
      name: 'x',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'x' }),
      run: () => undefined,
    }
    assert.throws(() => fixture.engine.defineJob(job), { code: 'duplicate_job' })
    for (const version of ['1.0', 'v1.0.0', '1.0.0-beta', '01.0.0', '', '1.0.0.0']) {
      assert.throws(() => fixture.engine.defineJob({ ...job, version }), { code: 'invalid_version' }, version)
    }
    assert.throws(() => fixture.engine.defineJob({ ...job, id: 'a b' }), { code: 'invalid_input' })
  })
})

describe('listRuns and getRun', () => {
  it('page through an account’s runs, newest first, and keep accounts apart', async () => {
    const ids: string[] = []
    for (let index = 0; index < 5; index += 1) {
      const event = await fixture.engine.sendEvent({ name: 'plain', payload: index }, { accountId: 'carol' })
      ids.unshift(event.runIds[0] ?? '')
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await fixture.engine.listRuns({
        accountId: 'carol',
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.cursor
    } while (cursor !== undefined)
    assert.deepEqual(seen, ids)
    assert.deepEqual((await fixture.engine.listRuns({ accountId: 'carol', job: 'strict' })).items, [])
    assert.equal(
      (await fixture.engine.listRuns({ accountId: 'carol', job: 'plain', limit: 3 })).items.length,
      3,
    )
    await assert.rejects(fixture.engine.getRun(ids[0] ?? '', 'dave'), { code: 'not_found' })
    await assert.rejects(fixture.engine.getRun('run_nothing'), { code: 'not_found' })
    await assert.rejects(fixture.engine.listRuns({ limit: 101 }), { code: 'invalid_input' })
  })
})

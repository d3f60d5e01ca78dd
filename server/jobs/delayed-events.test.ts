import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { z } from 'zod'
import type { ErrorCode } from '../../shared/errors.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import type { EventInput, SendEventOptions } from './engine.ts'
import { createVault } from '../vault/create-vault.ts'
import { parseKeyRing } from '../vault/key-ring.ts'
import {
  createDirectory,
  encryptionKeys,
  openEngine,
  reaches,
  until,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import { delays, dispatches, eventKey, events, runIdOf } from './records.ts'

const soon = 0.3
const later = 3600
const wrongTimes: readonly SendEventOptions[] = [
  { deliverAfter: -1 },
  { deliverAfter: Number.NaN },
  { deliverAfter: 367 * 24 * 3600 },
  { deliverAt: new Date(Number.NaN) },
  { deliverAt: new Date(), deliverAfter: 1 },
]

for (const backend of backends) {
  describe(`delayed events on ${backend.name}`, { skip: backend.skip }, () => {
    const open: EngineFixture[] = []
    const payloads: unknown[] = []
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let fixture: EngineFixture

    beforeEach(async () => {
      directory = createDirectory()
      url = backend.open()
      payloads.length = 0
      fixture = await start()
    })
    afterEach(async () => {
      for (const each of open.splice(0)) await each.close()
      await backend.drop(url)
      directory.remove()
    })

    async function start({ isStarted = true } = {}): Promise<EngineFixture> {
      const made = await openEngine(directory.path, { storeUrl: url })
      open.push(made)
      made.engine.defineJob({
        id: 'job',
        name: 'Job',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'job', schema: z.object({ n: z.number() }) }),
        run: (payload) => void payloads.push(payload.n),
      })
      if (isStarted) await made.engine.start()
      return made
    }

    const event = (n: number, id = 'e1'): EventInput => ({ id, name: 'job', payload: { n } })
    const rejects = (promise: Promise<unknown>, code: ErrorCode): Promise<void> =>
      assert.rejects(promise, { code })

    /** The first run of an event, once it was delivered. */
    const runOf = (id: string): Promise<string> =>
      until('its run is there', async () => (await fixture.engine.getEvent(id)).runs[0]?.id)

    it('start their runs when their time has come, once, with two workers', async () => {
      await start()
      const sentAt = fixture.store.now()
      const sent = await fixture.engine.sendEvent(event(1), { deliverAfter: soon })
      assert.deepEqual([sent.state, sent.runIds], ['delayed', []])
      const run = await reaches(fixture.engine, await runOf('e1'), 'succeeded')
      assert.ok(Date.parse(run.createdAt) >= sentAt + soon * 1000)
      const told = await fixture.engine.getEvent('e1')
      assert.deepEqual(
        [told.state, told.runs.map(({ id, state }) => [id, state])],
        ['delivered', [[run.id, 'succeeded']]],
      )
      assert.notEqual(told.deliverAt, null)
      assert.deepEqual(payloads, [1])
      const rows = async (): Promise<number> => (await fixture.store.range(delays, '', '~', 10)).length
      await until('its row is gone', async () => (await rows()) === 0)
    })

    it('start at once when their time has passed', async () => {
      const sent = await fixture.engine.sendEvent(event(1), { deliverAt: new Date(0) })
      assert.equal(sent.state, 'delivered')
      await reaches(fixture.engine, sent.runIds[0], 'succeeded')
    })

    it('are delivered after a restart, by a process that did not take them in', async () => {
      await fixture.engine.sendEvent(event(1), { deliverAfter: soon })
      await fixture.engine.stop(100)
      fixture = await start()
      await reaches(fixture.engine, await runOf('e1'), 'succeeded')
    })

    it('are rewritten by the same id, in payload and time', async () => {
      await fixture.engine.sendEvent(event(1), { deliverAfter: later })
      const again = await fixture.engine.sendEvent(event(2), { deliverAfter: soon })
      assert.equal(again.state, 'delayed')
      await reaches(fixture.engine, await runOf('e1'), 'succeeded')
      assert.deepEqual(payloads, [2])
      await rejects(fixture.engine.sendEvent(event(3), { deliverAfter: later }), 'event_conflict')
      await fixture.engine.sendEvent(event(2), { deliverAfter: later })
      assert.equal((await fixture.engine.getEvent('e1')).state, 'delivered')
    })

    it('are delivered at once when they are sent again without a delay', async () => {
      await fixture.engine.sendEvent(event(1), { deliverAfter: later })
      const again = await fixture.engine.sendEvent(event(2))
      assert.deepEqual(await fixture.store.range(delays, '', '~', 10), [])
      assert.equal(again.state, 'delivered')
      await reaches(fixture.engine, again.runIds[0], 'succeeded')
      assert.deepEqual(payloads, [2])
    })

    it('keep their name: another one is another event', async () => {
      await fixture.engine.sendEvent(event(1), { deliverAfter: later })
      await rejects(fixture.engine.sendEvent({ ...event(1), name: 'other' }), 'event_conflict')
    })

    it('start one run however many senders rewrite them while they become due', async () => {
      const all = Array.from({ length: 20 }, (_, n) =>
        fixture.engine.sendEvent(event(n), { deliverAfter: n % 2 ? 0.01 : 0.02 }).catch(() => undefined),
      )
      await Promise.all(all)
      await reaches(fixture.engine, await runOf('e1'), 'succeeded')
      assert.equal(payloads.length, 1)
      assert.deepEqual(await fixture.store.range(dispatches, '', '~', 10), [])
    })

    it('are finished by another process when the process died while it started their runs', async () => {
      const away = await start({ isStarted: false })
      await fixture.engine.stop(100)
      await away.engine.sendEvent(event(1), { deliverAfter: later })
      const key = eventKey('test', null, 'authflow', 'e1')
      // As the process leaves it that dies after it decided which runs there are to be.
      const runId = runIdOf(key, 'job')
      const before = await away.store.get(events, key)
      assert.ok(before)
      const vault = createVault({ keys: parseKeyRing(encryptionKeys), environment: 'test' })
      const text = vault.session('run', key).open(before.body, 'event')
      const targets = [{ runId, job: 'job', jobName: 'Job', version: '1.0.0' }]
      const set = { deliverAt: 1, targets, body: vault.session('run', runId).seal(text, 'event') }
      await away.store.update(events, key, {}, { set, unset: ['pending'] })
      await away.store.update(delays, key, {}, { set: { deliverAt: 1 } })
      fixture = await start()
      await reaches(fixture.engine, await runOf('e1'), 'succeeded')
      await until('its row is gone', async () => (await fixture.store.get(delays, key)) === undefined)
    })

    it('can be cancelled until they are delivered, and start nothing then', async () => {
      await fixture.engine.sendEvent(event(1), { deliverAfter: soon, accountId: 'ada' })
      await rejects(fixture.engine.cancelEvent('e1'), 'not_found')
      const cancelled = await fixture.engine.cancelEvent('e1', { accountId: 'ada' })
      assert.deepEqual([cancelled.state, cancelled.runIds], ['cancelled', []])
      assert.deepEqual(await fixture.engine.cancelEvent('e1', { accountId: 'ada' }), cancelled)
      const again = await fixture.engine.sendEvent(event(1), { accountId: 'ada' })
      assert.equal(again.state, 'cancelled')
      await rejects(fixture.engine.sendEvent(event(2), { accountId: 'ada' }), 'event_conflict')
      assert.deepEqual(await fixture.store.range(delays, '', '~', 10), [])
      const other = await fixture.engine.sendEvent(event(5, 'e2'), { deliverAfter: soon * 2 })
      await reaches(fixture.engine, await runOf(other.id), 'succeeded')
      assert.deepEqual(payloads, [5])
    })

    it('stay as they are when they are cancelled after their delivery', async () => {
      const { id, runIds } = await fixture.engine.sendEvent(event(1))
      await reaches(fixture.engine, runIds[0], 'succeeded')
      assert.equal((await fixture.engine.cancelEvent(id)).state, 'delivered')
    })

    it('are refused with a time that cannot be, or a payload that a job of now refuses', async () => {
      for (const options of wrongTimes)
        await rejects(fixture.engine.sendEvent(event(1), options), 'invalid_input')
      const wrong = { ...event(1), payload: { n: 'one' } }
      await rejects(fixture.engine.sendEvent(wrong, { deliverAfter: later }), 'invalid_payload')
      assert.deepEqual(await fixture.store.range(events, '', '~', 10), [])
      await rejects(fixture.engine.getEvent('e1'), 'not_found')
    })

    it('may come many at once: all judged before any is stored, in their order', async () => {
      const list = [event(1, 'a'), event(2, 'b'), event(3, 'c')]
      const wrong = { ...event(4, 'd'), payload: { n: 'four' } }
      await assert.rejects(fixture.engine.sendEvents([...list, wrong]), {
        code: 'invalid_payload',
        message: /^events\[3\]: payload\.n /,
      })
      assert.deepEqual(await fixture.store.range(events, '', '~', 10), [])
      const sent = await fixture.engine.sendEvents(list)
      assert.deepEqual(
        sent.map(({ id }) => id),
        ['a', 'b', 'c'],
      )
      for (const { runIds } of sent) await reaches(fixture.engine, runIds[0], 'succeeded')
      assert.deepEqual(await fixture.engine.sendEvents([]), [])
      await rejects(fixture.engine.sendEvents(Array.from({ length: 1001 }, () => event(1))), 'invalid_input')
    })
  })
}

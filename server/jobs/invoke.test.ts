import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { z } from 'zod'
import type { ErrorCode } from '../../shared/errors.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { invokeTrigger } from '../triggers/invoke-trigger.ts'
import { createDirectory, openEngine, reaches, type EngineFixture } from './fixtures/engine-fixture.ts'
import { events } from './records.ts'

for (const backend of backends) {
  describe(`JobEngine.invoke on ${backend.name}`, { skip: backend.skip }, () => {
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let fixture: EngineFixture
    const calls: unknown[] = []

    beforeEach(async () => {
      directory = createDirectory()
      url = backend.open()
      calls.length = 0
      fixture = await openEngine(directory.path, { storeUrl: url })
      const define = (version: string, enabled = true, id = 'add'): void =>
        fixture.engine.defineJob({
          id,
          name: 'Add',
          version,
          enabled,
          trigger: invokeTrigger({ schema: z.object({ n: z.number() }) }),
          run: ({ n }, _, { account, event }) => void calls.push([version, n, account?.id, event.context]),
        })
      define('1.2.0')
      define('1.10.0')
      define('1.0.0', true, 'off')
      define('2.0.0', false, 'off')
      fixture.engine.defineJob({
        id: 'listener',
        name: 'Listener',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'invoke' }),
        run: () => void calls.push('listener'),
      })
      await fixture.engine.start()
    })
    afterEach(async () => {
      await fixture.close()
      await backend.drop(url)
      directory.remove()
    })

    const rejects = (promise: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> =>
      assert.rejects(promise, { code, message })

    it('starts the highest version of that job and no other, as the account', async () => {
      const { id } = await fixture.engine.invoke('add', { n: 1 }, { accountId: 'ada', context: 'why' })
      const run = await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual([run.job, run.accountId], ['add', 'ada'])
      assert.deepEqual(calls, [['1.10.0', 1, 'ada', 'why']])
    })

    it('starts one run for an idempotency key, however often and from wherever', async () => {
      const options = { idempotencyKey: 'once' }
      const ids = await Promise.all(
        Array.from({ length: 10 }, () => fixture.engine.invoke('add', { n: 1 }, options)),
      )
      assert.equal(new Set(ids.map(({ id }) => id)).size, 1)
      await reaches(fixture.engine, ids[0]?.id, 'succeeded')
      assert.equal(calls.length, 1)
      await rejects(fixture.engine.invoke('add', { n: 2 }, options), 'event_conflict', /once/)
      const other = await fixture.engine.invoke('add', { n: 2 }, { ...options, accountId: 'ada' })
      assert.notEqual(other.id, ids[0]?.id)
      await reaches(fixture.engine, other.id, 'succeeded')
    })

    it('tells what is wrong with the call, and stores nothing', async () => {
      const { engine, store } = fixture
      await rejects(engine.invoke('nothing', null), 'unknown_job', /nothing/)
      await rejects(engine.invoke('listener', null), 'invalid_input', /listener .*invokeTrigger/)
      await rejects(engine.invoke('off', { n: 1 }), 'job_disabled', /off 2\.0\.0/)
      await rejects(engine.invoke('add', { n: 'one' }), 'invalid_payload', /payload\.n .*add/)
      await rejects(engine.invoke('add', { n: 1 }, { idempotencyKey: '' }), 'invalid_input', /id/)
      const forged = { name: 'invoke', source: 'authflow:invoke/add', payload: { n: 1 } }
      await rejects(engine.sendEvent(forged), 'invalid_input', /source/)
      assert.deepEqual(await store.range(events, '', '~', 10), [])
      assert.deepEqual(calls, [])
    })
  })
}

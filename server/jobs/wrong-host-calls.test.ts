// Wrong calls from code without types, outside of runs: each is refused where it is made, and by nothing later.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ErrorCode } from '../../shared/errors.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { invokeTrigger } from '../triggers/invoke-trigger.ts'
import { ConcurrencyLimit } from './concurrency.ts'
import { createDirectory, openEngine, type EngineFixture } from './fixtures/engine-fixture.ts'
import { nothing, untyped } from './fixtures/wrong-calls.ts'
import type { JobEngine } from './engine.ts'
import type { Integrations, JobOptions, Json } from './job.ts'

/** A member of a definition, as JSON, and what is said of it. */
const wrongJobs: Readonly<Record<string, readonly [part: string, says: RegExp]>> = {
  'a trigger without names': ['{"trigger":{"kind":"event"}}', /trigger of job wrong .*eventTrigger/],
  'a trigger with another schema': [
    '{"trigger":{"kind":"invoke","names":["x"],"schema":{}}}',
    /schema of the trigger of job wrong .*safeParse/,
  ],
  'a trigger with another filter': [
    '{"trigger":{"kind":"event","names":["x"],"filter":{"a":[{"$like":1}]}}}',
    /no matcher \$like/,
  ],
  'no name': ['{"name":""}', /name of job wrong/],
  'enabled by text': ['{"enabled":"false"}', /enabled of job wrong must be true or false; got string/],
  'enabled by null': ['{"enabled":null}', /enabled of job wrong/],
  'an integration that is null': ['{"integrations":{"slack":null}}', /integrations\.slack of job wrong/],
  'an integration that can’t be cloned': [
    '{"integrations":{"slack":{"id":"slack","authSource":"LOCAL"}}}',
    /integrations\.slack of job wrong is no integration/,
  ],
  'integrations in a list': ['{"integrations":[]}', /integrations of job wrong must be an object/],
}

/** Calls, and what is said of them. */
const wrongCalls: Readonly<
  Record<string, readonly [call: (engine: JobEngine) => unknown, code: ErrorCode, says: RegExp]>
> = {
  'sendEvent: nothing': [
    (engine) => engine.sendEvent(untyped('null')),
    'invalid_input',
    /\{ name, payload \}/,
  ],
  'sendEvent: the account in the event': [
    (engine) => engine.sendEvent(untyped('{"name":"x","payload":1,"accountId":"ada"}')),
    'invalid_input',
    /sendEvent\(event, \{ accountId \}\)/,
  ],
  'sendEvent: the account as its options': [
    (engine) => engine.sendEvent({ name: 'x', payload: 1 }, untyped('"ada"')),
    'invalid_input',
    /options of an event .*\{ accountId \}/,
  ],
  'sendEvent: options null': [
    (engine) => engine.sendEvent({ name: 'x', payload: 1 }, untyped('null')),
    'invalid_input',
    /options of an event/,
  ],
  'sendEvents: options null': [
    (engine) => engine.sendEvents([{ name: 'x', payload: 1 }], untyped('null')),
    'invalid_input',
    /events\[0\].*options of an event/,
  ],
  'invoke: the job itself': [
    (engine) => engine.invoke(untyped('{"id":"right"}'), 1),
    'invalid_input',
    /by its id, which is text; got object/,
  ],
  'invoke: the key as its options': [
    (engine) => engine.invoke('right', 1, untyped('"key"')),
    'invalid_input',
    /job right .*\{ accountId, idempotencyKey \}/,
  ],
  'invoke: options null': [
    (engine) => engine.invoke('right', 1, untyped('null')),
    'invalid_input',
    /job right/,
  ],
  'invoke: a key that is no text': [
    (engine) => engine.invoke('right', 1, untyped('{"idempotencyKey":7}')),
    'invalid_input',
    /idempotencyKey must be text/,
  ],
  'listRuns: null': [(engine) => engine.listRuns(untyped('null')), 'invalid_input', /query of runs/],
  'listRuns: a state that there is not': [
    (engine) => engine.listRuns(untyped('{"state":"done"}')),
    'invalid_input',
    /queued, running, .*cancelled/,
  ],
  'listRuns: a job that is no text': [
    (engine) => engine.listRuns(untyped('{"job":7}')),
    'invalid_input',
    /job must be text/,
  ],
  'cancelRunsForJob: no job': [
    (engine) => engine.cancelRunsForJob(untyped('null')),
    'invalid_input',
    /job must be text/,
  ],
}

describe('wrong calls outside of runs', () => {
  const directory = createDirectory()
  let fixture: EngineFixture
  before(async () => {
    fixture = await openEngine(directory.path)
    await fixture.engine.start()
    fixture.engine.defineJob({
      id: 'right',
      name: 'Right',
      version: '1.0.0',
      trigger: invokeTrigger(),
      run: nothing,
    })
  })
  after(async () => {
    await fixture.close()
    directory.remove()
  })

  for (const [what, [part, says]] of Object.entries(wrongJobs))
    it(`defineJob: ${what}`, async () => {
      const job: JobOptions<Json, Integrations> = {
        id: 'wrong',
        name: 'Wrong',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'x' }),
        run: nothing,
      }
      const wrong = Object.assign(job, untyped<object>(part))
      assert.throws(() => fixture.engine.defineJob(wrong), { code: 'invalid_input', message: says })
      // Nothing of it is left for the next event to fall over.
      assert.deepEqual((await fixture.engine.sendEvent({ name: 'x', payload: 1 })).runIds, [])
    })

  for (const [what, [call, code, says]] of Object.entries(wrongCalls))
    it(what, async () => {
      await assert.rejects(async () => call(fixture.engine), { code, message: says })
    })

  it('a concurrency limit needs to be told which', () => {
    assert.throws(() => new ConcurrencyLimit(untyped('null')), { message: /\{ id, limit \}/ })
  })

  it('a schema that answers later is no schema', async () => {
    const late = { safeParse: async (value: unknown) => ({ success: true, data: value }) }
    fixture.engine.defineJob({
      id: 'late',
      name: 'Late',
      version: '1.0.0',
      trigger: invokeTrigger(Object.assign({}, untyped<object>('{}'), { schema: late as never })),
      run: nothing,
    })
    await assert.rejects(fixture.engine.invoke('late', 1), { code: 'invalid_payload', message: /job late/ })
  })
})

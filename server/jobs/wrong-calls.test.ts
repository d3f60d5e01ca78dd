import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isAuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { EventInput, SendEventOptions } from './engine.ts'
import type { IO, Json, OnError, PayloadSchema, TaskOptions } from './job.ts'
import type { WaitForEventOptions } from './outside-io.ts'

/** What the compiler would refuse: it comes from code without types. */
const untyped = <T>(text: string): T => JSON.parse(text) as T

const aNumber: PayloadSchema<number> = {
  safeParse: (value) =>
    typeof value === 'number'
      ? { success: true, data: value }
      : { success: false, error: { issues: [{ path: [], message: 'must be a number' }] } },
}

interface WrongCall {
  readonly call: (io: IO) => Promise<unknown>
  readonly code: ErrorCode
  /** Where it does not name the call's own key, `k`. */
  readonly keyless?: boolean
  /** Where it is found wrong only later, after what the call gave. */
  readonly placeless?: boolean
  /** The way out. */
  readonly says: RegExp
}

const nothing = (): void => undefined
const fails = (): void => {
  throw new Error('of the task')
}
const endless: Json[] = []
endless.push(endless)

const wrongCalls: Readonly<Record<string, WrongCall>> = {
  'runTask: no key': {
    call: (io) => io.runTask('', nothing),
    code: 'invalid_input',
    keyless: true,
    says: /1 to 256/,
  },
  'runTask: key too long': {
    call: (io) => io.runTask('x'.repeat(257), nothing),
    code: 'invalid_input',
    keyless: true,
    says: /257 characters/,
  },
  'runTask: key no text': {
    call: (io) => io.runTask(untyped<string>('7'), nothing),
    code: 'invalid_input',
    keyless: true,
    says: /number as its key/,
  },
  'runTask: no function': {
    call: (io) => io.runTask('k', untyped<() => void>('null')),
    code: 'invalid_input',
    says: /needs a function/,
  },
  'runTask: twice': {
    call: (io) => io.runTask('k', nothing).then(() => io.runTask('k', nothing)),
    code: 'duplicate_task_key',
    says: /with its index/,
  },
  'runTask: onError no function': {
    call: (io) => io.runTask('k', nothing, {}, untyped<OnError>('{}')),
    code: 'invalid_input',
    says: /onError must be a function/,
  },
  'runTask: onError says nothing': {
    call: (io) => io.runTask('k', fails, {}, () => untyped<void>('{"retryAt":"later"}')),
    code: 'invalid_input',
    says: /retryAt: a Date/,
    placeless: true,
  },
  'runTask: gives a function': {
    call: (io) => io.runTask('k', () => nothing as never),
    code: 'invalid_input',
    says: /output is not JSON/,
  },
  'runTask: gives a symbol': {
    call: (io) => io.runTask('k', async () => Symbol('output') as never),
    code: 'invalid_input',
    says: /output is not JSON/,
    placeless: true,
  },
  'runTask: gives what is endless': {
    call: (io) => io.runTask('k', () => endless),
    code: 'invalid_input',
    says: /output is not JSON/,
  },
  'wait: below 0': { call: (io) => io.wait('k', -1), code: 'invalid_input', says: /0 to \d+ seconds/ },
  'wait: no number': { call: (io) => io.wait('k', NaN), code: 'invalid_input', says: /0 to \d+ seconds/ },
  'parallel: no array': {
    call: (io) => io.parallel('k', untyped<number[]>('{"length":1}'), nothing),
    code: 'invalid_input',
    says: /must be an array/,
  },
  'parallel: too many': {
    call: (io) => io.parallel('k', Array.from({ length: 1001 }), nothing),
    code: 'invalid_input',
    says: /one part after the other/,
  },
  'parallel: no function': {
    call: (io) => io.parallel('k', [1], untyped<() => void>('{}')),
    code: 'invalid_input',
    says: /needs a function/,
  },
  'parallel: options null': {
    call: (io) => io.parallel('k', [1], nothing, untyped('null')),
    code: 'invalid_input',
    says: /options must be an object/,
  },
  'parallel: twice': {
    call: (io) => io.parallel('k', [1], nothing).then(() => io.parallel('k', [1], nothing)),
    code: 'duplicate_task_key',
    says: /its own/,
  },
  'try: no functions': {
    call: (io) => io.try(nothing, untyped<() => void>('null')),
    code: 'invalid_input',
    keyless: true,
    says: /two functions/,
  },
  'random: options null': {
    call: (io) => io.random('k', untyped('null')),
    code: 'invalid_input',
    says: /options must be an object/,
  },
  'random: turned round': {
    call: (io) => io.random('k', { min: 2, max: 1 }),
    code: 'invalid_input',
    says: /min the lower one; got 2 and 1/,
  },
  'random: no numbers': {
    call: (io) => io.random('k', untyped('{"min":"1"}')),
    code: 'invalid_input',
    says: /must be numbers/,
  },
  'random: endless': {
    call: (io) => io.random('k', { min: -Number.MAX_VALUE, max: Number.MAX_VALUE }),
    code: 'invalid_input',
    says: /must be numbers/,
  },
  'random: nothing whole between': {
    call: (io) => io.random('k', { min: 0.2, max: 0.8, round: true }),
    code: 'invalid_input',
    says: /Leave round out/,
  },
  'random: round is text': {
    call: (io) => io.random('k', untyped('{"round":"yes"}')),
    code: 'invalid_input',
    says: /true or false/,
  },
  'getAuth: no integration': {
    call: (io) => io.getAuth(untyped('null')),
    code: 'invalid_input',
    keyless: true,
    says: /job's integrations/,
  },
  'waitForRequest: no function': {
    call: (io) => io.waitForRequest('k', untyped<() => void>('null')),
    code: 'invalid_input',
    says: /gives the address/,
  },
  'waitForRequest: retry.limit no number': {
    call: (io) => io.waitForRequest('k', nothing, { retry: { limit: NaN } }),
    code: 'invalid_input',
    says: /retry\.limit/,
  },
  'waitForRequest: options null': {
    call: (io) => io.waitForRequest('k', nothing, untyped('null')),
    code: 'invalid_input',
    says: /options must be an object/,
  },
  'waitUntil: no date': {
    call: (io) => io.waitUntil('k', untyped<Date>('"noon"')),
    code: 'invalid_input',
    says: /valid Date/,
  },
  'continueAsNew: in a task': {
    call: (io) => io.continueAsNew(null),
    code: 'invalid_input',
    keyless: true,
    says: /not in a task/,
  },
  'sendEvents: no list': {
    call: (io) => io.sendEvents('k', untyped('{}')),
    code: 'invalid_input',
    says: /list of at most 1000/,
  },
  'sendEvent: refused by the schema of a job': {
    call: (io) => io.sendEvent('k', { name: 'strict', payload: 'no number' }),
    code: 'invalid_payload',
    says: /a number/,
  },
  'sendEvent: the id again with another payload': {
    call: async (io) => {
      await io.sendEvent('first', { id: 'same', name: 'x', payload: 1 })
      await io.sendEvent('k', { id: 'same', name: 'x', payload: 2 })
    },
    code: 'event_conflict',
    says: /its own id/,
  },
  'invoke: no job': {
    call: (io) => io.invoke('k', '', null),
    code: 'invalid_input',
    says: /a job or its id/,
  },
  'invoke: options null': {
    call: (io) => io.invoke('k', 'other', null, untyped('null')),
    code: 'invalid_input',
    says: /options must be an object/,
  },
  'invoke: endless payload': {
    call: (io) => io.invoke('k', 'other', endless),
    code: 'invalid_input',
    says: /payload must be JSON/,
  },
  'invoke: a job of another trigger': {
    call: (io) => io.invoke('k', 'strict', 1),
    code: 'invalid_input',
    says: /invokeTrigger\(\)/,
  },
  'invokeAndWait: a job of another trigger': {
    call: (io) => io.invokeAndWait('k', 'strict', 1),
    code: 'invalid_input',
    says: /invokeTrigger\(\)/,
  },
  'invokeAndWait: options null': {
    call: (io) => io.invokeAndWait('k', 'other', 1, untyped('null')),
    code: 'invalid_input',
    says: /options must be an object/,
  },
  'invokeAndWait: itself': {
    call: (io) => io.invokeAndWait('k', 'careless', 1),
    code: 'invoke_cycle',
    says: /io\.continueAsNew/,
  },
  'batchInvoke: no list': {
    call: (io) => io.batchInvoke('k', 'other', untyped('{}')),
    code: 'invalid_input',
    says: /io\.batchInvoke .*a list of at most 1000/,
  },
  'batchInvokeAndWait: no list': {
    call: (io) => io.batchInvokeAndWait('k', 'other', untyped('{}')),
    code: 'invalid_input',
    says: /io\.batchInvokeAndWait .*a list of at most 1000/,
  },
  'batchInvokeAndWait: an item without payload': {
    call: (io) => io.batchInvokeAndWait('k', 'other', untyped('[{}]')),
    code: 'invalid_input',
    says: /io\.batchInvokeAndWait .*with a payload/,
  },
  'batchInvokeAndWait: time no number': {
    call: (io) => io.batchInvokeAndWait('k', 'other', [], { timeoutInSeconds: NaN }),
    code: 'invalid_input',
    says: /io\.batchInvokeAndWait .*timeoutInSeconds/,
  },
  'createStatus: no options': {
    call: (io) => io.createStatus('k', untyped('null')),
    code: 'invalid_input',
    says: /label must be text/,
  },
  'createStatus: label too long': {
    call: (io) => io.createStatus('k', { label: 'x'.repeat(257) }),
    code: 'invalid_input',
    says: /label must be text/,
  },
  'createStatus: another state': {
    call: (io) => io.createStatus('k', untyped('{"label":"a","state":"done"}')),
    code: 'invalid_input',
    says: /loading, success or failure/,
  },
  'createStatus: data is a list': {
    call: (io) => io.createStatus('k', untyped('{"label":"a","data":[1]}')),
    code: 'invalid_input',
    says: /JSON object/,
  },
  'createStatus: too much data': {
    call: (io) => io.createStatus('k', { label: 'a', data: { text: 'x'.repeat(16 * 1024) } }),
    code: 'invalid_input',
    says: /16 KB/,
  },
  'status.update: nothing': {
    call: async (io) => (await io.createStatus('status', { label: 'a' })).update('k', {}),
    code: 'invalid_input',
    says: /a label, a state or data/,
  },
  'status.update: the key again': {
    call: async (io) => (await io.createStatus('k', { label: 'a' })).update('k', { state: 'success' }),
    code: 'duplicate_task_key',
    says: /its own/,
  },
  'logger: line too long': {
    call: (io) => io.logger.info('k', { text: 'x'.repeat(30_000) }),
    code: 'invalid_input',
    keyless: true,
    says: /10000 characters/,
  },
  'logger: no line': {
    call: (io) => io.logger.info(untyped<string>('null')),
    code: 'invalid_input',
    keyless: true,
    says: /line must be text/,
  },
  'logger: facts are a list': {
    call: (io) => io.logger.info('k', untyped('[1]')),
    code: 'invalid_input',
    keyless: true,
    says: /facts must be an object/,
  },
  'logger: facts are no JSON': {
    call: (io) => io.logger.info('k', { endless }),
    code: 'invalid_input',
    keyless: true,
    says: /must be JSON/,
  },
}
/** What a task may not be given as its options. */
const wrongOptions: Readonly<Record<string, readonly [options: unknown, says: RegExp]>> = {
  'options null': [null, /options must be an object/],
  'options a list': [[], /options must be an object/],
  'retry by a name': [{ retry: 'often' }, /retry\.standardBackoff/],
  'retry null': [{ retry: null }, /retry must be an object/],
  'retry.limit no number': [{ retry: { limit: NaN } }, /retry\.limit must be a number from 0 to 1000/],
  'retry.limit text': [{ retry: { limit: '3' } }, /retry\.limit/],
  'retry.limit endless': [{ retry: { limit: Infinity } }, /retry\.limit/],
  'retry.limit below 0': [{ retry: { limit: -1 } }, /retry\.limit/],
  'retry.factor no number': [{ retry: { factor: NaN } }, /retry\.factor/],
  'retry.minTimeoutInMs no number': [{ retry: { minTimeoutInMs: NaN } }, /retry\.minTimeoutInMs/],
  'retry.maxTimeoutInMs endless': [{ retry: { maxTimeoutInMs: Infinity } }, /retry\.maxTimeoutInMs/],
  'retry.randomize text': [{ retry: { randomize: 'yes' } }, /retry\.randomize must be true or false/],
  'timeoutInMs no number': [{ timeoutInMs: NaN }, /timeoutInMs must be a number from 1/],
  'timeoutInMs below 1': [{ timeoutInMs: -5 }, /timeoutInMs/],
  'timeoutInMs with a unit': [{ timeoutInMs: '1s' }, /timeoutInMs/],
  'timeoutInMs too long': [{ timeoutInMs: 2 ** 31 }, /2147483647/],
  'onInterrupt another': [{ onInterrupt: 'never' }, /'retry' or 'fail'/],
  'name no text': [{ name: Symbol('name') }, /name must be text/],
  'params endless': [{ params: endless }, /params must be JSON/],
  'params a BigInt': [{ params: { count: 1n } }, /params must be JSON/],
}
for (const [what, [options, says]] of Object.entries(wrongOptions)) {
  Object.assign(wrongCalls, {
    [`runTask: ${what}`]: {
      call: (io) => io.runTask('k', nothing, options as TaskOptions),
      code: 'invalid_input',
      says,
    },
  } satisfies Record<string, WrongCall>)
}

/** What is no event, or none that can be sent from a run. */
const wrongEvents: Readonly<Record<string, readonly [event: unknown, options: unknown, says: RegExp]>> = {
  'no object': [null, undefined, /must be an object with a name/],
  'no name': [{ name: '', payload: null }, undefined, /name must be text of 1 to 256/],
  'id no text': [{ name: 'x', id: 7, payload: null }, undefined, /id must be text/],
  'no payload': [{ name: 'x' }, undefined, /payload must be JSON/],
  'endless payload': [{ name: 'x', payload: endless }, undefined, /payload must be JSON/],
  'endless context': [{ name: 'x', payload: 1, context: endless }, undefined, /context must be JSON/],
  'timestamp no date': [{ name: 'x', payload: 1, timestamp: '12:00' }, undefined, /timestamp must be/],
  'source of the engine': [{ name: 'x', payload: 1, source: 'authflow:x' }, undefined, /can't begin with/],
  'account no text': [{ name: 'x', payload: 1 }, { accountId: 7 }, /accountId must be/],
  'two delays': [{ name: 'x', payload: 1 }, { deliverAt: new Date(), deliverAfter: 1 }, /not both/],
  'options null': [{ name: 'x', payload: 1 }, null, /options must be an object/],
}
for (const [what, [event, options, says]] of Object.entries(wrongEvents)) {
  Object.assign(wrongCalls, {
    [`sendEvent: ${what}`]: {
      call: (io) => io.sendEvent('k', event as EventInput, options as SendEventOptions),
      code: 'invalid_input',
      says,
    },
    [`sendEvents: ${what}`]: {
      call: (io) => io.sendEvents('k', [event as EventInput], options as SendEventOptions),
      code: 'invalid_input',
      says,
    },
  } satisfies Record<string, WrongCall>)
}
for (const verb of ['getEvent', 'cancelEvent'] as const) {
  Object.assign(wrongCalls, {
    [`${verb}: no such event`]: {
      call: (io) => io[verb]('k', 'nope'),
      code: 'not_found',
      says: /no event nope/,
    },
    [`${verb}: no id`]: { call: (io) => io[verb]('k', ''), code: 'invalid_input', says: /id must be text/ },
    [`${verb}: scope null`]: {
      call: (io) => io[verb]('k', 'nope', untyped('null')),
      code: 'invalid_input',
      says: /must be an object/,
    },
  } satisfies Record<string, WrongCall>)
}

/** What can't be waited for. */
const wrongWaits: Readonly<Record<string, readonly [options: unknown, says: RegExp]>> = {
  'no options': [undefined, /options must be an object/],
  'no name': [{}, /name must be text/],
  'source no text': [{ name: 'x', source: '' }, /source must be text/],
  'account no text': [{ name: 'x', accountId: '' }, /accountId must be/],
  'filter of unknown matchers': [{ name: 'x', filter: { a: [{ $like: 'b' }] } }, /no matcher \$like/],
  'filter no object': [{ name: 'x', filter: 'a' }, /must be an object/],
  'since no date': [{ name: 'x', since: 'now' }, /valid Date/],
  'schema no schema': [{ name: 'x', schema: {} }, /safeParse/],
  'time no number': [{ name: 'x', timeoutInSeconds: NaN }, /timeoutInSeconds must be a number/],
}
for (const [what, [options, says]] of Object.entries(wrongWaits)) {
  Object.assign(wrongCalls, {
    [`waitForEvent: ${what}`]: {
      call: (io) => io.waitForEvent('k', options as WaitForEventOptions),
      code: 'invalid_input',
      says,
    },
  } satisfies Record<string, WrongCall>)
}
for (const scope of ['run', 'job', 'global'] as const) {
  Object.assign(wrongCalls, {
    [`store.${scope}.get: no name`]: {
      call: (io) => io.store[scope].get('k', ''),
      code: 'invalid_input',
      says: /name of a value must be text/,
    },
    [`store.${scope}.set: no JSON`]: {
      call: (io) => io.store[scope].set('k', 'name', endless),
      code: 'invalid_input',
      says: /must be JSON/,
    },
    [`store.${scope}.set: too large`]: {
      call: (io) => io.store[scope].set('k', 'name', 'x'.repeat(256 * 1024)),
      code: 'value_too_large',
      says: /Keep it elsewhere/,
    },
    [`store.${scope}.delete: twice`]: {
      call: (io) => io.store[scope].delete('k', 'name').then(() => io.store[scope].delete('k', 'name')),
      code: 'duplicate_task_key',
      says: /its own/,
    },
  } satisfies Record<string, WrongCall>)
}

describe('wrong calls inside a run', () => {
  const directory = createDirectory()
  let fixture: EngineFixture
  const thrown = new Map<string, unknown>()

  before(async () => {
    fixture = await openEngine(directory.path)
    await fixture.engine.start()
    fixture.engine.defineJob({
      id: 'strict',
      name: 'Strict',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'strict', schema: aNumber }),
      run: nothing,
    })
    fixture.engine.defineJob({
      id: 'careless',
      name: 'Careless',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'careless' }),
      run: async (_, io) => {
        for (const [name, { call }] of Object.entries(wrongCalls)) {
          // Each at a place of its own, so that all may use one key.
          await io.runTask(name, () =>
            call(io).then(
              () => void thrown.set(name, 'nothing'),
              (error: unknown) => void thrown.set(name, error),
            ),
          )
        }
      },
    })
    const [id] = (await fixture.engine.sendEvent({ name: 'careless', payload: null })).runIds
    await reaches(fixture.engine, id, 'succeeded')
  })
  after(async () => {
    await fixture.close()
    directory.remove()
  })

  for (const [name, { code, keyless, placeless, says }] of Object.entries(wrongCalls)) {
    it(`${name}: ${code}, with the key, the job and the way out`, () => {
      const error = thrown.get(name)
      assert.ok(isAuthFlowError(error), String(error))
      assert.equal(error.code, code)
      assert.match(error.message, says)
      assert.match(error.message, /job careless/)
      if (keyless !== true) assert.match(error.message, /«k»/)
      if (placeless !== true) assert.match(error.stack ?? '', /wrong-calls\.test\.ts:\d+/)
    })
  }
})

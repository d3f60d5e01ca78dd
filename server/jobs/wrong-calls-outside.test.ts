import { describe } from 'node:test'
import type { EventInput, SendEventOptions } from './engine.ts'
import { describeWrongCalls, endless, nothing, untyped, type WrongCall } from './fixtures/wrong-calls.ts'
import type { AwaitedItem, InvokeItem, WaitForEventOptions } from './outside-io.ts'

const wrongCalls: Readonly<Record<string, WrongCall>> = {
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
    call: (io) => io.batchInvoke('k', 'other', untyped<InvokeItem[]>('{}')),
    code: 'invalid_input',
    says: /io\.batchInvoke .*a list of at most 1000/,
  },
  'batchInvokeAndWait: no list': {
    call: (io) => io.batchInvokeAndWait('k', 'other', untyped<AwaitedItem[]>('{}')),
    code: 'invalid_input',
    says: /io\.batchInvokeAndWait .*a list of at most 1000/,
  },
  'batchInvokeAndWait: an item without payload': {
    call: (io) => io.batchInvokeAndWait('k', 'other', untyped<AwaitedItem[]>('[{}]')),
    code: 'invalid_input',
    says: /io\.batchInvokeAndWait .*with a payload/,
  },
  'batchInvokeAndWait: time no number': {
    call: (io) => io.batchInvokeAndWait('k', 'other', [], { timeoutInSeconds: NaN }),
    code: 'invalid_input',
    says: /io\.batchInvokeAndWait .*timeoutInSeconds/,
  },
}
/** What is no event, or none that can be sent from a run. */
const wrongEvents: Readonly<Record<string, readonly [event: unknown, options: unknown, says: RegExp]>> = {
  'no object': [null, undefined, /must be an object such as \{ name, payload \}/],
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
  'contextFilter of unknown matchers': [
    { name: 'x', contextFilter: { a: [{ $like: 'b' }] } },
    /contextFilter\.a has no matcher/,
  ],
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

describe('wrong calls beyond the run', () => describeWrongCalls('wrong-calls-outside.test.ts', wrongCalls))

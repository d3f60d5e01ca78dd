import { describe } from 'node:test'
import type { Auth } from '../../shared/auth.ts'
import type { Integration } from '../integrations/integration.ts'
import { describeWrongCalls, endless, nothing, untyped, type WrongCall } from './fixtures/wrong-calls.ts'
import type { OnError, TaskOptions } from './job.ts'

const fails = (): void => {
  throw new Error('of the task')
}

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
  'wait: text': {
    call: (io) => io.wait('k', untyped<number>('"0.01"')),
    code: 'invalid_input',
    says: /0 to \d+ seconds/,
  },
  'wait: null': {
    call: (io) => io.wait('k', untyped<number>('null')),
    code: 'invalid_input',
    says: /0 to \d+ seconds/,
  },
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
    call: (io) => io.getAuth(untyped<Integration<string, Auth>>('null')),
    code: 'invalid_input',
    keyless: true,
    says: /job's integrations/,
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

describe('wrong calls inside a run', () => describeWrongCalls('wrong-calls.test.ts', wrongCalls))

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isAuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, Json } from './job.ts'

/** What the compiler would refuse: it comes from code without types. */
const untyped = <T>(text: string): T => JSON.parse(text) as T

interface WrongCall {
  readonly call: (io: IO) => Promise<unknown>
  readonly code: ErrorCode
  /** Where it does not name the call's own key, `k`. */
  readonly keyless?: boolean
  /** The way out. */
  readonly says: RegExp
}

const nothing = (): void => undefined
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
  'logger: facts are no JSON': {
    call: (io) => io.logger.info('k', { endless }),
    code: 'invalid_input',
    keyless: true,
    says: /must be JSON/,
  },
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

  for (const [name, { code, keyless, says }] of Object.entries(wrongCalls)) {
    it(`${name}: ${code}, with the key, the job and the way out`, () => {
      const error = thrown.get(name)
      assert.ok(isAuthFlowError(error), String(error))
      assert.equal(error.code, code)
      assert.match(error.message, says)
      assert.match(error.message, /job careless/)
      if (keyless !== true) assert.match(error.message, /«k»/)
      assert.match(error.stack ?? '', /wrong-calls\.test\.ts:\d+/)
    })
  }
})

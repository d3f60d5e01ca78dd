import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DynamicSchedule } from '../triggers/dynamic-schedule.ts'
import { DynamicTrigger, type DynamicTriggerOptions } from '../triggers/dynamic-trigger.ts'
import { httpTrigger } from '../triggers/http-trigger.ts'
import { invokeTrigger } from '../triggers/invoke-trigger.ts'
import { ConcurrencyLimit } from './concurrency.ts'
import type { JobOptions, Json } from './job.ts'
import { JobRegistry } from './registry.ts'

/** What the compiler would refuse: it comes from code without types. */
const untyped = <T>(value: unknown): T => value as T

const defineJob = (id: string): void =>
  new JobRegistry([]).define({
    id,
    name: 'Named',
    version: '1.0.0',
    trigger: invokeTrigger(),
    run: () => undefined,
  })

const definitions: Readonly<Record<string, (id: string) => unknown>> = {
  'a job': defineJob,
  'a concurrency limit': (id) => new ConcurrencyLimit({ id, limit: 1 }),
  // Their ids are looked at before anything else.
  'a DynamicTrigger': (id) =>
    new DynamicTrigger<Json, Json>(untyped(undefined), untyped<DynamicTriggerOptions<Json, Json>>({ id })),
  'a DynamicSchedule': (id) => new DynamicSchedule(untyped(undefined), { id }),
  'an httpTrigger': (id) => httpTrigger({ id, verify: () => true }),
}

const wrong: readonly [name: string, id: unknown, shown: string][] = [
  ['an empty one', '', 'got "".'],
  ['one with a space', 'two words', 'got "two words".'],
  ['one that begins with a dot', '.hidden', 'got ".hidden".'],
  ['one in two lines, shown in one', 'two\nlines', String.raw`got "two\nlines".`],
  ['one that is too long, cut', 'x'.repeat(65), `got "${'x'.repeat(64)}"….`],
  ['a number', 7, 'got number.'],
  ['none', undefined, 'got undefined.'],
  ['null', null, 'got null.'],
]

describe('ids of definitions', () => {
  for (const [what, define] of Object.entries(definitions)) {
    for (const [name, id, shown] of wrong) {
      it(`${what}: refuses ${name}, says the rule and what was given`, () => {
        const message = `The id of ${what} must be 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first; ${shown}`
        assert.throws(() => define(untyped(id)), { code: 'invalid_input', message })
      })
    }
  }

  it('takes what fits', () => {
    defineJob('a'.repeat(64))
    assert.equal(httpTrigger({ id: '0.a-b_C', verify: () => true }).endpoint.id, '0.a-b_C')
  })

  it('needs something to be defined', () => {
    for (const options of [undefined, null, 'job'])
      assert.throws(() => new JobRegistry([]).define(untyped<JobOptions<unknown>>(options)), {
        code: 'invalid_input',
        message: /needs an object with id, name, version/,
      })
  })

  it('refuses a version that is no text, showing it', () => {
    const job = { id: 'job', name: 'Job', trigger: invokeTrigger(), run: () => undefined }
    for (const version of [untyped<string>(1), untyped<string>(undefined), '1.0', '1.0.0-beta'])
      assert.throws(() => new JobRegistry([]).define({ ...job, version }), {
        code: 'invalid_version',
        message: new RegExp(`«${String(version)}» of job job is not three numbers`),
      })
  })
})

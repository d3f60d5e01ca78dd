import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import type { EventFilter } from '../jobs/job.ts'
import { eventTrigger } from './event-trigger.ts'

describe('eventTrigger', () => {
  it('describes one name or several, each once', () => {
    assert.deepEqual(eventTrigger({ name: 'a' }), { kind: 'event', names: ['a'] })
    assert.deepEqual(eventTrigger({ names: ['a', 'b', 'a'] }).names, ['a', 'b'])
  })

  it('keeps schema, filter and source', () => {
    const schema = z.object({ plan: z.string() })
    const trigger = eventTrigger({ name: 'a', schema, filter: { plan: ['pro'] }, source: 'billing' })
    assert.equal(trigger.schema, schema)
    assert.deepEqual(trigger.filter, { plan: ['pro'] })
    assert.equal(trigger.source, 'billing')
  })

  it('refuses no name, both forms, empty and overlong names', () => {
    const refused = [{}, { names: [] }, { name: 'a', names: ['b'] }, { name: '' }, { name: 'x'.repeat(257) }]
    for (const options of refused) assert.throws(() => eventTrigger(options), { code: 'invalid_input' })
  })

  it('refuses a schema and a source that are none, and options that it does not know', () => {
    const cases: [unknown, RegExp][] = [
      [undefined, /takes an object with name, names/],
      [{ name: 'a', schema: {} }, /safeParse/],
      [{ name: 'a', source: 7 }, /^source of eventTrigger/],
      [{ name: 'a', filters: {} }, /no option "filters"\. It takes name, names, schema, filter/],
      [{ names: 'a' }, /needs 1 to 100 names/],
    ]
    for (const [options, message] of cases)
      assert.throws(() => eventTrigger(options as never), { code: 'invalid_input', message })
  })

  it('refuses what is no filter', () => {
    const filter = { plan: ['pro', { $gt: 1 }] } as EventFilter
    assert.throws(() => eventTrigger({ name: 'a', filter }), {
      code: 'invalid_input',
      message: /^filter\.plan/,
    })
    assert.throws(() => eventTrigger({ name: 'a', contextFilter: filter }), {
      code: 'invalid_input',
      message: /^contextFilter\.plan/,
    })
  })
})

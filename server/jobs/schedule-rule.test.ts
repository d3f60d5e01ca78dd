import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../scripts/case-counts.ts'
import type { ScheduleRule } from './job.ts'
import { afterMisfires, cronRule, instantAfter, instantsBetween, intervalRule } from './schedule-rule.ts'

const next = (rule: ScheduleRule, from: string, count: number): string[] => {
  const found: string[] = []
  let at = Date.parse(from)
  for (let index = 0; index < count; index += 1) {
    at = instantAfter(rule, 0, at) ?? Number.NaN
    found.push(new Date(at).toISOString())
  }
  return found
}

describe('cronRule', () => {
  it('refuses patterns, zones and settings that are none', () => {
    const refused = [
      { cron: '* * * * * *' },
      { cron: '61 * * * *' },
      { cron: '0 0 30 2 *' },
      { cron: '' },
      { cron: '0 0 * * *', timeZone: 'Mars/Olympus' },
      { cron: '0 0 * * *', timeZone: '+01:00' },
      { cron: '0 0 * * *', spread: -1 },
      { cron: '0 0 * * *', spread: 86_401 },
    ]
    for (const settings of refused) assert.throws(() => cronRule(settings), { code: 'invalid_input' })
  })

  it('fires a skipped local time at the first instant after the gap', () => {
    const berlin = cronRule({ cron: '30 2 * * *', timeZone: 'Europe/Berlin' })
    assert.deepEqual(next(berlin, '2026-03-28T12:00:00Z', 2), [
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ])
    const lordHowe = cronRule({ cron: '15 2 * * *', timeZone: 'Australia/Lord_Howe' })
    // Half an hour is skipped there.
    assert.deepEqual(next(lordHowe, '2026-10-03T00:00:00Z', 1), ['2026-10-03T15:30:00.000Z'])
  })

  it('fires a skipped midnight at the first instant of the day', () => {
    // The day begins at one o’clock there.
    for (const cron of ['0 0 * * *', '30 0 * * *', '@daily']) {
      const cairo = cronRule({ cron, timeZone: 'Africa/Cairo' })
      const [first] = next(cairo, '2026-04-23T12:00:00Z', 1)
      assert.equal(first, '2026-04-23T22:00:00.000Z', cron)
    }
  })

  it('does not fire skipped times of a wildcard or a step', () => {
    const quarters = cronRule({ cron: '*/15 2 * * *', timeZone: 'Europe/Berlin' })
    assert.deepEqual(next(quarters, '2026-03-28T01:45:00Z', 1), ['2026-03-30T00:00:00.000Z'])
    const everyHour = cronRule({ cron: '30 * * * *', timeZone: 'Europe/Berlin' })
    assert.deepEqual(next(everyHour, '2026-03-29T00:00:00Z', 2), [
      '2026-03-29T00:30:00.000Z',
      '2026-03-29T01:30:00.000Z',
    ])
  })

  it('fires a list of skipped times once, after the gap', () => {
    const rule = cronRule({ cron: '15,45 2 * * *', timeZone: 'Europe/Berlin' })
    assert.deepEqual(next(rule, '2026-03-28T20:00:00Z', 2), [
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:15:00.000Z',
    ])
  })

  it('fires a repeated local time once', () => {
    const berlin = cronRule({ cron: '30 2 * * *', timeZone: 'Europe/Berlin' })
    assert.deepEqual(next(berlin, '2026-10-24T12:00:00Z', 2), [
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ])
    const newYork = cronRule({ cron: '30 1 * * *', timeZone: 'America/New_York' })
    assert.deepEqual(next(newYork, '2026-10-31T12:00:00Z', 2), [
      '2026-11-01T05:30:00.000Z',
      '2026-11-02T06:30:00.000Z',
    ])
  })

  it('fires a wildcard at every instant of a repeated hour, and at none that there is not', () => {
    const rule = cronRule({ cron: '*/30 * * * *', timeZone: 'Europe/Berlin' })
    assert.deepEqual(next(rule, '2026-10-25T00:00:00Z', 4), [
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T01:30:00.000Z',
      '2026-10-25T02:00:00.000Z',
    ])
    assert.deepEqual(next(rule, '2026-03-29T00:30:00Z', 2), [
      '2026-03-29T01:00:00.000Z',
      '2026-03-29T01:30:00.000Z',
    ])
  })

  it('is in UTC unless told otherwise', () => {
    assert.deepEqual(next(cronRule({ cron: '@daily' }), '2026-03-28T20:00:00Z', 1), [
      '2026-03-29T00:00:00.000Z',
    ])
  })
})

describe('instantsBetween', () => {
  it('finds the same instants as going from one to the next', () => {
    const zones = [
      'UTC',
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'Asia/Kolkata',
      'America/Sao_Paulo',
    ]
    const crons = ['30 2 * * *', '15,45 1-3 * * *', '*/20 * * * *', '0 0 1 * *', '0 9 * * MON-FRI']
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom(...crons),
        fc.integer({ min: Date.parse('2026-01-01'), max: Date.parse('2027-12-31') }),
        fc.integer({ min: 0, max: 26 * 3_600_000 }),
        (timeZone, cron, from, length) => {
          const rule = cronRule({ cron, timeZone })
          const forward: number[] = []
          let at = instantAfter(rule, 0, from - 1)
          while (at !== undefined && at <= from + length) {
            forward.push(at)
            at = instantAfter(rule, 0, at)
          }
          assert.deepEqual(instantsBetween(rule, 0, [from, from + length]), forward.slice(-100))
        },
      ),
      { numRuns: casesOf(500) },
    )
  })

  it('counts intervals from their anchor, and gives the last hundred', () => {
    const rule = intervalRule({ seconds: 20 })
    assert.deepEqual(instantsBetween(rule, 5000, [5000, 50_000]), [5000, 25_000, 45_000])
    assert.equal(instantAfter(rule, 5000, 25_000), 45_000)
    const many = instantsBetween(rule, 0, [0, 1e9])
    assert.equal(many.length, 100)
    assert.equal(many.at(-1), 1e9)
    assert.deepEqual(instantsBetween(rule, 0, [10, 5]), [])
  })
})

describe('afterMisfires', () => {
  const due = [1000, 2000, 300_000]
  it('keeps the last, all, or what is not over a minute late', () => {
    const rule = (misfire: 'last' | 'skip' | 'all') => intervalRule({ seconds: 1, misfire })
    assert.deepEqual(afterMisfires(rule('last'), due, 900_000), [300_000])
    assert.deepEqual(afterMisfires(rule('all'), due, 900_000), due)
    assert.deepEqual(afterMisfires(rule('skip'), due, 900_000), [])
    assert.deepEqual(afterMisfires(rule('skip'), due, 360_000), [300_000])
    assert.deepEqual(afterMisfires(rule('last'), [], 900_000), [])
  })
})

describe('intervalRule', () => {
  it('refuses what is no whole number of seconds within a year', () => {
    for (const seconds of [0, 1.5, -1, Number.NaN, 366 * 86_400 + 1])
      assert.throws(() => intervalRule({ seconds }), { code: 'invalid_input' })
  })
})

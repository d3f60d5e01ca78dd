import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { checkFilter, filterMatches } from './event-filter.ts'
import type { EventFilter, Json } from './job.ts'

const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean())
const json = fc.jsonValue() as fc.Arbitrary<Json>
const payload = fc.dictionary(fc.string(), json)

/** A filter that asks for exactly what the payload has. */
function filterOf(value: Json): EventFilter {
  const filter: Record<string, EventFilter[string]> = {}
  for (const [key, member] of Object.entries(value ?? {})) {
    if (member === null) filter[key] = [{ $isNull: true }]
    else if (Array.isArray(member)) filter[key] = [{ $exists: true }]
    else if (typeof member === 'object') filter[key] = filterOf(member)
    else filter[key] = [member]
  }
  return filter
}

describe('filterMatches', () => {
  const cases: [string, Json, EventFilter, boolean][] = [
    ['an empty filter takes anything', null, {}, true],
    ['nothing there matches only an empty filter', null, { a: [] }, false],
    ['an absent branch does not match even a negative leaf', {}, { a: { b: [{ $exists: false }] } }, false],
    ['one of several plain values', { a: 2 }, { a: [1, 2] }, true],
    ['none of several plain values', { a: 3 }, { a: [1, 2] }, false],
    ['no equality across types', { a: '1' }, { a: [1] }, false],
    ['an empty array is no constraint', { b: 1 }, { a: [] }, true],
    [
      'all matchers of an array must hold',
      { a: 'abc' },
      { a: [{ $startsWith: 'a' }, { $endsWith: 'c' }] },
      true,
    ],
    ['one of the matchers fails', { a: 'abd' }, { a: [{ $startsWith: 'a' }, { $endsWith: 'c' }] }, false],
    ['several matchers in one object', { a: 5 }, { a: [{ $gt: 1, $lt: 5 }] }, false],
    ['an object against an array: any element', { a: [{ b: 1 }, { b: 2 }] }, { a: { b: [2] } }, true],
    ['an object against an array: no element', { a: [{ b: 1 }, { b: 3 }] }, { a: { b: [2] } }, false],
    ['an object against an empty array', { a: [] }, { a: { b: [2] } }, false],
    ['$exists true', { a: null }, { a: [{ $exists: true }] }, true],
    ['$exists false', { a: null }, { a: [{ $exists: false }] }, false],
    ['$exists false on absent', { other: 1 }, { a: [{ $exists: false }] }, true],
    ['$isNull', { a: null }, { a: [{ $isNull: true }] }, true],
    ['$isNull false', { a: 0 }, { a: [{ $isNull: false }] }, true],
    ['$anythingBut a value', { a: 'x' }, { a: [{ $anythingBut: 'y' }] }, true],
    ['$anythingBut a list', { a: 'x' }, { a: [{ $anythingBut: ['x', 'y'] }] }, false],
    ['$ignoreCaseEquals', { a: 'ABC' }, { a: [{ $ignoreCaseEquals: 'abc' }] }, true],
    ['$gt above the bound', { a: 2 }, { a: [{ $gt: 1 }] }, true],
    ['$gt on the bound', { a: 1 }, { a: [{ $gt: 1 }] }, false],
    ['$gte on the bound', { a: 1 }, { a: [{ $gte: 1 }] }, true],
    ['$lte on the bound', { a: 1 }, { a: [{ $lte: 1 }] }, true],
    ['$lt below the bound', { a: 0 }, { a: [{ $lt: 1 }] }, true],
    ['$lt on the bound', { a: 1 }, { a: [{ $lt: 1 }] }, false],
    ['$gte below the bound', { a: 0 }, { a: [{ $gte: 1 }] }, false],
    ['$lte above the bound', { a: 2 }, { a: [{ $lte: 1 }] }, false],
    ['$startsWith of another begin', { a: 'ba' }, { a: [{ $startsWith: 'a' }] }, false],
    ['$endsWith of another end', { a: 'ba' }, { a: [{ $endsWith: 'b' }] }, false],
    ['$isNull of what is there', { a: 0 }, { a: [{ $isNull: true }] }, false],
    ['$anythingBut the value itself', { a: 'x' }, { a: [{ $anythingBut: 'x' }] }, false],
    ['$anythingBut others than in the list', { a: 'z' }, { a: [{ $anythingBut: ['x', 'y'] }] }, true],
    ['$includes of another', { a: [1, 2] }, { a: [{ $includes: 3 }] }, false],
    ['$not of another scalar', { a: 1 }, { a: [{ $not: 2 }] }, true],
    ['$not of an array that has it', { a: [1, 2] }, { a: [{ $not: 2 }] }, false],
    ['$lt of text', { a: '0' }, { a: [{ $lt: 1 }] }, false],
    ['$between with both bounds', { a: 2 }, { a: [{ $between: [2, 2] }] }, true],
    ['$between outside', { a: 3 }, { a: [{ $between: [1, 2] }] }, false],
    ['$includes', { a: [1, 2] }, { a: [{ $includes: 2 }] }, true],
    ['$includes of a scalar', { a: 2 }, { a: [{ $includes: 2 }] }, false],
    ['$not of a scalar', { a: 1 }, { a: [{ $not: 1 }] }, false],
    ['$not of an array', { a: [1, 2] }, { a: [{ $not: 3 }] }, true],
    ['members of the prototype are not there', { a: {} }, { a: { constructor: [{ $exists: true }] } }, false],
  ]
  for (const [name, value, filter, expected] of cases) {
    it(name, () => {
      assert.equal(filterMatches(value, filter), expected)
    })
  }

  describe('with five matchers in one filter, three deep', () => {
    const filter: EventFilter = {
      order: {
        total: [{ $gt: 10 }, { $lt: 100 }],
        customer: { email: [{ $endsWith: '@example.com' }], deletedAt: [{ $isNull: true }] },
        tags: [{ $includes: 'paid' }],
      },
    }
    const customer = { email: 'ann@example.com', deletedAt: null }
    const order = { total: 50, customer, tags: ['paid', 'new'] }
    const refused: Readonly<Record<string, Json>> = {
      'the first': { ...order, total: 10 },
      'the second': { ...order, total: 100 },
      'the third': { ...order, customer: { ...customer, email: 'ann@example.org' } },
      'the fourth': { ...order, customer: { ...customer, deletedAt: '2026-01-01' } },
      'the fifth': { ...order, tags: ['new'] },
    }

    it('takes what all of them hold for', () => {
      checkFilter(filter)
      assert.equal(filterMatches({ order }, filter), true)
    })

    for (const [which, other] of Object.entries(refused)) {
      it(`refuses what ${which} alone does not hold for`, () => {
        assert.equal(filterMatches({ order: other }, filter), false)
      })
    }
  })

  it('matches a payload against the filter made of it', () => {
    fc.assert(
      fc.property(payload, (value) => {
        const filter = filterOf(value)
        checkFilter(filter)
        assert.equal(filterMatches(value, filter), true)
      }),
    )
  })

  it('narrows: what matches two filters at two keys matches each of them', () => {
    fc.assert(
      fc.property(payload, scalar, scalar, (value, first, second) => {
        const both = filterMatches(value, { first: [first], second: [second] })
        const each = filterMatches(value, { first: [first] }) && filterMatches(value, { second: [second] })
        assert.equal(both, each)
      }),
    )
  })

  it('keeps $not, $anythingBut and $exists the opposite of their positive', () => {
    fc.assert(
      fc.property(fc.oneof(json, fc.constant(undefined)), scalar, (member, other) => {
        const value: Json = member === undefined ? { x: 1 } : { x: 1, a: member }
        assert.equal(
          filterMatches(value, { a: [{ $anythingBut: other }] }),
          !filterMatches(value, { a: [other] }),
        )
        assert.equal(
          filterMatches(value, { a: [{ $exists: true }] }),
          !filterMatches(value, { a: [{ $exists: false }] }),
        )
        if (Array.isArray(member)) {
          assert.equal(
            filterMatches(value, { a: [{ $not: other }] }),
            !filterMatches(value, { a: [{ $includes: other }] }),
          )
        }
      }),
    )
  })

  it('agrees with arithmetic on ranges', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.integer(), (value, low, high) => {
        const within = filterMatches({ a: value }, { a: [{ $between: [low, high] }] })
        assert.equal(within, filterMatches({ a: value }, { a: [{ $gte: low }, { $lte: high }] }))
        assert.equal(within, value >= low && value <= high)
      }),
    )
  })

  it('never throws, whatever the payload', () => {
    const filter = { a: [{ $startsWith: 'x' }], b: { c: [{ $between: [1, 2] }], d: [{ $includes: 1 }] } }
    fc.assert(fc.property(json, (value) => void filterMatches(value, filter)))
  })
})

/** Every matcher, with what it may compare with. */
const examples: Readonly<Record<string, Json>> = {
  $startsWith: 'a',
  $endsWith: 'a',
  $ignoreCaseEquals: 'a',
  $exists: true,
  $isNull: false,
  $anythingBut: ['a'],
  $gt: 1,
  $lt: 1,
  $gte: 1,
  $lte: 1,
  $between: [1, 2],
  $includes: 'a',
  $not: 'a',
}

describe('checkFilter', () => {
  it('takes every matcher of the language', () => {
    for (const [matcher, operand] of Object.entries(examples)) checkFilter({ a: [{ [matcher]: operand }] })
  })

  const refused: [string, unknown, RegExp][] = [
    ['plain values mixed with matchers', { a: ['x', { $gt: 1 }] }, /filter\.a mixes/],
    ['unknown matchers', { a: { b: [{ $like: 'x' }] } }, /filter\.a\.b has no matcher \$like/],
    ['operands of another type', { a: [{ $gt: '1' }] }, /filter\.a\.\$gt must be a number/],
    ['ranges of one number', { a: [{ $between: [1] }] }, /must be two numbers/],
    ['ranges of three numbers', { a: [{ $between: [1, 2, 3] }] }, /must be two numbers/],
    ['ranges that nothing is in', { a: [{ $between: [5, 1] }] }, /the lower one first/],
    ['numbers that JSON does not have', { a: [{ $gt: Number.NaN }] }, /filter\.a\.\$gt must be a number/],
    ['ranges without an end', { a: [{ $between: [0, Infinity] }] }, /must be two numbers/],
    ['null as a plain value', { a: [null] }, /\$isNull/],
    ['leaves that are no array', { a: 'x' }, /filter\.a must be an object or an array/],
    ['names inherited from objects', { a: [{ constructor: 1 }] }, /no matcher constructor/],
  ]
  for (const [name, filter, message] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => checkFilter(filter as EventFilter), { code: 'invalid_input', message })
    })
  }

  it('refuses every matcher that it would not look at, wherever it stands', () => {
    const known = new Set(Object.keys(examples))
    const unknown = fc.string({ minLength: 1 }).filter((name) => !known.has(name))
    fc.assert(
      fc.property(
        unknown,
        fc.constantFrom(...Object.entries(examples)),
        json,
        (name, [matcher, fit], value) => {
          const beside = { [matcher]: fit, [name]: value }
          for (const filter of [{ a: [beside] }, { a: { b: [{ [matcher]: fit }, { [name]: value }] } }])
            assert.throws(() => checkFilter(filter), { code: 'invalid_input' })
        },
      ),
    )
  })

  it('refuses endless nesting', () => {
    let filter: EventFilter = { a: ['x'] }
    for (let depth = 0; depth < 30; depth += 1) filter = { a: filter }
    assert.throws(() => checkFilter(filter), { code: 'invalid_input' })
  })
})

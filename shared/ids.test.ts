import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  checkAccountId,
  connectTokenPattern,
  createFlowId,
  flowIdPattern,
  namePattern,
  randomText,
  secretKeyPattern,
} from './ids.ts'

describe('randomText', () => {
  it('has the length asked for, of base64url characters, and is never the same', () => {
    for (const length of [0, 1, 22, 43, 200])
      assert.match(randomText(length), new RegExp(`^[A-Za-z0-9_-]{${length}}$`))
    assert.equal(new Set(Array.from({ length: 2000 }, () => randomText(22))).size, 2000)
  })

  it('uses all 64 characters about equally', () => {
    const counts = new Map<string, number>()
    for (const sign of randomText(64_000)) counts.set(sign, (counts.get(sign) ?? 0) + 1)
    assert.equal(counts.size, 64)
    // Each is expected 1,000 times; 200 away is more than six standard deviations.
    for (const [sign, count] of counts) assert.ok(Math.abs(count - 1000) < 200, `${sign}: ${count}`)
  })
})

describe('createFlowId', () => {
  it('has the shape of a flow id', () => {
    for (let index = 0; index < 100; index++) assert.match(createFlowId(), flowIdPattern)
  })
})

describe('patterns', () => {
  it('match whole texts only', () => {
    const tail = randomText(43)
    assert.match(`ctk_ct_${tail}`, connectTokenPattern)
    assert.match(`ctk_sk_${tail}`, secretKeyPattern)
    for (const [pattern, good] of [
      [connectTokenPattern, `ctk_ct_${tail}`],
      [secretKeyPattern, `ctk_sk_${tail}`],
      [flowIdPattern, createFlowId()],
      [namePattern, 'slack-customers'],
    ] as const) {
      for (const bad of [`${good}\n`, ` ${good}`, `${good} `, '', `${good}\0`, `\n${good}`])
        assert.doesNotMatch(bad, pattern)
    }
    assert.doesNotMatch(`ctk_sk_${tail}`, connectTokenPattern)
    assert.doesNotMatch(`ctk_ct_${tail}`, secretKeyPattern)
    assert.doesNotMatch(`ctk_ct_${tail}x`, connectTokenPattern)
  })

  it('let names begin with a letter or digit and have 64 characters', () => {
    for (const name of ['a', '1', 'slack-customers', 'a.b_c-d', 'x'.repeat(64)])
      assert.match(name, namePattern)
    for (const name of ['-a', '.a', '_a', 'a b', 'a/b', 'é', 'x'.repeat(65), '__proto__', '$set'])
      assert.doesNotMatch(name, namePattern)
  })
})

describe('checkAccountId', () => {
  it('takes well-formed text of 1 to 256 bytes as it is', () => {
    for (const id of ['1', 'account-1', ' ', 'ü'.repeat(128), '😀'.repeat(64), '__proto__', 'a\nb'])
      assert.equal(checkAccountId(id), id)
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (id) => {
        fc.pre(Buffer.byteLength(id) <= 256)
        assert.equal(checkAccountId(id), id)
      }),
    )
  })

  it('refuses everything else, undefined above all, without repeating it', () => {
    const values = [
      undefined,
      null,
      '',
      7,
      {},
      ['a'],
      true,
      '\ud800',
      'a\udc00',
      'x'.repeat(257),
      'ü'.repeat(129),
      '😀'.repeat(65),
    ]
    for (const value of values) {
      assert.throws(
        () => checkAccountId(value),
        (error: Error & { code?: string }) =>
          error.code === 'invalid_input' &&
          /accountId must be/.test(error.message) &&
          error.message.length < 120,
      )
    }
  })
})

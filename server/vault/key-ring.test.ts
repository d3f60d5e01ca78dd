import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { isAuthFlowError } from '../../shared/errors.ts'
import { createKeyRing, parseKeyRing } from './key-ring.ts'

const key = (): string => randomBytes(32).toString('base64')

function refusal(text: string | undefined): { code: string; message: string } {
  try {
    parseKeyRing(text)
  } catch (error) {
    if (isAuthFlowError(error)) {
      assert.deepEqual(error.details, { option: 'encryptionKeys' })
      assert.equal(error.cause, undefined)
      return error
    }
  }
  return assert.fail('it was accepted')
}

describe('parseKeyRing', () => {
  it('reads several keys, the first one writing', () => {
    const ring = parseKeyRing(` k2:${key()} ,\n k1:${key()} `)
    assert.equal(ring.currentKid, 'k2')
    assert.deepEqual(ring.kids, ['k2', 'k1'])
  })

  it('reads both base64 alphabets, padded or not, as the same key', () => {
    const bytes = Buffer.alloc(32, 0xfb).fill(1, 0, 1)
    const derived = [
      bytes.toString('base64'),
      bytes.toString('base64url'),
      `${bytes.toString('base64url')}=`,
    ].map((text) =>
      parseKeyRing(`k:${text}`).derive('k', Buffer.alloc(32), Buffer.alloc(0), 32)?.toString('hex'),
    )
    assert.equal(new Set(derived).size, 1)
    assert.match(derived[0] ?? '', /^[0-9a-f]{64}$/)
  })

  it('wants at least one key', () => {
    for (const text of [undefined, '', '  \n']) assert.equal(refusal(text).code, 'missing_encryption_key')
  })

  it('names what is wrong by its place and shows nothing of the key', () => {
    const good = key()
    const cases: [text: string, what: RegExp][] = [
      [good, /entry 1 has no colon/],
      [`k1:${good},`, /entry 2 is empty/],
      [`k1:${good},,k2:${key()}`, /entry 2 is empty/],
      [`k1:${good.slice(0, 40)}!${good.slice(41)}`, /the key of entry 1 is not base64/],
      [`k1:${good.slice(0, 20)} ${good.slice(20)}`, /the key of entry 1 is not base64/],
      [`k1:`, /the key of entry 1 has 0 bytes instead of 32/],
      [`k1:${randomBytes(31).toString('base64')}`, /has 31 bytes instead of 32/],
      [`k1:${randomBytes(64).toString('base64')}`, /has 64 bytes instead of 32/],
      [`k1:${randomBytes(32).toString('hex')}`, /has 48 bytes instead of 32/],
      [`k1:${Buffer.alloc(32).toString('base64')}`, /is one repeated byte/],
      [`:${good}`, /the id of entry 1/],
      [`k 1:${good}`, /the id of entry 1/],
      [`k.1:${good}`, /the id of entry 1/],
      [`${'k'.repeat(33)}:${good}`, /the id of entry 1/],
      [`${good}:k1`, /entry 1/],
      [`k1:${good},k1:${key()}`, /entries 1 and 2 have the same id/],
      [`k1:${key()},k2:${good},k3:${good}`, /entries 2 and 3 have the same key/],
    ]
    for (const [text, what] of cases) {
      const { code, message } = refusal(text)
      assert.equal(code, 'invalid_encryption_key')
      assert.match(message, what)
      for (const piece of text.split(/[:,\s!]/))
        if (piece.length > 8) assert.ok(!message.includes(piece), message)
    }
  })
})

describe('createKeyRing', () => {
  it('shows nothing of its keys when inspected or serialised', () => {
    const secret = randomBytes(32)
    const ring = createKeyRing([{ kid: 'k1', key: secret }])
    const shown = inspect(ring, { depth: 9, showHidden: true }) + JSON.stringify(ring)
    for (const encoding of ['hex', 'base64', 'base64url', 'latin1'] as const) {
      assert.ok(!shown.includes(secret.toString(encoding)))
    }
    assert.ok(!shown.includes(secret.toString('hex', 0, 4)))
  })

  it('keeps its own copy of the key', () => {
    const secret = randomBytes(32)
    const ring = createKeyRing([{ kid: 'k1', key: secret }])
    const derive = () => ring.derive('k1', Buffer.alloc(32), Buffer.alloc(0), 32)?.toString('hex')
    const before = derive()
    secret.fill(0)
    assert.equal(derive(), before)
  })

  it('derives nothing for an unknown id', () => {
    const ring = createKeyRing([{ kid: 'k1', key: randomBytes(32) }])
    for (const kid of ['k2', '', '__proto__', 'constructor']) {
      assert.equal(ring.derive(kid, Buffer.alloc(32), Buffer.alloc(0), 32), undefined)
    }
  })

  it('refuses more keys than anybody has', () => {
    const many = Array.from({ length: 65 }, (_, index) => ({ kid: `k${index}`, key: randomBytes(32) }))
    assert.throws(() => createKeyRing(many), { code: 'invalid_encryption_key' })
    assert.throws(() => createKeyRing([]), { code: 'missing_encryption_key' })
  })
})

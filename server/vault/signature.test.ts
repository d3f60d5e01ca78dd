import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../scripts/case-counts.ts'
import { hmacMatches, textMatches } from './signature.ts'

const sign = (algorithm: 'sha256' | 'sha1', encoding: 'hex' | 'base64', key: string, data: string): string =>
  createHmac(algorithm, key).update(data).digest(encoding)

describe('hmacMatches', () => {
  it('agrees with RFC 4231, test case 2', () => {
    const signature = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
    const check = { algorithm: 'sha256', key: 'Jefe', signature, encoding: 'hex' } as const
    assert.equal(hmacMatches({ ...check, data: ['what do ya want ', Buffer.from('for nothing?')] }), true)
  })

  it('takes the one way to write it and no other', () => {
    for (const encoding of ['hex', 'base64'] as const) {
      const check = { algorithm: 'sha256', key: 'k', data: ['d'], encoding } as const
      const signature = sign('sha256', encoding, 'k', 'd')
      assert.equal(hmacMatches({ ...check, signature }), true)
      const others = [
        signature.toUpperCase(),
        `${signature} `,
        `${signature}=`,
        signature.slice(0, -1),
        '',
        `\n${signature}`,
      ]
      for (const other of others) assert.equal(hmacMatches({ ...check, signature: other }), false, other)
    }
  })

  it('refuses every flip of a bit in key, data or signature', () => {
    const text = fc.string({ minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(
        text,
        text,
        fc.nat(),
        fc.constantFrom('key', 'data', 'signature'),
        (key, data, at, what) => {
          const parts = {
            key: Buffer.from(key),
            data: Buffer.from(data),
            signature: Buffer.from(sign('sha256', 'hex', key, data)),
          }
          const target = parts[what]
          const bit = at % (target.length * 8)
          target.writeUInt8(target.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
          const check = { algorithm: 'sha256', key: parts.key, data: [parts.data], encoding: 'hex' } as const
          return !hmacMatches({ ...check, signature: parts.signature.toString('latin1') })
        },
      ),
      { numRuns: casesOf(2000) },
    )
  })

  it('matches nothing with an empty key', () => {
    const signature = sign('sha256', 'hex', '', 'd')
    assert.equal(
      hmacMatches({ algorithm: 'sha256', key: '', data: ['d'], signature, encoding: 'hex' }),
      false,
    )
  })
})

describe('textMatches', () => {
  it('is true for the same text only', () => {
    assert.equal(textMatches('a', 'a'), true)
    for (const other of ['b', '', 'aa', 'A']) assert.equal(textMatches('a', other), false)
  })
})

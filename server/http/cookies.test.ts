import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readCookies } from './cookies.ts'

describe('readCookies', () => {
  it('reads names and values; the first of a name counts', () => {
    const cookies = readCookies('a=1; __Host-authflow-x=abc_-; b=; a=2; broken; =x')
    assert.deepEqual(
      [...cookies],
      [
        ['a', '1'],
        ['__Host-authflow-x', 'abc_-'],
        ['b', ''],
      ],
    )
  })

  it('is empty without a header', () => {
    assert.equal(readCookies(undefined).size, 0)
  })

  it('keeps names of Object.prototype apart from it', () => {
    assert.equal(readCookies('a=1').get('constructor'), undefined)
    assert.equal(readCookies('__proto__=1').get('__proto__'), '1')
  })

  it('never throws and never finds what was not sent', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        for (const [name, value] of readCookies(header))
          assert(header.includes(name) && header.includes(value))
      }),
    )
  })
})

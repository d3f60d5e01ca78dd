import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { netstrings } from './netstrings.ts'

/** Reads them back, which is possible only if no two lists look alike. */
function parse(joined: string): string[] {
  let rest = Buffer.from(joined)
  const texts: string[] = []
  while (rest.length > 0) {
    const colon = rest.indexOf(':')
    const end = colon + 1 + Number(rest.toString('latin1', 0, colon))
    texts.push(rest.toString('utf8', colon + 1, end))
    assert.equal(rest.toString('latin1', end, end + 1), ',')
    rest = rest.subarray(end + 1)
  }
  return texts
}

describe('netstrings', () => {
  it('counts bytes', () => {
    assert.equal(netstrings(), '')
    assert.equal(netstrings(''), '0:,')
    assert.equal(netstrings('abc', '', 'é', '😀'), '3:abc,0:,2:é,4:😀,')
  })

  it('can be taken apart again, whatever the texts', () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('', ',', '3:abc,', '0:,', ':'))
    fc.assert(fc.property(fc.array(text), (texts) => assert.deepEqual(parse(netstrings(...texts)), texts)))
  })
})

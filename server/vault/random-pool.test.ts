import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { takeRandomBytes } from './random-pool.ts'

describe('takeRandomBytes', () => {
  it('gives no byte twice and keeps what it gave', () => {
    const given = Array.from({ length: 5000 }, (_, index) => takeRandomBytes(12 + (index % 3) * 10))
    const texts = given.map((bytes) => bytes.toString('hex'))
    assert.equal(new Set(texts).size, given.length)
    takeRandomBytes(8192)
    assert.deepEqual(
      given.map((bytes) => bytes.toString('hex')),
      texts,
    )
  })

  it('gives as many as asked for', () => {
    for (const size of [0, 1, 12, 32, 8192]) assert.equal(takeRandomBytes(size).length, size)
    assert.throws(() => takeRandomBytes(8193), RangeError)
  })
})

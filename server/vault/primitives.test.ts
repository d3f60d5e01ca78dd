// The primitives against vectors that others made: Project Wycheproof, whose cases are past mistakes of real libraries.

import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { decryptGcm, encryptGcm, hkdf, hmac } from './primitives.ts'

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const vectors = join(resolve(repository, process.env['AUTHFLOW_TEST_TOOLS'] ?? '../shared'), 'vectors')
const skip = existsSync(vectors)
  ? false
  : 'no test vectors: point AUTHFLOW_TEST_TOOLS at a folder with vectors/'

interface Case {
  readonly tcId: number
  readonly result: 'valid' | 'invalid' | 'acceptable'
  /** Everything else is hexadecimal text. */
  readonly [name: string]: string | number | readonly string[]
}
interface Group {
  readonly ivSize?: number
  readonly keySize: number
  readonly tagSize?: number
  readonly tests: readonly Case[]
}

const groupsOf = (file: string): readonly Group[] =>
  (JSON.parse(readFileSync(join(vectors, file), 'utf8')) as { testGroups: readonly Group[] }).testGroups
const bytes = (test: Case, name: string): Buffer => Buffer.from(String(test[name]), 'hex')

describe('encryptGcm and decryptGcm', () => {
  it('agree with Wycheproof on AES-256-GCM with a 96-bit nonce', { skip }, () => {
    const groups = groupsOf('aes_gcm_test.json').filter(
      (group) => group.keySize === 256 && group.ivSize === 96,
    )
    let verdicts = 0
    for (const test of groups.flatMap((group) => group.tests)) {
      const context = { key: bytes(test, 'key'), iv: bytes(test, 'iv'), associatedData: bytes(test, 'aad') }
      const encrypted = { ciphertext: bytes(test, 'ct'), tag: bytes(test, 'tag') }
      const opened = decryptGcm(encrypted, context)
      if (test.result === 'valid') {
        assert.deepEqual(opened, bytes(test, 'msg'), `case ${test.tcId}`)
        assert.deepEqual(encryptGcm(bytes(test, 'msg'), context), encrypted, `case ${test.tcId}`)
      } else {
        assert.equal(opened, undefined, `case ${test.tcId}`)
      }
      verdicts++
    }
    assert.equal(verdicts, 66)
  })

  it('refuse a tag of any length but 16, and a nonce of any length but 12', () => {
    const context = { key: Buffer.alloc(32, 1), iv: Buffer.alloc(12, 2), associatedData: Buffer.alloc(0) }
    const { ciphertext, tag } = encryptGcm(Buffer.from('text'), context)
    for (let length = 0; length < 16; length++) {
      assert.equal(decryptGcm({ ciphertext, tag: tag.subarray(0, length) }, context), undefined)
    }
    for (const length of [0, 8, 11, 13, 16]) {
      const other = { ...context, iv: Buffer.alloc(length, 2) }
      assert.throws(() => encryptGcm(Buffer.from('text'), other), RangeError)
      assert.equal(decryptGcm({ ciphertext, tag }, other), undefined)
    }
  })
})

describe('hkdf', () => {
  it('agrees with Wycheproof on HKDF-SHA256', { skip }, () => {
    let verdicts = 0
    for (const test of groupsOf('hkdf_sha256_test.json').flatMap((group) => group.tests)) {
      const derive = () =>
        hkdf(
          createSecretKey(bytes(test, 'ikm')),
          bytes(test, 'salt'),
          bytes(test, 'info'),
          Number(test['size']),
        )
      if (test.result === 'valid') assert.deepEqual(derive(), bytes(test, 'okm'), `case ${test.tcId}`)
      else assert.throws(derive, `case ${test.tcId}`)
      verdicts++
    }
    assert.equal(verdicts, 86)
  })
})

describe('hmac', () => {
  it('agrees with Wycheproof on HMAC-SHA256', { skip }, () => {
    let verdicts = 0
    for (const group of groupsOf('hmac_sha256_test.json')) {
      for (const test of group.tests) {
        const digest = hmac(bytes(test, 'key'), bytes(test, 'msg')).subarray(0, (group.tagSize ?? 0) / 8)
        assert.equal(digest.equals(bytes(test, 'tag')), test.result === 'valid', `case ${test.tcId}`)
        verdicts++
      }
    }
    assert.equal(verdicts, 174)
  })
})

// GCM alone does not commit to its key: here is one ciphertext with one tag that is valid under two keys of one ring,
// built by solving the tag equation for a free block. Only the commitment tells the keys apart.

import assert from 'node:assert/strict'
import { createCipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { createVault } from './create-vault.ts'
import { createKeyRing } from './key-ring.ts'
import { netstrings } from './netstrings.ts'
import { decryptGcm, hkdf } from './primitives.ts'

const reduction = 0xe1n << 120n

/** Product in GCM's field (NIST SP 800-38D §6.3); the first bit of a block is its highest. */
function multiply(left: bigint, right: bigint): bigint {
  let product = 0n
  let shifted = right
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((left >> bit) & 1n) product ^= shifted
    shifted = shifted & 1n ? (shifted >> 1n) ^ reduction : shifted >> 1n
  }
  return product
}

/** The inverse: the power 2^128 - 2. */
function invert(value: bigint): bigint {
  let [result, square] = [1n << 127n, value]
  for (let bit = 1; bit < 128; bit++) {
    square = multiply(square, square)
    result = multiply(result, square)
  }
  return result
}

const toNumber = (block: Uint8Array): bigint => BigInt(`0x${Buffer.from(block).toString('hex')}`)
const toBlock = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(32, '0'), 'hex')
const padded = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((16 - (bytes.length % 16)) % 16)])

function aesBlock(key: Uint8Array, block: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
  return Buffer.concat([cipher.update(block), cipher.final()])
}

interface Party {
  readonly key: Uint8Array
  readonly associatedData: Buffer
}

/** The tag that GCM gives to a ciphertext (NIST SP 800-38D §7.1). */
function tagOf({ key, associatedData }: Party, iv: Buffer, ciphertext: Buffer): bigint {
  const hashKey = toNumber(aesBlock(key, Buffer.alloc(16)))
  const lengths = (BigInt(associatedData.length * 8) << 64n) | BigInt(ciphertext.length * 8)
  const input = Buffer.concat([padded(associatedData), padded(ciphertext), toBlock(lengths)])
  let hash = 0n
  for (let at = 0; at < input.length; at += 16)
    hash = multiply(hash ^ toNumber(input.subarray(at, at + 16)), hashKey)
  return hash ^ toNumber(aesBlock(key, Buffer.concat([iv, Buffer.of(0, 0, 0, 1)])))
}

/** A ciphertext of two blocks, the second one chosen so that both parties compute the same tag. */
function twoKeyCiphertext(one: Party, other: Party, iv: Buffer): { ciphertext: Buffer; tag: Buffer } {
  const first = randomBytes(16)
  const difference = [one, other].map((party) => tagOf(party, iv, Buffer.concat([first, Buffer.alloc(16)])))
  // The free block stands before the block of lengths, so its factor is the square of the hash key.
  const factors = [one, other].map(({ key }) => {
    const hashKey = toNumber(aesBlock(key, Buffer.alloc(16)))
    return multiply(hashKey, hashKey)
  })
  const sum = (values: readonly bigint[]): bigint => values.reduce((total, value) => total ^ value, 0n)
  const ciphertext = Buffer.concat([first, toBlock(multiply(sum(difference), invert(sum(factors))))])
  return { ciphertext, tag: toBlock(tagOf(one, iv, ciphertext)) }
}

describe('B5: the key commitment', () => {
  it('refuses a ciphertext that GCM accepts under two keys of the ring', () => {
    const roots = ['k1', 'k2'].map((kid) => ({ kid, key: randomBytes(32) }))
    const vault = createVault({ keys: createKeyRing(roots), environment: 'test' })
    const place = ['credential', 'con_1', 'slack', 'account-1', 'accessToken'] as const
    const [recordType, recordId, integration, accountId, field] = place
    const context = { recordType, recordId, integration, accountId, field }

    const [salt, iv] = [randomBytes(32), randomBytes(12)]
    const [one, other] = roots.map(({ kid, key }) => {
      const derived = hkdf(createSecretKey(key), salt, Buffer.from(netstrings('authflow', 'vault', 'v1')), 64)
      const associatedData = Buffer.from(netstrings('v1', kid, 'test', ...place))
      return { kid, key: derived.subarray(0, 32), commitment: derived.subarray(32), associatedData }
    })
    assert.ok(one && other)
    const { ciphertext, tag } = twoKeyCiphertext(one, other, iv)

    // The attack is real: the cipher gives two different texts and both tags hold.
    const [left, right] = [one, other].map((party) => decryptGcm({ ciphertext, tag }, { ...party, iv }))
    assert.ok(left && right)
    assert.notDeepEqual(left, right)

    // The vault opens it under the key it commits to and under no other.
    for (const [committed, alien] of [
      [one, other],
      [other, one],
    ] as const) {
      const body = Buffer.concat([salt, iv, committed.commitment, tag, ciphertext]).toString('base64url')
      assert.equal(typeof vault.open(`v1.${committed.kid}.${body}`, context), 'string')
      assert.throws(() => vault.open(`v1.${alien.kid}.${body}`, context), { code: 'unreadable_ciphertext' })
    }
    const neither = Buffer.concat([salt, iv, randomBytes(32), tag, ciphertext]).toString('base64url')
    for (const kid of ['k1', 'k2']) {
      assert.throws(() => vault.open(`v1.${kid}.${neither}`, context), { code: 'unreadable_ciphertext' })
    }
  })
})

// The three primitives that the vault is built from, each with its parameters fixed. The only file that names ciphers.

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, type KeyObject } from 'node:crypto'

/** Sizes in bytes: AES-256-GCM (NIST SP 800-38D) with its full tag and a 96-bit nonce. */
export const keyBytes = 32
/** Bytes of a nonce. */
export const ivBytes = 12
/** Bytes of a tag. Node accepts shorter ones unless told the length, and a 4-byte tag can be guessed. */
export const tagBytes = 16

const algorithm = 'aes-256-gcm'
const tagLength = { authTagLength: tagBytes }

/** An encrypted text and its tag. */
export interface Encrypted {
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

/** What binds an encrypted text: the key, a nonce used once with it, and the data authenticated beside it. */
export interface GcmContext {
  readonly key: Uint8Array
  readonly iv: Uint8Array
  readonly associatedData: Uint8Array
}

/** Encrypts with AES-256-GCM. Throws a RangeError for a nonce of another length. */
export function encryptGcm(plaintext: Uint8Array, { key, iv, associatedData }: GcmContext): Encrypted {
  if (iv.length !== ivBytes) throw new RangeError(`The nonce must have ${ivBytes} bytes`)
  const cipher = createCipheriv(algorithm, key, iv, tagLength)
  cipher.setAAD(associatedData)
  const start = cipher.update(plaintext)
  const end = cipher.final()
  return { ciphertext: end.length === 0 ? start : Buffer.concat([start, end]), tag: cipher.getAuthTag() }
}

/** Decrypts with AES-256-GCM; undefined when the tag does not hold. Nothing is given out before it was checked. */
export function decryptGcm(
  { ciphertext, tag }: Encrypted,
  { key, iv, associatedData }: GcmContext,
): Buffer | undefined {
  if (tag.length !== tagBytes || iv.length !== ivBytes) return undefined
  const decipher = createDecipheriv(algorithm, key, iv, tagLength)
  decipher.setAAD(associatedData)
  decipher.setAuthTag(tag)
  const unchecked = decipher.update(ciphertext)
  try {
    const end = decipher.final()
    return end.length === 0 ? unchecked : Buffer.concat([unchecked, end])
  } catch {
    unchecked.fill(0)
    return undefined
  }
}

/** HKDF with SHA-256 (RFC 5869). */
export function hkdf(key: KeyObject, salt: Uint8Array, info: Uint8Array, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, info, length))
}

/** HMAC with SHA-256 (RFC 2104). */
export function hmac(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac('sha256', key).update(data).digest()
}

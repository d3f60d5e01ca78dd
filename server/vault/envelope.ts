// The sealed value: its text form and the order in which it is made and checked.
//
//   <format>.<kid>.<base64url of: salt 32 | iv 12 | commitment 32 | tag 16 | ciphertext>
//
// HKDF-SHA256(root key, salt, info) gives 64 bytes: the AES-256-GCM key and the commitment. The commitment stands in
// the value and is compared before anything is decrypted, because GCM alone lets one ciphertext be valid under two keys.

import { timingSafeEqual } from 'node:crypto'
import { decryptGcm, encryptGcm, ivBytes, keyBytes, tagBytes } from './primitives.ts'
import { takeRandomBytes } from './random-pool.ts'

/** `v1`: a salt of its own. `s1`: the salt is shared by what the sessions of a process sealed within an hour. */
export type EnvelopeFormat = 'v1' | 's1'

/** Bytes of a salt. */
const saltBytes = 32
const commitmentBytes = 32
/** Bytes that {@link splitDerived} takes. */
export const derivedBytes = keyBytes + commitmentBytes

const ivAt = saltBytes
const commitmentAt = ivAt + ivBytes
const tagAt = commitmentAt + commitmentBytes
const ciphertextAt = tagAt + tagBytes

/** Longest plaintext in bytes; a stored document takes less. */
export const maxPlaintextBytes = 16 * 1024 * 1024
const maxSealedLength = Math.ceil(((ciphertextAt + maxPlaintextBytes) * 4) / 3) + 64

/** A key for one salt and the value that commits to it. */
export interface DerivedKey {
  readonly key: Uint8Array
  readonly commitment: Uint8Array
}

/** A sealed value taken apart. Nothing of it has been checked but its shape. */
export interface ParsedEnvelope {
  readonly format: EnvelopeFormat
  readonly kid: string
  readonly salt: Buffer
  readonly body: Buffer
}

/** The two halves of what HKDF gave. */
export function splitDerived(bytes: Buffer): DerivedKey {
  return { key: bytes.subarray(0, keyBytes), commitment: bytes.subarray(keyBytes) }
}

/** Random bytes for a salt. */
export const createSalt = (): Buffer => takeRandomBytes(saltBytes)

/** What a value is sealed under. */
export interface SealingKey {
  readonly format: EnvelopeFormat
  readonly kid: string
  readonly salt: Uint8Array
  readonly derived: DerivedKey
}

/** The sealed text. The iv is random each time. */
export function sealEnvelope(plaintext: Uint8Array, sealing: SealingKey, associatedData: Uint8Array): string {
  const { format, kid, salt, derived } = sealing
  const iv = takeRandomBytes(ivBytes)
  const { ciphertext, tag } = encryptGcm(plaintext, { key: derived.key, iv, associatedData })
  const body = Buffer.concat([salt, iv, derived.commitment, tag, ciphertext])
  return `${format}.${kid}.${body.toString('base64url')}`
}

/** The parts of a sealed text; undefined when it has not the one form that {@link sealEnvelope} writes. */
export function parseEnvelope(sealed: unknown): ParsedEnvelope | undefined {
  if (typeof sealed !== 'string' || sealed.length > maxSealedLength) return undefined
  const format = sealed.slice(0, 2)
  const kidEnd = sealed.indexOf('.', 3)
  if ((format !== 'v1' && format !== 's1') || sealed[2] !== '.' || kidEnd < 0) return undefined
  const text = sealed.slice(kidEnd + 1)
  const body = Buffer.from(text, 'base64url')
  // Node skips what is no base64url and ignores spare bits; two texts must never be one value.
  if (body.length < ciphertextAt || body.toString('base64url') !== text) return undefined
  return { format, kid: sealed.slice(3, kidEnd), salt: body.subarray(0, saltBytes), body }
}

/** Shape of a sealed value. Its shortest body is that of an empty text. */
const sealedPattern = new RegExp(
  `^(?:v1|s1)\\.([A-Za-z0-9_-]{1,32})\\.[A-Za-z0-9_-]{${Math.ceil((ciphertextAt * 4) / 3)},}$`,
)

/** Id of the key of what looks like a sealed value; undefined for any other text. Nothing is checked but the shape. */
export const sealedKid = (text: string): string | undefined =>
  text.startsWith('v1.') || text.startsWith('s1.') ? sealedPattern.exec(text)?.[1] : undefined

/** The plaintext; undefined when commitment or tag do not hold. */
export function openEnvelope(
  { body }: ParsedEnvelope,
  derived: DerivedKey,
  associatedData: Uint8Array,
): Buffer | undefined {
  if (!timingSafeEqual(body.subarray(commitmentAt, tagAt), derived.commitment)) return undefined
  const encrypted = { tag: body.subarray(tagAt, ciphertextAt), ciphertext: body.subarray(ciphertextAt) }
  return decryptGcm(encrypted, { key: derived.key, iv: body.subarray(ivAt, commitmentAt), associatedData })
}

// The root keys: read from configuration, kept out of sight, used only to derive other keys.

import { createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import { AuthFlowError } from '../../shared/errors.ts'
import { hkdf, keyBytes } from './primitives.ts'
import { Secret } from './secret.ts'

/** Key ids stand in every sealed value and in error messages. */
const kidPattern = /^[A-Za-z0-9_-]{1,32}$/

/** More is a mistake in the configuration. */
const maxKeys = 64

/** One root key by its id, as a key service hands it over. */
export interface RootKey {
  /** 1 to 32 characters of `A-Za-z0-9_-`. Never reused for another key. */
  readonly kid: string
  /** Exactly 32 random bytes. They are copied. */
  readonly key: Uint8Array
}

/** Root keys by id. The first one writes, any of them reads. Shows nothing of the keys when logged or serialised. */
export interface KeyRing {
  /** Id of the key that writes. */
  readonly currentKid: string
  /** All ids; the one that writes first. */
  readonly kids: readonly string[]
  /** `length` bytes derived from a root key by HKDF-SHA256; undefined for an unknown id. */
  derive(kid: string, salt: Uint8Array, info: Uint8Array, length: number): Buffer | undefined
}

/**
 * Reads `kid:base64[,kid:base64]`; the first key writes. Spaces around entries are ignored, both base64 alphabets are
 * read.
 *
 * @throws {@link AuthFlowError} `missing_encryption_key` (undefined or empty), `invalid_encryption_key`, which names
 *   the entry by its place and never shows any of it
 */
export function parseKeyRing(text: string | undefined): KeyRing {
  const entries = parseKeyEntries(text, 'encryptionKeys')
  return createKeyRing(entries.map(({ kid, bytes }) => ({ kid, key: bytes })))
}

/** One `kid:base64` of a list. */
export interface KeyEntry {
  readonly kid: string
  readonly bytes: Buffer
}

/** Reads `kid:base64[,kid:base64]` of the option without judging ids and lengths. Throws like {@link parseKeyRing}. */
export function parseKeyEntries(text: string | undefined, option: string): KeyEntry[] {
  if (text === undefined || text.trim() === '') throw missing(option)
  return text.split(',').map((entry, index) => parseEntry(entry.trim(), index + 1, option))
}

/**
 * A ring of the given keys, the first one writing.
 *
 * @throws {@link AuthFlowError} `missing_encryption_key` (none), `invalid_encryption_key`
 */
export function createKeyRing(rootKeys: readonly RootKey[]): KeyRing {
  const [current] = rootKeys
  if (!current) throw missing('encryptionKeys')
  if (rootKeys.length > maxKeys) throw invalid(`there are more than ${maxKeys}`)
  rootKeys.forEach((rootKey, index) => checkKey(rootKey, rootKeys.slice(0, index)))

  const keys = new Map(rootKeys.map(({ kid, key }) => [kid, new Secret<KeyObject>(createSecretKey(key))]))
  return {
    currentKid: current.kid,
    kids: [...keys.keys()],
    derive: (kid, salt, info, length) => {
      const key = keys.get(kid)
      return key && hkdf(key.reveal(), salt, info, length)
    },
  }
}

function parseEntry(entry: string, place: number, option: string): KeyEntry {
  if (entry === '') throw invalid(`entry ${place} is empty`, option)
  const colon = entry.indexOf(':')
  if (colon < 0) throw invalid(`entry ${place} has no colon between id and key`, option)
  const bytes = decodeBase64(entry.slice(colon + 1).trim())
  if (!bytes) throw invalid(`the key of entry ${place} is not base64`, option)
  return { kid: entry.slice(0, colon).trim(), bytes }
}

/** Strict where Node is lenient: a character lost in copying would otherwise make another key of the same length. */
function decodeBase64(text: string): Buffer | undefined {
  const plain = text
    .replace(/={0,2}$/, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_')
  const bytes = Buffer.from(plain, 'base64url')
  return bytes.toString('base64url') === plain ? bytes : undefined
}

function checkKey({ kid, key }: RootKey, before: readonly RootKey[]): void {
  const place = before.length + 1
  if (!kidPattern.test(kid))
    throw invalid(`the id of entry ${place} is not 1 to 32 characters of A-Z a-z 0-9 _ -`)
  if (key.length !== keyBytes)
    throw invalid(`the key of entry ${place} has ${key.length} bytes instead of ${keyBytes}`)
  if (key.every((byte) => byte === key[0]))
    throw invalid(`the key of entry ${place} is one repeated byte, not random`)
  for (const [index, other] of before.entries()) {
    if (other.kid === kid) throw invalid(`entries ${index + 1} and ${place} have the same id`)
    if (timingSafeEqual(other.key, key)) throw invalid(`entries ${index + 1} and ${place} have the same key`)
  }
}

const missing = (option: string): AuthFlowError =>
  new AuthFlowError('missing_encryption_key', undefined, { details: { option } })

const invalid = (what: string, option = 'encryptionKeys'): AuthFlowError =>
  new AuthFlowError(
    'invalid_encryption_key',
    `\`${option}\` must be \`kid:base64\`, ${option === 'encryptionKeys' ? `each of ${keyBytes} random bytes, ` : ''}separated by commas: ${what}.`,
    { details: { option } },
  )

// The vault: derives keys from the ring, binds every value to its place, and answers each failure alike.

import { AuthFlowError } from '../../shared/errors.ts'
import { BoundedCache } from './bounded-cache.ts'
import {
  createSalt,
  derivedBytes,
  maxPlaintextBytes,
  openEnvelope,
  parseEnvelope,
  sealedKid,
  sealEnvelope,
  splitDerived,
  type DerivedKey,
  type EnvelopeFormat,
  type ParsedEnvelope,
  type SealingKey,
} from './envelope.ts'
import type { KeyRing } from './key-ring.ts'
import { netstrings } from './netstrings.ts'
import { hmac, keyBytes } from './primitives.ts'
import { Secret } from './secret.ts'
import type { SealContext, SealedRecordType, Vault, VaultSession } from './vault.ts'

/** What a vault is made of. */
export interface VaultOptions {
  readonly keys: KeyRing
  /** Part of every context: what one environment sealed, no other opens. 1 to 64 characters. */
  readonly environment: string
}

const maxEnvironmentLength = 64

/** Keys of recently used sessions and values, about 0.4 KB each. */
const cachedKeys = 4096

/**
 * Random nonces may repeat under one key with a chance that grows with the square of their number: at this count it is
 * below 2^-56, and sessions take a new salt.
 */
const sealsPerSalt = 2 ** 20
/** And after this at the latest, so that no derived key protects more than an hour of a process's values. */
const saltLifeMs = 3_600_000

const valueInfo = Buffer.from(netstrings('authflow', 'vault', 'v1'))

/** What all parts of one vault share. */
interface Core extends VaultOptions {
  readonly cache: BoundedCache<DerivedKey>
  /** By the type of record. */
  readonly writers: Map<string, SessionWriter>
}

/**
 * A vault over a key ring. Keep one per server: it caches derived keys.
 *
 * @throws {@link AuthFlowError} `invalid_option` for an empty or too long environment
 */
export function createVault<T extends string = SealedRecordType>({
  keys,
  environment,
}: VaultOptions): Vault<T> {
  if (environment === '' || environment.length > maxEnvironmentLength || !environment.isWellFormed()) {
    throw new AuthFlowError(
      'invalid_option',
      `\`environment\` must have 1 to ${maxEnvironmentLength} characters.`,
      {
        details: { option: 'environment' },
      },
    )
  }
  const core: Core = { keys, environment, cache: new BoundedCache(cachedKeys), writers: new Map() }
  const sealWith = (kid: string, plaintext: string, context: SealContext<T>): string => {
    const salt = createSalt()
    const derived = derive(core, kid, salt, valueInfo)
    if (!derived) throw new AuthFlowError('invalid_input', 'There is no encryption key of this id.')
    return sealEnvelope(
      encode(plaintext),
      { format: 'v1', kid, salt, derived },
      bindValue(core, kid, context),
    )
  }
  const open = (sealed: string, context: SealContext<T>): string => {
    const envelope = parse(sealed, 'v1')
    return openWith(core, envelope, {
      info: valueInfo,
      associatedData: bindValue(core, envelope.kid, context),
    })
  }
  return {
    currentKid: keys.currentKid,
    kids: keys.kids,
    sealWith,
    seal: (plaintext, context) => sealWith(keys.currentKid, plaintext, context),
    open,
    reseal: (sealed, context) =>
      sealedKid(sealed) === keys.currentKid
        ? sealed
        : sealWith(keys.currentKid, open(sealed, context), context),
    session: (recordType, recordId) => new Session(core, [recordType, recordId]),
    ...createBlindIndex(environment),
  }
}

type Place = readonly [recordType: string, recordId: string]

/** A salt that the sessions of one type of record are sealing under, and how often it was used. */
interface SessionWriter extends SealingKey {
  /** Begin of the associated data. */
  readonly prefix: string
  readonly since: number
  seals: number
}

/** The values of one record. A run has one for each of its passes and events, so it is made of nothing but its place. */
class Session implements VaultSession {
  readonly #core: Core
  readonly #recordType: string
  readonly #record: string

  constructor(core: Core, place: Place) {
    const [recordType] = checkTexts(place)
    this.#core = core
    this.#recordType = recordType
    this.#record = netstrings(...place, '', '')
  }

  seal(plaintext: string, field: string): string {
    const writer = currentWriter(this.#core, this.#recordType)
    writer.seals++
    return sealEnvelope(encode(plaintext), writer, this.#bind(writer.prefix, field))
  }

  open(sealed: string, field: string): string {
    const core = this.#core
    const envelope = parse(sealed, 's1')
    const prefix = netstrings('s1', envelope.kid, core.environment)
    return openWith(core, envelope, {
      info: sessionInfo(this.#recordType),
      associatedData: this.#bind(prefix, field),
    })
  }

  reseal(sealed: string, field: string): string {
    return sealedKid(sealed) === this.#core.keys.currentKid
      ? sealed
      : this.seal(this.open(sealed, field), field)
  }

  #bind(prefix: string, field: string): Buffer {
    return Buffer.from(prefix + this.#record + netstrings(...checkTexts([field])))
  }
}

const sessionInfo = (recordType: string): Buffer =>
  Buffer.from(netstrings('authflow', 'vault', 's1', recordType))

/**
 * The key is shared by the records of a type for an hour: to derive one for each would cost more than the encryption,
 * and add nothing, as record and field are authenticated, nonces are random and the number of seals is bounded.
 */
function currentWriter(core: Core, recordType: string): SessionWriter {
  const now = Date.now()
  const known = core.writers.get(recordType)
  if (known && known.seals < sealsPerSalt && now - known.since < saltLifeMs) return known
  const kid = core.keys.currentKid
  const salt = createSalt()
  const info = sessionInfo(recordType)
  const derived = derive(core, kid, salt, info)
  if (!derived) throw new AuthFlowError('internal')
  const prefix = netstrings('s1', kid, core.environment)
  const writer: SessionWriter = { format: 's1', kid, salt, derived, prefix, since: now, seals: 0 }
  core.writers.set(recordType, writer)
  core.cache.set(cacheKey(kid, salt, info), derived)
  return writer
}

interface Binding {
  readonly info: Buffer
  readonly associatedData: Buffer
}

/** Known keys are taken from the cache; a new one enters it only after it has opened something. */
function openWith(core: Core, envelope: ParsedEnvelope, { info, associatedData }: Binding): string {
  const name = cacheKey(envelope.kid, envelope.salt, info)
  const cached = core.cache.get(name)
  const derived = cached ?? derive(core, envelope.kid, envelope.salt, info)
  const plaintext = derived && openEnvelope(envelope, derived, associatedData)
  if (!plaintext) throw unreadable()
  if (!cached) core.cache.set(name, derived)
  return plaintext.toString()
}

const cacheKey = (kid: string, salt: Buffer, info: Buffer): string =>
  `${kid}.${salt.toString('latin1')}${info.toString('latin1')}`

function derive(core: Core, kid: string, salt: Buffer, info: Buffer): DerivedKey | undefined {
  const bytes = core.keys.derive(kid, salt, info, derivedBytes)
  return bytes && splitDerived(bytes)
}

const bindValue = (core: Core, kid: string, context: SealContext<string>): Buffer =>
  associate(core, 'v1', kid, [
    context.recordType,
    context.recordId,
    context.integration,
    context.accountId,
    context.field,
  ])

/** Where a value belongs, as the bytes that its tag covers. */
function associate(core: Core, format: EnvelopeFormat, kid: string, place: readonly string[]): Buffer {
  return Buffer.from(netstrings(format, kid, core.environment, ...checkTexts(place)))
}

/** Ill-formed text has no bytes of its own: two of them could look alike. */
function checkTexts<T extends readonly string[]>(texts: T): T {
  for (const text of texts) {
    if (typeof text !== 'string' || !text.isWellFormed()) {
      throw new AuthFlowError('invalid_input', 'The place of a secret must be given as well-formed texts.')
    }
  }
  return texts
}

function encode(plaintext: string): Buffer {
  if (typeof plaintext !== 'string' || !plaintext.isWellFormed()) {
    throw new AuthFlowError('invalid_input', 'A secret must be well-formed text.')
  }
  const bytes = Buffer.from(plaintext)
  if (bytes.length <= maxPlaintextBytes) return bytes
  throw new AuthFlowError('document_too_large', `A secret may have ${maxPlaintextBytes} bytes.`, {
    details: { limit: maxPlaintextBytes },
  })
}

function parse(sealed: string, format: EnvelopeFormat): ParsedEnvelope {
  const envelope = parseEnvelope(sealed)
  if (envelope?.format !== format) throw unreadable()
  return envelope
}

/** One error without a cause: which check failed is nobody's business. */
const unreadable = (): AuthFlowError => new AuthFlowError('unreadable_ciphertext')

function createBlindIndex(environment: string): Pick<Vault, 'useIndexKey' | 'blindIndex'> {
  let index: Secret<Buffer> | undefined
  return {
    useIndexKey: (key) => {
      if (key.length !== keyBytes) throw new AuthFlowError('internal')
      index = new Secret(Buffer.from(key))
    },
    blindIndex: (purpose, ...parts) => {
      if (!index) throw new AuthFlowError('internal', 'The index key of the store was not loaded.')
      const message = netstrings(
        'authflow',
        'blind-index',
        'v1',
        environment,
        ...checkTexts([purpose, ...parts]),
      )
      return hmac(index.reveal(), Buffer.from(message)).toString('base64url')
    },
  }
}

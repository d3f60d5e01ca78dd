// What may be shown of a value: a copy without secrets, found by the name of the key, by the shape of the text, or
// because the value itself was registered as one.

import { isAuthFlowError } from '../../shared/errors.ts'
import { BoundedCache } from './bounded-cache.ts'
import { scrubText } from './scrub-text.ts'
import { Secret, secretMark } from './secret.ts'

/** Removes secrets from what is about to be logged. */
export interface Redactor {
  /** A plain copy that JSON can hold, cut at 12 levels, 2,000 values and 8,192 characters of text. Never throws. */
  redact(value: unknown): unknown
  /** The text without secrets. */
  scrub(text: string): string
  /**
   * From now on the exact text is taken out wherever it stands, URL-encoded too. Texts under 8 characters are ignored.
   * The last 1,000 are known.
   */
  registerSecret(value: string): void
}

const maxDepth = 12
const maxValues = 2000
const maxItems = 100
const maxTextLength = 8192
const maxSecrets = 1000
const minSecretLength = 8

/** Names of keys, in lower case without separators, whose value is secret whatever it looks like. */
const secretName =
  /password|passwd|passphrase|secret|token|apikey|privatekey|encryptionkey|signingkey|authorization|cookie|credential|assertion|verifier|signature|hmac|jwt|bearer|^auth$|^otp$|^pin$/
/** What only describes a secret: its kind, place, digest, age or number. Text under these names is still scrubbed. */
const descriptiveName =
  /(?:type|url|uri|endpoint|hash|id|kid|count|length|limit|expiresat|expiresin|ms|state|status)$/
const maxNameLength = 128
/** Bodies and payloads are somebody's data: never logged. */
const bodyName = /^(?:raw|request|response)?body$|^payload$|^formdata$/

/** A redactor with its own list of registered secrets. */
export function createRedactor(): Redactor {
  const secrets = new BoundedCache<string>(maxSecrets)
  const scrub = (text: string): string => scrubText(withoutRegistered(text, secrets.values()))
  return {
    scrub,
    redact: (value) => {
      try {
        return new Walk(scrub).copy(value, 0)
      } catch {
        return '[unreadable]'
      }
    },
    registerSecret: (value) => {
      if (value.length < minSecretLength) return
      secrets.set(value, value)
      const encoded = encodeURIComponent(value.toWellFormed())
      if (encoded !== value) secrets.set(encoded, encoded)
    },
  }
}

function withoutRegistered(text: string, secrets: Iterable<string>): string {
  let result = text
  for (const secret of secrets) if (result.includes(secret)) result = result.replaceAll(secret, secretMark)
  return result
}

function isSecretName(name: string): boolean {
  if (name.length > maxNameLength) return false
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  return bodyName.test(plain) || (secretName.test(plain) && !descriptiveName.test(plain))
}

/** `code` and `state` are OAuth's one-time values, and also our own constants: those are words. */
const isOneTime = (name: string, value: unknown): boolean =>
  /^(?:code|state)$/i.test(name) &&
  typeof value === 'string' &&
  !/^(?:[a-z]+(?:_[a-z0-9]+)*|[A-Z][A-Z0-9_]*)$/.test(value)

/** An error of zod; not every one is an `Error`. */
const isRejection = (value: object): value is { readonly issues: readonly unknown[] } =>
  'issues' in value &&
  Array.isArray(value.issues) &&
  'name' in value &&
  (value.name === 'ZodError' || value.name === '$ZodError')

/** One pass over one value. */
class Walk {
  readonly #scrub: (text: string) => string
  /** Objects on the way from the root to here. */
  readonly #path = new Set<object>()
  #values = 0

  constructor(scrub: (text: string) => string) {
    this.#scrub = scrub
  }

  copy(value: unknown, depth: number): unknown {
    if (++this.#values > maxValues) return '[more]'
    switch (typeof value) {
      case 'string':
        return this.#text(value)
      case 'bigint':
        return String(value)
      case 'symbol':
      case 'function':
        return `[${typeof value}]`
      case 'object':
        return value === null ? null : this.#enter(value, depth)
      default:
        return value
    }
  }

  #text(value: string): string {
    const text = this.#scrub(value)
    return text.length <= maxTextLength ? text : `${text.slice(0, maxTextLength)}…`
  }

  #enter(value: object, depth: number): unknown {
    if (this.#path.has(value)) return '[circular]'
    if (depth >= maxDepth) return '[deep]'
    this.#path.add(value)
    try {
      return this.#object(value, depth + 1)
    } finally {
      this.#path.delete(value)
    }
  }

  #object(value: object, depth: number): unknown {
    if (value instanceof Secret) return secretMark
    if (isRejection(value)) return this.#rejection(value.issues, depth)
    if (value instanceof Error) return this.#error(value, depth)
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
    if (value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? '[invalid date]' : value.toISOString()
    if (value instanceof URL || value instanceof URLSearchParams)
      return this.#text(`${value instanceof URL ? '' : '?'}${value}`)
    if (value instanceof Headers) return this.#entries(value.entries(), depth)
    if (value instanceof Map) return this.#entries(value.entries(), depth)
    if (value instanceof Set) return this.#list([...value], depth)
    if (Array.isArray(value)) return this.#list(value, depth)
    if ('toJSON' in value && typeof value.toJSON === 'function') return this.copy(value.toJSON(), depth)
    return this.#entries(readProperties(value), depth)
  }

  /** Name, code, text and cause; whatever else a library hung on its error may be a request or an answer. */
  #error(error: Error, depth: number): unknown {
    const members: [string, unknown][] = [['name', error.name]]
    if ('code' in error) members.push(['code', error.code])
    members.push(['message', error.message])
    if (isAuthFlowError(error) && Object.keys(error.details).length > 0)
      members.push(['details', error.details])
    if ('status' in error && typeof error.status === 'number') members.push(['status', error.status])
    members.push(['stack', error.stack])
    if (error instanceof AggregateError) members.push(['errors', error.errors])
    if (error.cause !== undefined) members.push(['cause', error.cause])
    return this.#entries(members, depth)
  }

  /** An error of zod: its text and its issues may quote what was judged, so places and rules are all that is shown. */
  #rejection(issues: readonly unknown[], depth: number): unknown {
    const shown = issues.slice(0, maxItems).map((issue) => {
      const { path, code } = Object(issue) as { readonly path?: unknown; readonly code?: unknown }
      return { path: Array.isArray(path) ? path.map(String).join('.') : '', code: String(code) }
    })
    return this.#entries(Object.entries({ name: 'ZodError', issues: shown }), depth)
  }

  /** A list of headers has each name before its value, so what follows a secret name is secret. */
  #list(values: readonly unknown[], depth: number): unknown[] {
    const items = values.slice(0, maxItems).map((item, index) => {
      const before = values[index - 1]
      return typeof before === 'string' && isSecretName(before) ? secretMark : this.copy(item, depth)
    })
    if (values.length > maxItems) items.push(`[${values.length - maxItems} more]`)
    return items
  }

  #entries(entries: Iterable<readonly [unknown, unknown]>, depth: number): Record<string, unknown> {
    const copied: [string, unknown][] = []
    for (const [key, value] of entries) {
      if (copied.length >= maxItems) {
        copied.push(['…', '[more]'])
        break
      }
      const name = typeof key === 'string' ? key : `[${typeof key}]`
      copied.push([this.#text(name), this.#member(name, value, depth)])
    }
    return Object.fromEntries(copied)
  }

  #member(name: string, value: unknown, depth: number): unknown {
    const harmless = value === undefined || value === null || typeof value === 'boolean'
    return !harmless && (isSecretName(name) || isOneTime(name, value)) ? secretMark : this.copy(value, depth)
  }
}

/** Own properties; one that throws when read hides only itself. */
function* readProperties(value: object): Iterable<readonly [string, unknown]> {
  for (const key of Object.keys(value)) {
    let member: unknown
    try {
      member = (value as Readonly<Record<string, unknown>>)[key]
    } catch {
      member = '[unreadable]'
    }
    yield [key, member]
  }
}

// Secret keys of the host's backends, as configured: `id=scope+scope=hex`, several separated by commas. Only SHA-256
// digests are configured, so the configuration can't be used as a key.

import { hash, timingSafeEqual } from 'node:crypto'
import { AuthFlowError } from '../../shared/errors.ts'
import { namePattern, secretKeyPattern } from '../../shared/ids.ts'
import type { SecretKeyScope } from './connect.ts'

/** The configured secret keys. */
export interface SecretKeys {
  /**
   * The id of the key, if it has the scope; for a scope that is limited to integrations, also for that integration.
   * Compares with every key in constant time.
   *
   * @throws {@link AuthFlowError} `unauthenticated` (no key), `key_invalid`, `scope_missing`
   */
  check(key: string | undefined, scope: SecretKeyScope, integration?: string): { readonly id: string }
  /** The keys in the order of the configuration, with their scopes as they stand there. Never a digest. */
  list(): readonly ConfiguredKey[]
}

/** A secret key as those who run the server may see it. */
export interface ConfiguredKey {
  readonly id: string
  /** `auth:read(slack|github)`, `jobs:write`, … */
  readonly scopes: readonly string[]
}

interface SecretKey {
  readonly id: string
  readonly digest: Buffer
  /** Scope to the integrations it is limited to; null where it is not. */
  readonly scopes: ReadonlyMap<SecretKeyScope, ReadonlySet<string> | null>
}

const secretKeyPrefix = 'ctk_sk_'

const scopeNames: readonly SecretKeyScope[] = [
  'connect:create',
  'auth:read',
  'connections:write',
  'jobs:read',
  'jobs:write',
  'admin',
]

/**
 * Reads `web=connect:create+auth:read(slack|github)=<hex SHA-256 of the key>,…`. Without scopes (`web=<hex>`) a key has
 * `connect:create`. Empty text means no keys: every check then fails.
 *
 * @throws {@link AuthFlowError} `invalid_option` naming the entry at fault by its id or position
 */
export function parseSecretKeys(text: string): SecretKeys {
  const entries = text.split(',').map((entry) => entry.trim())
  const keys = text.trim() === '' ? [] : entries.map((entry, index) => parseEntry(entry, index + 1))
  const seen = new Set<string>()
  for (const { id, digest } of keys) {
    const hex = digest.toString('hex')
    if (seen.has(`id ${id}`)) throw badEntry(id, 'its id is used twice')
    if (seen.has(hex)) throw badEntry(id, 'its digest is that of another key')
    seen.add(`id ${id}`).add(hex)
  }
  return {
    check: (key, scope, integration) => check(keys, { key, scope, integration }),
    list: () => keys.map(({ id, scopes }) => ({ id, scopes: [...scopes].map(writeScope) })),
  }
}

function parseEntry(entry: string, position: number): SecretKey {
  const parts = entry.split('=')
  const [id = '', second = '', third] = parts
  // A key that stands where its digest belongs reads like an id, and must not come into a log.
  const named = parts.length > 1 && namePattern.test(id) && !id.startsWith(secretKeyPrefix)
  const name = named ? id : `number ${position}`
  if (parts.some((part) => part.trim().startsWith(secretKeyPrefix)))
    throw badEntry(name, 'that is a key itself; the server takes its SHA-256 as id=scope+scope=hex')
  if (parts.length < 2 || parts.length > 3) throw badEntry(name, 'expected id=scope+scope=hex')
  if (!namePattern.test(id)) throw badEntry(name, 'its id may have letters, digits, `.`, `_` and `-`')
  const hex = third ?? second
  if (!/^[0-9a-f]{64}$/.test(hex)) {
    throw badEntry(name, 'expected the SHA-256 of the whole key as 64 lower-case hex digits')
  }
  const scopes =
    third === undefined ? new Map([['connect:create', null] as const]) : parseScopes(second, name)
  return { id, digest: Buffer.from(hex, 'hex'), scopes }
}

const writeScope = ([scope, limits]: readonly [SecretKeyScope, ReadonlySet<string> | null]): string =>
  limits === null ? scope : `${scope}(${[...limits].join('|')})`

function parseScopes(text: string, name: string): SecretKey['scopes'] {
  const scopes = new Map<SecretKeyScope, ReadonlySet<string> | null>()
  for (const part of text.split('+')) {
    const [, scopeText = '', limits] = /^([a-z:]+)(?:\(([^()]*)\))?$/.exec(part.trim()) ?? []
    const scope = scopeNames.find((known) => known === scopeText)
    if (!scope) throw badEntry(name, `unknown scope; the scopes are ${scopeNames.join(', ')}`)
    if (scopes.has(scope)) throw badEntry(name, `${scope} stands twice`)
    scopes.set(scope, limits === undefined ? null : parseLimits(scope, limits, name))
  }
  return scopes
}

function parseLimits(scope: SecretKeyScope, text: string, name: string): ReadonlySet<string> {
  if (scope !== 'auth:read')
    throw badEntry(name, `${scope} can't be limited to integrations, only auth:read can`)
  const limits = text.split('|').map((id) => id.trim())
  if (!limits.every((id) => namePattern.test(id)))
    throw badEntry(name, 'expected auth:read(integration|integration)')
  return new Set(limits)
}

function badEntry(name: string, problem: string): AuthFlowError {
  return new AuthFlowError('invalid_option', `secretKeys: entry ${name}: ${problem}.`, {
    details: { option: 'secretKeys' },
  })
}

interface Check {
  readonly key: string | undefined
  readonly scope: SecretKeyScope
  readonly integration: string | undefined
}

function check(keys: readonly SecretKey[], { key, scope, integration }: Check): { id: string } {
  if (key === undefined || key === '') throw new AuthFlowError('unauthenticated')
  const digest = hash('sha256', key, 'buffer')
  let found: SecretKey | undefined
  for (const candidate of keys) if (timingSafeEqual(candidate.digest, digest)) found = candidate
  if (!found || !secretKeyPattern.test(key)) throw new AuthFlowError('key_invalid')
  const { id, scopes } = found
  if (scopes.has('admin')) return { id }
  // Who may start runs may see them.
  const isImplied = scope === 'jobs:read' && scopes.has('jobs:write')
  const limits = isImplied ? null : scopes.get(scope)
  if (limits === undefined)
    throw new AuthFlowError('scope_missing', `The secret key ${id} lacks the scope ${scope}.`)
  if (limits !== null && (integration === undefined || !limits.has(integration))) {
    throw new AuthFlowError('scope_missing', `The secret key ${id} has ${scope} for other integrations only.`)
  }
  return { id }
}

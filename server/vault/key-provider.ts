// Where root keys come from when they do not stand in the configuration: a key service that unwraps them at start.

import { AuthFlowError } from '../../shared/errors.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import { createKeyRing, parseKeyRing, type KeyRing, type RootKey } from './key-ring.ts'

/** What a provider is given. */
export interface KeyProviderContext {
  /** The server's environment. Bind the keys to it where the service can. */
  readonly environment: string
  /** For requests to the service: https to public addresses, bounded in time and bytes. */
  readonly fetch: GuardedFetch
}

/**
 * Gives the root keys at start. They stay in the process's memory, so that reading a credential asks nobody; the service
 * is needed at start alone.
 */
export interface KeyProvider {
  /**
   * The keys, the one that writes first. Called once for every start, also for one that repeats a failed start. The
   * bytes are copied; erase your own.
   *
   * @throws {@link AuthFlowError} `key_service_unavailable` (start again later), `key_service_refused`
   */
  load(context: KeyProviderContext): Promise<readonly RootKey[]>
}

/** Opens a ring when a server starts. */
export type RingSource = (context: KeyProviderContext) => Promise<KeyRing>

/**
 * Reads the option. Text is parsed here and now; a provider is asked when the source is called.
 *
 * @throws {@link AuthFlowError} `missing_encryption_key`, `invalid_encryption_key`, `invalid_option` (neither text nor
 *   a provider)
 */
export function readEncryptionKeys(option: string | KeyProvider | undefined): RingSource {
  if (option === undefined || typeof option === 'string') {
    const ring = parseKeyRing(option)
    return () => Promise.resolve(ring)
  }
  if (typeof option !== 'object' || option === null || typeof option.load !== 'function') {
    throw new AuthFlowError(
      'invalid_option',
      '`encryptionKeys` must be text or a key provider with `load`.',
      {
        details: { option: 'encryptionKeys' },
      },
    )
  }
  return async (context) => createKeyRing(await option.load(context))
}

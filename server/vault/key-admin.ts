// What an operator does with the keys of a running server.

import type { DocumentSet, Store, StoredDocument } from '../store/store.ts'
import { listKeys, retireKey, type KeyState, type RetiredKey } from './retire-key.ts'
import { rotateKeys, type RotateOptions, type RotationResult } from './rotate-keys.ts'
import type { SealedSet } from './sealed-set.ts'
import type { Vault } from './vault.ts'

/** Which key to retire. */
export interface RetireRequest {
  /** Its id. */
  readonly kid: string
  /** Told after each page of the count. */
  readonly onProgress?: (progress: { readonly set: string; readonly seen: number }) => void
  /** Ends the count; nothing is retired then. */
  readonly signal?: AbortSignal
}

/** The keys of a server. */
export interface Keys {
  /** The keys of the ring and those that the store knows. `count` tells what each seals, by reading the whole store. */
  list(options?: { readonly count?: boolean }): Promise<KeyState[]>
  /**
   * Seals everything with the key that writes, while the server runs. Safe to kill and to repeat: it goes on where it
   * stopped. What is in use just now, an open refresh or flow, is looked at again until `waitMs` are over.
   *
   * @throws {@link AuthFlowError} `key_not_rolled_out` when a running process can't read the key that writes,
   *   `rotation_running`
   */
  rotate(options?: RotateOptions): Promise<RotationResult>
  /**
   * Retires a key, if no running process writes with it and nothing in the store is sealed with it. Then it may be taken
   * out of `encryptionKeys`.
   *
   * @throws {@link AuthFlowError} `key_in_use`, which names what is left; `invalid_input` for the key that writes,
   *   `not_found` for one that the store has never known
   */
  retire(request: RetireRequest): Promise<RetiredKey>
}

/** What {@link createKeys} works on. */
export interface KeysOptions {
  readonly store: Store
  readonly vault: Vault
  readonly environment: string
  /** Every set of the store. */
  readonly sets: readonly DocumentSet<StoredDocument>[]
  /** Those with sealed values. */
  readonly sealedSets: readonly SealedSet[]
  /** Told of what was done with a key, once it is (default: nobody). */
  readonly onChange?: (change: 'rotated' | 'retired', kid: string) => Promise<void>
}

/** The keys of a store. */
export function createKeys(options: KeysOptions): Keys {
  const { onChange } = options
  return {
    list: ({ count = false } = {}) => listKeys(options, count),
    async rotate(request = {}) {
      const result = await rotateKeys({ ...options, ...request })
      if (result.resealed > 0) await onChange?.('rotated', result.kid)
      return result
    },
    async retire({ kid, ...request }) {
      const result = await retireKey(kid, { ...options, ...request })
      await onChange?.('retired', kid)
      return result
    },
  }
}

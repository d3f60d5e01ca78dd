// Retiring a key: nobody writes with it, nothing is sealed with it, and from then on it may be missing from the ring.
// In this order, so that no process can begin to write with it while it is being counted.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Store } from '../store/store.ts'
import { canaryId, canarySet, listCanaries } from './canary.ts'
import { countKeyUsage, type CountOptions, type KeyUsage } from './key-usage.ts'
import { listProcesses } from './ring-presence.ts'
import type { Vault } from './vault.ts'

/** What {@link retireKey} and {@link listKeys} work on. */
export interface KeyOptions extends CountOptions {
  readonly store: Store
  readonly vault: Vault
  readonly environment: string
}

/** What is known of one key. */
export interface KeyState {
  /** Its id. */
  readonly kid: string
  /**
   * `writing`: first in this process's ring. `reading`: in the ring. `missing`: the store knows it and the ring does not
   * have it. `retired`: it may be taken out of the ring.
   */
  readonly state: 'writing' | 'reading' | 'missing' | 'retired'
  /** True when it ever wrote. */
  readonly wrote: boolean
  /** Running processes that write with it, by machine and process id. */
  readonly writers: readonly string[]
  /** Running processes whose ring has it. */
  readonly readers: number
  /** Values that it seals, by set; only when counted. */
  readonly usage?: readonly KeyUsage[]
}

/** What retiring a key came to. */
export interface RetiredKey {
  /** Its id. */
  readonly kid: string
  /** Sets that were read to the end without a value of the key. */
  readonly sets: number
}

/**
 * Retires a key: proves that no running process writes with it and that no record of any set holds a value that it
 * sealed. Nothing changes when it is refused. Repeating it counts again.
 *
 * @throws {@link AuthFlowError} `key_in_use` with what is left, by set, or the processes that write with it;
 *   `invalid_input` for the key that writes; `not_found` for one that the store has never known
 */
export async function retireKey(kid: string, options: KeyOptions): Promise<RetiredKey> {
  const { store, vault, environment, sets } = options
  if (kid === vault.currentKid) {
    throw new AuthFlowError(
      'invalid_input',
      `\`${kid}\` is the key that writes. Put another one first, then rotate.`,
    )
  }
  const id = canaryId(environment, kid)
  const before = await store.get(canarySet, id)
  if (!before) throw new AuthFlowError('not_found', `The store has never known a key \`${kid}\`.`)
  if (before.retirement === undefined)
    await store.update(canarySet, id, {}, { set: { retirement: 'retiring' } })
  try {
    await requireUnused(kid, options)
  } catch (error) {
    if (before.retirement !== 'retired')
      await store.update(canarySet, id, { retirement: 'retiring' }, { unset: ['retirement'] })
    throw error
  }
  await store.update(canarySet, id, {}, { set: { retirement: 'retired' } })
  return { kid, sets: sets.length }
}

async function requireUnused(kid: string, options: KeyOptions): Promise<void> {
  const { store, environment } = options
  const inUse = (by: string): AuthFlowError =>
    new AuthFlowError('key_in_use', `The key \`${kid}\` is still in use: ${by}`)
  const writers = (await listProcesses(store, environment)).filter(({ kids }) => kids[0] === kid)
  if (writers.length > 0) {
    const names = writers.slice(0, 5).map((writer) => writer.process)
    throw inUse(
      `${writers.length} running processes write with it, such as ${names.join(', ')}. One that was killed counts for 35 s.`,
    )
  }
  const left = (await countKeyUsage(store, options)).filter((usage) => usage.kid === kid)
  if (left.length === 0) return
  const places = left.map(({ set, documents }) => `${documents} in ${set}`)
  throw inUse(`it seals records, ${places.join(', ')}. Run \`authflow keys rotate\`.`)
}

/**
 * The keys of the ring and those that the store knows; the one that writes first.
 *
 * @param count reads the whole store to tell what each key seals
 */
export async function listKeys(options: KeyOptions, count: boolean): Promise<KeyState[]> {
  const { store, vault, environment } = options
  const canaries = await listCanaries(store, environment)
  const processes = await listProcesses(store, environment)
  const usage = count ? await countKeyUsage(store, options) : undefined
  const known = new Map(canaries.map((canary) => [canary.kid, canary]))
  const kids = [...new Set([...vault.kids, ...known.keys()])]
  return kids.map((kid) => ({
    kid,
    state: stateOf(kid, vault, known.get(kid)?.retirement === 'retired'),
    wrote: known.get(kid)?.wrote ?? false,
    writers: processes.filter(({ kids: ring }) => ring[0] === kid).map((row) => row.process),
    readers: processes.filter(({ kids: ring }) => ring.includes(kid)).length,
    ...(usage ? { usage: usage.filter((entry) => entry.kid === kid) } : {}),
  }))
}

function stateOf(kid: string, vault: Vault, retired: boolean): KeyState['state'] {
  if (kid === vault.currentKid) return 'writing'
  if (retired) return 'retired'
  return vault.kids.includes(kid) ? 'reading' : 'missing'
}

// When each secret key was last used. Written at most once a minute and key by each process, beside the call that uses
// it: an answer does not wait for it, and a store that is down refuses no call because of it.

import type { ConnectContext } from './context.ts'
import type { SecretKeys } from './secret-keys.ts'
import { keyUseSet } from './sets.ts'

/** How exact the answer is, in ms. */
const resolutionMs = 60_000

/** A secret key as those who run the server may see it: never the key, never its digest. */
export interface SecretKeyInfo {
  /** As it is configured. */
  readonly id: string
  /** As they are configured: `auth:read(slack-customers)`, `jobs:write`. */
  readonly scopes: readonly string[]
  /** ISO 8601, to the minute; null for one that was never used. */
  readonly lastUsedAt: string | null
}

/** Notes and tells uses. */
export interface KeyUses {
  /** Notes a use now. Never throws. */
  note(id: string): void
  /** Instants in ms by the key's id; a key that was never used is left out. At most 1,000 ids. */
  last(ids: readonly string[]): Promise<ReadonlyMap<string, number>>
}

/** The uses of one connect service's keys. Ids are those of the configuration, so that there are few of them. */
export function createKeyUses(context: ConnectContext): KeyUses {
  const { store } = context
  const notedAt = new Map<string, number>()
  const write = async (id: string, now: number): Promise<void> => {
    if (await store.insert(keyUseSet, { id, lastUsedAt: now })) return
    // Another process may have noted a use within the same minute.
    const match = { lastUsedAt: { lessThan: now - resolutionMs + 1 } }
    await store.update(keyUseSet, id, match, { set: { lastUsedAt: now } })
  }
  return {
    note(id) {
      const now = store.now()
      const before = notedAt.get(id)
      if (before !== undefined && now - before < resolutionMs) return
      notedAt.set(id, now)
      context.background('noting the use of a secret key', () => write(id, now))
    },
    async last(ids) {
      const uses = await store.getMany(keyUseSet, ids)
      return new Map(uses.map(({ id, lastUsedAt }) => [id, lastUsedAt]))
    },
  }
}

/** The configured keys with their last uses. */
export async function listSecretKeys(
  keys: SecretKeys,
  last: KeyUses['last'],
): Promise<readonly SecretKeyInfo[]> {
  const configured = keys.list()
  const uses = await last(configured.map(({ id }) => id))
  return configured.map((key) => {
    const at = uses.get(key.id)
    return { ...key, lastUsedAt: at === undefined ? null : new Date(at).toISOString() }
  })
}

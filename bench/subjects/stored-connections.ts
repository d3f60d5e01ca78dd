// Connections by the thousand: sealed and stored as the connect service does it, without a flow for each. The first one
// is made by a flow, and the others are made after it.

import { connectionIdOf } from '../../server/connect/connection-id.ts'
import { secretBox } from '../../server/connect/secrets.ts'
import { connectionSet, connectSets } from '../../server/connect/sets.ts'
import { openStore } from '../../server/store/open-store.ts'
import { createVault } from '../../server/vault/create-vault.ts'
import { parseKeyRing } from '../../server/vault/key-ring.ts'

const environment = 'bench'
const integration = 'bench'
const together = 500

/** Where to put them. */
export interface FillOptions {
  readonly storeUrl: string
  readonly encryptionKeys: string
  /** The account whose connection is copied. */
  readonly from: string
  /** How many to add; the account ids come from {@link accountAt}. */
  readonly count: number
}

/** Account id of the connection with this number. */
export const accountAt = (index: number): string => `stored-${index}`

/** Adds connections to a store that has been migrated. */
export async function fillConnections({ storeUrl, encryptionKeys, from, count }: FillOptions): Promise<void> {
  const store = await openStore(storeUrl)
  await store.migrate(connectSets, environment)
  const vault = createVault({ keys: parseKeyRing(encryptionKeys), environment })
  const box = secretBox(vault, 'credential')
  const first = await store.get(connectionSet, connectionIdOf(integration, from))
  if (first === undefined) throw new Error(`${from} is not connected`)
  const { version: _, ...template } = first
  const secrets = box.openAll(template, template.secrets)
  const add = async (index: number): Promise<void> => {
    const accountId = accountAt(index)
    const owner = { id: connectionIdOf(integration, accountId), integration, accountId }
    const record = { ...template, ...owner, createdAt: template.createdAt + index }
    await store.insert(connectionSet, { ...record, secrets: box.seal(owner, secrets) })
  }
  for (let index = 0; index < count; index += together) {
    const size = Math.min(together, count - index)
    await Promise.all(Array.from({ length: size }, (_, offset) => add(index + offset)))
  }
  await store.close()
}

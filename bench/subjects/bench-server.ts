// The server under measurement, listening on a port of its own. It ends with SIGTERM and leaves nothing behind.

import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { createBenchStore, type BenchStore } from './bench-store.ts'
import { createBenchClient, createKey } from './fixture.ts'

/** A server that is about to start. */
export interface BenchServer {
  readonly client: ReturnType<typeof createBenchClient>
  readonly baseUrl: string
  /** A secret key with every scope. */
  readonly key: string
  readonly encryptionKeys: string
  readonly store: BenchStore
}

/** A fresh text for `encryptionKeys`: one key. */
export const createEncryptionKey = (kid: string): string => `${kid}:${randomBytes(32).toString('base64')}`

/**
 * Starts a server on a store of the kind.
 *
 * @param options.store a store that is there already, which is the caller's to remove (default: a new one)
 */
export async function startBenchServer(
  kind: string,
  options: { store?: BenchStore; encryptionKeys?: string } = {},
): Promise<BenchServer> {
  const { store = createBenchStore(kind), encryptionKeys = createEncryptionKey('k1') } = options
  const http = createServer()
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const address = http.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port')
  const baseUrl = `http://127.0.0.1:${address.port}`
  const { key, secretKeys } = createKey()
  const client = createBenchClient({ baseUrl, secretKeys, encryptionKeys, store: store.url })
  http.on('request', client.callback())
  await client.start()
  process.on('SIGTERM', () => {
    void client
      .close()
      .then(() => store.remove())
      .finally(() => process.exit(0))
  })
  return { client, baseUrl, key, encryptionKeys, store }
}

/** What {@link measureLoad} needs to ask for the credentials of accounts. */
export const authRequests = ({ baseUrl, key }: BenchServer, accounts: readonly string[]) => ({
  url: `${baseUrl}/api/trpc/auth.get`,
  headers: { authorization: `Bearer ${key}` },
  bodies: accounts.map((accountId) => JSON.stringify({ id: 'bench', accountId })),
})

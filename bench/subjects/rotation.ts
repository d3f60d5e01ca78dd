// A key rotation of many connections on a live server: `rotation.js sqlite|mongo COUNT`. Prints what to load it with;
// at the first line on its standard input it rotates, and prints how many records a second it sealed anew.

import { createInterface } from 'node:readline'
import { authRequests, createEncryptionKey, startBenchServer } from './bench-server.ts'
import { connectAccount } from './connected.ts'
import { accountAt, fillConnections } from './stored-connections.ts'
import { createBenchStore } from './bench-store.ts'

const [kind = 'sqlite', countText = '10000'] = process.argv.slice(2)
const count = Number(countText)
const store = createBenchStore(kind)
const old = createEncryptionKey('k1')
await seed()
const server = await startBenchServer(kind, { store, encryptionKeys: `${createEncryptionKey('k2')},${old}` })
const asked = Array.from({ length: Math.min(count, 1000) }, (_, index) =>
  accountAt(Math.floor((index * count) / 1000)),
)
console.log(JSON.stringify(authRequests(server, asked)))

for await (const _ of createInterface({ input: process.stdin })) {
  const started = performance.now()
  const { outcome, resealed } = await server.client.keys.rotate({})
  const seconds = (performance.now() - started) / 1000
  if (outcome !== 'done' || resealed < count) throw new Error(`${outcome} after ${resealed} records`)
  console.log(JSON.stringify({ perSecond: resealed / seconds, seconds }))
}

/** Stores everything under the old key. */
async function seed(): Promise<void> {
  const first = await startBenchServer(kind, { store, encryptionKeys: old })
  await connectAccount(first, 'first')
  await fillConnections({ storeUrl: store.url, encryptionKeys: old, from: 'first', count })
  await first.client.close()
}

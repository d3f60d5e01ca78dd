// `getAuth` on a store with many connections: `stored.js sqlite|mongo COUNT`. For each line on its standard input,
// `{ calls, active }`, it makes so many calls for that many accounts, which lie evenly among all, picked at random, 16 at
// once; and prints the calls a second.

import { createInterface } from 'node:readline'
import { z } from 'zod'
import { startBenchServer } from './bench-server.ts'
import { connectAccount } from './connected.ts'
import { accountAt, fillConnections } from './stored-connections.ts'

const [kind = 'sqlite', countText = '1000'] = process.argv.slice(2)
const count = Number(countText)
const concurrency = 16
const turn = z.object({ calls: z.number(), active: z.number() })

const server = await startBenchServer(kind)
await connectAccount(server, 'first')
const { client, store, encryptionKeys } = server
await fillConnections({ storeUrl: store.url, encryptionKeys, from: 'first', count })
console.log(JSON.stringify({ ready: true }))

for await (const line of createInterface({ input: process.stdin })) {
  const { calls, active } = turn.parse(JSON.parse(line))
  const pick = (): string => accountAt(Math.floor((Math.floor(Math.random() * active) * count) / active))
  let left = calls
  const call = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await client.getAuth({ id: 'bench', accountId: pick() })
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: concurrency }, call))
  console.log(JSON.stringify({ perSecond: (calls * 1000) / (performance.now() - started) }))
}

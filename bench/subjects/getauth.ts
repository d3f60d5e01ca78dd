// `getAuth` over HTTP: the real server on a SQLite file, with a connected account for each connection of the load, so that
// no request profits from another one's.

import { createTRPCClient, httpLink } from '@trpc/client'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { ConnectRouter } from '../../server/http/connect-router.ts'
import { createFlowId } from '../../shared/ids.ts'
import { createBenchClient, createKey, temporaryFolder } from './fixture.ts'

const accounts = Array.from({ length: 32 }, (_, index) => `account-${index}`)
const origin = 'http://localhost'

const http = createServer()
http.listen(0, '127.0.0.1')
await once(http, 'listening')
const address = http.address()
if (address === null || typeof address === 'string') throw new Error('The server has no port')
const baseUrl = `http://127.0.0.1:${address.port}`

const { key, secretKeys } = createKey()
const client = createBenchClient({ baseUrl, secretKeys, store: `sqlite:${temporaryFolder()}/bench.db` })
http.on('request', client.callback())
await client.start()

await Promise.all(accounts.map(connectAccount))

process.on('SIGTERM', () => void client.close().finally(() => process.exit(0)))
console.log(
  JSON.stringify({
    url: `${baseUrl}/api/trpc/auth.get`,
    headers: { authorization: `Bearer ${key}` },
    bodies: accounts.map((accountId) => JSON.stringify({ id: 'bench', accountId })),
  }),
)

async function connectAccount(accountId: string): Promise<void> {
  const { token } = await client.connectTokens.create({
    accountId,
    integrations: ['bench'],
    origins: [origin],
  })
  const page = createTRPCClient<ConnectRouter>({
    links: [
      httpLink({ url: `${baseUrl}/connect/trpc`, headers: { authorization: `Bearer ${token}`, origin } }),
    ],
  })
  const flow = await page.flows.begin.mutate({ flowId: createFlowId(), integration: 'bench', accountId })
  await page.flows.submit.mutate({
    flowId: flow.id,
    version: flow.version,
    method: 'apiKey',
    values: { apiKey: 'k'.repeat(64) },
  })
  await client.getAuth({ id: 'bench', accountId })
}

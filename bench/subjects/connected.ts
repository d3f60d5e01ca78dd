// An account that is connected as a page would do it, over HTTP.

import { createTRPCClient, httpLink } from '@trpc/client'
import type { ConnectRouter } from '../../server/http/connect-router.ts'
import { createFlowId } from '../../shared/ids.ts'
import type { BenchServer } from './bench-server.ts'

const origin = 'http://localhost'

/** Connects the account by a key of 64 characters. */
export async function connectAccount(
  { client, baseUrl }: Pick<BenchServer, 'client' | 'baseUrl'>,
  accountId: string,
): Promise<void> {
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

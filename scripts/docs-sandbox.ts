// What the examples of the site talk to while it is served from this machine: a connect server with the stand-in
// providers, and a route that mints connect tokens for whoever looks, as the backend of a host does. Nothing is kept.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AuthFlow } from '../server/index.ts'
import { Airtable } from '../server/integrations/airtable.ts'
import { Shopify } from '../server/integrations/shopify.ts'
import { Slack } from '../server/integrations/slack.ts'
import { startSandbox, type Sandbox } from '../server/sandbox/sandbox.ts'

/** Where things are to be. */
export interface DocsSandboxOptions {
  /** Of the connect server and the route for tokens. */
  readonly port: number
  /** Origin of the pages with the examples. */
  readonly siteUrl: string
}

/** The running servers. */
export interface DocsSandbox {
  /**
   * The connect server, for `configureAuthFlow`. It also answers `POST /connect-token?integrations=slack,airtable&purpose=manage`,
   * which the site's own server has to pass on, so that the cookie is the site's.
   */
  readonly endpoint: string
  /** Ends all of it and removes what it stored. */
  close(): Promise<void>
}

/** The integrations that the examples name, at the stand-ins. */
const integrationsAt = ({ slack, airtable, shopify }: Sandbox) => [
  new Slack({
    id: 'slack',
    connect: true,
    oauth: { ...slack.client, scopes: ['chat:write', 'channels:read'] },
    endpoints: slack.endpoints,
  }),
  new Airtable({
    id: 'airtable',
    connect: true,
    oauth: { ...airtable.client, scopes: ['data.records:read'] },
    endpoints: airtable.endpoints,
  }),
  new Shopify({
    id: 'shopify',
    connect: true,
    oauth: { ...shopify.client, scopes: ['read_products'] },
    endpoints: shopify.endpoints,
  }),
]

const ids = ['slack', 'airtable', 'shopify'] as const
const purposes = ['create', 'reconnect', 'manage'] as const
const visitorPattern = /(?:^|; )visitor=([\w-]{22})(?:;|$)/

/** Mints a token for whoever looks: the account is in a cookie, and not for the page to say. */
async function mint(
  client: AuthFlow<ReturnType<typeof integrationsAt>>,
  siteUrl: string,
  request: IncomingMessage,
) {
  const { searchParams } = new URL(request.url ?? '', siteUrl)
  const wanted = searchParams.get('integrations')?.split(',') ?? []
  const visitor =
    visitorPattern.exec(request.headers.cookie ?? '')?.[1] ?? randomBytes(16).toString('base64url')
  const token = await client.connectTokens.create({
    accountId: `visitor-${visitor}`,
    integrations: ids.filter((id) => wanted.includes(id)),
    origins: [siteUrl],
    purpose: purposes.find((one) => one === searchParams.get('purpose')) ?? 'create',
  })
  return { token, cookie: `visitor=${visitor}; HttpOnly; SameSite=Lax; Path=/` }
}

/** A server that hands the handler what is not about tokens. Rejects when the port is taken. */
async function listen(
  port: number,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const server = createServer(handle).listen(port, 'localhost')
  await once(server, 'listening')
  return server
}

/** Starts all of it on loopback. Rejects when the port is taken. */
export async function startDocsSandbox({ port, siteUrl }: DocsSandboxOptions): Promise<DocsSandbox> {
  const endpoint = `http://localhost:${port}`
  const sandbox = await startSandbox({ redirectUris: ids.map((id) => `${endpoint}/callback/${id}`) })
  const folder = await mkdtemp(join(tmpdir(), 'authflow-docs-'))
  const client = new AuthFlow({
    environment: 'docs',
    baseUrl: endpoint,
    store: `sqlite:${join(folder, 'docs.db')}`,
    encryptionKeys: `docs1:${randomBytes(32).toString('base64')}`,
    integrations: integrationsAt(sandbox),
  })
  const connect = client.callback()
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'POST' || !request.url?.startsWith('/connect-token'))
      return connect(request, response)
    try {
      const { token, cookie } = await mint(client, siteUrl, request)
      response
        .setHeader('set-cookie', cookie)
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify(token))
    } catch (error) {
      response.writeHead(400).end(String(error))
    }
  }
  let server: Server | undefined
  const close = async (): Promise<void> => {
    server?.close()
    await client.close()
    server?.closeAllConnections()
    await sandbox.close()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await client.start()
    server = await listen(port, (request, response) => void answer(request, response))
  } catch (error) {
    await close()
    throw error
  }
  return { endpoint, close }
}

import { createTRPCClient, httpLink } from '@trpc/client'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { ConnectRouter } from '../server/http/connect-router.ts'
import { AuthFlow, eventTrigger } from '../server/index.ts'
import { createFlowId } from '../shared/ids.ts'
import { createReadmeProject, type ReadmeProject } from './readme-project.ts'
import { root } from './source-files.ts'

const origin = 'http://localhost'
const accountId = 'account-1'
const goodKey = 'good-key'

/** The provider of the README's example: one user, one key, and the tasks that were added. */
function startProvider(tasks: unknown[]): Server {
  return createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      const known = req.headers.authorization === `Bearer ${goodKey}`
      if (known && req.url === '/tasks') tasks.push(JSON.parse(Buffer.concat(chunks).toString()))
      const body = req.url === '/user' ? { id: 'u1', email: 'ada@example.com' } : { id: `t${tasks.length}` }
      res.writeHead(known ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
  }).listen(0, '127.0.0.1')
}

async function originOf(server: Server): Promise<string> {
  if (!server.listening) await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return `http://127.0.0.1:${address.port}`
}

describe('The provider of README.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'authflow-readme-'))
  const tasks: unknown[] = []
  const provider = startProvider(tasks)
  const http = createServer().listen(0, '127.0.0.1')
  let project: ReadmeProject

  before(async () => {
    const api = await originOf(provider)
    project = createReadmeProject((_, source) =>
      source
        .replace('https://api.todoist.com/api/v1', api)
        .replace(`'authflow'`, `'${join(root, 'server/index.ts')}'`),
    )
  })
  after(() => {
    project.remove()
    provider.close()
    http.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('refuses a wrong key at the field, connects with a right one, and runs its task as the account', async () => {
    const { Todoist } = await import(join(project.directory, 'todoist.ts'))
    const todoist = Todoist({ id: 'todoist-customers', connect: true })
    const baseUrl = await originOf(http)
    const client = new AuthFlow({
      environment: 'test',
      baseUrl,
      store: `sqlite:${folder}/test.db`,
      encryptionKeys: `k1:${randomBytes(32).toString('base64')}`,
      integrations: [todoist],
    })
    client.defineJob({
      id: 'add',
      name: 'Add',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'add' }),
      integrations: { todoist },
      run: async (_payload, io) => {
        await Reflect.get(io, 'todoist').addTask('add', { content: 'Call Ada' })
      },
    })
    http.on('request', client.callback())
    try {
      const { token } = await client.connectTokens.create({
        accountId,
        integrations: ['todoist-customers'],
        origins: [origin],
      })
      const page = createTRPCClient<ConnectRouter>({
        links: [
          httpLink({ url: `${baseUrl}/connect/trpc`, headers: { authorization: `Bearer ${token}`, origin } }),
        ],
      })
      const flow = await page.flows.begin.mutate({
        flowId: createFlowId(),
        integration: 'todoist-customers',
        accountId,
      })
      const submit = ({ id, version }: typeof flow, apiKey: string) =>
        page.flows.submit.mutate({ flowId: id, version, method: 'apiKey', values: { apiKey } })
      const refused = await submit(flow, 'wrong-key')
      assert.equal(refused.errors[0]?.field, 'apiKey')
      const done = await submit(refused, goodKey)
      assert.equal(done.connection?.identity.label, 'ada@example.com')

      const { runIds } = await client.sendEvent({ name: 'add', payload: {} }, { accountId })
      const deadline = Date.now() + 10_000
      while (tasks.length === 0 && Date.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 20))
      assert.deepEqual(tasks, [{ content: 'Call Ada' }])
      assert.equal(runIds.length, 1)
    } finally {
      await client.close()
    }
  })
})

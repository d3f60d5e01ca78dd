// Runs the examples of docs/connections.md, in their order, as one program against a whole server at the stand-in Slack.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Webhook } from 'standardwebhooks'
import { connectSlack, startTestServer, type TestServer } from './http/fixtures/test-server.ts'
import { Slack } from './integrations/slack.ts'
import { connectionTrigger, isAuthFlowError, missingConnectionTrigger } from './index.ts'

const pagePath = fileURLToPath(new URL('../docs/connections.md', import.meta.url))

/** What the examples take for granted. */
const given = {
  connectionTrigger,
  missingConnectionTrigger,
  createServer,
  isAuthFlowError,
  Slack,
  makeWebhookSecret: (): string => `whsec_${randomBytes(32).toString('base64')}`,
  Webhook,
}

describe('docs/connections.md', () => {
  const said: string[] = []
  let server: TestServer
  let directory = ''

  before(async () => {
    server = await startTestServer({ options: { worker: true } })
    await connectSlack(server, 'ada')
    await connectSlack(server, 'grace')
    const page = await readFile(pagePath, 'utf8')
    const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code)
    assert.ok(blocks.length >= 10)
    directory = await mkdtemp(join(tmpdir(), 'authflow-doc-'))
    const program = join(directory, 'page.ts')
    const names = [...Object.keys(given), 'client', 'console'].join(', ')
    await writeFile(
      program,
      [
        "import type { ConnectionEvent } from 'authflow'",
        `export async function run({ ${names} }) {`,
        ...blocks,
        'return { hookServer, hooks, options }',
        '}',
      ].join('\n'),
    )
  })
  after(async () => {
    await server.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('shows nothing that does not run', async () => {
    const { run } = await import(pathToFileURL(join(directory, 'page.ts')).href)
    const console = { log: (...words: unknown[]) => void said.push(words.join(' ')) }
    const { hookServer, hooks } = await run({ ...given, client: server.client, console })
    assert.match(said[0] ?? '', /^slack-customers: active {2}as .*, workspace Acme$/)
    assert.equal(said[1], 'missing files:write: give ctk_ct_… to the page')
    assert.deepEqual(said[2]?.split(',').toSorted(), ['ada', 'grace'])
    assert.equal(said[3], '1 true')
    assert.match(said[4] ?? '', /^20\d\d-.* server ada server$/)
    const body = JSON.stringify({
      type: 'authflow.connection.connected',
      data: { connection: { accountId: 'ada' } },
    })
    const now = new Date()
    const url = await new Promise<string>((resolve) => {
      hookServer.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${hookServer.address().port}`))
    })
    const headers = (signature: string) => ({
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': signature,
    })
    const signature = new Webhook(hooks[0].secret).sign('msg_1', now, body)
    const accepted = await fetch(url, { method: 'POST', body, headers: headers(signature) })
    const refused = await fetch(url, { method: 'POST', body: `${body} `, headers: headers(signature) })
    await new Promise((resolve) => hookServer.close(resolve))
    hookServer.closeAllConnections()
    assert.deepEqual([accepted.status, refused.status], [204, 401])
    assert.equal(said.at(-1), 'authflow.connection.connected ada')
  })
})

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { z } from 'zod'
import { isAuthFlowError } from '../shared/errors.ts'
import type { RunState } from '../shared/flow.ts'
import { AuthFlow } from './authflow.ts'
import { integrationOf } from './connect/fixtures/workbench.ts'
import {
  callApi,
  callPublic,
  connectSlack,
  dig,
  encryptionKeys,
  keepLog,
  prepareFlow,
  readAnswer,
  secretKeys,
  secretKeysOption,
  startTestServer,
  testIntegrations,
  type TestClient,
} from './http/fixtures/test-server.ts'
import { defineFields } from './integrations/field-set.ts'
import { Slack } from './integrations/slack.ts'
import { openLog } from './log.ts'
import type { AuthFlowOptions } from './options.ts'
import { startSandbox, type Sandbox } from './sandbox/index.ts'
import type { IntegrationList } from './server-api.ts'
import { eventTrigger } from './triggers/event-trigger.ts'

let directory = ''
let sandbox: Sandbox
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authflow-'))
  sandbox = await startSandbox({ redirectUris: ['http://localhost:1/callback/slack-customers'] })
})
after(async () => {
  await sandbox.close()
  await rm(directory, { recursive: true, force: true })
})

const hasCode = (code: string, text?: RegExp) => (error: unknown) => {
  assert(isAuthFlowError(error), String(error))
  assert.equal(error.code, code)
  if (text) assert.match(error.message, text)
  return true
}

function optionsFor(file: string): AuthFlowOptions<ReturnType<typeof testIntegrations>> {
  return {
    environment: 'test',
    baseUrl: 'http://localhost:1/auth',
    store: `sqlite:${join(directory, file)}`,
    encryptionKeys,
    secretKeys: secretKeysOption,
    integrations: testIntegrations(sandbox),
    worker: false,
    logger: keepLog(),
  }
}

describe('new AuthFlow', () => {
  const slackAt = (endpoints?: Sandbox['slack']['endpoints']) =>
    new Slack({
      id: 'slack-customers',
      connect: true,
      oauth: { clientId: 'x', clientSecret: 'y', scopes: ['chat:write'] },
      ...(endpoints && { endpoints }),
    })
  const open = 'https://connect.example.com'

  it('names every option that is missing', () => {
    for (const option of ['environment', 'baseUrl', 'store', 'secretKeys'] as const) {
      for (const value of [undefined, '']) {
        const make = () => new AuthFlow({ ...optionsFor('none.db'), [option]: value })
        assert.throws(make, hasCode('missing_option', new RegExp(`\`${option}\``)))
      }
    }
    for (const value of [undefined, '']) {
      assert.throws(
        () => new AuthFlow({ ...optionsFor('none.db'), encryptionKeys: value }),
        hasCode('missing_encryption_key'),
      )
    }
  })

  it('refuses values that cannot work', () => {
    const wrong: [Partial<AuthFlowOptions<IntegrationList>>, string][] = [
      [{ environment: 'a b' }, 'invalid_option'],
      [{ encryptionKeys: 'k1:AAAA' }, 'invalid_encryption_key'],
      [{ secretKeys: 'web=everything=00' }, 'invalid_option'],
      [{ queue: 'redis://localhost/name' }, 'invalid_option'],
      [{ concurrency: 0 }, 'invalid_option'],
      [{ queue: 'amqp://localhost' }, 'invalid_option'],
      [{ baseUrl: 'connect.example.com' }, 'invalid_base_url'],
      [{ baseUrl: 'http://connect.example.com' }, 'invalid_base_url'],
      [{ baseUrl: 'https://u:p@connect.example.com' }, 'invalid_base_url'],
      [{ baseUrl: 'https://connect.example.com/?a=b' }, 'invalid_base_url'],
      [{ integrations: [slackAt(), slackAt()] }, 'duplicate_integration'],
      [{ baseUrl: open, integrations: [slackAt(sandbox.slack.endpoints)] }, 'insecure_endpoint'],
    ]
    for (const [options, code] of wrong) {
      assert.throws(
        () => new AuthFlow({ ...optionsFor('none.db'), ...options }),
        hasCode(code),
        `${code} for ${Object.keys(options).join()}`,
      )
    }
  })

  it('refuses a credential in a field that is not secret', () => {
    const verify = async () => ({ identity: { id: 'ada', label: 'Ada' } })
    const text = z.string().meta({ title: 'Text' })
    const hidden = z.string().meta({ title: 'Text', secret: true })
    const wrong = [
      ['apiKey', z.object({ apiKey: text })],
      ['apiKey', z.object({ token: hidden })],
      ['basic', z.object({ username: hidden, password: text })],
    ] as const
    for (const [id, schema] of wrong) {
      const integration = integrationOf('keys', [{ id, label: 'Key', fields: defineFields(schema), verify }])
      assert.throws(
        () => new AuthFlow({ ...optionsFor('none.db'), integrations: [integration] }),
        hasCode('invalid_option', /keys.*(?:apiKey|password)/),
      )
    }
  })

  it('takes http for loopback hosts, https for all', async () => {
    for (const baseUrl of [
      'http://127.0.0.1:3000',
      'http://[::1]/x',
      'http://a.localhost',
      open,
      `${open}/auth/`,
    ]) {
      await new AuthFlow({ ...optionsFor('none.db'), baseUrl, integrations: [slackAt()] }).close()
    }
  })
})

describe('the option logger', () => {
  it('sees no client secret, in whatever text it stands', () => {
    const log = keepLog()
    const opened = openLog({ logger: log, integrations: testIntegrations(sandbox) })
    const { clientSecret } = sandbox.slack.client
    opened.warn(
      { url: `https://x.example/?a=${clientSecret}`, deep: [{ text: clientSecret }] },
      `not ${clientSecret}`,
    )
    opened.error({ err: new Error('failed', { cause: new Error(clientSecret) }) }, 'failed')
    assert.equal(log.lines.length, 2)
    assert(!log.lines.join().includes(clientSecret))
    assert.match(log.lines.join(), /warn not .*error failed/)
  })
})

describe('AuthFlow.start', () => {
  it('does nothing the second time, and nothing after close', async () => {
    const client = new AuthFlow(optionsFor('start.db'))
    await Promise.all([client.start(), client.start()])
    await client.start()
    const closing = client.close()
    assert.equal(client.close(), closing)
    await closing
    await assert.rejects(client.start(), hasCode('closed'))
    await assert.rejects(client.sendEvent({ name: 'a', payload: 1 }), hasCode('closed'))
  })

  it('fails with another key than the store was written with, and with another environment', async () => {
    const first = new AuthFlow(optionsFor('keys.db'))
    await first.start()
    await first.close()
    const other = `k1:${randomBytes(32).toString('base64')}`
    const wrong = new AuthFlow({ ...optionsFor('keys.db'), encryptionKeys: other })
    await assert.rejects(wrong.start(), hasCode('wrong_encryption_key'))
    await wrong.close()
    const elsewhere = new AuthFlow({ ...optionsFor('keys.db'), environment: 'staging' })
    await assert.rejects(elsewhere.start(), hasCode('environment_mismatch'))
    await elsewhere.close()
    const again = new AuthFlow(optionsFor('keys.db'))
    await again.start()
    await again.close()
  })

  it('can be repeated after it failed', async () => {
    const file = join(directory, 'repeated.db')
    await writeFile(file, 'This is no database. '.repeat(100))
    const client = new AuthFlow(optionsFor('repeated.db'))
    await assert.rejects(client.start(), hasCode('store_corrupt'))
    await rm(file)
    await client.start()
    await client.close()
  })

  it('tells callers of a mounted server nothing about a wrong configuration, and its log everything', async () => {
    const first = new AuthFlow(optionsFor('hidden.db'))
    await first.start()
    await first.close()
    const log = keepLog()
    const client = new AuthFlow({ ...optionsFor('hidden.db'), environment: 'staging', logger: log })
    const server = createServer(client.callback())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    assert(typeof address === 'object' && address)
    const url = `http://127.0.0.1:${address.port}/auth`
    const answer = await callApi({ url }, 'connections.list', { input: {}, key: secretKeys.admin })
    assert.deepEqual([answer.status, answer.code], [500, 'internal'])
    assert.equal((await fetch(`${url}/healthz`)).status, 200)
    const ready = await readAnswer(await fetch(`${url}/readyz`))
    assert.deepEqual([ready.status, ready.code], [503, 'store_unavailable'])
    assert(log.lines.some((line) => line.startsWith('error A call failed.')))
    server.close()
    server.closeAllConnections()
    await client.close()
  })
})

describe('AuthFlow.close', () => {
  it('answers a held poll, finishes what is under way, and turns readiness off first', async () => {
    let arrived = 0
    const server = await startTestServer({
      mount: (client) => {
        const handle = client.callback()
        return (req, res) => {
          if (req.url?.includes('flows.watch')) arrived += 1
          handle(req, res)
        }
      },
    })
    const { token, flowId } = await prepareFlow(server)
    const seen = await callPublic(server, 'flows.watch', {
      token,
      input: { flows: [{ id: flowId, version: 0 }], waitMs: 0 },
    })
    const version = dig(seen.body, 'result', 'data', '0', 'version')
    const began = performance.now()
    const polls = ['', '?other'].map((query) =>
      callPublic(server, `flows.watch${query}`, {
        token,
        input: { flows: [{ id: flowId, version }], waitMs: 25_000 },
      }),
    )
    while (arrived < 3) await new Promise((resolve) => setTimeout(resolve, 20))
    await new Promise((resolve) => setTimeout(resolve, 100))
    const closing = server.client.close()
    const ready = await readAnswer(await fetch(`${server.url}/readyz`))
    assert.deepEqual([ready.status, ready.code], [503, 'closed'])
    for (const poll of polls) {
      const { status, body } = await poll
      assert.deepEqual([status, dig(body, 'result', 'data')], [200, []])
    }
    await closing
    assert(performance.now() - began < 5_000)
    const late = await callApi(server, 'connections.list', { input: {}, key: secretKeys.admin })
    assert.deepEqual([late.status, late.code], [503, 'closed'])
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200)
    await server.close()
  })

  it('before the start, during it, and at once after a start that failed, is fine', async () => {
    await new AuthFlow(optionsFor('a.db')).close()
    const starting = new AuthFlow(optionsFor('b.db'))
    const start = starting.start()
    await starting.close()
    await start
    const failing = new AuthFlow({ ...optionsFor('c.db'), store: 'sqlite::memory:' })
    const failed = failing.start()
    await failing.close()
    await assert.rejects(failed, hasCode('invalid_option'))
  })
})

describe('AuthFlow.listen', () => {
  it('names the port that is taken and leaves nothing running', async () => {
    const first = new AuthFlow(optionsFor('one.db'))
    const { port } = await first.listen(0, '127.0.0.1')
    const second = new AuthFlow(optionsFor('two.db'))
    await assert.rejects(
      second.listen(port, '127.0.0.1'),
      hasCode('port_in_use', new RegExp(`Port ${port} `)),
    )
    assert.equal((await fetch(`http://127.0.0.1:${port}/auth/readyz`)).status, 200)
    await first.close()
    assert.equal((await second.listen(port, '127.0.0.1')).port, port)
    await second.close()
    await assert.rejects(fetch(`http://127.0.0.1:${port}/auth/healthz`))
  })

  it('listens no more when the start fails', async () => {
    const client = new AuthFlow({ ...optionsFor('x.db'), store: 'sqlite::memory:' })
    const probe = createServer()
    await once(probe.listen(0, '127.0.0.1'), 'listening')
    const address = probe.address()
    assert(typeof address === 'object' && address)
    probe.close()
    await assert.rejects(client.listen(address.port, '127.0.0.1'), hasCode('invalid_option'))
    await assert.rejects(fetch(`http://127.0.0.1:${address.port}/auth/healthz`))
    await client.close()
  })
})

/** Waits until the run is in the state; fails after 10 s. */
async function reaches(client: TestClient, id: string, state: RunState): Promise<void> {
  const deadline = Date.now() + 10_000
  for (;;) {
    const run = await client.runs.get({ id })
    if (run.state === state) return
    assert(Date.now() < deadline, `the run is ${run.state} ${JSON.stringify(run.error)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('AuthFlow in the process', () => {
  it('gives credentials, connections and runs, and runs jobs as the account', async () => {
    const server = await startTestServer({ options: { worker: true } })
    const { client } = server
    try {
      const done: unknown[] = []
      client.defineJob({
        id: 'notify',
        name: 'Notify',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'notify', schema: z.object({ text: z.string() }) }),
        integrations: { slack: server.integrations[0] },
        run: async (payload, io, ctx) => {
          const text = await io.runTask('read', () => payload.text.toUpperCase())
          done.push([text, ctx.account?.id])
        },
      })
      await connectSlack(server)
      const auth = await client.getAuth({ id: 'slack-customers', accountId: 'ada' })
      assert.equal(auth.type, 'oauth2')
      assert.deepEqual(await client.auth.get({ id: 'slack-customers', accountId: 'ada' }), auth)

      const { items } = await client.connections.list({ accountId: 'ada' })
      assert.equal(items.length, 1)
      const sent = await client.sendEvent(
        { name: 'notify', payload: { text: 'hello' } },
        { accountId: 'ada' },
      )
      const [id = ''] = sent.runIds
      await reaches(client, id, 'succeeded')
      assert.deepEqual(done, [['HELLO', 'ada']])

      await client.connections.disconnect({ integration: 'slack-customers', accountId: 'ada' })
      await assert.rejects(
        client.getAuth({ id: 'slack-customers', accountId: 'ada' }),
        hasCode('not_connected'),
      )
    } finally {
      await server.close()
    }
  })

  it('logs no token, code or client secret of a connection, whatever fails', async () => {
    const server = await startTestServer()
    const { client, log, sandbox } = server
    try {
      const { token, callback, cookie } = await connectSlack(server)
      const auth = await client.getAuth({ id: 'slack-customers', accountId: 'ada' })
      sandbox.slack.faults.next({ status: 500 })
      await client.connections.disconnect({ integration: 'slack-customers', accountId: 'ada' })
      await client.getAuth({ id: 'slack-customers', accountId: 'ada' }).catch(() => undefined)
      await fetch(callback)
      await new Promise((resolve) => setTimeout(resolve, 50))
      const text = log.lines.join('\n')
      const secrets = [
        auth.accessToken,
        token,
        callback.searchParams.get('code') ?? '',
        cookie.split('=')[1] ?? '',
        sandbox.slack.client.clientSecret,
        secretKeys.admin,
      ]
      for (const secret of secrets) {
        assert(secret.length > 8)
        assert(!text.includes(secret), text)
      }
    } finally {
      await server.close()
    }
  })

  it('wakes a run that waits for its account to connect', async () => {
    const server = await startTestServer({ options: { worker: true } })
    const { client } = server
    try {
      const [slack] = server.integrations
      client.defineJob({
        id: 'wait',
        name: 'Wait',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'wait', schema: z.object({}) }),
        integrations: { slack },
        run: async (_payload, io) => {
          await io.slack.listConversations('channels')
        },
      })
      const { runIds } = await client.sendEvent({ name: 'wait', payload: {} }, { accountId: 'ada' })
      const [id = ''] = runIds
      await reaches(client, id, 'waiting_for_connection')
      await connectSlack(server)
      await reaches(client, id, 'succeeded')
    } finally {
      await server.close()
    }
  })
})

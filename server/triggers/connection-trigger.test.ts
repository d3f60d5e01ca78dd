// Jobs started by what happens to connections, through a whole server at the stand-in Slack.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { startListener, type Listener } from '../connect/fixtures/listener.ts'
import { createClient } from '../client.ts'
import { callApi, connectSlack, secretKeys, startTestServer } from '../http/fixtures/test-server.ts'
import type { TestServer } from '../http/fixtures/test-server.ts'
import { connectionTrigger } from './connection-trigger.ts'

const integration = 'slack-customers'

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.fail(`${what} did not happen`)
}

describe('connectionTrigger', () => {
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const ran: string[] = []
  let server: TestServer
  let listener: Listener

  before(async () => {
    listener = await startListener(secret)
    server = await startTestServer({
      options: { worker: true, connectionWebhooks: [{ url: listener.url, secret }] },
    })
    const { client } = server
    client.defineJob({
      id: 'welcome',
      name: 'Welcome',
      version: '1.0.0',
      trigger: connectionTrigger({ on: ['connected', 'disconnected'], integration }),
      run: async ({ connection }, _io, ctx) => {
        ran.push(`${connection.state} ${connection.accountId} ${ctx.account?.id}`)
      },
    })
    client.defineJob({
      id: 'elsewhere',
      name: 'Elsewhere',
      version: '1.0.0',
      trigger: connectionTrigger({ integration: 'airtable-customers' }),
      run: async () => void ran.push('elsewhere'),
    })
    await client.start()
  })
  after(async () => {
    await server.close()
    await listener.close()
  })

  it('starts a job as the account for each change it is for, and tells the host the same', async () => {
    await connectSlack(server, 'ada')
    await server.client.connections.disconnect({ integration, accountId: 'ada' })
    await until('the runs', () => ran.length === 2)
    assert.deepEqual(ran, ['active ada ada', 'disconnected ada ada'])
    await until('the webhooks', () => listener.accepted.length === 2)
    assert.deepEqual(
      listener.accepted.map(({ event }) => [event.type, event.data.connection.accountId]),
      [
        ['authflow.connection.connected', 'ada'],
        ['authflow.connection.disconnected', 'ada'],
      ],
    )
    assert.equal(ran.includes('elsewhere'), false)
  })

  it('lets backends rename, note, look up and read the trail, each with the scope it takes', async () => {
    await connectSlack(server, 'grace')
    const admin = createClient<typeof server.client>({ url: server.url, secretKey: secretKeys.admin })
    const key = { integration, accountId: 'grace' } as const
    assert.deepEqual((await admin.connections.setMetadata({ ...key, metadata: { plan: 'pro' } })).metadata, {
      plan: 'pro',
    })
    const { identity } = await admin.connections.get(key)
    const found = await admin.connections.list({ integration, identity: identity.id })
    assert.ok(found.items.some(({ accountId }) => accountId === 'grace'))
    const auth = await admin.getAuth({ id: integration, accountId: 'grace', identityId: identity.id })
    assert.equal(auth.type, 'oauth2')
    assert.deepEqual(await admin.accounts.rename({ from: 'grace', to: 'hopper' }), {
      from: 'grace',
      to: 'hopper',
      moved: 1,
      done: true,
    })
    await admin.getAuth({ id: integration, accountId: 'hopper' })
    await assert.rejects(admin.integrations.rename({ from: 'gone', to: 'nowhere' }), {
      code: 'unknown_integration',
    })
    const gone = await admin.integrations.rename({ from: 'gone', to: integration })
    assert.deepEqual(gone, { from: 'gone', to: integration, moved: 0, done: true })
    await admin.connections.disconnect({ integration, accountId: 'hopper', forget: true })
    await assert.rejects(admin.connections.get({ integration, accountId: 'hopper' }), {
      code: 'not_connected',
    })
    const trail = await admin.audit.list({ accountId: 'hopper', action: 'connection.forgotten' })
    assert.deepEqual(
      trail.items.map(({ actor }) => actor),
      ['admin'],
    )
    for (const [path, input] of [
      ['accounts.rename', { from: 'a', to: 'b' }],
      ['integrations.rename', { from: 'a', to: integration }],
      ['audit.list', {}],
    ] as const) {
      const refused = await callApi(server, path, { input, key: secretKeys.connections })
      assert.equal(refused.code, 'scope_missing', path)
    }
    const unfit = await callApi(server, 'connections.setMetadata', {
      input: { ...key, metadata: { text: 'x'.repeat(5000) } },
      key: secretKeys.connections,
    })
    assert.equal(unfit.code, 'invalid_input')
  })

  it('refuses what it can’t be for', () => {
    assert.throws(() => connectionTrigger({ on: [] }), { code: 'invalid_input' })
    assert.throws(() => connectionTrigger({ integration: [] }), { code: 'invalid_input' })
    // @ts-expect-error no such change
    assert.throws(() => connectionTrigger({ on: 'exploded' }), { code: 'invalid_input' })
    assert.deepEqual(connectionTrigger().names, ['authflow.connection.connected'])
  })
})

// Connecting with an app that the account made at the provider itself: A13.

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { createFlowId } from '../../shared/ids.ts'
import { defineIntegration } from '../integrations/define-integration.ts'
import { apps, startFullOidc } from '../oauth/fixtures/full-oidc.ts'
import { mint, openWorkbench } from './fixtures/workbench.ts'
import { connectionIdOf } from './connection-id.ts'
import { connectionSet } from './sets.ts'

const op = await startFullOidc([])
const integration = 'things-service'
const things = defineIntegration({
  provider: 'things',
  name: 'Things',
  methods: {
    clientCredentials: {
      tokenUrl: `${op.origin}/token`,
      issuer: () => op.origin,
      revocationUrl: () => `${op.origin}/token/revocation`,
      scopes: ['things'],
      scopeLabels: { things: 'Read your things' },
      identify: async (_token, { fields }) => {
        const id = fields['clientId'] ?? ''
        return { identity: { id, label: `App ${id}` } }
      },
    },
  },
  client: (auth) => ({ token: auth.accessToken }),
  tasks: {},
})({ id: integration, connect: true })
const bench = await openWorkbench([things])
const { connect, store } = bench
after(async () => {
  await bench.close()
  await op.close()
})

let accounts = 0
let accountId = ''
beforeEach(() => {
  accountId = `acct-${(accounts += 1)}`
  op.requests.length = 0
  op.lifetime = 600
})

const tokenRequests = (): number => op.requests.filter(({ path }) => path === '/token').length

async function submit(clientSecret: string = apps.service.clientSecret) {
  const caller = await mint(connect, { integrations: [integration], accountId })
  const { id: flowId, version } = await connect.begin(caller, { flowId: createFlowId(), integration })
  const values = { clientId: ` ${apps.service.clientId} `, clientSecret }
  return connect.submit(caller, { flowId, version, method: 'clientCredentials', values })
}

/** As if the access token were over. */
const expire = () =>
  store.update(
    connectionSet,
    connectionIdOf(integration, accountId),
    {},
    { set: { expiresAt: store.now() - 1 } },
  )

describe('a flow by client credentials', () => {
  it('asks for id and secret, tries them, and ends in a connection', async () => {
    const [method] = connect.describe(integration).methods
    assert.deepEqual(
      method?.fields.map(({ name, secret }) => [name, secret]),
      [
        ['clientId', false],
        ['clientSecret', true],
      ],
    )
    assert.deepEqual(method?.scopes, [{ scope: 'things', label: 'Read your things' }])
    const view = await submit()
    assert.equal(view.stage, 'done')
    assert.deepEqual(view.connection?.identity, { id: 'service', label: 'App service' })
    assert.deepEqual(view.connection?.fields, { clientId: 'service' })
    assert.equal(view.connection?.method, 'oauth2')
    assert.equal((await bench.rawBytes()).includes(apps.service.clientSecret), false)
  })

  it('says at the field that the provider does not accept the secret', async () => {
    const view = await submit('wrong')
    assert.equal(view.stage, 'fields')
    assert.deepEqual(
      view.errors.map(({ field, reason }) => [field, reason]),
      [['clientSecret', 'rejected']],
    )
    assert.equal(JSON.stringify(view).includes('wrong'), false)
    assert.equal(await connect.findConnection({ integration, accountId }), undefined)
  })

  it('keeps the token until it is over, and then one caller gets the next for all', async () => {
    await submit()
    const first = await connect.getAuth({ id: integration, accountId })
    assert.ok(first.type === 'oauth2' && first.expiresAt !== null)
    await connect.getAuth({ id: integration, accountId })
    assert.equal(tokenRequests(), 1)
    await expire()
    const all = await Promise.all(
      Array.from({ length: 20 }, () => connect.getAuth({ id: integration, accountId })),
    )
    assert.equal(tokenRequests(), 2)
    assert.equal(new Set(all.map(({ tokenHash }) => tokenHash)).size, 1)
    assert.notEqual(all[0]?.tokenHash, first.tokenHash)
    const forced = await connect.getAuth({
      id: integration,
      accountId,
      rejectedTokenHash: all[0]?.tokenHash ?? '',
    })
    assert.notEqual(forced.tokenHash, all[0]?.tokenHash)
    assert.equal(tokenRequests(), 3)
  })

  it('refreshes from another process, too', async () => {
    await submit()
    await expire()
    const other = await bench.another()
    const [one, two] = await Promise.all([
      connect.getAuth({ id: integration, accountId }),
      other.connect.getAuth({ id: integration, accountId }),
    ])
    assert.equal(one.tokenHash, two.tokenHash)
    assert.equal(tokenRequests(), 2)
  })

  it('needs the account again when the provider refuses its app', async () => {
    await submit()
    const id = connectionIdOf(integration, accountId)
    const record = await store.get(connectionSet, id)
    assert.equal(record?.via, 'clientCredentials')
    await expire()
    await store.update(connectionSet, id, {}, { set: { fields: { clientId: 'unknown' } } })
    await assert.rejects(connect.getAuth({ id: integration, accountId }), {
      code: 'needs_reauth',
      details: { integration, accountId, reason: 'invalid_client' },
    })
    assert.equal((await connect.getConnection({ integration, accountId })).state, 'needs_reauth')
  })
})

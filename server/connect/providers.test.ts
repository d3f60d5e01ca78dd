// The four providers as they are shipped, connected at their stand-ins: quirks of their answers, per-shop hosts, signed
// callbacks, keys, expiry and revocation.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Auth } from '../../shared/auth.ts'
import type { FlowView } from '../../shared/flow.ts'
import { createFlowId } from '../../shared/ids.ts'
import { Airtable } from '../integrations/airtable.ts'
import { Github } from '../integrations/github.ts'
import { Shopify } from '../integrations/shopify.ts'
import { Slack } from '../integrations/slack.ts'
import { startSandbox } from '../sandbox/sandbox.ts'
import { connectionIdOf } from './connection-id.ts'
import { comeBack, mint, openWorkbench, redirectUri, see, start, toAuthorize } from './fixtures/workbench.ts'
import { connectionSet } from './sets.ts'

const sandbox = await startSandbox({
  redirectUris: ['slack', 'github', 'airtable', 'shopify'].map(redirectUri),
  accessTokenLifetimeSeconds: { slack: 3600, airtable: 3600, shopify: 3600 },
})
const { slack, github, airtable, shopify } = sandbox
const app = (standIn: { client: { clientId: string; clientSecret: string } }, scopes: string[]) => ({
  ...standIn.client,
  scopes,
})
const bench = await openWorkbench([
  new Slack({
    id: 'slack',
    connect: true,
    oauth: app(slack, ['chat:write', 'channels:read']),
    endpoints: slack.endpoints,
  }),
  new Github({ id: 'github', connect: true, oauth: app(github, ['repo']), endpoints: github.endpoints }),
  new Airtable({
    id: 'airtable',
    connect: true,
    oauth: app(airtable, ['data.records:read', 'data.records:write', 'user.email:read']),
    endpoints: airtable.endpoints,
  }),
  new Shopify({
    id: 'shopify',
    connect: true,
    oauth: app(shopify, ['read_products']),
    endpoints: shopify.endpoints,
  }),
])
const { connect, store } = bench
after(async () => {
  await bench.close()
  await sandbox.close()
})

type StandIn = typeof slack | typeof github | typeof airtable | typeof shopify

async function connectAt(
  standIn: StandIn,
  integration: string,
  options: {
    readonly values?: Record<string, string>
    readonly decision?: 'deny'
    readonly accountId?: string
  } = {},
): Promise<FlowView> {
  const caller = await mint(connect, {
    integrations: [integration],
    accountId: options.accountId ?? 'acct-1',
  })
  const flow = await toAuthorize(connect, caller, integration, options.values)
  const browser = await start(connect, caller, flow.id)
  const back = await standIn.consent(browser.location, options.decision ? { decision: options.decision } : {})
  await comeBack(connect, browser, { integration, params: back.searchParams })
  return see(connect, caller, flow.id)
}

const authOf = async (id: string, accountId = 'acct-1'): Promise<Auth & { type: 'oauth2' }> => {
  const auth = await connect.getAuth({ id, accountId })
  assert.ok(auth.type === 'oauth2')
  return auth
}
/** As if the access token were over, wherever it is kept: one of a shared grant is in a record of its own. */
const expire = async (integration: string): Promise<void> => {
  const id = connectionIdOf(integration, 'acct-1')
  const { grantId } = (await store.get(connectionSet, id)) ?? {}
  await store.update(connectionSet, grantId ?? id, {}, { set: { expiresAt: store.now() - 1 } })
}

describe('Slack', () => {
  it('connects, refreshes its rotating token once for many, and is revoked on disconnect', async () => {
    const done = await connectAt(slack, 'slack')
    assert.equal(done.stage, 'done', JSON.stringify(done.error))
    assert.equal(done.connection?.identity.place?.includes('Acme'), true)
    assert.deepEqual(done.connection?.scopes, ['chat:write', 'channels:read'])
    const before = await authOf('slack')
    await expire('slack')
    const asked = slack.counts()['POST /api/oauth.v2.access'] ?? 0
    const auths = await Promise.all(Array.from({ length: 30 }, () => authOf('slack')))
    assert.equal((slack.counts()['POST /api/oauth.v2.access'] ?? 0) - asked, 1)
    assert.equal(new Set(auths.map(({ accessToken }) => accessToken)).size, 1)
    assert.notEqual(auths[0]?.accessToken, before.accessToken)
    await connect.disconnect({ integration: 'slack', accountId: 'acct-1' }, 'web')
    await connect.sweep()
    for (let tries = 0; tries < 100 && !slack.counts()['POST /api/auth.revoke']; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.equal(slack.counts()['POST /api/auth.revoke'], 1)
  })

  it('brings a person back who said no', async () => {
    const view = await connectAt(slack, 'slack', { decision: 'deny', accountId: 'acct-no' })
    assert.deepEqual([view.stage, view.error?.code], ['cancelled', 'access_denied'])
  })

  it('needs the user again when the person removed the app', async () => {
    await connectAt(slack, 'slack', { accountId: 'acct-gone' })
    const { tokenHash: rejectedTokenHash } = await authOf('slack', 'acct-gone')
    await slack.revokeGrants()
    await assert.rejects(connect.getAuth({ id: 'slack', accountId: 'acct-gone', rejectedTokenHash }), {
      code: 'needs_reauth',
    })
  })
})

describe('GitHub', () => {
  it('connects with a token that never expires', async () => {
    const done = await connectAt(github, 'github')
    assert.equal(done.stage, 'done', JSON.stringify(done.error))
    assert.equal((await authOf('github')).expiresAt, null)
  })
})

describe('Airtable', () => {
  it('connects by OAuth with PKCE and refreshes', async () => {
    const done = await connectAt(airtable, 'airtable')
    assert.equal(done.stage, 'done', JSON.stringify(done.error))
    const before = await authOf('airtable')
    await expire('airtable')
    assert.notEqual((await authOf('airtable')).accessToken, before.accessToken)
  })

  it('connects with a personal access token, after telling at the field that another is wrong', async () => {
    const caller = await mint(connect, { integrations: ['airtable'], accountId: 'acct-pat' })
    const flow = await connect.begin(caller, { flowId: createFlowId(), integration: 'airtable' })
    const submit = (version: number, apiKey: string) =>
      connect.submit(caller, { flowId: flow.id, version, method: 'apiKey', values: { apiKey } })
    const token = airtable.personalAccessTokens['ada'] ?? ''
    const wrong = await submit(flow.version, `${token.slice(0, -4)}0000`)
    assert.equal(wrong.stage, 'fields')
    assert.deepEqual(
      wrong.errors.map(({ field, reason }) => [field, reason]),
      [['apiKey', 'rejected']],
    )
    const right = await submit(wrong.version, token)
    assert.equal(right.stage, 'done', JSON.stringify(right.error))
    const auth = await connect.getAuth({ id: 'airtable', accountId: 'acct-pat' })
    assert.ok(auth.type === 'apiKey' && auth.apiKey === token)
  })
})

describe('Shopify', () => {
  it('takes a shop’s name or address, refuses others at the field, and connects at that shop', async () => {
    const caller = await mint(connect, { integrations: ['shopify'], accountId: 'acct-1' })
    const flow = await connect.begin(caller, { flowId: createFlowId(), integration: 'shopify' })
    const input = {
      flowId: flow.id,
      version: flow.version,
      method: 'oauth2' as const,
      values: { shop: 'evil.com' },
    }
    const wrong = await connect.submit(caller, input)
    assert.deepEqual([wrong.stage, wrong.errors[0]?.field], ['fields', 'shop'])

    const byName = await connectAt(shopify, 'shopify', { values: { shop: 'acme' } })
    assert.equal(byName.stage, 'done', JSON.stringify(byName.error))
    assert.equal(byName.connection?.fields['shop'], 'acme.myshopify.com')
    const values = { shop: 'https://GLOBEX.myshopify.com/admin' }
    const byUrl = await connectAt(shopify, 'shopify', { values, accountId: 'acct-2' })
    assert.equal(byUrl.connection?.fields['shop'], 'globex.myshopify.com')
    assert.equal((await authOf('shopify', 'acct-2')).fields['shop'], 'globex.myshopify.com')
  })

  it('refuses a callback that the shop did not sign', async () => {
    const caller = await mint(connect, { integrations: ['shopify'], accountId: 'acct-3' })
    const flow = await toAuthorize(connect, caller, 'shopify', { shop: 'acme' })
    const browser = await start(connect, caller, flow.id)
    const { searchParams: params } = await shopify.consent(browser.location)
    params.set('shop', 'globex.myshopify.com')
    const outcome = await comeBack(connect, browser, { integration: 'shopify', params })
    assert.deepEqual([outcome.result, outcome.errorCode], ['failed', 'callback_unverified'])
    assert.equal(await connect.findConnection({ integration: 'shopify', accountId: 'acct-3' }), undefined)
  })
})

describe('a provider that fails', () => {
  it('ends the flow with a code, and nothing half-made', async () => {
    const faults = [
      [{ status: 500 }, 'provider_unavailable'],
      [{ garbage: true }, 'provider_reply_invalid'],
      [{ lost: true }, 'provider_unavailable'],
      [{ rateLimitSeconds: 3 }, 'provider_unavailable'],
    ] as const
    for (const [fault, code] of faults) {
      slack.faults.next(fault, { path: '/api/oauth.v2.access' })
      const view = await connectAt(slack, 'slack', { accountId: 'acct-unlucky' })
      assert.deepEqual([view.stage, view.error?.code], ['failed', code])
    }
    slack.faults.clear()
    assert.deepEqual((await connect.listConnections({ accountId: 'acct-unlucky' })).items, [])
    assert.equal((await connectAt(slack, 'slack', { accountId: 'acct-unlucky' })).stage, 'done')
  })
})

// Connecting with values typed into the form, and the stages that a form goes through.

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { z } from 'zod'
import type { FlowView } from '../../shared/flow.ts'
import { createFlowId } from '../../shared/ids.ts'
import { defineFields } from '../integrations/field-set.ts'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import { startTokenServer } from '../oauth/fixtures/token-server.ts'
import { apiKeyMethod, basicMethod, startKeyServer } from './fixtures/key-server.ts'
import { comeBack, integrationOf, mint, openWorkbench, see, start } from './fixtures/workbench.ts'
import { connectionSet, flowSet } from './sets.ts'

const server = await startKeyServer()
const oauthServer = await startTokenServer()
const shopFields = defineFields(
  z.object({
    shop: z
      .string()
      .regex(/^[a-z0-9-]{1,40}\.shops\.example$/)
      .meta({
        title: 'Shop',
        normalise: ['trim', 'lower', ['addSuffix', '.shops.example']],
        patternMessage: 'No shop.',
      }),
    pepper: z.string().meta({ title: 'Pepper', secret: true }),
  }),
)
const withShop = oauthMethod(oauthServer.origin, {
  fields: shopFields,
  authorizationUrl: ({ shop }) => `${oauthServer.origin}/${shop}/authorize`,
  tokenUrl: ({ shop }) => `${oauthServer.origin}/${shop}/token`,
  identify: async ({ accessToken }, { fields }) => ({
    identity: {
      id: `${fields['shop']}`,
      label: accessToken === 'at-1' && fields['pepper'] === 'pepper-canary' ? 'both' : 'none',
    },
  }),
})
const bench = await openWorkbench([
  integrationOf('keys', [apiKeyMethod(server)]),
  integrationOf('passwords', [basicMethod(server)]),
  integrationOf('both', [oauthMethod('https://provider.example'), apiKeyMethod(server)]),
  integrationOf('shops', [withShop]),
])
const { connect, store } = bench
after(async () => {
  await bench.close()
  await server.close()
  await oauthServer.close()
})

let accountId = ''
let accounts = 0
const answer = server.reply
beforeEach(() => {
  accountId = `acct-${(accounts += 1)}`
  server.reply = answer
  server.requests.length = 0
})

async function begin(integration: string) {
  const caller = await mint(connect, { integrations: [integration], accountId })
  const flow = await connect.begin(caller, { flowId: createFlowId(), integration, accountId })
  const submit = (
    values: Record<string, string>,
    from: FlowView = flow,
    method: 'apiKey' | 'basic' | 'oauth2' = 'apiKey',
  ) => connect.submit(caller, { flowId: flow.id, version: from.version, method, values })
  return { caller, flow, submit }
}

describe('Connect.begin', () => {
  it('tells the first stage from the methods', async () => {
    const { flow: only } = await begin('keys')
    assert.equal(only.stage, 'fields')
    assert.equal(only.method, 'apiKey')
    assert.deepEqual(
      only.fields.map(({ name }) => name),
      ['region', 'apiKey'],
    )
    const { flow: several } = await begin('both')
    assert.equal(several.stage, 'choose')
    assert.equal(several.method, undefined)
    assert.deepEqual(several.fields, [])
    assert.deepEqual(
      several.methods.map(({ id }) => id),
      ['oauth2', 'apiKey'],
    )
    assert.equal(several.version, 1)
  })

  it('is idempotent, also when it is called many times at once', async () => {
    const caller = await mint(connect, { integrations: ['keys'], accountId })
    const input = { flowId: createFlowId(), integration: 'keys' }
    const views = await Promise.all(Array.from({ length: 20 }, () => connect.begin(caller, input)))
    assert.equal(new Set(views.map((view) => JSON.stringify(view))).size, 1)
    const later = await connect.submit(caller, {
      flowId: input.flowId,
      version: 1,
      method: 'apiKey',
      values: {},
    })
    assert.deepEqual(await connect.begin(caller, input), later)
  })

  it('keeps an id from being used by another account, integration or purpose', async () => {
    const { flow } = await begin('keys')
    const input = { flowId: flow.id, integration: 'keys' }
    const foreign = await mint(connect, { integrations: ['keys'], accountId: 'somebody-else' })
    await assert.rejects(connect.begin(foreign, input), { code: 'flow_not_found' })
    const other = await mint(connect, { integrations: ['both'], accountId })
    await assert.rejects(connect.begin(other, { ...input, integration: 'both' }), { code: 'flow_not_found' })
    await assert.rejects(
      connect.submit(foreign, { flowId: flow.id, version: 1, method: 'apiKey', values: {} }),
      {
        code: 'flow_not_found',
      },
    )
    await assert.rejects(connect.cancel(foreign, { flowId: flow.id }), { code: 'flow_not_found' })
    await assert.rejects(connect.begin(foreign, { ...input, flowId: 'short' }), { code: 'invalid_input' })
  })
})

describe('Connect.submit', () => {
  it('answers what is wrong at the fields before anybody is asked', async () => {
    const { submit } = await begin('keys')
    const view = await submit({ region: 'mars', apiKey: ' ', extra: 'dropped' })
    assert.equal(view.stage, 'fields')
    assert.deepEqual(
      view.errors.map(({ field, reason }) => [field, reason]),
      [
        ['region', 'enum'],
        ['apiKey', 'required'],
      ],
    )
    assert.equal(server.requests.length, 0)
  })

  it('verifies a key at the provider and connects', async () => {
    const { caller, flow, submit } = await begin('keys')
    const view = await submit({ region: 'eu', apiKey: '  key-canary-1 ' })
    assert.equal(view.stage, 'done')
    assert.deepEqual(view.values, { region: 'eu' })
    assert.deepEqual(view.connection?.fields, { region: 'eu', plan: 'free' })
    assert.equal(server.requests.length, 1)
    assert.deepEqual(await see(connect, caller, flow.id), view)
    const auth = await connect.getAuth({ id: 'keys', accountId })
    assert.ok(auth.type === 'apiKey')
    assert.equal(auth.apiKey, 'key-canary-1')
    assert.equal(auth.expiresAt, null)
    assert.deepEqual(auth.scopes, ['all'])
    await assert.rejects(submit({ region: 'eu', apiKey: 'key-canary-1' }), { code: 'token_spent' })
  })

  it('gives a user name with its password', async () => {
    server.keys.set('ada:pass:word', 'ada')
    const { submit } = await begin('passwords')
    const view = await submit({ username: 'ada', password: 'pass:word' }, undefined, 'basic')
    assert.equal(view.stage, 'done')
    const auth = await connect.getAuth({ id: 'passwords', accountId })
    assert.ok(auth.type === 'basic')
    assert.deepEqual([auth.username, auth.password], ['ada', 'pass:word'])
  })

  it('puts a rejected key at its field, keeps nothing, and takes the next try', async () => {
    const { caller, flow, submit } = await begin('keys')
    const rejected = await submit({ region: 'eu', apiKey: 'wrong-key' })
    assert.equal(rejected.stage, 'fields')
    assert.deepEqual(rejected.errors, [
      { field: 'apiKey', reason: 'rejected', message: 'The provider does not know this key.' },
    ])
    assert.deepEqual(rejected.values, { region: 'eu' })
    assert.equal((await bench.rawBytes()).includes('wrong-key'), false)
    assert.equal(await connect.findConnection({ integration: 'keys', accountId }), undefined)
    assert.deepEqual(await see(connect, caller, flow.id), rejected)
    assert.equal((await submit({ region: 'eu', apiKey: 'key-canary-1' }, rejected)).stage, 'done')
  })

  it('goes back to the form when the provider is down, and says that trying again helps', async () => {
    server.reply = () => ({ status: 503 })
    const { caller, flow, submit } = await begin('keys')
    await assert.rejects(submit({ region: 'eu', apiKey: 'key-canary-1' }), {
      code: 'provider_unavailable',
      retryable: true,
    })
    const view = await see(connect, caller, flow.id)
    assert.deepEqual([view.stage, view.errors], ['fields', []])
    server.reply = answer
    assert.equal((await submit({ region: 'eu', apiKey: 'key-canary-1' }, view)).stage, 'done')
  })

  it('takes one of two submissions that saw the same version', async () => {
    const { submit } = await begin('keys')
    const values = { region: 'eu', apiKey: 'key-canary-1' }
    const results = await Promise.allSettled([submit(values), submit(values)])
    const lost = results.find((result) => result.status === 'rejected')
    assert.ok(['flow_conflict', 'token_spent'].includes(String(lost?.reason.code)))
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
    const { flow, submit: again } = await begin('both')
    await assert.rejects(again({}, { ...flow, version: 7 }), { code: 'flow_conflict', retryable: true })
    await assert.rejects(again({}, flow, 'basic'), { code: 'invalid_input' })
  })

  it('lets the user change the method until the provider answered', async () => {
    const { flow, submit } = await begin('both')
    const byOAuth = await submit({}, flow, 'oauth2')
    assert.deepEqual([byOAuth.stage, byOAuth.method], ['authorize', 'oauth2'])
    const byKey = await submit({ region: 'eu', apiKey: 'no' }, byOAuth)
    assert.deepEqual([byKey.stage, byKey.method], ['fields', 'apiKey'])
    assert.equal((await submit({ region: 'eu', apiKey: 'key-canary-1' }, byKey)).stage, 'done')
  })

  it('does not undo a cancel that came while the key was being verified', async () => {
    const { caller, flow, submit } = await begin('keys')
    server.reply = async (request) => {
      await connect.cancel(caller, { flowId: flow.id })
      return answer(request)
    }
    assert.equal((await submit({ region: 'eu', apiKey: 'key-canary-1' })).stage, 'cancelled')
    assert.equal(await connect.findConnection({ integration: 'keys', accountId }), undefined)
  })

  it('ends a flow whose process died while it talked to the provider', async () => {
    const { caller, flow } = await begin('keys')
    await store.update(flowSet, flow.id, {}, { set: { stage: 'verify', busyUntil: store.now() - 1 } })
    const view = await see(connect, caller, flow.id)
    assert.deepEqual([view.stage, view.error?.code], ['failed', 'provider_unavailable'])
  })
})

describe('fields before OAuth', () => {
  it('are judged before anything navigates, reach the endpoints, and stay secret where they are', async () => {
    const { caller, flow, submit } = await begin('shops')
    const wrong = await submit({ shop: 'evil.com', pepper: 'p' }, flow, 'oauth2')
    assert.deepEqual([wrong.stage, wrong.errors[0]?.message], ['fields', 'No shop.'])
    await assert.rejects(start(connect, caller, flow.id), { code: 'flow_conflict' })

    const view = await submit({ shop: ' ACME ', pepper: 'pepper-canary' }, wrong, 'oauth2')
    assert.equal(view.stage, 'authorize')
    assert.deepEqual(view.values, { shop: 'acme.shops.example' })
    const browser = await start(connect, caller, flow.id)
    const url = new URL(browser.location)
    assert.equal(url.pathname, '/acme.shops.example/authorize')

    oauthServer.reply = () => ({ body: { access_token: 'at-1', token_type: 'bearer' } })
    const params = new URLSearchParams({ code: 'c', state: url.searchParams.get('state') ?? '' })
    const outcome = await comeBack(connect, browser, { integration: 'shops', params })
    assert.equal(outcome.result, 'done')
    assert.equal(oauthServer.requests.at(-1)?.path, '/acme.shops.example/token')
    const auth = await connect.getAuth({ id: 'shops', accountId })
    assert.deepEqual(auth.fields, { shop: 'acme.shops.example' })
    assert.deepEqual(auth.identity, { id: 'acme.shops.example', label: 'both' })
    assert.deepEqual(auth.scopes, ['read', 'write'], 'those asked for, as the answer does not say')
  })

  it('never takes the code of one server to another that was submitted meanwhile', async () => {
    const { caller, flow, submit } = await begin('shops')
    await submit({ shop: 'first', pepper: 'p' }, flow, 'oauth2')
    const browser = await start(connect, caller, flow.id)
    const begun = await see(connect, caller, flow.id)
    const view = await submit({ shop: 'second', pepper: 'p' }, begun, 'oauth2')
    assert.equal(view.stage, 'authorize')

    const sent = oauthServer.requests.length
    const answerOf = ({ location }: { location: string }) =>
      new URLSearchParams({ code: 'c', state: new URL(location).searchParams.get('state') ?? '' })
    const stale = comeBack(connect, browser, { integration: 'shops', params: answerOf(browser) })
    await assert.rejects(stale, { code: 'state_invalid' })
    assert.equal(oauthServer.requests.length, sent, 'the code, the verifier or the client secret left')

    const again = await start(connect, caller, flow.id)
    const outcome = await comeBack(connect, again, { integration: 'shops', params: answerOf(again) })
    assert.equal(outcome.result, 'done')
    assert.equal(oauthServer.requests.at(-1)?.path, '/second.shops.example/token')
  })
})

describe('what is stored', () => {
  it('holds no key, password or secret field anywhere, and no view shows one', async () => {
    const { caller, flow, submit } = await begin('keys')
    await submit({ region: 'eu', apiKey: 'key-canary-1' })
    const raw = await bench.rawBytes()
    for (const canary of ['key-canary-1', 'pass:word', 'pepper-canary', 'at-1"']) {
      assert.equal(raw.includes(canary), false, canary)
    }
    const flowRecord = await store.get(flowSet, flow.id)
    const connection = await connect.getConnection({ integration: 'keys', accountId })
    const record = await store.get(connectionSet, connection.id)
    const views = [
      flowRecord,
      record,
      connection,
      await see(connect, caller, flow.id),
      bench.changes,
      bench.logged,
    ]
    assert.equal(JSON.stringify(views).includes('key-canary'), false)
  })
})

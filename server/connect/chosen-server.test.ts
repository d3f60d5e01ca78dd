// Integrations whose authorization server the user chooses: an app and a callback of its own at each.

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { z } from 'zod'
import { defineFields } from '../integrations/field-set.ts'
import { issuerHash, redirectUriOf } from '../oauth/authorize.ts'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import { startTokenServer, type TokenServer } from '../oauth/fixtures/token-server.ts'
import { baseUrl, comeBack, integrationOf, mint, openWorkbench, start } from './fixtures/workbench.ts'
import { createFlowId } from '../../shared/ids.ts'

const [one, two, unknown] = [await startTokenServer(), await startTokenServer(), await startTokenServer()]
const apps = new Map([
  [one.origin, { clientId: 'app-one', clientSecret: 'secret-of-one' }],
  [two.origin, { clientId: 'app-two', clientSecret: 'secret-of-two' }],
])
const fields = defineFields(
  z.object({
    server: z
      .string()
      .regex(/^http:\/\/127\.0\.0\.1:\d+$/)
      .meta({ title: 'Server' }),
  }),
)
const method = oauthMethod('', {
  fields,
  issuer: ({ server = '' }) => server,
  appAt: (issuer) => apps.get(issuer),
  authorizationUrl: ({ server }) => `${server}/authorize`,
  tokenUrl: ({ server }) => `${server}/token`,
  revocationUrl: ({ server }) => `${server}/revoke`,
  grantScope: 'connection',
})
const bench = await openWorkbench([integrationOf('chosen', [method])])
const { connect } = bench
const servers = [one, two, unknown]
after(async () => {
  await bench.close()
  for (const server of servers) await server.close()
})

const integration = 'chosen'
let accountId = ''
let accounts = 0
beforeEach(() => {
  accountId = `acct-${(accounts += 1)}`
  for (const server of servers) {
    server.requests.length = 0
    server.reply = () => ({
      body: { access_token: 'access', refresh_token: 'refresh', expires_in: 3600, token_type: 'bearer' },
    })
  }
})

async function submit(server: TokenServer) {
  const caller = await mint(connect, { integrations: [integration], accountId })
  const begun = await connect.begin(caller, { flowId: createFlowId(), integration })
  const values = { server: server.origin }
  const { id: flowId, version } = begun
  return { caller, flow: await connect.submit(caller, { flowId, version, method: 'oauth2', values }) }
}

async function returning(server: TokenServer) {
  const { caller, flow } = await submit(server)
  const browser = await start(connect, caller, flow.id)
  const { searchParams } = new URL(browser.location)
  const params = new URLSearchParams({ code: 'the-code', state: searchParams.get('state') ?? '' })
  return { browser, asked: searchParams, back: { integration, issuer: issuerHash(server.origin), params } }
}

/** What was sent where, of the values that only one server may see. */
const seenBy = (server: TokenServer): string => JSON.stringify(server.requests)

describe('an integration with `appAt`', () => {
  it('has a callback and an app for each server, from the request to the end of the grant', async () => {
    const { browser, asked, back } = await returning(one)
    assert.equal(asked.get('client_id'), 'app-one')
    const address = `${baseUrl.href}/callback/chosen/${issuerHash(one.origin)}`
    assert.equal(asked.get('redirect_uri'), address)
    assert.equal(redirectUriOf(baseUrl, integration, issuerHash(one.origin)), address)
    assert.notEqual(issuerHash(one.origin), issuerHash(two.origin))
    assert.equal((await comeBack(connect, browser, back)).result, 'done')
    const [exchange] = one.requests
    assert.deepEqual(
      ['client_id', 'client_secret', 'redirect_uri', 'code'].map((name) => exchange?.form.get(name)),
      ['app-one', 'secret-of-one', address, 'the-code'],
    )

    const auth = await connect.getAuth({ id: integration, accountId })
    const fresh = await connect.getAuth({ id: integration, accountId, rejectedTokenHash: auth.tokenHash })
    assert.ok(fresh)
    const refresh = one.requests.find(({ form }) => form.get('grant_type') === 'refresh_token')
    assert.equal(refresh?.form.get('client_secret'), 'secret-of-one')

    const revoked = new Promise<string | null>((resolve) => {
      one.reply = ({ path, form }) => {
        if (path === '/revoke') resolve(form.get('client_secret'))
        return {}
      }
    })
    await connect.disconnect({ integration, accountId }, 'web')
    assert.equal(await revoked, 'secret-of-one')
    assert.deepEqual([two.requests, unknown.requests], [[], []])
  })

  it('sends no code of one server to another, whichever callback it comes to', async () => {
    const paths = [issuerHash(two.origin), issuerHash(unknown.origin), undefined, 'x'.repeat(22)]
    for (const issuer of paths) {
      const { browser, back } = await returning(one)
      const outcome = await comeBack(connect, browser, { ...back, ...(issuer ? { issuer } : { issuer: '' }) })
      assert.deepEqual([outcome.result, outcome.errorCode], ['failed', 'callback_mismatch'])
    }
    const { browser, back } = await returning(one)
    back.params.set('iss', two.origin)
    assert.equal((await comeBack(connect, browser, back)).errorCode, 'issuer_mismatch')
    for (const server of servers) assert.doesNotMatch(seenBy(server), /the-code|secret-of/)
  })

  it('says at the field that the host has no app at a server, before anybody goes there', async () => {
    const { flow } = await submit(unknown)
    assert.equal(flow.stage, 'fields')
    assert.deepEqual(
      flow.errors.map(({ field, reason }) => [field, reason]),
      [['server', 'host']],
    )
    assert.deepEqual(unknown.requests, [])
  })
})

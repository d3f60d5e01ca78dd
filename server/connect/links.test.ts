// Connecting by a link, which the host confirms, against a certified authorization server.

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { z } from 'zod'
import { printFigure } from '../../scripts/figure.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import { createFlowId } from '../../shared/ids.ts'
import { defineFields } from '../integrations/field-set.ts'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import { oidcMethod, startOidc } from '../oauth/fixtures/oidc.ts'
import { visit } from '../oauth/fixtures/visitor.ts'
import type { ConnectLinkRequest } from './connect.ts'
import { sha256 } from './digest.ts'
import {
  auditOf,
  baseUrl,
  comeBack,
  connectByOAuth,
  integrationOf,
  mint,
  openWorkbench,
  redirectUri,
  start,
  toAuthorize,
  type Browser,
} from './fixtures/workbench.ts'
import { authorizationSet, flowSet, tokenSet } from './sets.ts'

const shopFields = defineFields(
  z.object({
    shop: z
      .string()
      .regex(/^[a-z]+$/)
      .meta({ title: 'Shop' }),
  }),
)
const secretFields = defineFields(z.object({ pin: z.string().meta({ title: 'PIN', secret: true }) }))
const provider = await startOidc([redirectUri('crm')])
const keyOnly = {
  id: 'apiKey' as const,
  label: 'Key',
  fields: secretFields,
  verify: async () => ({ identity: { id: 'x', label: 'x' } }),
}
const bench = await openWorkbench([
  integrationOf('crm', [oidcMethod(provider.origin)]),
  integrationOf('shop', [
    oauthMethod('http://127.0.0.1:4099', {
      fields: shopFields,
      authorizationUrl: ({ shop }) => `http://127.0.0.1:4099/${shop}`,
    }),
  ]),
  integrationOf('secret', [oauthMethod('http://127.0.0.1:4099', { fields: secretFields })]),
  integrationOf('keys', [keyOnly]),
])
const { connect, store } = bench
after(async () => {
  await bench.close()
  await provider.close()
})

const integration = 'crm'
const returnUrl = 'https://app.example.com/connected?from=mail'
let accounts = 0
let accountId = ''
beforeEach(() => {
  accountId = `acct-${(accounts += 1)}`
  Object.assign(provider, { person: 'ada', answer: 'allow', down: false })
  Object.assign(provider.tokenRequests, { authorization_code: 0 })
})

async function makeLink(request: Partial<ConnectLinkRequest> = {}): Promise<string> {
  const { url } = await connect.createLink({ accountId, integration, returnUrl, ...request }, 'web')
  const prefix = `${baseUrl.href}/connect/link/`
  assert.ok(url.startsWith(prefix))
  return url.slice(prefix.length)
}

const press = (token: string, origin: string | undefined = baseUrl.origin) =>
  connect.openLink(token, origin, [])

/** A person who pressed the button and is back from the provider. */
async function returned(request: Partial<ConnectLinkRequest> = {}) {
  const { location, cookie } = await press(await makeLink(request))
  const browser: Browser = { location, cookies: new Map([[cookie.name, cookie.value]]) }
  const { searchParams: params } = await visit(location, redirectUri(integration))
  const outcome = await comeBack(connect, browser, { integration, params })
  return { browser, params, outcome, flowId: outcome.flowId }
}

const codeOf = (error: unknown): unknown => (isAuthFlowError(error) ? error.code : error)
const exchanges = (): number => provider.tokenRequests.authorization_code

describe('Connect.createLink', () => {
  it('is for one account, one integration and one place to come back to, all of them exact', async () => {
    const faults: [Partial<ConnectLinkRequest>, string][] = [
      [{ accountId: '' }, 'invalid_input'],
      [{ integration: 'nobody' }, 'unknown_integration'],
      [{ returnUrl: '/connected' }, 'invalid_input'],
      [{ returnUrl: 'http://app.example.com/' }, 'invalid_input'],
      [{ returnUrl: 'javascript:alert(1)' }, 'invalid_input'],
      [{ lifetimeMs: 59_999 }, 'invalid_input'],
      [{ lifetimeMs: 7 * 86_400_000 + 1 }, 'invalid_input'],
      [{ integration: 'keys' }, 'not_supported'],
      [{ integration: 'secret' }, 'not_supported'],
      [{ integration: 'shop' }, 'invalid_fields'],
      [{ integration: 'shop', values: { shop: 'A.B' } }, 'invalid_fields'],
    ]
    for (const [request, code] of faults)
      await assert.rejects(makeLink(request), { code }, JSON.stringify(request))
  })

  it('keeps its token as a digest only, and is no bearer of anything else', async () => {
    const token = await makeLink()
    assert.equal((await bench.rawBytes()).includes(token), false)
    const caller = { token, origin: baseUrl.origin }
    await assert.rejects(connect.begin(caller, { flowId: createFlowId(), integration }), {
      code: 'token_invalid',
    })
    const { token: bearer } = await mint(connect, { integrations: [integration], accountId })
    await assert.rejects(connect.describeLink(bearer), { code: 'link_invalid' })
  })

  it('fills in the fields that nobody can type on the way', async () => {
    const { location } = await press(await makeLink({ integration: 'shop', values: { shop: 'acme' } }))
    assert.equal(new URL(location).pathname, '/acme')
  })
})

describe('the page of a link', () => {
  it('says who asks for what, as often as it is read, and spends nothing', async () => {
    const token = await makeLink({ locale: 'de' })
    const views = await Promise.all(Array.from({ length: 100 }, () => connect.describeLink(token)))
    const expected = { integration, integrationName: 'crm', host: 'app.example.com', locale: 'de' }
    for (const view of views) assert.deepEqual(view, expected)
    await press(token)
    await assert.rejects(connect.describeLink(token), { code: 'link_used' })
  })

  it('goes on from the server’s own page only', async () => {
    const token = await makeLink()
    await assert.rejects(connect.openLink(token, undefined, []), { code: 'origin_missing' })
    await assert.rejects(press(token, 'null'), { code: 'origin_opaque' })
    await assert.rejects(press(token, 'https://evil.example'), { code: 'origin_mismatch' })
    await press(token)
  })

  it('goes on once, however often it is pressed at the same time', async () => {
    const token = await makeLink()
    const pressed = await Promise.allSettled(Array.from({ length: 20 }, () => press(token)))
    assert.equal(pressed.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const one of pressed) if (one.status === 'rejected') assert.equal(codeOf(one.reason), 'link_used')
  })

  it('ends with the link’s time, and for links that never were', async () => {
    const token = await makeLink()
    await store.update(tokenSet, sha256(token), {}, { set: { expiresAt: store.now() } })
    await assert.rejects(connect.describeLink(token), { code: 'link_expired' })
    await assert.rejects(press(token), { code: 'link_expired' })
    for (const other of ['', 'x', `ctk_ln_${'A'.repeat(43)}`, '__proto__']) {
      await assert.rejects(press(other), { code: 'link_invalid' })
    }
  })

  it('does not begin what makes no sense', async () => {
    await assert.rejects(makeLink({ purpose: 'reconnect' }).then(press), { code: 'not_connected' })
    const token = await makeLink()
    await connectByOAuth(connect, { integration, accountId })
    await assert.rejects(press(token), { code: 'already_connected' })
  })
})

describe('Connect.confirm', () => {
  it('exchanges the code when the host says that it is the account, and keeps it sealed until then', async () => {
    const { outcome, flowId, params } = await returned()
    assert.equal(outcome.result, 'confirm')
    assert.equal(outcome.returnUrl, `${returnUrl}&authflow_flow=${flowId}`)
    assert.equal(exchanges(), 0)
    const bytes = await bench.rawBytes()
    for (const secret of [params.get('code'), params.get('state')]) {
      assert.ok(secret)
      assert.equal(bytes.includes(secret), false)
    }
    const connection = await connect.confirm({ flowId, accountId, actor: 'person-7' })
    assert.equal(exchanges(), 1)
    assert.deepEqual(
      [connection.accountId, connection.identity.id, connection.state],
      [accountId, 'ada', 'active'],
    )
    assert.ok((await connect.getAuth({ id: integration, accountId })).type === 'oauth2')
    assert.deepEqual(
      (await auditOf(store, accountId)).map(({ action, actor, key }) => [action, actor, key]),
      [['connection.connected', 'person-7', 'web']],
    )
  })

  it('refuses another account, and ends the flow: somebody else opened the link', async () => {
    const { flowId, browser, params } = await returned()
    await assert.rejects(connect.confirm({ flowId, accountId: 'somebody-else' }), {
      code: 'account_mismatch',
    })
    await assert.rejects(connect.confirm({ flowId, accountId }), { code: 'account_mismatch' })
    assert.equal((await comeBack(connect, browser, { integration, params })).errorCode, 'account_mismatch')
    const { tripId = '' } = (await store.get(flowSet, flowId))?.confirmation ?? {}
    assert.equal((await store.get(authorizationSet, tripId))?.parked, null)
    assert.equal(exchanges(), 0)
  })

  it('refuses what is late, repeated, unknown, not back yet, or began in a page', async () => {
    const late = await returned()
    const record = await store.get(flowSet, late.flowId)
    const confirmation = record?.confirmation && { ...record.confirmation, by: store.now() }
    assert.ok(confirmation)
    await store.update(flowSet, late.flowId, {}, { set: { confirmation } })
    await assert.rejects(connect.confirm({ flowId: late.flowId, accountId }), {
      code: 'confirmation_expired',
    })
    assert.equal(exchanges(), 0)

    const { flowId } = await returned()
    await connect.confirm({ flowId, accountId })
    await assert.rejects(connect.confirm({ flowId, accountId }), { code: 'flow_ended' })
    await assert.rejects(connect.confirm({ flowId: createFlowId(), accountId }), { code: 'flow_not_found' })
    await assert.rejects(connect.confirm({ flowId: '__proto__', accountId }), { code: 'flow_not_found' })
    await assert.rejects(connect.confirm({ flowId, accountId, actor: '' }), { code: 'invalid_input' })
    await assert.rejects(connect.confirm({ flowId, accountId: '' }), { code: 'invalid_input' })

    accountId += '-b'
    const { cookie } = await press(await makeLink())
    const waiting = cookie.name.slice('authflow-'.length)
    await assert.rejects(connect.confirm({ flowId: waiting, accountId }), { code: 'flow_conflict' })
    const caller = await mint(connect, { integrations: [integration], accountId })
    const flow = await toAuthorize(connect, caller, integration)
    await start(connect, caller, flow.id)
    await assert.rejects(connect.confirm({ flowId: flow.id, accountId }), { code: 'flow_not_found' })
    assert.equal(exchanges(), 1)
  })

  it('waits for 60 seconds and not longer', async () => {
    const { flowId } = await returned()
    const { by } = (await store.get(flowSet, flowId))?.confirmation ?? {}
    const leftMs = (by ?? 0) - store.now()
    assert.ok(leftMs > 0 && leftMs <= 60_000)
  })

  it('exchanges once for any number of calls at the same time', async () => {
    const { flowId } = await returned()
    const calls = await Promise.allSettled(
      Array.from({ length: 100 }, () => connect.confirm({ flowId, accountId })),
    )
    const connected = calls.filter(({ status }) => status === 'fulfilled')
    const codes = new Set(calls.map((call) => (call.status === 'rejected' ? codeOf(call.reason) : 'ok')))
    assert.equal(connected.length, 1)
    for (const code of codes)
      assert.ok(code === 'ok' || code === 'flow_conflict' || code === 'flow_ended', String(code))
    assert.equal(exchanges(), 1)
    printFigure({
      requirement: 'A2',
      name: 'token requests for 100 parallel confirmations',
      value: exchanges(),
    })
  })

  it('says how the flow ended at the provider', async () => {
    provider.answer = 'deny'
    const denied = await returned()
    assert.deepEqual([denied.outcome.result, denied.outcome.errorCode], ['cancelled', 'access_denied'])
    await assert.rejects(connect.confirm({ flowId: denied.flowId, accountId }), { code: 'access_denied' })
    provider.answer = 'allow'
    const { flowId } = await returned()
    provider.down = true
    await assert.rejects(connect.confirm({ flowId, accountId }), { code: 'provider_unavailable' })
    await assert.rejects(connect.confirm({ flowId, accountId }), { code: 'provider_unavailable' })
    assert.equal(await connect.findConnection({ integration, accountId }), undefined)
  })

  it('exchanges nothing for a link that was revoked meanwhile', async () => {
    const { flowId } = await returned()
    assert.equal(await connect.revokeTokens({ accountId }, 'backend'), 1)
    await assert.rejects(connect.confirm({ flowId, accountId }), { code: 'token_revoked' })
    assert.equal(exchanges(), 0)
    const token = await makeLink()
    await connect.revokeTokens({ token }, 'backend')
    await assert.rejects(press(token), { code: 'link_invalid' })
  })

  it('reconnects the same identity and no other', async () => {
    await connectByOAuth(connect, { integration, accountId })
    const same = await returned({ purpose: 'reconnect' })
    await connect.confirm({ flowId: same.flowId, accountId })
    provider.person = 'grace'
    const other = await returned({ purpose: 'reconnect' })
    await assert.rejects(connect.confirm({ flowId: other.flowId, accountId }), { code: 'identity_changed' })
  })

  it('is bound to the browser that pressed the button', async () => {
    const { location } = await press(await makeLink())
    const { searchParams: params } = await visit(location, redirectUri(integration))
    await assert.rejects(comeBack(connect, { cookies: new Map() }, { integration, params }), {
      code: 'browser_mismatch',
    })
    assert.equal(exchanges(), 0)
  })
})

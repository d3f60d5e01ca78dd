// Connecting by OAuth, whole, against a certified authorization server.

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { createFlowId } from '../../shared/ids.ts'
import type { OAuth2Method } from '../integrations/integration.ts'
import { oidcMethod, startOidc } from '../oauth/fixtures/oidc.ts'
import { visit } from '../oauth/fixtures/visitor.ts'
import { sha256 } from './digest.ts'
import {
  comeBack,
  connectByOAuth,
  integrationOf,
  mint,
  openWorkbench,
  pageOrigin,
  redirectUri,
  returnUrl,
  see,
  start,
  toAuthorize,
} from './fixtures/workbench.ts'
import { auditSet, authorizationSet, connectionSet, flowSet, tokenSet } from './sets.ts'

const provider = await startOidc([redirectUri('oidc'), redirectUri('other'), redirectUri('signed')])
const checkCallback: OAuth2Method['checkCallback'] = (params) => {
  if (params.get('hmac') !== 'good') throw new AuthFlowError('callback_unverified')
}
const bench = await openWorkbench([
  integrationOf('oidc', [oidcMethod(provider.origin)]),
  integrationOf('other', [oidcMethod(provider.origin)]),
  integrationOf('signed', [oidcMethod(provider.origin, { checkCallback })]),
])
const { connect, store } = bench
after(async () => {
  await bench.close()
  await provider.close()
})

const integration = 'oidc'
let accounts = 0
let accountId = ''
beforeEach(() => {
  accountId = `acct-${(accounts += 1)}`
  Object.assign(provider, { person: 'ada', answer: 'allow', down: false })
  Object.assign(provider.tokenRequests, { authorization_code: 0, refresh_token: 0 })
  bench.changes.length = 0
})

/** A browser that has been to the provider and is about to come back. */
async function returning(options: { integration?: string; accountId?: string } = {}) {
  const id = options.integration ?? integration
  const caller = await mint(connect, { integrations: [id], accountId: options.accountId ?? accountId })
  const flow = await toAuthorize(connect, caller, id)
  const browser = await start(connect, caller, flow.id)
  const { searchParams: params } = await visit(browser.location, redirectUri(id))
  return { caller, flow, browser, params }
}

describe('a flow by OAuth', () => {
  it('goes from the token to a connection whose credentials work', async () => {
    const { outcome, caller, flow } = await connectByOAuth(connect, { integration, accountId })
    assert.deepEqual(outcome, {
      flowId: flow.id,
      integration,
      integrationName: 'oidc',
      mode: 'popup',
      result: 'done',
    })
    const done = await see(connect, caller, flow.id)
    assert.equal(done.stage, 'done')
    assert.deepEqual(done.connection?.identity, { id: 'ada', label: 'ada@example.com', place: 'tests' })
    assert.deepEqual(done.connection?.scopes, ['openid', 'things'])

    const auth = await connect.getAuth({ id: integration, accountId })
    assert.ok(auth.type === 'oauth2')
    const me = await fetch(`${provider.origin}/me`, {
      headers: { authorization: `Bearer ${auth.accessToken}` },
    })
    assert.deepEqual(await me.json(), { sub: 'ada' })
    assert.equal(auth.tokenHash, sha256(auth.accessToken))
    assert.equal(auth.connectionId, done.connection?.id)
    assert.ok(auth.expiresAt && Date.parse(auth.expiresAt) > Date.now())
    assert.deepEqual(await connect.getConnection({ integration, accountId }), done.connection)
    assert.deepEqual(
      bench.changes.map(({ type, connection }) => [type, connection.accountId]),
      [['connected', accountId]],
    )
  })

  it('writes connection, spent token and audit row together', async () => {
    const { caller, flow } = await connectByOAuth(connect, { integration, accountId })
    const token = await store.get(tokenSet, sha256(caller.token ?? ''))
    assert.ok(token?.spentAt)
    const { items } = await store.list(auditSet, { index: 'byAccount', equals: accountId, limit: 10 })
    assert.deepEqual(
      items.map(({ action, actor, key, identityId }) => ({ action, actor, key, identityId })),
      [{ action: 'connection.connected', actor: accountId, key: 'web', identityId: 'ada' }],
    )
    await assert.rejects(connect.begin(caller, { flowId: createFlowId(), integration }), {
      code: 'token_spent',
    })
    assert.equal((await see(connect, caller, flow.id)).stage, 'done')
  })

  it('sends the browser to the provider with what binds the answer', async () => {
    const caller = await mint(connect, { integrations: [integration], accountId })
    const flow = await toAuthorize(connect, caller, integration)
    const names = ['a', 'b', 'c', 'd', 'e'].map((letter) => `authflow-${letter.repeat(22)}`)
    const form = { token: caller.token, flow: flow.id, mode: 'popup' as const }
    const { location, cookie } = await connect.start(form, pageOrigin, ['theme', ...names])
    const url = new URL(location)
    assert.equal(url.origin, provider.origin)
    assert.match(url.searchParams.get('state') ?? '', /^[A-Za-z0-9_-]{43}$/)
    assert.equal(url.searchParams.get('redirect_uri'), 'http://localhost:3000/auth/callback/oidc')
    assert.equal(url.searchParams.get('code_challenge_method'), 'S256')
    assert.equal(url.searchParams.get('scope'), 'openid things')
    assert.equal(cookie.name, `authflow-${flow.id}`)
    assert.match(cookie.value, /^[A-Za-z0-9_-]{43}$/)
    assert.equal(cookie.maxAgeSeconds, 600)
    assert.deepEqual(cookie.clear, [names[0]], 'five are kept, the oldest goes')
    assert.equal(url.href.includes(flow.id), false)
    const record = await store.get(authorizationSet, sha256(url.searchParams.get('state') ?? ''))
    assert.equal(JSON.stringify(record).includes(cookie.value), false)
  })

  it('comes back to the exact return URL in redirect mode', async () => {
    const caller = await mint(connect, { integrations: [integration], accountId })
    const flow = await toAuthorize(connect, caller, integration)
    const form = { mode: 'redirect' as const, return_url: returnUrl, locale: 'de-AT' }
    const browser = await start(connect, caller, flow.id, form)
    const { searchParams: params } = await visit(browser.location, redirectUri(integration))
    const outcome = await comeBack(connect, browser, { integration, params })
    assert.equal(outcome.mode, 'redirect')
    assert.equal(outcome.locale, 'de-AT')
    assert.equal(outcome.returnUrl, `https://app.example.com/settings?tab=1&authflow_flow=${flow.id}`)
  })

  it('shows the outcome again to the same browser', async () => {
    const { browser, params } = await returning()
    const first = await comeBack(connect, browser, { integration, params })
    const second = await comeBack(connect, browser, { integration, params })
    assert.deepEqual(second, first)
    assert.equal(provider.tokenRequests.authorization_code, 1)
  })

  it('exchanges the code once, however many callbacks come at the same time (A1)', async () => {
    const { browser, params } = await returning()
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, () => comeBack(connect, browser, { integration, params })),
    )
    const outcomes = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    assert.equal(new Set(outcomes.map((outcome) => JSON.stringify(outcome))).size, 1)
    assert.equal(outcomes[0]?.result, 'done')
    // The one that works and the two that may wait; the others are not kept.
    assert.ok(outcomes.length >= 1 && outcomes.length <= 3, `${outcomes.length} were answered`)
    for (const refusal of refusals) {
      assert.ok(isAuthFlowError(refusal))
      assert.deepEqual([refusal.code, refusal.status], ['rate_limited', 429])
      assert.ok(refusal.details.retryAfterMs)
    }
    assert.equal(provider.tokenRequests.authorization_code, 1)
    printFigure({
      requirement: 'A1',
      name: 'token requests for 100 parallel callbacks of one state',
      value: provider.tokenRequests.authorization_code,
    })
  })
})

describe('Connect.start', () => {
  it('judges the page, the flow, the scopes and the return URL', async () => {
    const caller = await mint(connect, {
      integrations: [integration],
      accountId,
      scopes: ['openid', 'extra'],
    })
    const flow = await toAuthorize(connect, caller, integration)
    const form = { token: caller.token, flow: flow.id, mode: 'popup' as const }
    const posted = (change: object, origin: string | undefined = pageOrigin) =>
      connect.start({ ...form, ...change }, origin, [])
    await assert.rejects(posted({}, 'null'), { code: 'origin_opaque' })
    await assert.rejects(connect.start(form, undefined, []), { code: 'origin_missing' })
    await assert.rejects(posted({}, 'https://evil.example'), { code: 'origin_mismatch' })
    await assert.rejects(posted({ token: '' }), { code: 'unauthenticated' })
    await assert.rejects(posted({ flow: createFlowId() }), { code: 'flow_not_found' })
    await assert.rejects(posted({ flow: '__proto__' }), { code: 'flow_not_found' })
    await assert.rejects(posted({ scopes: 'openid things' }), { code: 'scopes_not_allowed' })
    await assert.rejects(posted({ mode: 'frame' }), { code: 'invalid_input' })
    const elsewhere = [
      '',
      `${returnUrl}&x`,
      `${returnUrl}#x`,
      '//evil.example',
      'javascript:alert(1)',
      undefined,
    ]
    for (const return_url of elsewhere) {
      await assert.rejects(posted({ mode: 'redirect', return_url }), { code: 'return_url_not_allowed' })
    }
    const foreign = await mint(connect, { integrations: [integration], accountId: 'somebody-else' })
    await assert.rejects(posted({ token: foreign.token }), { code: 'flow_not_found' })
    const reconnecting = await mint(connect, { integrations: [integration], accountId, purpose: 'reconnect' })
    await assert.rejects(posted({ token: reconnecting.token }), { code: 'purpose_not_allowed' })
    const asked = async (scopes: string | undefined): Promise<string | null> => {
      const { location } = await posted(scopes === undefined ? {} : { scopes })
      return new URL(location).searchParams.get('scope')
    }
    assert.equal(await asked('extra openid'), 'extra openid')
    assert.equal(await asked(undefined), 'openid')
  })

  it('takes a flow that is at the provider’s door and no other', async () => {
    const caller = await mint(connect, { integrations: [integration], accountId })
    const flow = await toAuthorize(connect, caller, integration)
    await connect.cancel(caller, { flowId: flow.id })
    await assert.rejects(start(connect, caller, flow.id), { code: 'flow_ended' })
    const late = await toAuthorize(connect, caller, integration)
    await store.update(flowSet, late.id, {}, { set: { endsAt: store.now() } })
    await assert.rejects(start(connect, caller, late.id), { code: 'flow_expired' })
    assert.equal((await see(connect, caller, late.id)).error?.code, 'flow_expired')
  })
})

describe('Connect.callback', () => {
  const noTokenRequests = () => assert.equal(provider.tokenRequests.authorization_code, 0)

  it('refuses another browser before any exchange, and leaves the right one its flow', async () => {
    const { browser, params } = await returning()
    const strangers: Map<string, string>[] = [
      new Map(),
      new Map([...browser.cookies].map(([name]) => [name, 'x'.repeat(43)])),
      new Map([...browser.cookies].map(([name]) => [name, ''])),
      (await returning({ accountId: 'somebody-else' })).browser.cookies,
    ]
    for (const cookies of strangers) {
      await assert.rejects(comeBack(connect, { cookies }, { integration, params }), {
        code: 'browser_mismatch',
      })
    }
    noTokenRequests()
    assert.equal((await comeBack(connect, browser, { integration, params })).result, 'done')
  })

  it('refuses a state that is missing, doubled, foreign, late or somebody’s own', async () => {
    const { browser, params, flow } = await returning()
    const withState = (...states: string[]): URLSearchParams => {
      const changed = new URLSearchParams(params)
      changed.delete('state')
      for (const state of states) changed.append('state', state)
      return changed
    }
    const state = params.get('state') ?? ''
    const faults = [
      withState(),
      withState(state, state),
      withState('x'.repeat(43)),
      withState(flow.id),
      withState(''),
    ]
    for (const changed of faults) {
      await assert.rejects(comeBack(connect, browser, { integration, params: changed }), {
        code: 'state_invalid',
      })
    }
    const other = await returning({ accountId: 'somebody-else' })
    await assert.rejects(comeBack(connect, browser, { integration, params: other.params }), {
      code: 'browser_mismatch',
    })
    await store.update(authorizationSet, sha256(state), {}, { set: { endsAt: store.now() } })
    await assert.rejects(comeBack(connect, browser, { integration, params }), { code: 'state_invalid' })
    noTokenRequests()
  })

  it('takes a state once, even if its flow were waiting again', async () => {
    const { browser, params, flow } = await returning()
    await comeBack(connect, browser, { integration, params })
    await store.update(flowSet, flow.id, {}, { set: { stage: 'authorize' } })
    await assert.rejects(comeBack(connect, browser, { integration, params }), { code: 'state_invalid' })
    assert.equal(provider.tokenRequests.authorization_code, 1)
  })

  it('ends the flow when the answer comes to another integration or from another issuer', async () => {
    const misled = await returning()
    const wrongPath = await comeBack(connect, misled.browser, { integration: 'other', params: misled.params })
    assert.deepEqual([wrongPath.result, wrongPath.errorCode], ['failed', 'callback_mismatch'])
    for (const issuers of [['https://evil.example'], [], [provider.origin, provider.origin]]) {
      const { browser, params } = await returning()
      params.delete('iss')
      for (const issuer of issuers) params.append('iss', issuer)
      const outcome = await comeBack(connect, browser, { integration, params })
      assert.deepEqual([outcome.result, outcome.errorCode], ['failed', 'issuer_mismatch'])
    }
    noTokenRequests()
    assert.equal(await connect.findConnection({ integration, accountId }), undefined)
  })

  it('asks the provider’s own check before the exchange', async () => {
    const forged = await returning({ integration: 'signed' })
    forged.params.set('hmac', 'forged')
    const refused = await comeBack(connect, forged.browser, { integration: 'signed', params: forged.params })
    assert.equal(refused.errorCode, 'callback_unverified')
    noTokenRequests()
    const real = await returning({ integration: 'signed' })
    real.params.set('hmac', 'good')
    assert.equal(
      (await comeBack(connect, real.browser, { integration: 'signed', params: real.params })).result,
      'done',
    )
  })

  it('cancels the flow when the person says no, and says why', async () => {
    provider.answer = 'deny'
    const { outcome, caller, flow } = await connectByOAuth(connect, { integration, accountId })
    assert.deepEqual([outcome.result, outcome.errorCode], ['cancelled', 'access_denied'])
    const view = await see(connect, caller, flow.id)
    assert.equal(view.stage, 'cancelled')
    assert.equal(view.error?.code, 'access_denied')
    assert.equal(JSON.stringify(view).includes('<b>'), false)
    noTokenRequests()
  })

  it('fails the flow on any other error of the provider, with its code and nothing of its text', async () => {
    for (const [error, code] of [
      ['server_error', 'server_error'],
      ['<script>alert(1)</script>', undefined],
      ['x'.repeat(10_000), undefined],
    ] as const) {
      const { browser, params, caller, flow } = await returning()
      params.delete('code')
      params.set('error', error)
      params.set('error_description', 'Set-Cookie: a=b\r\n<b>')
      const outcome = await comeBack(connect, browser, { integration, params })
      assert.deepEqual([outcome.result, outcome.errorCode], ['failed', 'provider_error'])
      const view = await see(connect, caller, flow.id)
      assert.equal(view.error?.details.providerCode, code)
      assert.equal(/[<\r\n]/.test(view.error?.message ?? ''), false)
    }
    noTokenRequests()
  })

  it('fails the flow when the provider is down, refuses the code or the code is missing', async () => {
    const down = await returning()
    provider.down = true
    const outcome = await comeBack(connect, down.browser, { integration, params: down.params })
    assert.deepEqual([outcome.result, outcome.errorCode], ['failed', 'provider_unavailable'])
    provider.down = false

    const forged = await returning()
    forged.params.set('code', 'forged')
    assert.equal(
      (await comeBack(connect, forged.browser, { integration, params: forged.params })).errorCode,
      'token_exchange_failed',
    )

    const empty = await returning()
    empty.params.delete('code')
    assert.equal(
      (await comeBack(connect, empty.browser, { integration, params: empty.params })).errorCode,
      'provider_reply_invalid',
    )
    const { items } = await store.list(connectionSet, { index: 'byAccount', equals: accountId, limit: 1 })
    assert.deepEqual(items, [])
    assert.deepEqual(bench.changes, [])
  })

  it('does not connect a flow that was cancelled while the user was at the provider', async () => {
    const { browser, params, caller, flow } = await returning()
    await connect.cancel(caller, { flowId: flow.id })
    const outcome = await comeBack(connect, browser, { integration, params })
    assert.equal(outcome.result, 'cancelled')
    noTokenRequests()
  })
})

describe('one token, one connection', () => {
  it('lets two flows of one token make one connection', async () => {
    const caller = await mint(connect, { integrations: [integration, 'other'], accountId })
    const both = await Promise.all(
      [integration, 'other'].map(async (id) => {
        const flow = await toAuthorize(connect, caller, id)
        const browser = await start(connect, caller, flow.id)
        const { searchParams: params } = await visit(browser.location, redirectUri(id))
        return { id, browser, params }
      }),
    )
    const outcomes = await Promise.all(
      both.map(({ id, browser, params }) => comeBack(connect, browser, { integration: id, params })),
    )
    assert.deepEqual(outcomes.map(({ result }) => result).sort(), ['done', 'failed'])
    assert.equal(outcomes.find(({ result }) => result === 'failed')?.errorCode, 'token_spent')
    const page = await connect.listConnections({ accountId })
    assert.equal(page.items.length, 1)
  })

  it('lets two tokens of one account make one connection', async () => {
    const [first, second] = [await returning(), await returning()]
    const outcomes = await Promise.all(
      [first, second].map(({ browser, params }) => comeBack(connect, browser, { integration, params })),
    )
    assert.deepEqual(outcomes.map(({ result, errorCode }) => errorCode ?? result).sort(), [
      'already_connected',
      'done',
    ])
    await connect.getAuth({ id: integration, accountId })
  })
})

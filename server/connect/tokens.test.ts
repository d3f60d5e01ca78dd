import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { randomText, createFlowId } from '../../shared/ids.ts'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import { sha256 } from './digest.ts'
import { integrationOf, mint, openWorkbench, pageOrigin } from './fixtures/workbench.ts'
import { tokenSet } from './sets.ts'

const { connect: _none, ...unconnectable } = integrationOf('local', [])
const bench = await openWorkbench([
  integrationOf('slack-customers', [oauthMethod('https://provider.example')]),
  integrationOf('github-customers', [oauthMethod('https://provider.example')]),
  unconnectable,
])
const { connect, store } = bench
after(() => bench.close())

const request = { accountId: 'acct-1', integrations: ['slack-customers'], origins: [pageOrigin] }

describe('Connect.createToken', () => {
  it('answers a token of 256 bits that lives 15 minutes, and keeps only its digest', async () => {
    const { token, expiresAt } = await connect.createToken(request, 'web')
    assert.match(token, /^ctk_ct_[A-Za-z0-9_-]{43}$/)
    const leftMs = Date.parse(expiresAt) - Date.now()
    assert.ok(leftMs > 14.9 * 60_000 && leftMs <= 15 * 60_000)
    assert.equal((await bench.rawBytes()).includes(token.slice(7)), false)
    const record = await store.get(tokenSet, sha256(token))
    assert.equal(record?.actor, 'acct-1')
    assert.equal(record?.mintedBy, 'web')
    assert.equal(record?.purpose, 'create')
  })

  it('refuses what is not exact, naming the part', async () => {
    const faults: readonly (readonly [object, RegExp])[] = [
      [{ accountId: '' }, /accountId/],
      [{ accountId: undefined }, /accountId/],
      [{ accountId: 'x'.repeat(257) }, /accountId/],
      [{ accountId: '\ud800' }, /accountId/],
      [{ integrations: [] }, /integrations/],
      [{ integrations: 'slack-customers' }, /integrations/],
      [{ origins: [] }, /origins/],
      [{ origins: undefined }, /origins/],
      [{ origins: ['https://app.example.com/'] }, /origins/],
      [{ origins: ['https://*.example.com'] }, /origins/],
      [{ origins: ['*'] }, /origins/],
      [{ origins: ['null'] }, /origins/],
      [{ origins: ['http://app.example.com'] }, /origins/],
      [{ origins: ['https://APP.example.com'] }, /origins/],
      [{ origins: ['https://app.example.com:443'] }, /origins/],
      [{ origins: ['javascript:alert(1)'] }, /origins/],
      [{ purpose: 'everything' }, /purpose/],
      [{ returnUrls: ['/settings'] }, /returnUrls/],
      [{ returnUrls: ['https://user@app.example.com/'] }, /returnUrls/],
      [{ returnUrls: ['javascript:alert(1)'] }, /returnUrls/],
      [{ scopes: ['a b'] }, /scopes/],
      [{ actor: '' }, /actor/],
    ]
    for (const [change, message] of faults) {
      await assert.rejects(connect.createToken({ ...request, ...change }, 'web'), {
        code: 'invalid_input',
        message,
      })
    }
  })

  it('knows its integrations, and which of them accounts can connect to', async () => {
    for (const integrations of [['nothing'], ['local'], ['slack-customers', 'nothing']]) {
      await assert.rejects(connect.createToken({ ...request, integrations }, 'web'), {
        code: 'unknown_integration',
      })
    }
  })

  it('takes loopback http origins because its own base URL is on loopback', async () => {
    for (const origin of ['http://localhost:5173', 'http://127.0.0.1:8080', 'http://[::1]:1234']) {
      await connect.createToken({ ...request, origins: [origin] }, 'web')
    }
  })
})

describe('the bearer of a connect token', () => {
  const begin = (
    caller: { token: string | undefined; origin: string | undefined },
    integration = 'slack-customers',
  ) => connect.begin(caller, { flowId: createFlowId(), integration })

  it('learns from a code of its own what is wrong', async () => {
    const { token } = await mint(connect, { integrations: ['slack-customers'] })
    const origin = pageOrigin
    await assert.rejects(begin({ token: undefined, origin }), { code: 'unauthenticated', status: 401 })
    await assert.rejects(begin({ token: `ctk_ct_${randomText(43)}`, origin }), { code: 'token_invalid' })
    await assert.rejects(begin({ token: `${token}x`, origin }), { code: 'token_invalid' })
    await assert.rejects(begin({ token: 'ctk_sk_x', origin }), { code: 'token_invalid' })
    await assert.rejects(begin({ token, origin: undefined }), { code: 'origin_missing', status: 403 })
    await assert.rejects(begin({ token, origin: 'null' }), { code: 'origin_opaque' })
    await assert.rejects(begin({ token, origin: 'https://evil.example' }), { code: 'origin_mismatch' })
    await assert.rejects(begin({ token, origin: `${origin}.evil.example` }), { code: 'origin_mismatch' })
    await assert.rejects(begin({ token, origin }, 'github-customers'), { code: 'integration_not_allowed' })
    await assert.rejects(begin({ token, origin }, 'nothing'), { code: 'unknown_integration' })
    const other = { flowId: createFlowId(), integration: 'slack-customers', accountId: 'acct-2' }
    await assert.rejects(connect.begin({ token, origin }, other), { code: 'account_mismatch' })
    await store.update(tokenSet, sha256(token), {}, { set: { expiresAt: store.now() } })
    await assert.rejects(begin({ token, origin }), { code: 'token_expired' })
    await store.update(tokenSet, sha256(token), {}, { set: { spentAt: store.now() } })
    await assert.rejects(begin({ token, origin }), { code: 'token_spent' })
  })

  it('may do what the purpose says and nothing that another purpose says', async () => {
    const calls = {
      begin: (caller: Awaited<ReturnType<typeof mint>>) => begin(caller),
      list: (caller: Awaited<ReturnType<typeof mint>>) => connect.listOwn(caller),
      disconnect: (caller: Awaited<ReturnType<typeof mint>>) =>
        connect.disconnectOwn(caller, { integration: 'slack-customers' }),
      runs: (caller: Awaited<ReturnType<typeof mint>>) => connect.runsAccount(caller),
    }
    const outcomes: Record<string, Record<string, string>> = {}
    for (const purpose of ['create', 'reconnect', 'manage', 'runs'] as const) {
      const caller = await mint(connect, { integrations: ['slack-customers'], purpose })
      const row: Record<string, string> = {}
      for (const [name, call] of Object.entries(calls)) {
        row[name] = await Promise.resolve(call(caller)).then(
          () => 'ok',
          (error: { code: string }) => error.code,
        )
      }
      outcomes[purpose] = row
    }
    const no = 'purpose_not_allowed'
    assert.deepEqual(outcomes, {
      create: { begin: 'ok', list: no, disconnect: no, runs: no },
      reconnect: { begin: 'not_connected', list: no, disconnect: no, runs: no },
      manage: { begin: no, list: 'ok', disconnect: 'not_connected', runs: no },
      runs: { begin: no, list: no, disconnect: no, runs: 'ok' },
    })
  })

  it('is told to the CORS of the page, also when the token has expired', async () => {
    const { token, origin } = await mint(connect, { integrations: ['slack-customers'] })
    await store.update(tokenSet, sha256(token), {}, { set: { expiresAt: 1 } })
    assert.equal(await connect.allowsOrigin({ token, origin }), true)
    assert.equal(await connect.allowsOrigin({ token, origin: 'https://evil.example' }), false)
    assert.equal(await connect.allowsOrigin({ token, origin: undefined }), false)
    assert.equal(await connect.allowsOrigin({ token: undefined, origin }), false)
    assert.equal(await connect.allowsOrigin({ token: 'rubbish', origin }), false)
  })
})

// What a connect token is good for in number and time, and what ends it early; and what is known of secret keys' uses.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { createFlowId, randomText } from '../../shared/ids.ts'
import type { ConnectPurpose } from '../../shared/flow.ts'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import { startTokenServer } from '../oauth/fixtures/token-server.ts'
import type { CallbackOutcome } from './connect.ts'
import { sha256 } from './digest.ts'
import { apiKeyMethod, startKeyServer } from './fixtures/key-server.ts'
import { comeBack, integrationOf, mint, openWorkbench, start, toAuthorize } from './fixtures/workbench.ts'
import { connectionSet, keyUseSet, tokenSet } from './sets.ts'

const keyServer = await startKeyServer()
const oauthServer = await startTokenServer()
oauthServer.reply = () => ({ body: { access_token: 'at-1', token_type: 'Bearer' } })
const bench = await openWorkbench([
  integrationOf('keys', [apiKeyMethod(keyServer)]),
  integrationOf('oauth', [oauthMethod(oauthServer.origin)]),
])
const { connect, store } = bench
after(async () => {
  await bench.close()
  await keyServer.close()
  await oauthServer.close()
})

let accounts = 0
const newAccount = (): string => `acct-${(accounts += 1)}`
const begin = (caller: Awaited<ReturnType<typeof mint>>, flowId = createFlowId()) =>
  connect.begin(caller, { flowId, integration: 'keys' })

describe('C1: a connect token is counted', () => {
  it('begins as many flows as it was minted for, and counts the same flow once', async () => {
    const caller = await mint(connect, { integrations: ['keys'], accountId: newAccount(), maxFlows: 2 })
    const flowId = createFlowId()
    await begin(caller, flowId)
    await begin(caller, flowId)
    await begin(caller)
    await assert.rejects(begin(caller), { code: 'token_spent', details: { limit: 2 } })
    assert.equal((await connect.begin(caller, { flowId, integration: 'keys' })).id, flowId)
    const record = await store.get(tokenSet, sha256(caller.token))
    assert.deepEqual([record?.uses, record?.usesMax], [2, 2])
  })

  it('begins no more when many begin at once', async () => {
    const caller = await mint(connect, { integrations: ['keys'], accountId: newAccount(), maxFlows: 3 })
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => begin(caller)))
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 3)
  })

  it('begins 20 without a number, and takes no number that is none', async () => {
    const { token } = await mint(connect, { integrations: ['keys'] })
    assert.equal((await store.get(tokenSet, sha256(token)))?.usesMax, 20)
    for (const maxFlows of [0, -1, 1.5, 1001, Number.NaN]) {
      await assert.rejects(mint(connect, { integrations: ['keys'], maxFlows }), { code: 'invalid_input' })
    }
  })
})

describe('C1: Connect.revokeTokens', () => {
  it('ends one token for everything, its own flow too, and says so to the page', async () => {
    const caller = await mint(connect, { integrations: ['keys'], accountId: newAccount() })
    const other = await mint(connect, { integrations: ['keys'], accountId: newAccount() })
    const { id: flowId, version } = await begin(caller)
    assert.equal(await connect.revokeTokens({ token: caller.token }, 'backend'), 1)
    const signal = new AbortController().signal
    const code = 'token_revoked'
    await assert.rejects(begin(caller), { code })
    await assert.rejects(connect.watch(caller, { flows: [{ id: flowId, version: 0 }], waitMs: 0 }, signal), {
      code,
    })
    await assert.rejects(connect.cancel(caller, { flowId }), { code })
    const values = { apiKey: 'k' }
    await assert.rejects(connect.submit(caller, { flowId, version, method: 'apiKey', values }), { code })
    assert.equal(await connect.revokeTokens({ token: caller.token }, 'backend'), 0)
    await begin(other)
  })

  it('ends all of an account, of every purpose, and nobody else’s', async () => {
    const accountId = newAccount()
    const purposes: readonly ConnectPurpose[] = ['create', 'manage', 'runs']
    const own = await Promise.all(
      purposes.map((purpose) => mint(connect, { integrations: ['keys'], accountId, purpose })),
    )
    const other = await mint(connect, {
      integrations: ['keys'],
      accountId: `${accountId}0`,
      purpose: 'manage',
    })
    assert.equal(await connect.revokeTokens({ accountId }, 'backend'), 3)
    for (const caller of own) await assert.rejects(connect.listOwn(caller), { code: 'token_revoked' })
    assert.deepEqual(await connect.listOwn(other), [])
    assert.equal(await connect.revokeTokens({ accountId }, 'backend'), 0)
  })

  it('ends more tokens than one page of the store holds', async () => {
    const accountId = newAccount()
    await Promise.all(Array.from({ length: 250 }, () => mint(connect, { integrations: ['keys'], accountId })))
    assert.equal(await connect.revokeTokens({ accountId }, 'backend'), 250)
  })

  it('lets no flow finish that the token began, neither the first connection nor another', async () => {
    const accountId = newAccount()
    for (const purpose of ['create', 'reconnect'] as const) {
      if (purpose === 'reconnect') assert.equal((await finish(accountId, 'create')).result, 'done')
      const before = await connect.findConnection({ integration: 'oauth', accountId })
      const outcome = await finish(accountId, purpose, (token) => connect.revokeTokens({ token }, 'backend'))
      assert.deepEqual([outcome.result, outcome.errorCode], ['failed', 'token_revoked'], purpose)
      assert.deepEqual(await connect.findConnection({ integration: 'oauth', accountId }), before)
    }
    assert.equal(
      (await store.list(connectionSet, { index: 'byAccount', equals: accountId, limit: 9 })).items.length,
      1,
    )
  })

  it('knows nothing of a token that never was, and wants an account that can be', async () => {
    assert.equal(await connect.revokeTokens({ token: `ctk_ct_${randomText(43)}` }, 'backend'), 0)
    await assert.rejects(connect.revokeTokens({ token: '' }, 'backend'), { code: 'invalid_input' })
    await assert.rejects(connect.revokeTokens({ accountId: '' }, 'backend'), { code: 'invalid_input' })
  })
})

describe('C2: Connect.noteKeyUse', () => {
  it('is told to the minute, and written once for many uses', async () => {
    for (let count = 0; count < 50; count++) connect.noteKeyUse('web')
    connect.noteKeyUse('api')
    await settle(
      () => connect.keyUses(['web', 'api']),
      (uses) => uses.size === 2,
    )
    const uses = await connect.keyUses(['web', 'api', 'never'])
    assert(Math.abs((uses.get('web') ?? 0) - Date.now()) < 60_000)
    assert.equal(uses.has('never'), false)
    assert.equal((await store.get(keyUseSet, 'web'))?.version, 1)
  })

  it('is not written again by another process within the minute, and is after it', async () => {
    const other = await bench.another()
    other.connect.noteKeyUse('web')
    await other.connect.close()
    assert.equal((await store.get(keyUseSet, 'web'))?.version, 1)
    const old = store.now() - 61_000
    await store.update(keyUseSet, 'web', {}, { set: { lastUsedAt: old } })
    const third = await bench.another()
    third.connect.noteKeyUse('web')
    await third.connect.close()
    assert(((await store.get(keyUseSet, 'web'))?.lastUsedAt ?? 0) > old)
  })
})

/** Asks until the answer is as it should be. */
async function settle<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<void> {
  while (!good(await ask())) await new Promise((resolve) => setImmediate(resolve))
}

/** Goes the whole way; `meanwhile` is called while the browser is at the provider. */
async function finish(
  accountId: string,
  purpose: ConnectPurpose,
  meanwhile?: (token: string) => Promise<unknown>,
): Promise<CallbackOutcome> {
  const caller = await mint(connect, { integrations: ['oauth'], accountId, purpose })
  const flow = await toAuthorize(connect, caller, 'oauth')
  const browser = await start(connect, caller, flow.id)
  await meanwhile?.(caller.token)
  const state = new URL(browser.location).searchParams.get('state') ?? ''
  const params = new URLSearchParams({ code: 'code-1', state })
  return comeBack(connect, browser, { integration: 'oauth', params })
}

// Listing, disconnecting and connecting again, against a certified authorization server.

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { createFlowId } from '../../shared/ids.ts'
import { oidcMethod, startOidc } from '../oauth/fixtures/oidc.ts'
import { apiKeyMethod, startKeyServer } from './fixtures/key-server.ts'
import { connectionIdOf } from './connection-id.ts'
import {
  auditOf,
  connectByOAuth,
  integrationOf,
  mint,
  openWorkbench,
  redirectUri,
} from './fixtures/workbench.ts'
import { connectionSet, teardownSet } from './sets.ts'

const integration = 'oidc'
const provider = await startOidc([redirectUri(integration)])
const keyServer = await startKeyServer()
const bench = await openWorkbench([
  integrationOf(integration, [oidcMethod(provider.origin)]),
  integrationOf('keys', [apiKeyMethod(keyServer)]),
])
const { connect, store } = bench
after(async () => {
  await bench.close()
  await provider.close()
  await keyServer.close()
})

let accountId = ''
let accounts = 0
beforeEach(() => {
  accountId = `acct-${(accounts += 1)}`
  Object.assign(provider, { person: `person-${accounts}`, down: false, hang: false })
  bench.changes.length = 0
})

const key = () => ({ integration, accountId })
const recordOf = async () => {
  const record = await store.get(connectionSet, connectionIdOf(integration, accountId))
  assert.ok(record)
  return record
}
const audited = async (): Promise<string[]> => (await auditOf(store, accountId)).map(({ action }) => action)
const meStatus = async (accessToken: string): Promise<number> => {
  const headers = { authorization: `Bearer ${accessToken}` }
  return (await fetch(`${provider.origin}/me`, { headers })).status
}
async function tokenOf(): Promise<string> {
  const auth = await connect.getAuth({ id: integration, accountId })
  assert.ok(auth.type === 'oauth2')
  return auth.accessToken
}
async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.fail(`${what} did not happen`)
}
const openTeardowns = async () => {
  const query = { index: 'byConnection', equals: connectionIdOf(integration, accountId), limit: 10 }
  return (await store.list(teardownSet, query)).items.filter(({ kind }) => kind === 'teardown')
}

describe('Connect.listConnections', () => {
  it('pages newest first by account, by integration or over all', async () => {
    keyServer.keys.set('key-canary-2', 'bob')
    const ids: string[] = []
    for (let at = 0; at < 5; at += 1) {
      const account = `listed-${at}`
      const caller = await mint(connect, { integrations: ['keys'], accountId: account })
      const flow = await connect.begin(caller, {
        flowId: createFlowId(),
        integration: 'keys',
      })
      const values = { region: 'eu', apiKey: 'key-canary-2' }
      const done = await connect.submit(caller, { flowId: flow.id, version: 1, method: 'apiKey', values })
      ids.unshift(done.connection?.id ?? '')
    }
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await connect.listConnections({
        integration: 'keys',
        limit: 2,
        ...(cursor ? { cursor } : {}),
      })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.cursor
    } while (cursor)
    assert.deepEqual(seen, ids)
    const all = await connect.listConnections({ limit: 100 })
    assert.deepEqual(all.items.map(({ id }) => id).slice(0, 5), ids)
    const [one, ...none] = (await connect.listConnections({ accountId: 'listed-3' })).items
    assert.equal(one?.accountId, 'listed-3')
    assert.deepEqual(none, [])
    assert.deepEqual((await connect.listConnections({ accountId: 'listed-3', integration: 'keys' })).items, [
      one,
    ])
    assert.deepEqual(
      (await connect.listConnections({ accountId: 'listed-3', integration: 'oidc' })).items,
      [],
    )
    for (const limit of [0, 101, 1.5, Number.NaN]) {
      await assert.rejects(connect.listConnections({ limit }), { code: 'invalid_input' })
    }
    assert.equal(JSON.stringify(all).includes('key-canary'), false)
  })

  it('keeps pairs apart whose parts run together', async () => {
    assert.notEqual(connectionIdOf('a', 'bc'), connectionIdOf('ab', 'c'))
    assert.notEqual(connectionIdOf('a', '1:b'), connectionIdOf('a1:', 'b'))
    await assert.rejects(connect.getConnection({ integration, accountId: 'nobody' }), {
      code: 'not_connected',
      details: { integration, accountId: 'nobody' },
    })
    await assert.rejects(connect.getConnection({ integration, accountId: '' }), { code: 'invalid_input' })
  })

  it('shows an account its own, to the integrations of the token, without those that ended', async () => {
    await connectByOAuth(connect, key())
    const manage = await mint(connect, { integrations: [integration], accountId, purpose: 'manage' })
    assert.deepEqual(await connect.listOwn(manage), [await connect.getConnection(key())])
    const elsewhere = await mint(connect, { integrations: ['keys'], accountId, purpose: 'manage' })
    assert.deepEqual(await connect.listOwn(elsewhere), [])
    await assert.rejects(connect.disconnectOwn(elsewhere, { integration }), {
      code: 'integration_not_allowed',
    })
    const ended = await connect.disconnectOwn(manage, { integration })
    assert.equal(ended.state, 'disconnected')
    assert.deepEqual(await connect.listOwn(manage), [])
  })
})

describe('Connect.disconnect', () => {
  it('makes the credential unreadable in the same write and ends the grant at the provider', async () => {
    await connectByOAuth(connect, key())
    const token = await tokenOf()
    assert.equal(await meStatus(token), 200)
    bench.changes.length = 0
    const connection = await connect.disconnect(key(), 'web')
    assert.equal(connection.state, 'disconnected')
    assert.deepEqual((await recordOf()).secrets, {})
    await assert.rejects(connect.getAuth({ id: integration, accountId }), { code: 'not_connected' })
    assert.deepEqual(
      bench.changes.map(({ type }) => type),
      ['disconnected'],
    )
    await until('the revocation', async () => (await meStatus(token)) === 401)
    await until('the end of the teardown', async () => (await openTeardowns()).length === 0)
    assert.deepEqual(await audited(), ['connection.connected', 'connection.disconnected', 'grant.revoked'])
    await assert.rejects(connect.disconnect(key(), 'web'), { code: 'not_connected' })
    await assert.rejects(connect.disconnect({ integration, accountId: 'nobody' }, 'web'), {
      code: 'not_connected',
    })
  })

  it('succeeds while the provider is down and revokes when it is back', async () => {
    await connectByOAuth(connect, key())
    const token = await tokenOf()
    provider.down = true
    await connect.disconnect(key(), 'web')
    await until('the failure of the first try', async () => (await openTeardowns())[0]?.lastError !== null)
    const [noted] = await openTeardowns()
    assert.ok(noted)
    assert.deepEqual([noted.attempts, noted.claimedUntil], [1, null])
    assert.equal(noted.lastError, 'provider_unavailable')
    assert.ok(noted.dueAt > noted.createdAt && noted.giveUpAt === noted.createdAt + 24 * 3_600_000)
    // Put off for as long as this test may take on any machine: not before it is due.
    await store.update(teardownSet, noted.id, {}, { set: { dueAt: store.now() + 3_600_000 } })
    provider.down = false
    await connect.sweep()
    assert.equal(await meStatus(token), 200)
    await store.update(teardownSet, noted.id, {}, { set: { dueAt: store.now() } })
    // A round that takes long goes on by itself after 2 s.
    await connect.sweep()
    await until('the revocation', async () => (await meStatus(token)) === 401)
    await until('the end of the teardown', async () => (await openTeardowns()).length === 0)
  })

  it('does not hold up the round of upkeep when the provider hangs', async () => {
    await connectByOAuth(connect, key())
    provider.down = true
    await connect.disconnect(key(), 'web')
    await until('the failure of the first try', async () => (await openTeardowns())[0]?.lastError !== null)
    const [noted] = await openTeardowns()
    assert.ok(noted)
    provider.hang = true
    await store.update(teardownSet, noted.id, {}, { set: { dueAt: store.now() } })
    await Promise.all([connect.sweep(), connect.sweep()])
    const [asking] = await openTeardowns()
    assert.equal(asking?.attempts, 2)
    assert.notEqual(asking.claimedUntil, null, 'the round is over while the provider still hangs')
    provider.hang = false
    await until('the end of the second try', async () => (await openTeardowns())[0]?.claimedUntil === null)
  })

  it('seals what is to be revoked for the teardown alone', async () => {
    await connectByOAuth(connect, key())
    provider.down = true
    const before = await recordOf()
    await connect.disconnect(key(), 'web')
    const [noted] = await openTeardowns()
    assert.ok(noted)
    // A database writer who moves the sealed text back does not get it to open.
    const secrets = { accessToken: noted.secrets['accessToken'] ?? '' }
    await store.update(connectionSet, before.id, {}, { set: { secrets, state: 'active', expiresAt: null } })
    await assert.rejects(connect.getAuth({ id: integration, accountId }), { code: 'unreadable_ciphertext' })
  })

  it('leaves a grant alone that another account’s connection of the same identity needs', async () => {
    await connectByOAuth(connect, key())
    const first = accountId
    accountId = `${first}-colleague`
    await connectByOAuth(connect, key())
    const token = await tokenOf()
    await connect.disconnect({ integration, accountId: first }, 'web')
    const kept = async (): Promise<boolean> =>
      (await auditOf(store, first)).some(({ action }) => action === 'grant.kept')
    await until('the decision', kept)
    assert.equal(await meStatus(token), 200)
    await connect.disconnect(key(), 'web')
    await until('the revocation by the last holder', async () => (await meStatus(token)) === 401)
  })

  it('finds the holder among any number of those who once were', async () => {
    await connectByOAuth(connect, key())
    const holder = await recordOf()
    const token = await tokenOf()
    const past = Array.from({ length: 240 }, (_, at) => `past-${at}`)
    for (const id of past) {
      await store.insert(connectionSet, {
        ...holder,
        id: connectionIdOf(integration, id),
        accountId: id,
        state: 'disconnected',
        secrets: {},
        createdAt: holder.createdAt + (Number(id.slice(5)) % 2 ? 1 : -1),
      })
    }
    accountId = `${accountId}-other`
    await connectByOAuth(connect, key())
    await connect.disconnect(key(), 'web')
    await until('the verdict', async () => (await openTeardowns()).length === 0)
    assert.ok((await audited()).includes('grant.kept'))
    assert.equal(await meStatus(token), 200)
  })

  it('is done once by many callers at once', async () => {
    await connectByOAuth(connect, key())
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => connect.disconnect(key(), 'web')),
    )
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
    assert.equal((await audited()).filter((action) => action === 'connection.disconnected').length, 1)
  })
})

describe('connecting again', () => {
  it('refuses to create over an active connection, and to reconnect what never was', async () => {
    const outcome = connectByOAuth(connect, { ...key(), purpose: 'reconnect' })
    await assert.rejects(outcome, { code: 'not_connected' })
    await connectByOAuth(connect, key())
    await assert.rejects(connectByOAuth(connect, key()), { code: 'already_connected' })
  })

  it('swaps the grant for the same identity and keeps the connection', async () => {
    await connectByOAuth(connect, key())
    const [before, token] = [await recordOf(), await tokenOf()]
    bench.changes.length = 0
    const { outcome } = await connectByOAuth(connect, { ...key(), purpose: 'reconnect' })
    assert.equal(outcome.result, 'done')
    const current = await recordOf()
    assert.equal(current.id, before.id)
    assert.equal(current.createdAt, before.createdAt)
    assert.ok(current.credFence > before.credFence)
    assert.notEqual(await tokenOf(), token)
    assert.deepEqual(
      bench.changes.map(({ type }) => type),
      ['connected'],
    )
    assert.deepEqual(await audited(), ['connection.connected', 'connection.reconnected'])
  })

  it('refuses another identity, leaves the old connection untouched and gives the new grant back', async () => {
    await connectByOAuth(connect, key())
    const before = await recordOf()
    const token = await tokenOf()
    provider.person = 'somebody-else'
    const { outcome } = await connectByOAuth(connect, { ...key(), purpose: 'reconnect' })
    assert.deepEqual([outcome.result, outcome.errorCode], ['failed', 'identity_changed'])
    assert.deepEqual(await recordOf(), before)
    assert.equal(await tokenOf(), token)
    assert.equal(await meStatus(token), 200)
    await until('the end of the refused grant', async () => (await audited()).includes('grant.revoked'))
    assert.equal(await meStatus(token), 200)
  })

  it('repairs a connection that needs it by any purpose, for the same identity only', async () => {
    for (const purpose of ['create', 'reconnect'] as const) {
      accountId = `${accountId}-${purpose}`
      const person = provider.person
      await connectByOAuth(connect, key())
      const set = { state: 'needs_reauth' as const, reason: 'invalid_grant' }
      await store.update(connectionSet, (await recordOf()).id, {}, { set })
      await assert.rejects(connect.getAuth({ id: integration, accountId }), {
        code: 'needs_reauth',
        details: { integration, accountId, reason: 'invalid_grant' },
      })
      provider.person = 'somebody-else'
      const wrong = await connectByOAuth(connect, { ...key(), purpose })
      assert.equal(wrong.outcome.errorCode, 'identity_changed')
      provider.person = person
      const right = await connectByOAuth(connect, { ...key(), purpose })
      assert.equal(right.outcome.result, 'done')
      const repaired = await connect.getConnection(key())
      assert.deepEqual([repaired.state, repaired.reason], ['active', undefined])
      await tokenOf()
    }
  })

  it('lets the account choose anew after it disconnected, but not by a reconnect', async () => {
    await connectByOAuth(connect, key())
    await connect.disconnect(key(), 'web')
    provider.person = `${provider.person}-changed`
    const again = await connectByOAuth(connect, { ...key(), purpose: 'reconnect' })
    assert.equal(again.outcome.errorCode, 'identity_changed')
    const { outcome } = await connectByOAuth(connect, key())
    assert.equal(outcome.result, 'done')
    assert.equal((await connect.getConnection(key())).identity.id, provider.person)
  })

  it('forgets a revocation that is still to come when the same identity grants anew', async () => {
    await connectByOAuth(connect, key())
    provider.down = true
    await connect.disconnect(key(), 'web')
    await until('the failure of the first try', async () => (await openTeardowns())[0]?.lastError !== null)
    provider.down = false
    await connectByOAuth(connect, key())
    assert.deepEqual(await openTeardowns(), [])
    await connect.sweep()
    assert.equal(await meStatus(await tokenOf()), 200)
  })
})

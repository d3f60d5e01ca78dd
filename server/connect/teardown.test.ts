// Ending grants at a certified authorization server: what is deleted when, what is tried again, and what happens when the
// same identity connects while its old grant is being ended.

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { oidcClient, oidcMethod, startOidc, type OidcServer } from '../oauth/fixtures/oidc.ts'
import { createVault } from '../vault/create-vault.ts'
import { parseKeyRing } from '../vault/key-ring.ts'
import { printFigure } from '../../scripts/figure.ts'
import { connectionIdOf } from './connection-id.ts'
import { backends, type Backend } from './fixtures/backends.ts'
import { connectByOAuth, integrationOf, openWorkbench, redirectUri } from './fixtures/workbench.ts'
import type { Workbench } from './fixtures/workbench.ts'
import { secretBox } from './secrets.ts'
import { connectionSet, noticeSet, teardownSet } from './sets.ts'

const dayMs = 86_400_000

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.fail(`${what} did not happen`)
}

for (const backend of backends) {
  describe(`ending a grant (${backend.name})`, { skip: backend.skip }, () => suite(backend))
}

function suite(backend: Backend): void {
  const events: string[] = []
  let url: string | undefined
  let provider: OidcServer
  let bench: Workbench
  let integration = 'oidc'
  let accountId = ''
  let accounts = 0
  /** Held before a revocation reaches the provider, as a slow network does. */
  let onRevoke: (() => Promise<void>) | undefined
  /** True: the provider takes no access token any more. */
  let refuseTokens = false

  before(async () => {
    url = backend.open()
    provider = await startOidc(['oidc', 'oidc-own', 'oidc-one'].map(redirectUri))
    const methodOf = (grantScope?: 'connection' | 'identity') =>
      oidcMethod(provider.origin, grantScope === undefined ? {} : { grantScope })
    const integrations = [
      integrationOf('oidc', [methodOf()]),
      integrationOf('oidc-own', [methodOf('connection')]),
      integrationOf('oidc-one', [methodOf('identity')]),
    ]
    bench = await openWorkbench(integrations, undefined, {
      ...(url === undefined ? {} : { storeUrl: url }),
      told: { sendEvent: async ({ name }) => void events.push(name) },
      aroundFetch: (fetch) => async (target, init) => {
        if (String(target).endsWith('/revocation')) await onRevoke?.()
        if (String(target).endsWith('/me') && refuseTokens) return new Response('{}', { status: 401 })
        return fetch(target, init)
      },
    })
  })
  after(async () => {
    await bench.close()
    await provider.close()
    await backend.drop(url)
  })
  beforeEach(() => {
    accounts += 1
    integration = 'oidc'
    accountId = `acct-${accounts}`
    Object.assign(provider, { person: `person-${accounts}`, down: false, hang: false })
    onRevoke = undefined
    refuseTokens = false
    events.length = 0
  })

  const key = () => ({ integration, accountId })
  const id = () => connectionIdOf(integration, accountId)
  const teardowns = async () => {
    const { items } = await bench.store.list(teardownSet, { index: 'byConnection', equals: id(), limit: 10 })
    return items.filter(({ kind }) => kind === 'teardown')
  }
  const only = async () => {
    const [noted] = await teardowns()
    assert.ok(noted)
    return noted
  }
  const secretsOf = async (): Promise<Record<string, string>> => {
    const record = await bench.store.get(connectionSet, id())
    assert.ok(record)
    const held = record.grantId ? await bench.store.get(connectionSet, record.grantId) : record
    assert.ok(held)
    const vault = createVault({ keys: parseKeyRing(bench.keys), environment: 'test' })
    return secretBox(vault, 'credential').openAll(held, held.secrets)
  }
  const isAlive = async (accessToken = ''): Promise<boolean> => {
    const headers = { authorization: `Bearer ${accessToken}` }
    return (await fetch(`${provider.origin}/me`, { headers })).status === 200
  }
  const refreshStatus = async (refreshToken = ''): Promise<number> => {
    const { clientId, clientSecret } = oidcClient
    const basic = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`)
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken })
    const headers = { authorization: `Basic ${basic.toString('base64')}` }
    return (await fetch(`${provider.origin}/token`, { method: 'POST', headers, body })).status
  }
  const audited = async (action: string) => (await bench.connect.listAudit({ accountId, action })).items

  it('A12: the ciphertext is gone with the write, the refresh token is dead at the provider soon after', async () => {
    await connectByOAuth(bench.connect, key())
    const { accessToken = '', refreshToken = '' } = await secretsOf()
    const before = await bench.store.get(connectionSet, id())
    await bench.connect.disconnect(key(), 'web')
    const record = await bench.store.get(connectionSet, id())
    assert.deepEqual([record?.version, record?.secrets], [(before?.version ?? 0) + 1, {}])
    await until('the revocation', async () => (await teardowns()).length === 0)
    assert.equal(await isAlive(accessToken), false)
    assert.equal(await refreshStatus(refreshToken), 400)
    const { items } = await bench.store.list(teardownSet, { index: 'byConnection', equals: id(), limit: 10 })
    assert.deepEqual(
      items.map(({ secrets }) => secrets),
      [{}],
      'the trace that stays has no secret',
    )
    printFigure({
      requirement: 'A12',
      name: `writes until the ciphertext is gone (${backend.name})`,
      value: 1,
    })
  })

  it('A12: disconnects while the provider is down, and revokes once it is back', async () => {
    await connectByOAuth(bench.connect, key())
    const { accessToken, refreshToken } = await secretsOf()
    provider.down = true
    await bench.connect.disconnect(key(), 'web')
    await assert.rejects(bench.connect.getAuth({ id: integration, accountId }), { code: 'not_connected' })
    await until('a failure', async () => (await only()).lastError === 'provider_unavailable')
    provider.down = false
    assert.equal(await isAlive(accessToken), true)
    // In another process, as after a restart.
    const other = await bench.another()
    await bench.store.update(teardownSet, (await only()).id, {}, { set: { dueAt: bench.store.now() } })
    await other.connect.sweep()
    await until('the revocation', async () => (await teardowns()).length === 0)
    assert.equal(await isAlive(accessToken), false)
    assert.equal(await refreshStatus(refreshToken), 400)
  })

  it('gives up after a day, deletes the secrets and tells operator, trail and host', async () => {
    await connectByOAuth(bench.connect, key())
    provider.down = true
    await bench.connect.disconnect(key(), 'web')
    await until('a failure', async () => (await only()).lastError !== null)
    const noted = await only()
    assert.equal(noted.giveUpAt - noted.createdAt, dayMs)
    const past = { giveUpAt: bench.store.now() - 1, dueAt: bench.store.now() - 1 }
    await bench.store.update(teardownSet, noted.id, {}, { set: past })
    bench.logged.length = 0
    await bench.connect.sweep()
    await until('the end', async () => (await bench.store.get(teardownSet, noted.id)) === undefined)
    assert.deepEqual(
      (await audited('grant.not_revoked')).map(({ reason, actor }) => [reason, actor]),
      [['provider_unavailable', 'authflow']],
    )
    assert.ok(bench.logged.some(({ level, facts }) => level === 'warn' && facts['connectionId'] === id()))
    await until('the event', async () => {
      await bench.connect.sweep()
      const { items } = await bench.store.list(noticeSet, { index: 'due', equals: 'events', limit: 100 })
      return items.length === 0
    })
    assert.deepEqual(events, [
      'authflow.connection.connected',
      'authflow.connection.disconnected',
      'authflow.connection.revocation_failed',
    ])
  })

  it('waits for a revocation under way before it keeps a new grant of the same identity', async () => {
    await connectByOAuth(bench.connect, key())
    let letGo = (): void => undefined
    let reached = false
    onRevoke = () =>
      new Promise((resolve) => {
        reached = true
        letGo = resolve
      })
    await bench.connect.disconnect(key(), 'web')
    await until('the revocation under way', () => reached)
    const connecting = connectByOAuth(bench.connect, key())
    let done = false
    void connecting.then(() => (done = true))
    // The flow is past the provider and stands before the write; nothing is kept while the old grant is being ended.
    await new Promise((resolve) => setTimeout(resolve, 400))
    assert.equal(done, false)
    assert.equal((await bench.connect.getConnection(key())).state, 'disconnected')
    onRevoke = undefined
    letGo()
    const { outcome } = await connecting
    if (outcome.result === 'done') {
      const { accessToken } = await secretsOf()
      assert.equal(await isAlive(accessToken), true, 'what is kept works')
    } else {
      assert.equal(outcome.errorCode, 'conflict')

      const again = await connectByOAuth(bench.connect, key())
      assert.equal(again.outcome.result, 'done')
    }
    assert.equal((await bench.connect.getConnection(key())).state, 'active')
  })

  it('keeps no grant that died with the old one', async () => {
    await connectByOAuth(bench.connect, key())
    let letGo = (): void => undefined
    let reached = false
    onRevoke = () =>
      new Promise((resolve) => {
        reached = true
        letGo = resolve
      })
    await bench.connect.disconnect(key(), 'web')
    await until('the revocation under way', () => reached)
    const connecting = connectByOAuth(bench.connect, key())
    await new Promise((resolve) => setTimeout(resolve, 300))
    // A provider with one grant for an identity: its end takes every token along.
    refuseTokens = true
    onRevoke = undefined
    letGo()
    const { outcome } = await connecting
    assert.deepEqual([outcome.result, outcome.errorCode], ['failed', 'conflict'])
    assert.equal((await bench.connect.getConnection(key())).state, 'disconnected')
    refuseTokens = false
  })

  it('calls off a revocation that has not begun when the same identity connects again', async () => {
    await connectByOAuth(bench.connect, key())
    provider.down = true
    await bench.connect.disconnect(key(), 'web')
    await until('a failure', async () => (await only()).lastError !== null)
    provider.down = false
    await connectByOAuth(bench.connect, key())
    assert.deepEqual(await teardowns(), [])
    assert.equal(await isAlive((await secretsOf())['accessToken']), true)
  })

  it('ends a grant of its own at once, also while the identity is connected elsewhere', async () => {
    integration = 'oidc-own'
    await connectByOAuth(bench.connect, key())
    const first = accountId
    const mine = await secretsOf()
    accountId = `${first}-colleague`
    await connectByOAuth(bench.connect, key())
    const theirs = await secretsOf()
    await bench.connect.disconnect({ integration, accountId: first }, 'web')
    await until('the revocation', async () => !(await isAlive(mine['accessToken'])))
    assert.equal(await isAlive(theirs['accessToken']), true)
  })

  it('asks again whose tokens these are before it ends what nobody could name', async () => {
    await connectByOAuth(bench.connect, key())
    const { accessToken } = await secretsOf()
    await bench.connect.disconnect(key(), 'web')
    await until('the end', async () => (await teardowns()).length === 0)
    assert.equal(await isAlive(accessToken), false)
    refuseTokens = true
    const { outcome } = await connectByOAuth(bench.connect, key())
    refuseTokens = false
    assert.equal(outcome.result, 'failed')
    await until('the end of the tokens', async () => (await teardowns()).length === 0)
  })
}

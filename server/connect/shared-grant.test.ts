// Two accounts in one workspace of the stand-in Slack, whose tokens rotate: one credential for both, on both databases.

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { Slack } from '../integrations/slack.ts'
import { startSandbox, type Sandbox } from '../sandbox/index.ts'
import { connectionIdOf } from './connection-id.ts'
import type { ConnectPurpose } from '../../shared/flow.ts'
import { backends, type Backend } from './fixtures/backends.ts'
import { comeBack, mint, openWorkbench, redirectUri, start, toAuthorize } from './fixtures/workbench.ts'
import type { Workbench } from './fixtures/workbench.ts'
import type { ConnectionRecord } from './records.ts'
import { connectionSet, teardownSet } from './sets.ts'

const integration = 'slack-customers'

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.fail(`${what} did not happen`)
}

for (const backend of backends) {
  describe(`a grant that connections share (${backend.name})`, { skip: backend.skip }, () => suite(backend))
}

function suite(backend: Backend): void {
  let url: string | undefined
  let sandbox: Sandbox
  let bench: Workbench
  let round = 0
  let ada = ''
  let bob = ''

  before(async () => {
    url = backend.open()
    sandbox = await startSandbox({
      redirectUris: [redirectUri(integration)],
      accessTokenLifetimeSeconds: { slack: 3600 },
    })
    const slack = new Slack({
      id: integration,
      connect: true,
      oauth: { ...sandbox.slack.client, scopes: ['chat:write', 'channels:read'] },
      endpoints: sandbox.slack.endpoints,
    })
    const at = url === undefined ? {} : { storeUrl: url }
    bench = await openWorkbench([slack], undefined, at)
  })
  after(async () => {
    await bench.close()
    await sandbox.close()
    await backend.drop(url)
  })
  beforeEach(async () => {
    for (const accountId of [ada, bob]) {
      if (accountId !== '')
        await bench.connect.disconnect({ integration, accountId }, 'web').catch(() => undefined)
    }
    await until('the end of what was before', async () => (await teardowns()).length === 0)
    round += 1
    ada = `ada-${round}`
    bob = `bob-${round}`
    bench.changes.length = 0
  })

  const teardowns = async () => {
    const { items } = await bench.store.list(teardownSet, { index: 'due', equals: 'teardown', limit: 10 })
    return items
  }
  const connectAs = async (accountId: string, purpose: ConnectPurpose = 'create') => {
    const caller = await mint(bench.connect, { integrations: [integration], accountId, purpose })
    const flow = await toAuthorize(bench.connect, caller, integration)
    const browser = await start(bench.connect, caller, flow.id)
    const back = new URL(await sandbox.slack.consent(browser.location))
    return comeBack(bench.connect, browser, { integration, params: back.searchParams })
  }
  const tokenOf = async (accountId: string): Promise<string> => {
    const auth = await bench.connect.getAuth({ id: integration, accountId })
    assert.ok(auth.type === 'oauth2')
    return auth.accessToken
  }
  const works = async (token: string): Promise<boolean> => {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await fetch(`${sandbox.slack.endpoints.apiUrl}/auth.test`, { method: 'POST', headers })
    const body: unknown = await answer.json()
    return typeof body === 'object' && body !== null && 'ok' in body && body.ok === true
  }
  const recordOf = async (accountId: string): Promise<ConnectionRecord> => {
    const record = await bench.store.get(connectionSet, connectionIdOf(integration, accountId))
    assert.ok(record)
    return record
  }
  const grantOf = async (accountId: string): Promise<ConnectionRecord> => {
    const grant = await bench.store.get(connectionSet, (await recordOf(accountId)).grantId ?? '')
    assert.ok(grant)
    return grant
  }
  const audited = async (accountId: string): Promise<string[]> => {
    await bench.connect.close()
    const { items } = await bench.connect.listAudit({ accountId })
    return items.map(({ action }) => action).filter((action) => action !== 'credential.read')
  }

  it('gives both the same credential, each with its own connection', async () => {
    assert.equal((await connectAs(ada)).result, 'done')
    assert.equal((await connectAs(bob)).result, 'done')
    const [first, second] = await Promise.all(
      [ada, bob].map((accountId) => bench.connect.getAuth({ id: integration, accountId })),
    )
    assert.ok(first && second && first.type === 'oauth2' && second.type === 'oauth2')
    assert.equal(first.accessToken, second.accessToken)
    assert.equal(first.tokenHash, second.tokenHash)
    assert.deepEqual(
      [first.connectionId, second.connectionId],
      [ada, bob].map((accountId) => connectionIdOf(integration, accountId)),
    )
    assert.equal(await works(first.accessToken), true)
    for (const accountId of [ada, bob]) assert.deepEqual((await recordOf(accountId)).secrets, {})
    const { items } = await bench.connect.listConnections({ integration, limit: 100 })
    assert.equal(items.filter(({ accountId }) => accountId === '').length, 0, 'the grant is no connection')
    const found = await bench.connect.listConnections({ integration, identity: first.identity.id })
    assert.deepEqual(
      found.items
        .filter(({ state }) => state === 'active')
        .map((one) => one.accountId)
        .toSorted(),
      [ada, bob],
    )
  })

  it('refreshes once, and both see it', async () => {
    await connectAs(ada)
    await connectAs(bob)
    const before = await tokenOf(ada)
    const { id } = await grantOf(ada)
    const other = await bench.another()
    const expired = { expiresAt: bench.store.now() - 1 }
    await bench.store.update(connectionSet, id, {}, { set: expired })
    const calls = [bench.connect, other.connect].flatMap((connect) =>
      [ada, bob].flatMap((accountId) =>
        Array.from({ length: 10 }, () => connect.getAuth({ id: integration, accountId })),
      ),
    )
    const tokens = (await Promise.all(calls)).map((auth) => (auth.type === 'oauth2' ? auth.accessToken : ''))
    assert.equal(new Set(tokens).size, 1)
    assert.notEqual(tokens[0], before)
    // With strict rotation a second refresh by the old token would have ended the grant.
    assert.equal(await works(tokens[0] ?? ''), true)
    assert.equal(await works(before), false)
  })

  it('leaves the other working when one is disconnected, whichever it is, and ends with the last', async () => {
    for (const [leaver, stayer] of [
      [ada, bob],
      [`${bob}-second`, `${ada}-second`],
    ] as const) {
      await connectAs(leaver)
      await connectAs(stayer)
      const token = await tokenOf(stayer)
      await bench.connect.disconnect({ integration, accountId: leaver }, 'web')
      await assert.rejects(tokenOf(leaver), {
        code: 'not_connected',
        details: { integration, accountId: leaver },
      })
      assert.deepEqual(await teardowns(), [])
      assert.equal(await tokenOf(stayer), token)
      assert.equal(await works(token), true)
      const grant = await grantOf(stayer)
      await bench.connect.disconnect({ integration, accountId: stayer }, 'web')
      const ended = await bench.store.get(connectionSet, grant.id)
      assert.deepEqual([ended?.state, ended?.holders, ended?.secrets], ['disconnected', 0, {}])
      await until('the revocation', async () => !(await works(token)))
    }
  })

  it('is ended by exactly one of many who leave at once', async () => {
    const accounts = Array.from({ length: 6 }, (_, at) => `${ada}-${at}`)
    for (const accountId of accounts) await connectAs(accountId)
    const token = await tokenOf(accounts[0] ?? '')
    assert.equal((await grantOf(accounts[0] ?? '')).holders, 6)
    await Promise.all(
      accounts.map((accountId) => bench.connect.disconnect({ integration, accountId }, 'web')),
    )
    await until('the revocation', async () => !(await works(token)))
    const trails = await Promise.all(accounts.map(audited))
    assert.equal(trails.flat().filter((action) => action === 'grant.revoked').length, 1)
  })

  it('tells everybody when it breaks, and when one of them has mended it', async () => {
    await connectAs(ada)
    await connectAs(bob)
    const { id } = await grantOf(ada)
    await sandbox.slack.revokeGrants()
    await bench.store.update(connectionSet, id, {}, { set: { expiresAt: bench.store.now() - 1 } })
    bench.changes.length = 0
    await assert.rejects(tokenOf(ada), {
      code: 'needs_reauth',
      details: { integration, accountId: ada, reason: 'invalid_grant' },
    })
    await assert.rejects(tokenOf(bob), { code: 'needs_reauth' })
    const told = bench.changes.map(({ type, connection }) => [type, connection.accountId]).toSorted()
    assert.deepEqual(told, [
      ['needs_reauth', ada],
      ['needs_reauth', bob],
    ])
    bench.changes.length = 0
    assert.equal((await connectAs(bob, 'reconnect')).result, 'done')
    assert.equal(await works(await tokenOf(ada)), true)
    assert.equal(await tokenOf(ada), await tokenOf(bob))
    const mended = bench.changes.map(({ type, connection }) => [type, connection.accountId]).toSorted()
    assert.deepEqual(mended, [
      ['connected', ada],
      ['connected', bob],
    ])
    assert.deepEqual(await audited(ada), [
      'connection.recovered',
      'connection.needs_reauth',
      'connection.connected',
    ])
    assert.equal((await grantOf(ada)).holders, 2)
  })

  it('tells those whom a killed process could not tell', async () => {
    await connectAs(ada)
    await connectAs(bob)
    const { id } = await grantOf(ada)
    const broken = { state: 'needs_reauth' as const, reason: 'invalid_grant' }
    await bench.store.update(connectionSet, id, {}, { set: broken })
    await assert.rejects(tokenOf(bob), { code: 'needs_reauth' })
    const states = await Promise.all([ada, bob].map(async (accountId) => (await recordOf(accountId)).state))
    assert.deepEqual(states, ['needs_reauth', 'needs_reauth'])
    await bench.store.update(connectionSet, id, {}, { set: { state: 'active', reason: null } })
    await tokenOf(ada)
    assert.equal((await recordOf(bob)).state, 'active')
  })

  it('forgets one of them without touching the other', async () => {
    await connectAs(ada)
    await connectAs(bob)
    await bench.connect.disconnect({ integration, accountId: ada, forget: true }, 'web')
    await assert.rejects(bench.connect.getConnection({ integration, accountId: ada }), {
      code: 'not_connected',
    })
    assert.equal(await works(await tokenOf(bob)), true)
    assert.equal((await grantOf(bob)).holders, 1)
  })
}

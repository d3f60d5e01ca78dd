// Renaming accounts and integrations on both databases: what follows, what stops it, what a killed process leaves, and
// what those see who ask for credentials meanwhile.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { after, before, beforeEach, describe, it } from 'node:test'
import { isAuthFlowError } from '../../shared/errors.ts'
import type { ConnectionEventData } from './connection-events.ts'
import { connectionIdOf } from './connection-id.ts'
import { backends, type Backend } from './fixtures/backends.ts'
import { rotatingMethod, startRotating, type Rotating } from './fixtures/rotating.ts'
import { connectDirectly, integrationOf, openWorkbench, type Workbench } from './fixtures/workbench.ts'
import { connectionSet, renameSet, teardownSet } from './sets.ts'

const integration = 'rotating'
const processPath = fileURLToPath(new URL('fixtures/rename-process.ts', import.meta.url))

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.fail(`${what} did not happen`)
}

for (const backend of backends) {
  describe(`renaming (${backend.name})`, { skip: backend.skip }, () => suite(backend))
}

function suite(backend: Backend): void {
  const events: { readonly name: string; readonly data: ConnectionEventData }[] = []
  let url: string | undefined
  let provider: Rotating
  let bench: Workbench
  let round = 0
  let ada = ''
  let lady = ''

  before(async () => {
    url = backend.open()
    provider = await startRotating()
    const method = rotatingMethod(provider)
    const shared = rotatingMethod(provider, { grantScope: 'identity' })
    const integrations = [
      ...['rotating', 'other', 'renamed'].map((id) => integrationOf(id, [method])),
      ...['shared', 'shared-renamed'].map((id) => integrationOf(id, [shared])),
    ]
    bench = await openWorkbench(integrations, undefined, {
      ...(url === undefined ? {} : { storeUrl: url }),
      told: { sendEvent: async ({ name, payload }) => void events.push({ name, data: JSON.parse(payload) }) },
    })
  })
  after(async () => {
    await bench.close()
    await provider.close()
    await backend.drop(url)
  })
  beforeEach(() => {
    round += 1
    ada = `ada-${round}`
    lady = `lady-${round}`
    provider.person = `person-${round}`
    provider.refusal = undefined
    provider.beforeReply = undefined
    events.length = 0
    bench.changes.length = 0
  })

  const connectAs = async (accountId: string, id = integration): Promise<void> => {
    assert.equal((await connectDirectly(bench.connect, { integration: id, accountId })).result, 'done')
  }
  const tokenOf = async (accountId: string, id = integration): Promise<string> => {
    const auth = await bench.connect.getAuth({ id, accountId })
    assert.ok(auth.type === 'oauth2')
    assert.equal(auth.connectionId, connectionIdOf(id, accountId))
    return auth.accessToken
  }
  const recordOf = (accountId: string, id = integration) =>
    bench.store.get(connectionSet, connectionIdOf(id, accountId))
  const rename = (from = ada, to = lady) => bench.connect.renameAccount({ from, to }, 'ops')

  it('moves everything of an account, sealed anew, and leaves nothing under the old name', async () => {
    await connectAs(ada)
    await connectAs(ada, 'other')
    await bench.connect.setMetadata({ integration, accountId: ada, metadata: { plan: 'pro' } }, 'ops')
    const token = await tokenOf(ada)
    const before = await recordOf(ada)
    assert.deepEqual(await rename(), { from: ada, to: lady, moved: 2, done: true })
    assert.equal(await tokenOf(lady), token)
    await tokenOf(lady, 'other')
    await assert.rejects(tokenOf(ada), { code: 'not_connected', details: { integration, accountId: ada } })
    assert.equal(await recordOf(ada), undefined)
    const moved = await recordOf(lady)
    assert.equal(moved?.createdAt, before?.createdAt)
    assert.notEqual(moved?.secrets['accessToken'], before?.secrets['accessToken'])
    // A secret that was sealed for the old name opens at no other.
    const stolen = { secrets: before?.secrets ?? {} }
    await bench.store.update(connectionSet, moved?.id ?? '', {}, { set: stolen })
    await assert.rejects(tokenOf(lady), { code: 'unreadable_ciphertext' })
    await bench.store.update(connectionSet, moved?.id ?? '', {}, { set: { secrets: moved?.secrets ?? {} } })
    assert.deepEqual((await bench.connect.getConnection({ integration, accountId: lady })).metadata, {
      plan: 'pro',
    })
    const trail = await bench.connect.listAudit({ accountId: lady, action: 'connection.renamed' })
    assert.deepEqual(
      trail.items.map(({ actor, key }) => [actor, key]),
      [
        ['ops', 'ops'],
        ['ops', 'ops'],
      ],
    )
    const begun = await bench.connect.listAudit({ accountId: ada, action: 'account.renamed' })
    assert.deepEqual(
      begun.items.map(({ reason }) => reason),
      [`to ${lady}`],
    )
    await until('the events', () => events.filter(({ name }) => name.endsWith('.renamed')).length === 2)
    const told = events.find(
      ({ name, data }) => name.endsWith('.renamed') && data.connection.integration === integration,
    )
    assert.deepEqual(told?.data.previous, { integration, accountId: ada })
    assert.equal(told?.data.connection.accountId, lady)
  })

  it('refreshes under the new name, and ends the grant from there', async () => {
    await connectAs(ada)
    await rename()
    const token = await tokenOf(lady)
    const id = connectionIdOf(integration, lady)
    await bench.store.update(connectionSet, id, {}, { set: { expiresAt: bench.store.now() - 1 } })
    assert.notEqual(await tokenOf(lady), token)
    await bench.connect.disconnect({ integration, accountId: lady }, 'web')
    await until('the revocation', async () => {
      const { items } = await bench.connect.listAudit({ accountId: lady, action: 'grant.revoked' })
      return items.length === 1
    })
  })

  it('moves nothing when the target has a connection, and overwrites one that ended', async () => {
    await connectAs(ada)
    await connectAs(ada, 'other')
    await connectAs(lady, 'other')
    await assert.rejects(rename(), {
      code: 'already_connected',
      details: { integration: 'other', accountId: lady },
    })
    await tokenOf(ada)
    await tokenOf(ada, 'other')
    assert.deepEqual(
      (await bench.store.list(renameSet, { index: 'byFrom', equals: `account:${ada}`, limit: 9 })).items,
      [],
    )
    await bench.connect.disconnect({ integration: 'other', accountId: lady }, 'web')
    assert.deepEqual(await rename(), { from: ada, to: lady, moved: 2, done: true })
    await tokenOf(lady, 'other')
  })

  it('stops at a connection that came meanwhile, and goes on once it is gone', async () => {
    await connectAs(ada)
    // As a process leaves it that wrote its intent and was killed.
    const startedAt = bench.store.now()
    const names = { from: ada, to: lady, fromKey: `account:${ada}`, toKey: `account:${lady}` }
    const facts = { kind: 'account' as const, actor: 'ops', key: 'ops', startedAt, moved: 0 }
    await bench.store.insert(renameSet, { id: `rn-${ada}`, ...names, ...facts, open: true, dueAt: startedAt })
    await connectAs(lady)
    await bench.connect.sweep()
    await until('the stop', async () => {
      const record = await bench.store.get(renameSet, `rn-${ada}`)
      return record !== undefined && record.dueAt > startedAt
    })
    await assert.rejects(rename(), { code: 'already_connected' })
    await assert.rejects(rename(ada, `${lady}-else`), { code: 'conflict' })
    await tokenOf(ada)
    await bench.connect.disconnect({ integration, accountId: lady }, 'web')
    assert.deepEqual(await rename(), { from: ada, to: lady, moved: 1, done: true })
    await tokenOf(lady)
  })

  it('answers a repeated call, and takes a name that came back for somebody else’s', async () => {
    await connectAs(ada)
    await rename()
    assert.deepEqual(await rename(), { from: ada, to: lady, moved: 1, done: true })
    await connectAs(ada)
    await assert.rejects(rename(), { code: 'already_connected' })
    await tokenOf(ada)
    for (const [from, to] of [
      ['', lady],
      [ada, ''],
      [ada, ada],
    ] as const) {
      await assert.rejects(rename(from, to), { code: 'invalid_input' })
    }
  })

  it('lets runs that began before find their account, and no others', async () => {
    await connectAs(ada)
    const began = bench.store.now()
    await new Promise((resolve) => setTimeout(resolve, 5))
    await rename()
    const asRun = (since: number) =>
      bench.connect.getAuth({ id: integration, accountId: ada }, { run: 'run-1', since })
    const auth = await asRun(began)
    assert.equal(auth.connectionId, connectionIdOf(integration, lady))
    await new Promise((resolve) => setTimeout(resolve, 5))
    await assert.rejects(asRun(bench.store.now()), { code: 'not_connected' })
    // Somebody new takes the old name: runs of the one before stay with theirs.
    await connectAs(ada)
    assert.equal((await asRun(began)).connectionId, connectionIdOf(integration, lady))
    assert.equal((await asRun(bench.store.now())).connectionId, connectionIdOf(integration, ada))
    await bench.connect.renameAccount({ from: lady, to: `${lady}-again` }, 'ops')
    assert.equal((await asRun(began)).connectionId, connectionIdOf(integration, `${lady}-again`))
    assert.deepEqual(await bench.connect.formerNames(lady), [ada])
    const told = bench.changes.filter(({ previous }) => previous?.accountId === ada)
    assert.deepEqual(
      told.map(({ type, connection }) => [type, connection.accountId]),
      [['connected', lady]],
    )
  })

  it('takes pending revocations along', async () => {
    await connectAs(ada)
    await bench.connect.disconnect({ integration, accountId: ada }, 'web')
    await until('the end', async () => {
      const query = { index: 'byConnection', equals: connectionIdOf(integration, ada), limit: 9 }
      const { items } = await bench.store.list(teardownSet, query)
      return items.every(({ kind }) => kind === 'ended')
    })
    await connectAs(ada)
    const before = provider.requests.length
    provider.reply = withDownRevocation(provider.reply)
    await bench.connect.disconnect({ integration, accountId: ada }, 'web')
    const noted = async (accountId: string) => {
      const query = { index: 'byConnection', equals: connectionIdOf(integration, accountId), limit: 9 }
      const { items } = await bench.store.list(teardownSet, query)
      return items.find(({ kind }) => kind === 'teardown')
    }
    await until('a failure', async () => (await noted(ada))?.lastError !== null)
    await rename()
    const followed = await noted(lady)
    assert.equal(followed?.accountId, lady)
    await bench.store.update(teardownSet, followed?.id ?? '', {}, { set: { dueAt: bench.store.now() } })
    revocationIsDown = false
    await bench.connect.sweep()
    await until('the revocation', async () => (await noted(lady)) === undefined)
    const revoked = provider.requests.slice(before).filter(({ path }) => path === '/revoke')
    assert.equal(new Set(revoked.map(({ form }) => form.get('token'))).size, 1)
  })

  let revocationIsDown = true
  const withDownRevocation = (reply: Rotating['reply']): Rotating['reply'] => {
    revocationIsDown = true
    return (request) => (request.path === '/revoke' && revocationIsDown ? { status: 503 } : reply(request))
  }

  it('waits for a refresh under way, so that its answer is not lost', async () => {
    await connectAs(ada)
    const id = connectionIdOf(integration, ada)
    await bench.store.update(connectionSet, id, {}, { set: { expiresAt: bench.store.now() - 1 } })
    let letGo = (): void => undefined
    let reached = false
    provider.beforeReply = async () => {
      reached = true
      await new Promise<void>((resolve) => (letGo = resolve))
      return undefined
    }
    const refreshing = tokenOf(ada).catch((error: unknown) => error)
    await until('the refresh under way', () => reached)
    const renaming = rename()
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.ok(await recordOf(ada), 'nothing was moved under the refresh')
    letGo()
    const outcome = await refreshing
    assert.ok(typeof outcome === 'string' || (isAuthFlowError(outcome) && outcome.code === 'not_connected'))
    assert.equal((await renaming).done, true)
    const refreshed = await tokenOf(lady)
    assert.equal(refreshed.endsWith('-2'), true, 'the token of the refresh')
    // The next refresh works, which it would not with the refresh token of before.
    provider.beforeReply = undefined
    await bench.store.update(
      connectionSet,
      connectionIdOf(integration, lady),
      {},
      { set: { expiresAt: bench.store.now() - 1 } },
    )
    assert.equal((await tokenOf(lady)).endsWith('-3'), true)
  })

  it('moves an integration with the credentials that its connections share', async () => {
    const accounts = [ada, lady]
    for (const accountId of accounts) await connectAs(accountId, 'shared')
    const token = await tokenOf(ada, 'shared')
    assert.deepEqual(await bench.connect.renameIntegration({ from: 'shared', to: 'shared-renamed' }, 'ops'), {
      from: 'shared',
      to: 'shared-renamed',
      moved: 2,
      done: true,
    })
    for (const accountId of accounts) assert.equal(await tokenOf(accountId, 'shared-renamed'), token)
    const grants = await Promise.all(
      accounts.map(async (id) => (await recordOf(id, 'shared-renamed'))?.grantId),
    )
    assert.equal(new Set(grants).size, 1)
    await bench.store.update(
      connectionSet,
      grants[0] ?? '',
      {},
      { set: { expiresAt: bench.store.now() - 1 } },
    )
    const fresh = await tokenOf(ada, 'shared-renamed')
    assert.notEqual(fresh, token)
    assert.equal(await tokenOf(lady, 'shared-renamed'), fresh)
    assert.deepEqual((await bench.connect.listConnections({ integration: 'shared' })).items, [])
    const found = await bench.connect.listConnections({
      integration: 'shared-renamed',
      identity: provider.person,
    })
    assert.equal(found.items.length, 2)
    await assert.rejects(bench.connect.renameIntegration({ from: 'shared', to: 'nowhere' }, 'ops'), {
      code: 'unknown_integration',
    })
    for (const accountId of accounts) {
      await bench.connect.disconnect({ integration: 'shared-renamed', accountId }, 'ops')
    }
  })

  it('goes on where a killed process stopped, and nobody sees anything but found or not found', async () => {
    const all = (await bench.connect.listConnections({ integration, limit: 100 })).items
    for (const { accountId } of all) {
      await bench.connect.disconnect({ integration, accountId, forget: true }, 'ops').catch(() => undefined)
    }
    const accounts = Array.from({ length: 16 }, (_, at) => `${ada}-${at}`)
    for (const accountId of accounts) await connectAs(accountId)
    const tokens = await Promise.all(accounts.map((accountId) => tokenOf(accountId)))
    const stop = { now: false }
    const codes = new Map<string, number>()
    const asking = accounts.map(async (accountId, at) => {
      while (!stop.now) {
        for (const id of [integration, 'renamed']) {
          const got = await tokenOf(accountId, id).catch((error: unknown) =>
            isAuthFlowError(error) ? error.code : 'other',
          )
          const seen = got === tokens[at] ? 'ok' : got
          codes.set(seen, (codes.get(seen) ?? 0) + 1)
        }
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    })
    const settings = [
      bench.directory,
      bench.keys,
      provider.origin,
      url ?? '-',
      'integration',
      integration,
      'renamed',
    ]
    // The first transaction is the record of the rename; the kill comes before the seventh connection is moved.
    const child = spawn(process.execPath, ['--import', 'tsx', processPath, ...settings, '8'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    const left = async () => (await bench.connect.listConnections({ integration, limit: 100 })).items.length
    assert.equal(await left(), 10)
    await until('the rest', async () => {
      await bench.connect.sweep()
      return (await left()) === 0
    })
    stop.now = true
    await Promise.all(asking)
    for (const [at, accountId] of accounts.entries())
      assert.equal(await tokenOf(accountId, 'renamed'), tokens[at])
    assert.deepEqual([...codes.keys()].toSorted(), ['not_connected', 'ok'])
    await until('its end', async () => {
      const query = { index: 'byFrom', equals: `integration:${integration}`, limit: 9 }
      return (await bench.store.list(renameSet, query)).items.every(({ open }) => !open)
    })
    const again = await bench.connect.renameIntegration({ from: integration, to: 'renamed' }, 'ops')
    assert.deepEqual([again.done, again.moved], [true, 16])
    const trail = await bench.connect.listAudit({
      integration: 'renamed',
      action: 'connection.renamed',
      limit: 100,
    })
    assert.equal(trail.items.length, 16)
  })
}

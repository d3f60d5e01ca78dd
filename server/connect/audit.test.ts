// The audit trail on both databases: a row with every change, reads counted by minute or told one by one, and questions
// to it.

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { AuthFlowError } from '../../shared/errors.ts'
import { connectionIdOf } from './connection-id.ts'
import { aroundStore } from './fixtures/around-store.ts'
import { backends, type Backend } from './fixtures/backends.ts'
import { rotatingMethod, startRotating, type Rotating } from './fixtures/rotating.ts'
import { connectDirectly, integrationOf, openService, openWorkbench } from './fixtures/workbench.ts'
import type { Service, Workbench } from './fixtures/workbench.ts'
import { auditSet, connectionSet } from './sets.ts'

const integration = 'rotating'
const dayMs = 86_400_000

for (const backend of backends) {
  describe(`the audit trail (${backend.name})`, { skip: backend.skip }, () => suite(backend))
}

function suite(backend: Backend): void {
  let url: string | undefined
  let provider: Rotating
  let bench: Workbench
  let strict: Service
  let accountId = ''
  let accounts = 0
  let insertsFail = false

  before(async () => {
    url = backend.open()
    provider = await startRotating()
    const integrations = [integration, 'other'].map((id) => integrationOf(id, [rotatingMethod(provider)]))
    const at = url === undefined ? {} : { storeUrl: url }
    bench = await openWorkbench(integrations, undefined, { ...at, told: { audit: { days: 30 } } })
    strict = await openService({
      directory: bench.directory,
      keys: bench.keys,
      integrations,
      ...at,
      told: { audit: { reads: 'each' } },
      aroundStore: (store) =>
        aroundStore(store, {
          insert: (set, document) =>
            insertsFail
              ? Promise.reject(new AuthFlowError('store_unavailable'))
              : store.insert(set, document),
        }),
    })
  })
  after(async () => {
    await strict.close()
    await bench.close()
    await provider.close()
    await backend.drop(url)
  })
  beforeEach(() => {
    accounts += 1
    accountId = `acct-${accounts}`
    insertsFail = false
  })

  const key = () => ({ integration, accountId })
  const get = (reader = 'worker', service: Service = bench) =>
    service.connect.getAuth({ id: integration, accountId }, { key: reader })
  const actions = async (query: Parameters<Workbench['connect']['listAudit']>[0]) =>
    (await bench.connect.listAudit(query)).items.map(({ action }) => action)
  /** Closing writes what is held in memory; everything else goes on working. */
  const flush = () => bench.connect.close()

  it('tells who did what to a connection, with which key, and when', async () => {
    await connectDirectly(bench.connect, key())
    await connectDirectly(bench.connect, { ...key(), purpose: 'reconnect' })
    await bench.connect.setMetadata({ ...key(), metadata: { plan: 'pro' } }, 'backend')
    const record = await bench.store.get(connectionSet, connectionIdOf(integration, accountId))
    await bench.store.update(
      connectionSet,
      record?.id ?? '',
      {},
      { set: { expiresAt: bench.store.now() - 1 } },
    )
    provider.refusal = { status: 400, body: { error: 'invalid_grant' } }
    await assert.rejects(get(), { code: 'needs_reauth' })
    provider.refusal = undefined
    await bench.connect.disconnect({ ...key(), forget: true }, 'backend')
    const { items } = await bench.connect.listAudit({ accountId })
    assert.deepEqual(
      items
        .filter(({ action }) => !action.startsWith('grant.'))
        .map(({ action, actor, key: by = null, reason = null }) => [action, actor, by, reason])
        .toReversed(),
      [
        ['connection.connected', accountId, 'web', null],
        ['connection.reconnected', accountId, 'web', null],
        ['connection.metadata_changed', 'backend', 'backend', null],
        ['connection.needs_reauth', 'authflow', null, 'invalid_grant'],
        ['connection.disconnected', 'backend', 'backend', null],
        ['connection.forgotten', 'backend', 'backend', null],
      ].toSorted((left, right) => order(left, items) - order(right, items)),
    )
    for (const row of items) {
      assert.equal(row.connectionId, connectionIdOf(integration, accountId))
      assert.equal(row.integration, integration)
      assert.ok(Math.abs(Date.parse(row.at) - bench.store.now()) < 600_000)
    }
    assert.equal(JSON.stringify(items).includes('canary'), false)
    // Gone with all that was personal but the trail, which keeps ids.
    await assert.rejects(bench.connect.getConnection(key()), { code: 'not_connected' })
  })

  /** Rows of one instant have no order among them. */
  const order = (row: readonly (string | null)[], items: readonly { readonly action: string }[]): number =>
    -items.findIndex(({ action }) => action === row[0])

  it('counts reads by connection, reader and minute, from any number of processes', async () => {
    await connectDirectly(bench.connect, key())
    const other = await bench.another()
    for (let reads = 0; reads < 20; reads += 1) {
      await get()
      await get('worker', other)
    }
    await get('reports')
    await bench.connect.getAuth({ id: integration, accountId }, { run: 'run_1', since: 0 })
    await bench.connect.getAuth({ id: integration, accountId })
    await flush()
    await other.connect.close()
    const { items } = await bench.connect.listAudit({ ...key(), action: 'credential.read' })
    const counts = new Map<string, number>()
    for (const { actor, count = 1, identityId, at } of items) {
      counts.set(actor, (counts.get(actor) ?? 0) + count)
      assert.equal(identityId, 'ada')
      assert.equal(Date.parse(at) % 60_000, 0)
    }
    assert.deepEqual(
      [...counts].toSorted(([left], [right]) => left.localeCompare(right)),
      [
        ['reports', 1],
        ['run:run_1', 1],
        ['server', 1],
        ['worker', 40],
      ],
    )
    // At most two minutes were touched.
    assert.ok(items.length <= 8)
    assert.deepEqual(items.filter(({ actor }) => actor === 'worker').map(({ key: by }) => by)[0], 'worker')
  })

  it('writes what it counted within a second', async () => {
    await connectDirectly(bench.connect, key())
    await get()
    for (let tries = 0; tries < 1_500; tries += 1) {
      if ((await actions({ ...key(), action: 'credential.read' })).length === 1) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.fail('the read was not written')
  })

  it('writes a row before each answer where that is asked for, and gives nothing out without one', async () => {
    await connectDirectly(bench.connect, key())
    for (let reads = 0; reads < 3; reads += 1) await get('worker', strict)
    assert.equal((await actions({ ...key(), action: 'credential.read' })).length, 3)
    insertsFail = true
    await assert.rejects(get('worker', strict), { code: 'store_unavailable' })
    insertsFail = false
    assert.equal((await actions({ ...key(), action: 'credential.read' })).length, 3)
  })

  it('does not count what was refused', async () => {
    await assert.rejects(get(), { code: 'not_connected' })
    await connectDirectly(bench.connect, key())
    const ask = bench.connect.getAuth({ id: integration, accountId, scopes: ['more'] }, { key: 'worker' })
    await assert.rejects(ask, { code: 'insufficient_scope' })
    await flush()
    assert.deepEqual(await actions({ ...key(), action: 'credential.read' }), [])
  })

  it('answers by account, integration, action and time, in pages that lose and repeat nothing', async () => {
    const from = new Date(bench.store.now()).toISOString()
    for (const id of [integration, 'other']) {
      for (let at = 0; at < 3; at += 1) {
        const account = `${accountId}-${at}`
        await connectDirectly(bench.connect, { integration: id, accountId: account })
        await bench.connect.disconnect({ integration: id, accountId: account }, 'backend')
      }
    }
    const to = new Date(bench.store.now() + 1).toISOString()
    const count = async (query: Parameters<Workbench['connect']['listAudit']>[0]) =>
      (await bench.connect.listAudit({ limit: 200, ...query })).items.length
    const ended = { action: 'connection.disconnected', from, to }
    assert.equal(await count(ended), 6)
    assert.equal(await count({ ...ended, integration }), 3)
    assert.equal(await count({ ...ended, accountId: `${accountId}-1` }), 2)
    assert.equal(await count({ ...ended, accountId: `${accountId}-1`, integration }), 1)
    assert.equal(
      await count({ ...ended, from: to, to: new Date(bench.store.now() + dayMs).toISOString() }),
      0,
    )
    assert.equal(await count({ accountId: 'nobody' }), 0)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await bench.connect.listAudit({
        integration,
        from,
        to,
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      })
      assert.ok(page.items.length <= 2)
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.cursor
    } while (cursor !== undefined)
    const all = (await bench.connect.listAudit({ integration, from, to, limit: 200 })).items
    assert.equal(new Set(seen).size, seen.length)
    assert.deepEqual(
      seen,
      all.map(({ id }) => id),
    )
    assert.deepEqual(
      all.map(({ at }) => at),
      all
        .map(({ at }) => at)
        .toSorted()
        .toReversed(),
    )
    for (const bad of [{ limit: 0 }, { limit: 201 }, { from: 'yesterday' }, { accountId: '' }]) {
      await assert.rejects(bench.connect.listAudit(bad), { code: 'invalid_input' })
    }
  })

  it('keeps rows for as long as it is told', async () => {
    await connectDirectly(bench.connect, key())
    const { items } = await bench.store.list(auditSet, { index: 'byAccount', equals: accountId, limit: 10 })
    assert.ok(items.length > 0)
    for (const row of items) assert.equal(row.expireAt, row.at + 30 * dayMs)
  })
}

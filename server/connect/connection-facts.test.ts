// What is known of a connection: scopes asked for and granted, the identity that callers hold on to, what the host noted,
// and finding connections by who they are at the provider. On both databases.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import type { Metadata } from '../../shared/auth.ts'
import type { StartForm } from '../../shared/flow.ts'
import { printFigure } from '../../scripts/figure.ts'
import { createVault } from '../vault/create-vault.ts'
import { parseKeyRing } from '../vault/key-ring.ts'
import { connectionIdOf } from './connection-id.ts'
import { backends, type Backend } from './fixtures/backends.ts'
import { apiKeyMethod, startKeyServer, type KeyServer } from './fixtures/key-server.ts'
import { rotatingMethod, startRotating, type Rotating } from './fixtures/rotating.ts'
import {
  comeBack,
  connectDirectly,
  integrationOf,
  mint,
  openService,
  openWorkbench,
  start,
  toAuthorize,
  type Workbench,
} from './fixtures/workbench.ts'
import { identityKeyOf } from './identity-key.ts'
import { checkMetadata, metadataMaxBytes } from './metadata.ts'
import { connectionSet } from './sets.ts'

const integration = 'rotating'

for (const backend of backends) {
  describe(`facts of connections (${backend.name})`, { skip: backend.skip }, () => suite(backend))
}

function suite(backend: Backend): void {
  let url: string | undefined
  let provider: Rotating
  let keyServer: KeyServer
  let bench: Workbench
  let accountId = ''
  let accounts = 0

  const integrations = () => [
    ...[integration, 'other'].map((id) => integrationOf(id, [rotatingMethod(provider)])),
    integrationOf('keys', [apiKeyMethod(keyServer)]),
  ]
  before(async () => {
    url = backend.open()
    provider = await startRotating()
    keyServer = await startKeyServer()
    bench = await openWorkbench(integrations(), undefined, url === undefined ? {} : { storeUrl: url })
  })
  after(async () => {
    await bench.close()
    await provider.close()
    await keyServer.close()
    await backend.drop(url)
  })
  beforeEach(() => {
    accounts += 1
    accountId = `acct-${accounts}`
    provider.person = `person-${accounts}`
  })

  const key = () => ({ integration, accountId })
  const record = async () => {
    const found = await bench.store.get(connectionSet, connectionIdOf(integration, accountId))
    assert.ok(found)
    return found
  }

  /** Goes through a flow and tells what the provider was asked for; it grants exactly that. */
  async function authorize(
    token: {
      readonly purpose?: 'create' | 'reconnect'
      readonly scopes?: readonly string[]
      readonly metadata?: Metadata
    },
    form: Partial<StartForm> = {},
  ): Promise<readonly string[]> {
    const caller = await mint(bench.connect, { integrations: [integration], accountId, ...token })
    const flow = await toAuthorize(bench.connect, caller, integration)
    const browser = await start(bench.connect, caller, flow.id, form)
    const asked = new URL(browser.location).searchParams
    const params = new URLSearchParams({ code: 'code', state: asked.get('state') ?? '' })
    const outcome = await comeBack(bench.connect, browser, { integration, params })
    assert.equal(outcome.result, 'done')
    return asked.get('scope')?.split(' ') ?? []
  }

  describe('scopes', () => {
    it('tells what was asked for and what was granted', async () => {
      provider.scope = 'read'
      await authorize({})
      provider.scope = undefined
      const connection = await bench.connect.getConnection(key())
      assert.deepEqual([connection.requestedScopes, connection.scopes], [['read', 'write'], ['read']])
      const before = provider.requests.length
      await assert.rejects(bench.connect.getAuth({ id: integration, accountId, scopes: ['write'] }), {
        code: 'insufficient_scope',
        details: { integration, accountId, missingScopes: ['write'], scopes: ['read', 'write'] },
      })
      assert.equal(provider.requests.length, before, 'before the provider is asked anything')
    })

    it('asks for one more scope without losing the others, which is what the error says to do', async () => {
      assert.deepEqual(await authorize({}), ['read', 'write'])
      const error: unknown = await bench.connect
        .getAuth({ id: integration, accountId, scopes: ['write', 'admin'] })
        .catch((thrown: unknown) => thrown)
      assert.ok(error instanceof Error && 'details' in error)
      const { scopes } = error.details as { readonly scopes: readonly string[] }
      assert.deepEqual(scopes, ['read', 'write', 'admin'])
      assert.deepEqual(await authorize({ purpose: 'reconnect', scopes }, { scopes: 'admin' }), scopes)
      await bench.connect.getAuth({ id: integration, accountId, scopes })
      // Repairing it later keeps what was consented to, also where nobody names it.
      assert.deepEqual(await authorize({ purpose: 'reconnect' }), scopes)
      // A token that names less is obeyed.
      assert.deepEqual(await authorize({ purpose: 'reconnect', scopes: ['read'] }), ['read'])
      assert.deepEqual((await bench.connect.getConnection(key())).scopes, ['read'])
    })

    it('refuses scopes that the token does not name', async () => {
      await authorize({})
      const caller = await mint(bench.connect, {
        integrations: [integration],
        accountId,
        purpose: 'reconnect',
        scopes: ['read', 'admin'],
      })
      const flow = await toAuthorize(bench.connect, caller, integration)
      await assert.rejects(start(bench.connect, caller, flow.id, { scopes: 'admin owner' }), {
        code: 'scopes_not_allowed',
      })
    })

    it('begins anew after a disconnect', async () => {
      await authorize({ scopes: ['read', 'admin'] }, { scopes: 'read admin' })
      await bench.connect.disconnect(key(), 'web')
      assert.deepEqual(await authorize({}), ['read', 'write'])
    })
  })

  describe('identity', () => {
    it('gives nothing out to who holds on to another identity', async () => {
      await connectDirectly(bench.connect, key())
      const { identity } = await bench.connect.getAuth({ id: integration, accountId })
      await bench.connect.getAuth({ id: integration, accountId, identityId: identity.id })
      await bench.connect.disconnect(key(), 'web')
      provider.person = `${provider.person}-other`
      await connectDirectly(bench.connect, key())
      const set = { expiresAt: bench.store.now() - 1 }
      await bench.store.update(connectionSet, (await record()).id, {}, { set })
      const before = provider.refreshes
      await assert.rejects(bench.connect.getAuth({ id: integration, accountId, identityId: identity.id }), {
        code: 'identity_changed',
        details: { integration, accountId },
      })
      assert.equal(provider.refreshes, before, 'not even refreshed')
    })
  })

  describe('metadata', () => {
    it('comes with the token, is kept by a reconnect without, and is shown to backends alone', async () => {
      await authorize({ metadata: { tenant: 'acme', seats: 3, tags: ['a', null], deep: { x: true } } })
      const noted = (await bench.connect.getConnection(key())).metadata
      assert.deepEqual(noted, { tenant: 'acme', seats: 3, tags: ['a', null], deep: { x: true } })
      assert.deepEqual((await bench.connect.listConnections({ accountId })).items[0]?.metadata, noted)
      const manage = await mint(bench.connect, { integrations: [integration], accountId, purpose: 'manage' })
      assert.equal('metadata' in ((await bench.connect.listOwn(manage))[0] ?? {}), false)
      await authorize({ purpose: 'reconnect' })
      assert.deepEqual((await bench.connect.getConnection(key())).metadata, noted)
      await authorize({ purpose: 'reconnect', metadata: { tenant: 'globex' } })
      assert.deepEqual((await bench.connect.getConnection(key())).metadata, { tenant: 'globex' })
    })

    it('is replaced and deleted by the backend', async () => {
      await connectDirectly(bench.connect, key())
      const set = await bench.connect.setMetadata({ ...key(), metadata: { a: 1 } }, 'backend')
      assert.deepEqual(set.metadata, { a: 1 })
      const ended = await bench.connect.setMetadata({ ...key(), metadata: null }, 'backend')
      assert.equal('metadata' in ended, false)
      await assert.rejects(
        bench.connect.setMetadata({ integration, accountId: 'nobody', metadata: {} }, 'backend'),
        { code: 'not_connected' },
      )
      await bench.connect.getAuth({ id: integration, accountId })
    })

    it('is stored as it is, whatever its names are', async () => {
      await connectDirectly(bench.connect, key())
      const json = fc
        .jsonValue({ maxDepth: 4, noUnicodeString: false })
        .map((value) => JSON.stringify({ value }))
      await fc.assert(
        fc.asyncProperty(
          json,
          fc.constantFrom('$where', '__proto__', 'a.b', 'constructor'),
          async (text, name) => {
            const metadata = JSON.parse(`{"${name}":1,"rest":${text}}`) as Metadata
            fc.pre(
              Buffer.byteLength(JSON.stringify(metadata)) <= metadataMaxBytes &&
                text.isWellFormed() &&
                !text.includes('\\u0000'),
            )
            await bench.connect.setMetadata({ ...key(), metadata }, 'backend')
            const stored = (await bench.connect.getConnection(key())).metadata
            assert.equal(JSON.stringify(stored), JSON.stringify(metadata))
          },
        ),
        { numRuns: 30 },
      )
      assert.equal(Object.hasOwn(Object.prototype, 'rest'), false)
    })
  })

  describe('finding by identity (B9)', () => {
    it('finds every connection of an identity at one integration, and only there', async () => {
      for (const account of [accountId, `${accountId}-b`]) {
        await connectDirectly(bench.connect, { integration, accountId: account })
      }
      await connectDirectly(bench.connect, { integration: 'other', accountId })
      const identity = provider.person
      const found = await bench.connect.listConnections({ integration, identity })
      assert.deepEqual(found.items.map((one) => one.accountId).toSorted(), [accountId, `${accountId}-b`])
      assert.deepEqual((await bench.connect.listConnections({ integration, identity: 'nobody' })).items, [])
      const exact = await bench.connect.listConnections({ integration, accountId, identity })
      assert.equal(exact.items.length, 1)
      assert.deepEqual(
        (await bench.connect.listConnections({ integration, accountId, identity: 'nobody' })).items,
        [],
      )
      await assert.rejects(bench.connect.listConnections({ identity }), { code: 'invalid_input' })
      const page = await bench.connect.listConnections({ integration, identity, limit: 1 })
      assert.ok(page.cursor)
      const next = await bench.connect.listConnections({
        integration,
        identity,
        limit: 1,
        cursor: page.cursor,
      })
      assert.notEqual(next.items[0]?.accountId, page.items[0]?.accountId)
    })

    it('goes on finding after the keys were rotated and the old one is gone', async () => {
      await connectDirectly(bench.connect, key())
      const identity = provider.person
      const rotated = `k2:${randomBytes(32).toString('base64')},${bench.keys}`
      const at = url === undefined ? {} : { storeUrl: url }
      const service = await openService({
        directory: bench.directory,
        keys: rotated,
        integrations: integrations(),
        ...at,
      })
      try {
        const found = await service.connect.listConnections({ integration, identity })
        assert.deepEqual(
          found.items.map((one) => one.accountId),
          [accountId],
        )
        accountId = `${accountId}-later`
        await connectDirectly(service.connect, key())
        assert.equal((await bench.connect.listConnections({ integration, identity })).items.length, 2)
      } finally {
        await service.close()
      }
    })

    it('gives equal identities other indexes in another environment or integration', () => {
      const keys = parseKeyRing(bench.keys)
      const digests = new Set<string>()
      for (const environment of ['test', 'production', 'staging']) {
        const vault = createVault({ keys, environment })
        vault.useIndexKey(Buffer.alloc(32, 7))
        for (const id of [integration, 'other']) digests.add(identityKeyOf({ vault }, id, 'ada'))
      }
      assert.equal(digests.size, 6)
      printFigure({
        requirement: 'B9',
        name: `equal indexes among 6 places (${backend.name})`,
        value: 6 - digests.size,
      })
    })
  })
}

describe('checkMetadata', () => {
  it('takes small JSON objects and nothing else', () => {
    const cyclic: Record<string, unknown> = {}
    cyclic['self'] = cyclic
    const bad: unknown[] = [null, 1, 'text', [], cyclic, { big: 1n }, { text: 'x'.repeat(metadataMaxBytes) }]
    let deep: unknown = {}
    for (let level = 0; level < 20; level += 1) deep = { deep }
    for (const value of [...bad, deep, undefined, { lone: '\ud800' }, { nul: '\0' }, { '\0': 1 }]) {
      assert.throws(() => checkMetadata(value), { code: 'invalid_input' })
    }
    assert.deepEqual(checkMetadata({ date: new Date(0), none: undefined }), {
      date: '1970-01-01T00:00:00.000Z',
    })
  })
})

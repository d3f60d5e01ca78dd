import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { canarySets, checkCanary, type CanaryDocument } from './canary.ts'
import { createVault } from './create-vault.ts'
import { createKeyRing, type RootKey } from './key-ring.ts'
import type { Vault } from './vault.ts'

const keyOf = (kid: string): RootKey => ({ kid, key: randomBytes(32) })
const vaultOf = (...keys: RootKey[]): Vault => createVault({ keys: createKeyRing(keys), environment: 'test' })

describe('checkCanary', () => {
  const [k1, k2] = [keyOf('k1'), keyOf('k2')]
  let folder: string
  let store: Store
  const check = (...keys: RootKey[]) => checkCanary(store, vaultOf(...keys), 'test')
  const rows = (): Promise<CanaryDocument[]> => {
    const [set] = canarySets
    assert.ok(set)
    return store.range(set, '', '~', 1000) as Promise<CanaryDocument[]>
  }
  const written = async () => (await rows()).map(({ kid, wrote }) => [kid, wrote])

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'authflow-canary-'))
    store = await openStore(`sqlite:${join(folder, 'store.db')}`)
    await store.migrate(canarySets, 'test')
  })
  afterEach(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })

  it('passes on an empty store, and again, and in many processes at once', async () => {
    await Promise.all(Array.from({ length: 10 }, () => check(k1)))
    await check(k1)
    assert.deepEqual(await written(), [['k1', true]])
  })

  it('stops a ring with another key under the same id, and writes nothing', async () => {
    await check(k1)
    const before = await rows()
    const wrong = { code: 'wrong_encryption_key', message: /`k1`/ }
    await assert.rejects(check(keyOf('k1')), wrong)
    await assert.rejects(check(keyOf('k9'), keyOf('k1')), wrong)
    assert.deepEqual(await rows(), before)
  })

  it('stops a ring that lacks a key which wrote, and writes nothing', async () => {
    await check(k1)
    await assert.rejects(check(k2), {
      code: 'wrong_encryption_key',
      message: /`k1`, which is not configured/,
    })
    assert.deepEqual(await written(), [['k1', true]])
  })

  it('lets a key be rolled out second, promoted, and only then be needed', async () => {
    await check(k1)
    await check(k1, k2)
    assert.deepEqual(await written(), [
      ['k1', true],
      ['k2', false],
    ])
    // A process of before restarts during the roll-out.
    await check(k1)
    await assert.rejects(check(k1, keyOf('k2')), { code: 'wrong_encryption_key', message: /`k2`/ })
    await check(k2, k1)
    assert.deepEqual(await written(), [
      ['k1', true],
      ['k2', true],
    ])
    await assert.rejects(check(k1), { code: 'wrong_encryption_key', message: /`k2`/ })
    await check(k1, k2)
  })

  it('lets one of two win that start at once with different keys under one id', async () => {
    const outcomes = await Promise.allSettled([check(k1), check(keyOf('k1'))])
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    assert.equal((await rows()).length, 1)
  })

  it('stops at a row that was altered or swapped with another', async () => {
    await check(k1, k2)
    const [set] = canarySets
    const [first, second] = await rows()
    assert.ok(set && first && second)
    const put = (row: CanaryDocument, sealed: string) =>
      store.update(set, row.id, {}, { set: { sealed } as never })
    for (const sealed of ['', 'v1.k1.', second.sealed, `${first.sealed}A`]) {
      await put(first, sealed)
      await assert.rejects(check(k1, k2), { code: 'wrong_encryption_key' }, sealed)
    }
    await put(first, first.sealed)
    await check(k1, k2)
  })

  it('keeps environments apart', async () => {
    await check(k1)
    await checkCanary(store, createVault({ keys: createKeyRing([k2]), environment: 'test/2' }), 'test/2')
    await check(k1)
    assert.equal((await rows()).length, 2)
  })

  it('works on a store that was closed and opened again', async () => {
    await check(k1)
    await store.close()
    store = await openStore(`sqlite:${join(folder, 'store.db')}`)
    await store.migrate(canarySets, 'test')
    await check(k1)
    await assert.rejects(check(k2), { code: 'wrong_encryption_key' })
  })
})

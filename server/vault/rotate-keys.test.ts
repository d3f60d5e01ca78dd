import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { openStore } from '../store/open-store.ts'
import { defineSet, type Store, type StoredDocument } from '../store/store.ts'
import { canarySets, checkCanary } from './canary.ts'
import { createVault } from './create-vault.ts'
import { createKeyRing, type RootKey } from './key-ring.ts'
import { listKeys, retireKey } from './retire-key.ts'
import { announceRing, processSets } from './ring-presence.ts'
import { rotateKeys, type RotateKeysOptions, type RotationResult } from './rotate-keys.ts'
import { rotationSets } from './rotation-record.ts'
import type { SealedSet } from './sealed-set.ts'
import type { SealContext, Vault } from './vault.ts'

interface Row extends StoredDocument {
  readonly secret: string
  readonly other?: string
  readonly held?: boolean
  readonly note?: string
}

const rowSet = defineSet<Row>('rows')
const laterSet = defineSet<Row>('later')
const plainSet = defineSet<Row>('plain')
const keyOf = (kid: string): RootKey => ({ kid, key: randomBytes(32) })
const [k1, k2] = [keyOf('k1'), keyOf('k2')]
const vaultOf = (...keys: RootKey[]): Vault => createVault({ keys: createKeyRing(keys), environment: 'test' })
const old = vaultOf(k1)
const now = vaultOf(k2, k1)
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

const placeOf = (id: string): SealContext => ({
  recordType: 'credential',
  recordId: id,
  integration: '',
  accountId: '',
  field: 'secret',
})

const declare = (set: typeof rowSet, more: Partial<SealedSet<Row>> = {}): SealedSet<Row> => ({
  set,
  busy: ({ held }) => (held ? 'held' : undefined),
  reseal: ({ id, secret }, vault) => ({ secret: vault.reseal(secret, placeOf(id)) }),
  ...more,
})

let folder = ''
let store: Store
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'authflow-rotate-'))
  store = await openStore(`sqlite:${join(folder, 'store.db')}`)
  const sets = [rowSet, laterSet, plainSet, ...canarySets, ...processSets, ...rotationSets]
  await store.migrate(sets, 'test')
  await checkCanary(store, old, 'test')
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

const add = (set: typeof rowSet, id: string, more: Partial<Row> = {}): Promise<boolean> =>
  store.insert(set, { id, secret: old.seal(`secret of ${id}`, placeOf(id)), ...more })
const fill = (set: typeof rowSet, count: number): Promise<boolean[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => add(set, `row ${index}`)))
const rotate = (more: Partial<RotateKeysOptions> = {}): Promise<RotationResult> =>
  rotateKeys({ store, vault: now, environment: 'test', sealedSets: [declare(rowSet)], waitMs: 0, ...more })
const rows = (set = rowSet): Promise<Row[]> => store.range(set, '', '~', 1000)
const onOldKey = async (set = rowSet): Promise<string[]> =>
  (await rows(set)).filter(({ secret }) => secret.startsWith('v1.k1.')).map(({ id }) => id)

describe('rotateKeys', () => {
  it('seals every document anew so that the new key alone opens it', async () => {
    await fill(rowSet, 450)
    await fill(laterSet, 30)
    const result = await rotate({ sealedSets: [declare(rowSet), declare(laterSet)] })
    assert.deepEqual(result, { kid: 'k2', outcome: 'done', resealed: 480, left: [] })
    const alone = vaultOf(k2)
    for (const { id, secret, version } of [...(await rows()), ...(await rows(laterSet))]) {
      assert.equal(alone.open(secret, placeOf(id)), `secret of ${id}`)
      assert.equal(version, 2)
    }
  })

  it('writes nothing the second time, and on an empty store', async () => {
    assert.equal((await rotate()).resealed, 0)
    await fill(rowSet, 3)
    await rotate()
    assert.deepEqual(await rotate(), { kid: 'k2', outcome: 'done', resealed: 0, left: [] })
    assert.deepEqual(
      (await rows()).map(({ version }) => version),
      [2, 2, 2],
    )
  })

  it('loses nothing that is written while it runs', async () => {
    await fill(rowSet, 300)
    let count = 0
    const write = async (): Promise<void> => {
      for (const { id } of await rows()) {
        count += 1
        await store.update(rowSet, id, {}, { set: { note: `written ${id}` } })
      }
    }
    const [result] = await Promise.all([rotate(), write()])
    assert.equal(result.outcome, 'done')
    assert.equal(count, 300)
    for (const { id, note } of await rows()) assert.equal(note, `written ${id}`)
    assert.deepEqual(await onOldKey(), [])
  })

  it('repeats a document that was changed between reading and writing', async () => {
    await fill(rowSet, 5)
    let meddled = false
    const reseal: SealedSet<Row>['reseal'] = ({ id, secret }, vault) => {
      if (id === 'row 3' && !meddled) {
        meddled = true
        void store.update(rowSet, id, {}, { set: { secret: old.seal('changed', placeOf(id)) } })
      }
      return { secret: vault.reseal(secret, placeOf(id)) }
    }
    assert.equal((await rotate({ sealedSets: [declare(rowSet, { reseal })] })).outcome, 'done')
    const row = await store.get(rowSet, 'row 3')
    assert.equal(vaultOf(k2).open(row?.secret ?? '', placeOf('row 3')), 'changed')
  })

  it('comes back to what is busy, and says what is still busy in the end', async () => {
    await fill(rowSet, 5)
    await store.update(rowSet, 'row 1', {}, { set: { held: true } })
    await store.update(rowSet, 'row 4', {}, { set: { held: true } })
    const phases: string[] = []
    const result = await rotate({
      waitMs: 1500,
      onProgress: ({ phase }) => {
        if (phase === 'wait') void store.update(rowSet, 'row 1', {}, { set: { held: false } })
        phases.push(phase)
      },
    })
    assert.ok(phases.includes('wait'))
    assert.equal(result.outcome, 'left')
    assert.deepEqual(result.left, [{ set: 'rows', reason: 'held', documents: 1 }])
    assert.deepEqual(await onOldKey(), ['row 4'])
  })

  it('names values that it can not open, and does the others', async () => {
    await fill(rowSet, 4)
    await store.update(
      rowSet,
      'row 2',
      {},
      { set: { secret: vaultOf(keyOf('k9')).seal('x', placeOf('row 2')) } },
    )
    const result = await rotate()
    assert.deepEqual(result.left, [{ set: 'rows', reason: 'unreadable', documents: 1 }])
    assert.equal(result.resealed, 3)
  })

  it('names values that no declaration knows of', async () => {
    await add(rowSet, 'row', { other: old.seal('forgotten', placeOf('other')) })
    const result = await rotate()
    assert.deepEqual(result.left, [{ set: 'rows', reason: 'undeclared', documents: 1 }])
    assert.deepEqual(await onOldKey(), ['row'])
  })

  it('stops at the signal and goes on there the next time', async () => {
    await fill(rowSet, 300)
    await fill(laterSet, 300)
    const sealedSets = [declare(rowSet), declare(laterSet)]
    const stop = new AbortController()
    const first = await rotate({
      sealedSets,
      signal: stop.signal,
      onProgress: ({ set }) => set === 'later' && stop.abort(),
    })
    assert.equal(first.outcome, 'stopped')
    assert.ok(first.resealed > 300 && first.resealed < 600, `${first.resealed}`)
    const seen: string[] = []
    const second = await rotate({
      sealedSets,
      onProgress: ({ phase, set }) => void (phase === 'reseal' && seen.push(set)),
    })
    assert.equal(second.outcome, 'done')
    assert.equal(first.resealed + second.resealed, 600)
    assert.ok(seen.length > 0 && seen.every((set) => set === 'later'), seen.join())
  })

  it('finds what was added behind it by a process that still writes with the old key', async () => {
    await fill(rowSet, 300)
    let added = false
    const result = await rotate({
      onProgress: ({ phase, seen }) => {
        if (phase !== 'reseal' || seen < 100 || added) return
        added = true
        void add(rowSet, 'a row before all others')
      },
    })
    assert.equal(result.outcome, 'done')
    assert.equal(result.resealed, 301)
    assert.deepEqual(await onOldKey(), [])
  })

  it('runs once at a time', async () => {
    await fill(rowSet, 200)
    const [one, other] = await Promise.all([rotate(), rotate()])
    assert.equal(one.resealed + other.resealed, 200)
  })

  it('refuses while a running process can not read the new key', async () => {
    await fill(rowSet, 2)
    const presence = await announceRing(store, { environment: 'test', kids: ['k1'], log: quiet })
    await assert.rejects(rotate(), { code: 'key_not_rolled_out', message: /`k2`/ })
    assert.equal((await onOldKey()).length, 2)
    await presence.end()
    assert.equal((await rotate()).outcome, 'done')
  })
})

describe('retireKey', () => {
  const sets = [rowSet, laterSet, plainSet, ...canarySets, ...processSets, ...rotationSets]
  const options = {
    get store() {
      return store
    },
    vault: now,
    environment: 'test',
    sets,
  }
  const retire = (kid = 'k1') => retireKey(kid, options)

  beforeEach(() => checkCanary(store, now, 'test'))

  it('refuses while anything is sealed with the key, and names the sets', async () => {
    await fill(rowSet, 3)
    await fill(laterSet, 2)
    await assert.rejects(retire(), { code: 'key_in_use', message: /3 in rows, 2 in later/ })
    // It is as it was: the key is needed, and may even write.
    await assert.rejects(checkCanary(store, vaultOf(k2), 'test'), { code: 'wrong_encryption_key' })
    await checkCanary(store, vaultOf(k1, k2), 'test')
  })

  it('finds values in sets that nobody declared, at any depth', async () => {
    const deep: { id: string; secret: string; list: unknown } = {
      id: 'deep',
      secret: '',
      list: [{ of: ['things', old.session('run', 'r').seal('x', 'f')] }],
    }
    await store.insert(plainSet, deep)
    await assert.rejects(retire(), { code: 'key_in_use', message: /1 in plain/ })
  })

  it('retires a key that seals nothing, so that it may leave the ring and never write again', async () => {
    await fill(rowSet, 30)
    await rotate()
    assert.deepEqual(await retire(), { kid: 'k1', sets: sets.length })
    assert.deepEqual(await retire(), { kid: 'k1', sets: sets.length })
    await checkCanary(store, vaultOf(k2), 'test')
    await checkCanary(store, now, 'test')
    await assert.rejects(checkCanary(store, vaultOf(k1, k2), 'test'), {
      code: 'wrong_encryption_key',
      message: /`k1` was retired/,
    })
  })

  it('refuses while a process writes with the key', async () => {
    const presence = await announceRing(store, { environment: 'test', kids: ['k1', 'k2'], log: quiet })
    await assert.rejects(retire(), { code: 'key_in_use', message: new RegExp(`:${process.pid}`) })
    await presence.end()
    await retire()
  })

  it('refuses the key that writes, and one that it does not know', async () => {
    await assert.rejects(retire('k2'), { code: 'invalid_input' })
    await assert.rejects(retire('k3'), { code: 'not_found' })
  })

  it('lists the keys with what they do', async () => {
    await fill(rowSet, 2)
    const presence = await announceRing(store, { environment: 'test', kids: ['k2', 'k1'], log: quiet })
    const [first, second] = await listKeys(options, true)
    assert.deepEqual([first?.kid, first?.state, first?.readers, first?.usage], ['k2', 'writing', 1, []])
    assert.equal(first?.writers.length, 1)
    assert.deepEqual([second?.kid, second?.state, second?.wrote], ['k1', 'reading', true])
    assert.deepEqual(second?.usage, [{ kid: 'k1', set: 'rows', documents: 2, values: 2 }])
    await presence.end()
    await rotate()
    await retire()
    assert.deepEqual(
      (await listKeys({ ...options, store, vault: vaultOf(k2) }, false)).map(({ kid, state }) => [
        kid,
        state,
      ]),
      [
        ['k2', 'writing'],
        ['k1', 'retired'],
      ],
    )
  })
})

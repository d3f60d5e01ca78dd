import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { createVault } from '../vault/create-vault.ts'
import { parseKeyRing } from '../vault/key-ring.ts'
import {
  isUsable,
  openSecret,
  registrationId,
  sealSecret,
  triggerSealedSets,
  type DeliveryDocument,
  type RegistrationDocument,
} from './registration-records.ts'

const [k1, k2] = ['k1', 'k2'].map((kid) => `${kid}:${randomBytes(32).toString('base64')}`)
const vaultOf = (...keys: (string | undefined)[]) =>
  createVault({ keys: parseKeyRing(keys.join(',')), environment: 'test' })
const place = { id: 'registration', integration: 'github-customers', hook: 'wh_one' }

describe('ids of registrations', () => {
  it('take any key, also one with slashes, and tell triggers and keys apart', () => {
    const keys = ['owner/repo', 'owner', 'owner/', 'owner%2Frepo', '..', '?#']
    const ids = ['issues', 'issues/owner'].flatMap((trigger) =>
      keys.map((key) => registrationId(trigger, key)),
    )
    assert.equal(new Set(ids).size, ids.length)
    for (const id of ids) assert.match(id, /^[\w-]+$/)
  })
})

describe('secrets of registrations', () => {
  it('open at their registration and hook, and nowhere else', () => {
    const vault = vaultOf(k1)
    const sealed = sealSecret(vault, place, 'secret')
    assert.equal(openSecret(vault, place, sealed), 'secret')
    for (const other of [{ id: 'x' }, { integration: 'x' }, { hook: 'wh_two' }]) {
      assert.throws(() => openSecret(vault, { ...place, ...other }, sealed), {
        code: 'unreadable_ciphertext',
      })
    }
  })

  it('are sealed anew when the keys are rotated, both of them', () => {
    const [old, both, young] = [vaultOf(k1), vaultOf(k2, k1), vaultOf(k2)]
    const secrets = {
      current: sealSecret(old, place, 'new one'),
      previous: sealSecret(old, place, 'old one'),
    }
    const document: RegistrationDocument = {
      ...place,
      version: 1,
      scope: 'registration',
      trigger: 't',
      key: 'k',
      accountId: '1',
      connection: 'c',
      params: null,
      filter: null,
      metadata: null,
      wanted: true,
      revision: 1,
      secrets,
      previousUntil: null,
      tenant: null,
      identityId: null,
      applied: null,
      progress: null,
      fence: 0,
      state: 'active',
      error: null,
      failures: 0,
      dueAt: 0,
      createdAt: 0,
      updatedAt: 0,
    }
    const [set] = triggerSealedSets.registration
    const anew = set.reseal(document, both).secrets ?? assert.fail()
    assert.equal(openSecret(young, place, anew.current ?? ''), 'new one')
    assert.equal(openSecret(young, place, anew.previous ?? ''), 'old one')
  })
})

describe('requests of deliveries', () => {
  it('are sealed anew when the keys are rotated; those that were read have none', () => {
    const document: DeliveryDocument = {
      id: 'delivery',
      version: 1,
      place: 'received',
      dueAt: 0,
      target: 'registration/x',
      deliveryId: 'd',
      tenant: null,
      request: vaultOf(k1).session('delivery', 'delivery').seal('body', 'request'),
      receivedAt: 0,
      attempts: 0,
    }
    const [set] = triggerSealedSets.delivery
    const { request = '' } = set.reseal(document, vaultOf(k2, k1))
    assert.equal(vaultOf(k2).session('delivery', 'delivery').open(request, 'request'), 'body')
    const { request: _, ...read } = document
    assert.deepEqual(set.reseal(read, vaultOf(k2, k1)), {})
  })
})

describe('isUsable', () => {
  it('wants a connection that was not ended, of the identity that registered', () => {
    const connection = {
      id: 'c',
      integration: 'i',
      accountId: '1',
      state: 'active' as const,
      method: 'oauth2' as const,
      identity: { id: 'ada', label: 'Ada' },
      scopes: [],
      fields: {},
      createdAt: '',
      updatedAt: '',
    }
    type Given = Parameters<typeof isUsable>[1]
    const given = (more: object): Given => Object.assign(structuredClone(connection), more) as Given
    assert.equal(isUsable({ identityId: 'ada' }, given({})), true)
    assert.equal(isUsable({ identityId: null }, given({})), true)
    assert.equal(isUsable({ identityId: 'ada' }, given({ state: 'needs_reauth' })), true)
    assert.equal(isUsable({ identityId: 'ada' }, given({ state: 'disconnected' })), false)
    assert.equal(isUsable({ identityId: 'ada' }, given({ identity: { id: 'grace', label: 'Grace' } })), false)
    assert.equal(isUsable({ identityId: null }, undefined), false)
  })
})

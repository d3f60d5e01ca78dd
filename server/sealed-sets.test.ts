// Every kind of sealed value there is, made by the product itself, found again in the store, and sealed anew.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { AuthFlowError } from '../shared/errors.ts'
import { createFlowId } from '../shared/ids.ts'
import { AuthFlow } from './authflow.ts'
import type { Connect } from './connect/connect.ts'
import { createConnect } from './connect/create-connect.ts'
import {
  baseUrl,
  comeBack,
  connectDirectly,
  integrationOf,
  mint,
  start,
  toAuthorize,
} from './connect/fixtures/workbench.ts'
import { environment, newKey, openGround } from './fixtures/seeded-store.ts'
import { defineFields } from './integrations/field-set.ts'
import { createGuardedFetch } from './net/guarded-fetch.ts'
import { requestWaits } from './jobs/wait-records.ts'
import { oauthMethod } from './oauth/fixtures/methods.ts'
import { startTokenServer } from './oauth/fixtures/token-server.ts'
import { allSets, sealedSets } from './sealed-sets.ts'
import { defineSet, type Store, type StoredDocument } from './store/store.ts'
import { deliveries, registrations, sealSecret } from './triggers/registration-records.ts'
import { canarySet } from './vault/canary.ts'
import { countKeyUsage } from './vault/key-usage.ts'
import { findSealed } from './vault/sealed-set.ts'
import type { Vault } from './vault/vault.ts'
import { eventTrigger } from './triggers/event-trigger.ts'

const tokenServer = await startTokenServer()
tokenServer.reply = () => ({ body: { access_token: 'at-1', refresh_token: 'rt-1', token_type: 'bearer' } })
const secretField = defineFields(z.object({ pepper: z.string().meta({ title: 'Pepper', secret: true }) }))
const integrations = [
  integrationOf('plain', [oauthMethod(tokenServer.origin)]),
  integrationOf('leaving', [
    oauthMethod(tokenServer.origin, {
      revoke: () => Promise.reject(new AuthFlowError('provider_unavailable')),
    }),
  ]),
  integrationOf('peppered', [oauthMethod(tokenServer.origin, { fields: secretField })]),
] as const

const [k1, k2] = [newKey('k1'), newKey('k2')]
const big = 'x'.repeat(200_000)
let directory = ''
let url = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authflow-sealed-'))
  url = `sqlite:${join(directory, 'test.db')}`
})
after(async () => {
  await tokenServer.close()
  await rm(directory, { recursive: true, force: true })
})

async function refuse(): Promise<never> {
  throw new Error('no')
}

function clientWith(encryptionKeys: string): AuthFlow<typeof integrations> {
  const client = new AuthFlow({
    environment,
    baseUrl: baseUrl.href,
    store: url,
    encryptionKeys,
    integrations,
    log: 'silent',
  })
  const trigger = (name: string) => eventTrigger({ name, schema: z.object({ secret: z.string() }) })
  client.defineJob({
    id: 'everything',
    name: 'Everything',
    version: '1.0.0',
    trigger: trigger('everything'),
    run: async (payload, io) => {
      await io.logger.info(`a line about ${payload.secret}`)
      await io.createStatus('status', { label: payload.secret })
      await io.store.run.set('own', 'name', payload.secret)
      await io.store.job.set('kept', 'name', payload.secret)
      await io.store.global.set('shared', 'name', payload.secret)
      const failed = await io.runTask('fails', refuse, { retry: { limit: 1 } }).catch(() => 'caught')
      for (const key of ['one', 'two']) await io.runTask(key, async () => big)
      return `${failed} ${payload.secret}`
    },
  })
  client.defineJob({
    id: 'waits',
    name: 'Waits',
    version: '1.0.0',
    trigger: trigger('waits'),
    run: async (payload, io) => {
      const first = await io.runTask('first', async () => `first ${payload.secret}`)
      await io.wait('a moment', 8)
      return `${first} again`
    },
  })
  client.defineJob({
    id: 'asks',
    name: 'Asks',
    version: '1.0.0',
    trigger: trigger('asks'),
    run: async (payload, io) => {
      await io.waitForEvent('event', {
        name: 'answered',
        filter: { secret: [payload.secret] },
        contextFilter: { secret: [payload.secret] },
      })
    },
  })
  client.defineJob({
    id: 'fails',
    name: 'Fails',
    version: '1.0.0',
    trigger: trigger('fails'),
    run: () => Promise.reject(new Error('failed for good')),
  })
  return client
}

async function runsEnd(client: AuthFlow<typeof integrations>, states: Record<string, string>): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const { items } = await client.runs.list()
    const found = Object.fromEntries(items.map(({ job, state }) => [job, state]))
    if (Object.entries(states).every(([job, state]) => found[job] === state)) return
    await delay(50)
  }
  assert.fail(JSON.stringify(await client.runs.list(), null, 1).slice(0, 2000))
}

/** One of each: a credential, a flow with a secret, trips to the provider, a parked answer, a grant that could not be ended. */
async function fillConnect(store: Store, vault: Vault): Promise<void> {
  const fetch = createGuardedFetch({ allowLoopback: true })
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
  const connect = createConnect({ store, vault, integrations, fetch, environment, baseUrl, log })
  await connectDirectly(connect, { integration: 'plain', accountId: 'stays' })
  await connectDirectly(connect, { integration: 'leaving', accountId: 'goes' })
  await connect.disconnect({ integration: 'leaving', accountId: 'goes' }, 'server')
  const caller = await mint(connect, { integrations: ['peppered'], accountId: 'busy' })
  const begun = await connect.begin(caller, { flowId: createFlowId(), integration: 'peppered' })
  const submitted = await connect.submit(caller, {
    flowId: begun.id,
    version: begun.version,
    method: 'oauth2',
    values: { pepper: 'pepper' },
  })
  assert.equal(submitted.stage, 'authorize')
  await start(connect, caller, submitted.id)
  const other = await mint(connect, { integrations: ['plain'], accountId: 'other' })
  await start(connect, other, (await toAuthorize(connect, other, 'plain')).id)
  await parkAnswer(connect)
  await connect.close()
  await fetch.close()
}

/** A flow by a link, which waits for its host. */
async function parkAnswer(connect: Connect): Promise<void> {
  const integration = 'plain'
  const link = { accountId: 'linked', integration, returnUrl: 'https://app.example.com/' }
  const { url: page } = await connect.createLink(link, 'web')
  const { location, cookie } = await connect.openLink(
    page.slice(page.lastIndexOf('/') + 1),
    baseUrl.origin,
    [],
  )
  const state = new URL(location).searchParams.get('state') ?? ''
  const params = new URLSearchParams({ code: 'parked', state })
  const cookies = new Map([[cookie.name, cookie.value]])
  assert.equal((await comeBack(connect, { cookies }, { integration, params })).result, 'confirm')
}

/** The secret of a registration; a delivery and a request that were not read yet. */
async function fillTriggers(store: Store, vault: Vault): Promise<void> {
  const place = { id: 'registration', integration: 'plain', hook: 'hook' }
  const secrets = { current: sealSecret(vault, place, 'secret of a webhook') }
  await store.insert(registrationsAsSealed, { ...place, secrets })
  const request = vault.session('delivery', 'delivery').seal('{"body":"…"}', 'request')
  await store.insert(deliveriesAsSealed, { id: 'delivery', request })
  // An answer that the run has not taken up yet.
  const body = vault.session('run', 'run').seal('"an answer"', 'request:request')
  await store.insert(requestsAsSealed, { id: 'request', runId: 'run', path: 'request', body })
}

/** The members of their records that hold sealed values or say where they belong. */
const registrationsAsSealed = defineSet<
  StoredDocument & { integration: string; hook: string; secrets: Record<string, string> }
>(registrations.name)
const requestsAsSealed = defineSet<StoredDocument & { runId: string; path: string; body: string }>(
  requestWaits.name,
)
const deliveriesAsSealed = defineSet<StoredDocument & { request: string }>(deliveries.name)

describe('sealedSets', () => {
  it('holds every set in which the product seals something, and all of it is sealed anew', async () => {
    const first = clientWith(k1)
    await first.start()
    for (const name of ['everything', 'waits', 'asks', 'fails']) {
      await first.sendEvent({ name, payload: { secret: `canary of ${name}` } })
    }
    await runsEnd(first, { everything: 'succeeded', asks: 'waiting', fails: 'failed' })
    const ground = await openGround(url, k1)
    await fillConnect(ground.store, ground.vault)
    await fillTriggers(ground.store, ground.vault)
    await first.close()

    const before = await countKeyUsage(ground.store, { sets: allSets })
    const declared = new Set(sealedSets.map(({ set }) => set.name))
    assert.deepEqual(
      before.filter(({ kid }) => kid !== 'k1'),
      [],
    )
    // Everything that is declared was there, so that the rest of this test is about all of it.
    assert.deepEqual(before.map(({ set }) => set).sort(), [...declared].sort())

    const second = clientWith(`${k2},${k1}`)
    await second.start()
    const result = await second.keys.rotate({ waitMs: 0 })
    assert.deepEqual(result.left.map(({ set }) => set).sort(), ['flows'])
    await runsEnd(second, { waits: 'succeeded' })
    const afterwards = await countKeyUsage(ground.store, { sets: allSets })
    assert.deepEqual(
      afterwards.filter(({ kid }) => kid === 'k1').map(({ set }) => set),
      ['flows'],
    )

    // What could not be done is refused to be forgotten; once the flow is over, the key may go.
    await assert.rejects(second.keys.retire({ kid: 'k1' }), { code: 'key_in_use', message: /flows/ })
    const [flows] = sealedSets.filter(({ set }) => set.name === 'flows')
    assert.ok(flows)
    for (const { id } of await ground.store.range(flows.set, '', '~', 100))
      await ground.store.remove(flows.set, id)
    await second.keys.retire({ kid: 'k1' })
    await second.close()

    const third = clientWith(k2)
    await third.start()
    const auth = await third.getAuth({ id: 'plain', accountId: 'stays' })
    assert.equal(auth.type, 'oauth2')
    const { items } = await third.runs.list()
    assert.equal(items.find(({ job }) => job === 'fails')?.error?.message.includes('failed for good'), true)
    const everything = items.find(({ job }) => job === 'everything')?.id ?? ''
    assert.equal((await third.getRunStatuses(everything)).statuses[0]?.label, 'canary of everything')
    assert.equal(await third.store.global.get('name'), 'canary of everything')
    await third.close()
    await ground.store.close()
  })

  it('is among all sets, and canaries are the only sealed ones left out', () => {
    const names = new Set(allSets.map(({ name }) => name))
    assert.equal(names.size, allSets.length)
    for (const { set } of sealedSets) assert.ok(names.has(set.name), set.name)
    assert.ok(!sealedSets.some(({ set }) => set.name === canarySet.name))
  })
})

describe('findSealed', () => {
  it('tells sealed values from text that only begins alike', async () => {
    const { store, vault } = await openGround(`sqlite:${join(directory, 'shapes.db')}`, k2)
    const place = { recordType: 'flow', recordId: 'x', integration: '', accountId: '', field: '' } as const
    const sealed = vault.seal('', place)
    const shapes = { a: sealed, b: 'v1.k2.short', c: [`${sealed} `, 's1..x'] }
    const found = findSealed({
      id: 'x',
      version: 1,
      ...shapes,
    })
    assert.deepEqual([...found.values], [['k2', 1]])
    await store.close()
  })
})

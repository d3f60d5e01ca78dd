// Registrations and deliveries on both stores, with a clock that is moved by hand and a provider of the test's own.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { z } from 'zod'
import { AuthFlowError } from '../../shared/errors.ts'
import { noMetrics } from '../../shared/metrics.ts'
import { encryptionKeys } from '../http/fixtures/test-server.ts'
import { verifyGithub } from '../integrations/github-sources.ts'
import type {
  Hook,
  PollSource,
  RegistrationSource,
  SourceEvent,
  WebhookRequest,
} from '../integrations/webhook-source.ts'
import { jsonOf } from '../integrations/webhook-body.ts'
import {
  createClock,
  createDirectory,
  openEngine,
  running,
  until,
  type EngineFixture,
} from '../jobs/fixtures/engine-fixture.ts'
import { jobSets } from '../jobs/records.ts'
import type { Json } from '../jobs/job.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { createStoreQueue, queueSets } from '../queue/store-queue.ts'
import { openStore } from '../store/open-store.ts'
import { createVault } from '../vault/create-vault.ts'
import { parseKeyRing } from '../vault/key-ring.ts'
import { createTriggers, type Triggers } from './create-triggers.ts'
import { TriggerDefinitions } from './definitions.ts'
import { DynamicTrigger } from './dynamic-trigger.ts'
import { ownIntegration } from './fixtures/webhook-server.ts'
import {
  hmacHeader,
  httpTrigger,
  standardWebhook,
  type HttpPayload,
  type HttpTriggerOptions,
} from './http-trigger.ts'
import { deliveries, triggerSets } from './registration-records.ts'

const directory = createDirectory()
const fetch = createGuardedFetch()
after(async () => {
  directory.remove()
  await fetch.close()
})
const quiet = { debug() {}, info() {}, warn() {}, error() {} }
let count = 0

/** A provider with webhooks that end, disappear and fail. */
class Provider {
  readonly hooks = new Map<
    string,
    { url: string; secret: string; events: readonly string[]; expiresAt: Date }
  >()
  readonly calls: string[] = []
  now: () => number
  failing: AuthFlowError | undefined
  /** Does it and says that it failed. */
  loses = false

  constructor(now: () => number) {
    this.now = now
  }

  #call(name: string): void {
    this.calls.push(name)
    if (this.failing) throw this.failing
  }

  readonly source: RegistrationSource<{ place: string }> = {
    kind: 'registration',
    id: 'own.place',
    integration: ownIntegration,
    params: z.object({ place: z.string() }),
    secret: 'own',
    verify: verifyGithub,
    receive: ({ headers }) => ({ deliveryId: headers['x-github-delivery'] ?? '', isIdSigned: false }),
    read: ({ rawBody }) => ({ events: [{ name: 'thing', payload: jsonOf(rawBody) }] }),
    create: async ({ params, url, secret, events }): Promise<Hook> => {
      this.#call('create')
      const expiresAt = new Date(this.now() + 7 * 24 * 3_600_000)
      this.hooks.set(params.place, { url, secret, events, expiresAt })
      if (this.loses) throw new AuthFlowError('provider_unavailable')
      return { data: { place: params.place }, expiresAt }
    },
    renew: async ({ params, data }): Promise<Hook> => {
      this.#call('renew')
      const hook = this.hooks.get(params.place)
      if (!hook) throw new AuthFlowError('provider_rejected', 'gone', { details: { status: 404 } })
      hook.expiresAt = new Date(this.now() + 7 * 24 * 3_600_000)
      return { data, expiresAt: hook.expiresAt }
    },
    exists: async ({ params }) => {
      this.#call('exists')
      return this.hooks.has(params.place)
    },
    remove: async ({ params }) => {
      this.#call('remove')
      this.hooks.delete(params.place)
    },
  }

  /** What the provider would send for the place. */
  request(place: string, payload: Json, id: string): { hook: string; request: WebhookRequest } {
    const { url = '', secret = '' } = this.hooks.get(place) ?? {}
    const body = JSON.stringify(payload)
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
    const headers = { 'x-github-delivery': id, 'x-hub-signature-256': signature }
    return { hook: url.slice(url.lastIndexOf('/') + 1), request: { headers, rawBody: Buffer.from(body) } }
  }
}

/** A source that is asked: a list that grows. */
class Feed {
  readonly items: string[] = []
  asked = 0
  failing: AuthFlowError | undefined
  readonly source: PollSource<{ feed: string }> = {
    kind: 'poll',
    id: 'own.feed',
    integration: ownIntegration,
    params: z.object({ feed: z.string() }),
    intervalSeconds: 60,
    poll: async ({ progress }) => {
      this.asked += 1
      if (this.failing) throw this.failing
      const from = typeof progress === 'number' ? progress : 0
      const items = this.items.slice(from, from + 2)
      const events: SourceEvent[] = items.map((text) => ({ name: 'item', id: text, payload: { text } }))
      return { events, progress: from + items.length, hasMore: this.items.length > from + items.length }
    },
  }
}

interface Bench extends EngineFixture {
  readonly clock: ReturnType<typeof createClock>
  readonly provider: Provider
  readonly feed: Feed
  readonly things: DynamicTrigger<{ place: string }, Json>
  readonly items: DynamicTrigger<{ feed: string }, Json>
  readonly seen: Json[]
  /** Two processes on one store. */
  readonly one: Triggers
  readonly other: Triggers
  /** A process with the next version of the code, whose trigger `things` wants another event. */
  release(event: string): Pick<Bench, 'things'> & { readonly one: Triggers }
}

const url = process.env['TEST_MONGODB_URL']
const stores = [
  { name: 'sqlite', skip: false },
  { name: 'mongodb', skip: url === undefined ? 'TEST_MONGODB_URL is not set' : false },
] as const

async function openStoreOf(name: string, path: string) {
  if (name === 'sqlite') return openStore(`sqlite:${join(path, 'triggers.db')}`, { log: quiet })
  const target = new URL(url ?? '')
  target.pathname = `/triggers_${process.pid}_${count}`
  return openStore(target.href, { log: quiet })
}

const benches: Bench[] = []
afterEach(async () => {
  for (const { close } of benches.splice(0)) await close()
})

async function bench(name: string): Promise<Bench> {
  const path = join(directory.path, String((count += 1)))
  mkdirSync(path)
  const clock = createClock()
  const store = await openStoreOf(name, path)
  await store.migrate([...jobSets, ...queueSets, ...triggerSets], 'test')
  const now = running(clock.now)
  const queue = createStoreQueue(store, { now })
  const fixture = await openEngine(path, { store, queue, now })
  const provider = new Provider(clock.now)
  const feed = new Feed()
  const definitions = new TriggerDefinitions()
  const open = (definitions: TriggerDefinitions): Triggers =>
    createTriggers({
      store,
      vault: createVault({ keys: parseKeyRing(encryptionKeys), environment: 'test' }),
      environment: 'test',
      baseUrl: new URL('http://localhost:1'),
      fetch,
      engine: fixture.engine,
      resolveAuth: () => Promise.reject(new AuthFlowError('not_connected')),
      findConnection: () => Promise.resolve(undefined),
      definitions,
      metrics: noMetrics,
      log: quiet,
      now: clock.now,
    })
  const [one, other] = [open(definitions), open(definitions)]
  const hostOf = ({ registrations }: Triggers, known: TriggerDefinitions) => ({
    registrations,
    defineTrigger: known.define.bind(known),
  })
  const seen: Json[] = []
  const { engine } = fixture
  const own = { provider: 'own', title: 'x' }
  const thingsOf = (triggers: Triggers, known: TriggerDefinitions, event: string) =>
    new DynamicTrigger<{ place: string }, Json>(hostOf(triggers, known), {
      id: 'things',
      event: { ...own, name: event },
      source: provider.source,
    })
  const things = thingsOf(one, definitions, 'thing')
  const items = new DynamicTrigger<{ feed: string }, Json>(hostOf(one, definitions), {
    id: 'items',
    event: { ...own, name: 'item' },
    source: feed.source,
  })
  for (const [id, trigger] of [
    ['things', things],
    ['items', items],
  ] as const)
    engine.defineJob({ id, name: id, version: '1.0.0', trigger, run: (payload) => void seen.push(payload) })
  const web = httpTrigger({
    id: 'web',
    verify: standardWebhook(`whsec_${Buffer.alloc(24, 7).toString('base64')}`),
    accountOf: () => '9',
  })
  const plain = httpTrigger({
    id: 'plain',
    verify: hmacHeader({ header: 'X-Sig', secret: 's', prefix: 'v=' }),
  })
  for (const trigger of [web, plain]) {
    definitions.defineEndpoint(trigger.endpoint)
    const { id } = trigger.endpoint
    engine.defineJob({
      id,
      name: id,
      version: '1.0.0',
      trigger,
      run: ({ body }, _, ctx) => void seen.push([id, body, ctx.account?.id ?? null]),
    })
  }
  await engine.start()
  const opened: Bench = {
    ...fixture,
    clock,
    provider,
    feed,
    things,
    items,
    seen,
    one,
    other,
    release(event) {
      const known = new TriggerDefinitions()
      const triggers = open(known)
      return { things: thingsOf(triggers, known, event), one: triggers }
    },
    store,
    close: async () => {
      await Promise.all([one.deliveries.close(), other.deliveries.close()])
      await engine.stop(2000)
      await queue.close()
      await store.close()
    },
  }
  benches.push(opened)
  return opened
}

const day = 24 * 3_600_000

for (const { name, skip } of stores) {
  describe(`triggers on ${name}`, { skip }, () => {
    it('make one webhook for a key, whoever registers it at the same time', async () => {
      const b = await bench(name)
      const wish = { trigger: 'things', key: 'k', params: { place: 'here' } }
      const made = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 ? b.one : b.other).registrations.register(wish)),
      )
      assert(made.every(({ state }) => state === 'active'))
      assert.equal(b.provider.calls.filter((call) => call === 'create').length, 1)
      assert.equal((await b.things.list()).items.length, 1)
      await Promise.all(
        Array.from({ length: 6 }, (_, index) => (index % 2 ? b.one : b.other).registrations.unregister(wish)),
      )
      assert.equal(b.provider.hooks.size, 0)
    })

    it('try again later what a provider that fails did not take, ever less often', async () => {
      const b = await bench(name)
      b.provider.failing = new AuthFlowError('provider_unavailable')
      const made = await b.things.register('k', { place: 'here' })
      assert.deepEqual([made.state, made.error?.code], ['pending', 'provider_unavailable'])
      const tries = async (ms: number, steps: number): Promise<number> => {
        const before = b.provider.calls.length
        for (let step = 0; step < steps; step += 1) {
          b.clock.advance(ms / steps)
          await b.one.registrations.sweep()
        }
        return b.provider.calls.length - before
      }
      const first = await tries(60_000, 60)
      assert(first >= 2 && first <= 8, `${first} in the first minute`)
      await tries(3_600_000, 60)
      const later = await tries(3_600_000, 120)
      assert(later >= 1 && later <= 3, `${later} in an hour`)
      b.provider.failing = undefined
      await tries(3_600_000, 4)
      assert.equal((await b.things.get('k')).state, 'active')
    })

    it('take over what a lost answer left at the provider', async () => {
      const b = await bench(name)
      b.provider.loses = true
      assert.equal((await b.things.register('k', { place: 'here' })).state, 'pending')
      b.provider.loses = false
      b.clock.advance(60_000)
      await b.other.registrations.sweep()
      assert.equal((await b.things.get('k')).state, 'active')
      assert.equal(b.provider.hooks.size, 1)
    })

    it('renew before the end, and make again what is gone', async () => {
      const b = await bench(name)
      await b.things.register('k', { place: 'here' })
      for (let hour = 0; hour < 24 * 21; hour += 1) {
        b.clock.advance(3_600_000)
        await Promise.all([b.one.registrations.sweep(), b.other.registrations.sweep()])
        const left = Number(b.provider.hooks.get('here')?.expiresAt) - b.clock.now()
        assert(left > 3 * day, `${left / day} days left after ${hour} hours`)
      }
      assert.equal(b.provider.calls.filter((call) => call === 'create').length, 1)
      assert(b.provider.calls.filter((call) => call === 'renew').length <= 7)
      b.provider.hooks.clear()
      b.clock.advance(8 * 3_600_000)
      await b.one.registrations.sweep()
      assert.equal(b.provider.hooks.size, 1)
    })

    it('tell the provider of the events that the code wants now, when registered again and in time', async () => {
      const b = await bench(name)
      const creations = (): number => b.provider.calls.filter((call) => call === 'create').length
      await b.things.register('k', { place: 'here' })
      await b.things.register('l', { place: 'there' })
      assert.deepEqual(b.provider.hooks.get('here')?.events, ['thing'])
      const next = b.release('push')
      const again = await next.things.register('k', { place: 'here' })
      assert.equal(again.state, 'active')
      assert.deepEqual(b.provider.hooks.get('here')?.events, ['push'])
      await next.things.register('k', { place: 'here' })
      assert.equal(creations(), 3)
      // Nobody registers this one again: the next look tells.
      assert.deepEqual(b.provider.hooks.get('there')?.events, ['thing'])
      for (let look = 0; look < 3; look += 1) {
        b.clock.advance(8 * 3_600_000)
        await next.one.registrations.sweep()
      }
      assert.deepEqual(b.provider.hooks.get('there')?.events, ['push'])
      assert.deepEqual([creations(), b.provider.hooks.size], [4, 2])
    })

    it('read what another process stored and did not come to read, once', async () => {
      const b = await bench(name)
      await b.things.register('k', { place: 'here' })
      await b.one.deliveries.close()
      const { hook, request } = b.provider.request('here', { n: 1 }, 'd1')
      const receiver = await b.one.deliveries.find({ type: 'registration', hook })
      assert.equal((await receiver?.receive(request))?.outcome, 'accepted')
      assert.equal((await receiver?.receive(request))?.outcome, 'duplicate')
      await b.other.deliveries.sweep()
      assert.equal(b.seen.length, 0, 'it is still the other one’s')
      b.clock.advance(6_000)
      await Promise.all([b.other.deliveries.sweep(), b.other.deliveries.sweep()])
      await until('the run', () => b.seen.length === 1)
      b.clock.advance(60_000)
      await b.other.deliveries.sweep()
      assert.equal((await b.engine.listRuns({ job: 'things' })).items.length, 1)
    })

    it('keep ids for 35 days, and the request no longer than it takes to read it', async () => {
      const b = await bench(name)
      await b.things.register('k', { place: 'here' })
      const { hook, request } = b.provider.request('here', { secret: 'planted' }, 'd1')
      await (await b.one.deliveries.find({ type: 'registration', hook }))?.receive(request)
      const read = async () => {
        const found = await b.store.range(deliveries, '', '~', 10)
        return found.every(({ place }) => place === undefined) && found.length === 2 ? found : undefined
      }
      const kept = await until('both records', read)
      assert(kept.every(({ expireAt, receivedAt }) => (expireAt ?? 0) - receivedAt === 35 * day))
      assert(kept.every((one) => one.request === undefined && !JSON.stringify(one).includes('planted')))
    })

    it('ask a source from where it was left, each item once, and less often while it fails', async () => {
      const b = await bench(name)
      b.feed.items.push('a', 'b', 'c')
      const made = await b.items.register('news', { feed: 'x' })
      assert.equal(made.state, 'active')
      await until('three', () => b.seen.length === 3)
      b.feed.items.push('d')
      await b.one.registrations.sweep()
      assert.equal(b.seen.length, 3)
      b.clock.advance(61_000)
      await Promise.all([b.one.registrations.sweep(), b.other.registrations.sweep()])
      await until('the fourth', () => b.seen.length === 4)
      assert.deepEqual(b.seen.map((item) => (item as { text: string }).text).sort(), ['a', 'b', 'c', 'd'])

      b.feed.failing = new AuthFlowError('rate_limited', 'slow down', { details: { retryAfterMs: 600_000 } })
      b.clock.advance(61_000)
      await b.one.registrations.sweep()
      const { asked } = b.feed
      for (let minute = 0; minute < 9; minute += 1) {
        b.clock.advance(60_000)
        await b.one.registrations.sweep()
      }
      assert.equal(b.feed.asked, asked, 'not before the time it named')
      b.feed.failing = undefined
      b.feed.items.push('e')
      b.clock.advance(120_000)
      await b.one.registrations.sweep()
      await until('the fifth', () => b.seen.length === 5)
      assert.equal(await b.items.unregister('news'), true)
    })

    it('take requests that the verifier of an endpoint believes, once, as the account it names', async () => {
      const b = await bench(name)
      const key = Buffer.alloc(24, 7)
      const body = JSON.stringify({ hello: 'world' })
      const at = String(Math.floor(b.clock.now() / 1000))
      const signature = `v1,${createHmac('sha256', key).update(`msg_1.${at}.${body}`).digest('base64')}`
      const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': at, 'webhook-signature': signature }
      const send = async (endpoint: string, more: Record<string, string>) =>
        (await b.one.deliveries.find({ type: 'http', endpoint }))?.receive({
          headers: more,
          rawBody: Buffer.from(body),
        })
      assert.equal((await send('web', headers))?.outcome, 'accepted')
      assert.equal((await send('web', headers))?.outcome, 'duplicate')
      await assert.rejects(send('web', { ...headers, 'webhook-id': 'msg_2' }), { code: 'signature_invalid' })
      await assert.rejects(send('web', {}), { code: 'signature_invalid' })
      const plain = createHmac('sha256', 's').update(body).digest('hex')
      assert.equal((await send('plain', { 'x-sig': `v=${plain}` }))?.outcome, 'accepted')
      await assert.rejects(send('plain', { 'x-sig': plain }), { code: 'signature_invalid' })
      // Nobody signed the id.
      const renamed = { 'x-sig': `v=${plain}`, 'x-request-id': 'other' }
      assert.equal((await send('plain', renamed))?.outcome, 'duplicate')
      assert.equal(await send('nobody', headers), undefined)
      await until('both runs', () => b.seen.length === 2)
      const sorted = b.seen.map((one) => JSON.stringify(one)).sort()
      assert.deepEqual(sorted, ['["plain",{"hello":"world"},null]', '["web",{"hello":"world"},"9"]'])
    })

    it('start a run for each signed delivery id although the bodies are the same', async () => {
      const b = await bench(name)
      const body = '{"type":"ping"}'
      const at = String(Math.floor(b.clock.now() / 1000))
      const send = async (id: string) => {
        const hmac = createHmac('sha256', Buffer.alloc(24, 7)).update(`${id}.${at}.${body}`)
        const signature = `v1,${hmac.digest('base64')}`
        const headers = { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature }
        const receiver = await b.one.deliveries.find({ type: 'http', endpoint: 'web' })
        return (await receiver?.receive({ headers, rawBody: Buffer.from(body) }))?.outcome
      }
      const outcomes = []
      for (const id of ['msg_1', 'msg_2', 'msg_3', 'msg_2']) outcomes.push(await send(id))
      assert.deepEqual(outcomes, ['accepted', 'accepted', 'accepted', 'duplicate'])
      await until('three runs', () => b.seen.length === 3)
      assert.equal((await b.engine.listRuns({ job: 'web' })).items.length, 3)
    })
  })
}

describe('httpTrigger', () => {
  it('refuses an id that is none, and an endpoint that believes everybody', () => {
    const verify = (): boolean => true
    assert.throws(() => httpTrigger({ id: 'a/b', verify }), { code: 'invalid_input' })
    assert.throws(() => Reflect.apply(httpTrigger, undefined, [{ id: 'a' }]), { code: 'invalid_input' })
    assert.throws(() => standardWebhook('whsec_short'), { code: 'invalid_input' })
    assert.throws(() => hmacHeader({ header: 'x', secret: '' }), { code: 'missing_option' })
  })

  it('takes an id for signed only where the verifier says so and reads the id that it signs', () => {
    const standard = standardWebhook(`whsec_${Buffer.alloc(24, 7).toString('base64')}`)
    const deliveryId = (): string => 'own'
    const isIdSigned = (options: Partial<HttpTriggerOptions<HttpPayload>>): boolean =>
      httpTrigger({ id: 'a', verify: () => true, ...options }).endpoint.isIdSigned
    assert.equal(isIdSigned({ verify: standard }), true)
    assert.equal(isIdSigned({ verify: standard, deliveryId }), false)
    assert.equal(isIdSigned({ verify: standard, isIdSigned: false }), false)
    assert.equal(isIdSigned({}), false)
    assert.equal(isIdSigned({ deliveryId, isIdSigned: true }), true)
    assert.equal(isIdSigned({ verify: hmacHeader({ header: 'x', secret: 's' }) }), false)
  })
})

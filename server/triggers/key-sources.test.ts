// Sources of providers whose accounts have a key, against stand-ins that are asked over HTTP as the providers are: made,
// moved, told of other events, repaired, given other secrets, removed and made again.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { randomText } from '../../shared/ids.ts'
import { AuthFlow } from '../authflow.ts'
import { callPublic, dig, encryptionKeys, keepLog, pageOrigin } from '../http/fixtures/test-server.ts'
import { defineIntegration } from '../integrations/define-integration.ts'
import { events as linearEvents, linearSources } from '../integrations/linear-sources.ts'
import { events as stripeEvents, stripeSources } from '../integrations/stripe-sources.ts'
import type { EventSpecification, RegistrationSource } from '../integrations/webhook-source.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import type { Json } from '../jobs/job.ts'
import { DynamicTrigger } from './dynamic-trigger.ts'
import type { HookServer, KeyIntegration } from './fixtures/hook-server.ts'
import { startLinearServer } from './fixtures/linear-server.ts'
import { startStripeServer } from './fixtures/stripe-server.ts'
import type { Registration } from './registration.ts'

type Client = AuthFlow<readonly [KeyIntegration]>

/** A provider: its places, each with the parameters that name it, and its events. */
interface Vendor {
  readonly name: string
  /** Places by the stand-in's names. */
  readonly places: readonly [string, string]
  readonly events: readonly [string, string]
  /** Whether the secret is this server's to change. */
  readonly rotates: boolean
  start(): Promise<HookServer>
  /** Who the key belongs to. */
  identify(server: HookServer, request: Ask): Promise<string>
  trigger(client: Client, setting: Setting): Trigger
}

type Ask = (path: string, request?: { body?: unknown; authorization?: string }) => Promise<unknown>

interface Setting {
  readonly integration: KeyIntegration
  readonly server: HookServer
  readonly event: string
}

/** A trigger whose registrations are named by places. */
interface Trigger {
  register(place: string): Promise<Registration>
  readonly dynamic: Pick<DynamicTrigger<Json, Json>, 'get' | 'unregister' | 'rotateSecret'>
}

const accountId = 'ada'

function openTrigger<Params extends Json, Payload>(
  client: Client,
  given: {
    readonly source: RegistrationSource<Params>
    readonly event: EventSpecification<Payload>
    paramsOf(place: string): Params
    readonly seen: unknown[]
  },
): Trigger {
  const dynamic = new DynamicTrigger(client, { id: 'watch', event: given.event, source: given.source })
  client.defineJob({
    id: 'watch',
    name: 'Watch',
    version: '1.0.0',
    trigger: dynamic,
    run: (payload, _, ctx) => void given.seen.push([ctx.account?.id, ctx.source?.id, payload]),
  })
  return { dynamic, register: (place) => dynamic.register('one', given.paramsOf(place), { accountId }) }
}

const seen: unknown[] = []

const vendors: readonly Vendor[] = [
  {
    name: 'stripe',
    places: ['account', 'connect'],
    events: ['invoice.paid', 'charge.failed'],
    rotates: false,
    start: startStripeServer,
    identify: async ({ apiKey }, ask) =>
      String(dig(await ask('/v1/account', { authorization: `Bearer ${apiKey}` }), 'id')),
    trigger: (client, { integration, server, event }) =>
      openTrigger(client, {
        source: stripeSources(integration, { apiUrl: server.url }).account,
        event: stripeEvents.on(event),
        paramsOf: (place) => (place === 'connect' ? { connect: true } : {}),
        seen,
      }),
  },
  {
    name: 'linear',
    places: ['ENG', 'all'],
    events: ['Issue', 'Comment'],
    rotates: true,
    start: startLinearServer,
    identify: async ({ apiKey: authorization }, ask) => {
      const body = { query: '{ viewer { id } }' }
      return String(dig(await ask('/graphql', { body, authorization }), 'data', 'viewer', 'id'))
    },
    trigger: (client, { integration, server, event }) =>
      openTrigger(client, {
        source: linearSources(integration, { apiUrl: server.url }).team,
        event: linearEvents.on(event),
        paramsOf: (place) => (place === 'all' ? {} : { teamId: place }),
        seen,
      }),
  },
]

/** A server with one vendor's integration, which is started anew with other code by `open`. */
async function startWorld(vendor: Vendor) {
  const directory = await mkdtemp(join(tmpdir(), 'authflow-keys-'))
  let handler: RequestListener = () => undefined
  const web = createServer((req, res) => handler(req, res))
  await once(web.listen(0, '127.0.0.1'), 'listening')
  const address = web.address()
  assert(typeof address === 'object' && address !== null)
  const url = `http://localhost:${address.port}`
  const server = await vendor.start()
  const integration: KeyIntegration = defineIntegration({
    provider: vendor.name,
    name: vendor.name,
    methods: {
      apiKey: {
        verify: async ({ fields, request }) => {
          const id = await vendor.identify(
            { ...server, apiKey: fields['apiKey'] ?? '' },
            async (path, { body, authorization = '' } = {}) => {
              const headers = { authorization }
              const asked = body === undefined ? { headers } : { headers, body }
              return (await request(server.url + path, asked)).body
            },
          )
          return { identity: { id, label: id } }
        },
      },
    },
    client: () => ({}),
    tasks: {},
  })({ id: 'keys', connect: true })
  let client: Client | undefined
  return {
    server,
    url,
    get client(): Client {
      assert(client)
      return client
    },
    async open(event: string): Promise<Trigger> {
      await client?.close()
      client = new AuthFlow({
        environment: 'test',
        baseUrl: url,
        store: `sqlite:${join(directory, 'test.db')}`,
        encryptionKeys,
        logger: keepLog(),
        rateLimits: false,
        integrations: [integration],
      })
      handler = client.callback()
      const trigger = vendor.trigger(client, { integration, server, event })
      await client.start()
      return trigger
    },
    async close(): Promise<void> {
      await client?.close()
      web.closeAllConnections()
      await new Promise((resolve) => web.close(resolve))
      await server.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

type World = Awaited<ReturnType<typeof startWorld>>

/** Connects the account with the key, as a form would. */
async function connect({ client, url, server }: World): Promise<void> {
  const found = await client.connections.list({ accountId })
  const purpose = found.items.some(({ state }) => state !== 'disconnected') ? 'reconnect' : 'create'
  const { token } = await client.connectTokens.create({
    accountId,
    integrations: ['keys'],
    origins: [pageOrigin],
    purpose,
  })
  const flowId = randomText(22)
  const begun = await callPublic({ url }, 'flows.begin', { token, input: { flowId, integration: 'keys' } })
  const version = dig(begun.body, 'result', 'data', 'version')
  const input = { flowId, version, method: 'apiKey', values: { apiKey: server.apiKey } }
  const submitted = await callPublic({ url }, 'flows.submit', { token, input })
  assert.equal(submitted.status, 200, JSON.stringify(submitted.body))
}

for (const vendor of vendors) {
  describe(`the source of ${vendor.name}`, () => {
    const [here, there] = vendor.places
    const [event, other] = vendor.events
    let world: World
    let trigger: Trigger
    /** Ours: at an address of this server. */
    const hooks = () => world.server.hooks.filter((hook) => hook.url.startsWith(world.url))
    const foreign = () => world.server.hooks.length - hooks().length
    const runs = async () => (await world.client.runs.list({ job: 'watch', limit: 100 })).items.length
    let strangers = 0
    before(async () => {
      world = await startWorld(vendor)
      trigger = await world.open(event)
      await connect(world)
      strangers = foreign()
    })
    after(() => world.close())

    it('makes a webhook with the account’s key, and starts a job once for a delivery', async () => {
      const made = await trigger.register(here)
      assert.deepEqual([made.state, made.error], ['active', null])
      assert.deepEqual(
        hooks().map(({ place, events, enabled }) => [place, events, enabled]),
        [[here, [event], true]],
      )
      assert.deepEqual(await world.server.happen(here, event), [200])
      await until('the job', () => seen.length === 1)
      assert.deepEqual(Array.isArray(seen[0]) && seen[0].slice(0, 2), [accountId, 'one'])
      for (let times = 0; times < 3; times += 1) assert.equal(await world.server.repeat(), 200)
      assert.equal(await runs(), 1)
      const header = vendor.name === 'stripe' ? 'stripe-signature' : 'linear-signature'
      assert.equal(await world.server.repeat({ [header]: `t=1,v1=${'0'.repeat(64)}` }), 401)
    })

    it('changes nothing when registered again, and moves to another place', async () => {
      const calls = world.server.calls.length
      await trigger.register(here)
      assert.equal(world.server.calls.length, calls)
      assert.equal((await trigger.register(there)).state, 'active')
      assert.deepEqual(
        hooks().map(({ place }) => place),
        [there],
      )
      assert.deepEqual(await world.server.happen(here, event), [])
      const before = seen.length
      assert.deepEqual(await world.server.happen(there, event), [200])
      await until('the job', () => seen.length === before + 1)
      await trigger.register(here)
      assert.deepEqual(
        hooks().map(({ place }) => place),
        [here],
      )
    })

    it('tells the provider of another event that new code wants', async () => {
      trigger = await world.open(other)
      assert.equal((await trigger.register(here)).state, 'active')
      assert.deepEqual(
        hooks().map(({ events }) => events),
        [[other]],
      )
      const before = seen.length
      assert.deepEqual(await world.server.happen(here, other), [200])
      await until('the job', () => seen.length === before + 1)
    })

    for (const [what, harm] of [
      ['deleted', (server: HookServer, id: string) => void server.hooks.splice(at(server, id), 1)],
      [
        'disabled',
        (server: HookServer, id: string) =>
          Object.assign(server.hooks[at(server, id)] ?? {}, { enabled: false }),
      ],
    ] as const) {
      it(`makes again what was ${what} at the provider`, async () => {
        const [hook] = hooks()
        harm(world.server, hook?.id ?? '')
        // What the upkeep does a few times a day.
        await connect(world)
        await until('the hook', () => hooks().some(({ enabled }) => enabled))
        assert.equal(hooks().length, 1)
        const before = seen.length
        assert.deepEqual(await world.server.happen(here, other), [200])
        await until('the job', () => seen.length === before + 1)
      })
    }

    it('gives it another secret where that is this server’s to choose', async () => {
      const [before] = hooks().map(({ secret }) => secret)
      if (!vendor.rotates) {
        await assert.rejects(trigger.dynamic.rotateSecret('one'), { code: 'not_supported' })
        return
      }
      const count = seen.length
      assert.deepEqual(await world.server.happen(here, other), [200])
      await trigger.dynamic.rotateSecret('one')
      const [hook] = hooks()
      assert.notEqual(hook?.secret, before)
      // Signed with the old one, and late.
      assert.equal(await world.server.repeat(), 200)
      assert.deepEqual(await world.server.happen(here, other), [200])
      await until('two jobs', () => seen.length === count + 2)
    })

    it('removes it on disconnect, and makes it again on reconnect', async () => {
      const [url] = hooks().map((hook) => hook.url)
      await world.client.connections.disconnect({ integration: 'keys', accountId })
      await until('the hook to go', () => hooks().length === 0)
      assert.equal((await fetch(url ?? '', { method: 'POST', body: '{}' })).status, 404)
      await until('waiting', async () => (await trigger.dynamic.get('one')).state === 'waiting')
      await connect(world)
      await until('the hook', () => hooks().length === 1)
      await until('active', async () => (await trigger.dynamic.get('one')).state === 'active')
      const before = seen.length
      assert.deepEqual(await world.server.happen(here, other), [200])
      await until('the job', () => seen.length === before + 1)
    })

    it('removes it on unregister, and nothing that is not its own', async () => {
      assert.equal(await trigger.dynamic.unregister('one'), true)
      assert.deepEqual([hooks().length, foreign()], [0, strangers])
      seen.length = 0
    })
  })
}

const at = ({ hooks }: HookServer, id: string): number => hooks.findIndex((hook) => hook.id === id)

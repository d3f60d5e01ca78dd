// Sources under the rate limits of their provider: what they ask passes the gates that requests of runs pass.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { z } from 'zod'
import type { Auth } from '../../shared/auth.ts'
import { noMetrics } from '../../shared/metrics.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { encryptionKeys } from '../http/fixtures/test-server.ts'
import { createTestFetch } from '../integrations/fixtures/acting.ts'
import type { Integration } from '../integrations/integration.ts'
import { requestJson } from '../integrations/json-request.ts'
import type { PollSource, RegistrationSource } from '../integrations/webhook-source.ts'
import {
  createClock,
  createDirectory,
  openEngine,
  reaches,
  running,
  until,
  type EngineFixture,
} from '../jobs/fixtures/engine-fixture.ts'
import type { IO } from '../jobs/job.ts'
import type { GuardedFetch, OwnedGuardedFetch } from '../net/guarded-fetch.ts'
import { gateFetch, standardLimits, type RequestGate } from '../net/rate-limits.ts'
import { createVault } from '../vault/create-vault.ts'
import { parseKeyRing } from '../vault/key-ring.ts'
import { createTriggers, type Triggers } from './create-triggers.ts'
import { TriggerDefinitions } from './definitions.ts'
import { DynamicTrigger } from './dynamic-trigger.ts'
import { eventTrigger } from './event-trigger.ts'
import { registrations, triggerSets, type RegistrationDocument } from './registration-records.ts'

const retryAfterSeconds = 30

/** Answers, or refuses those it is told to. */
class Provider {
  readonly #server: Server
  readonly asked: string[] = []
  readonly refused = new Set<string>()

  constructor() {
    this.#server = createServer((request, response) => {
      const who = request.headers.authorization ?? ''
      this.asked.push(who)
      const headers = this.refused.has(who) ? { 'retry-after': String(retryAfterSeconds) } : {}
      response.writeHead(this.refused.has(who) ? 429 : 200, headers).end('[]')
    })
  }

  async open(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
  }

  get url(): string {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}/` : ''
  }

  of(who: string): number {
    return this.asked.filter((each) => each === who).length
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

const facts = { name: 'Limited', id: 'limited' }
const tokenOf = (auth: Auth | undefined): string => (auth?.type === 'apiKey' ? auth.apiKey : '')

interface Bound {
  readonly io: IO
  readonly key: string
  readonly auth: Auth | undefined
}

/** Asks the provider in runs. */
class Limited implements Integration<'limited'> {
  readonly id = 'limited'
  readonly metadata = facts
  readonly authSource = 'HOSTED'
  readonly rateLimits = standardLimits
  readonly #url: () => string
  readonly #bound: Bound | undefined
  #fetch: GuardedFetch

  constructor(url: () => string, fetch: GuardedFetch, bound?: Bound) {
    this.#url = url
    this.#fetch = fetch
    this.#bound = bound
  }

  useGate(gate: RequestGate): void {
    this.#fetch = gateFetch(this.#fetch, gate)
  }

  cloneForRun(io: IO, key: string, auth?: Auth): Limited {
    return new Limited(this.#url, this.#fetch, { io, key, auth })
  }

  ask(name: string): Promise<number> {
    const { io, key, auth } = this.#bound ?? assert.fail('not bound')
    return io.runTask(name, () => this.send(this.#fetch, auth), { connectionKey: key })
  }

  async send(fetch: GuardedFetch, auth: Auth | undefined): Promise<number> {
    const headers = { authorization: tokenOf(auth) }
    return (await requestJson(facts, fetch, this.#url(), { headers })).status
  }
}

const params = z.object({ place: z.string() })

for (const backend of backends)
  describe(`rate limits of sources, on ${backend.name}`, { skip: backend.skip }, () => {
    let fetch: OwnedGuardedFetch
    const provider = new Provider()
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let clock: ReturnType<typeof createClock>
    let fixture: EngineFixture
    let triggers: Triggers

    beforeEach(async () => {
      await provider.open()
      fetch = createTestFetch()
      provider.asked.length = 0
      provider.refused.clear()
      directory = createDirectory()
      url = backend.open()
      clock = createClock()
      const limited = new Limited(() => provider.url, fetch)
      const resolveAuth = ({ accountId }: { accountId: string }): Promise<Auth> =>
        Promise.resolve({
          type: 'apiKey',
          apiKey: accountId,
          tokenHash: accountId,
          connectionId: accountId,
          identity: { id: accountId, label: accountId },
          fields: {},
          scopes: [],
          expiresAt: null,
        })
      const now = running(clock.now)
      const findConnection = (): Promise<undefined> => Promise.resolve(undefined)
      const integrations = [limited]
      fixture = await openEngine(directory.path, {
        storeUrl: url,
        now,
        integrations,
        resolveAuth,
        findConnection,
      })
      await fixture.store.migrate(triggerSets, 'test')
      const definitions = new TriggerDefinitions()
      triggers = createTriggers({
        store: fixture.store,
        vault: createVault({ keys: parseKeyRing(encryptionKeys), environment: 'test' }),
        environment: 'test',
        baseUrl: new URL('http://localhost:1'),
        fetch,
        engine: fixture.engine,
        resolveAuth,
        findConnection,
        definitions,
        metrics: noMetrics,
        log: { debug() {}, info() {}, warn() {}, error() {} },
        now,
      })
      const host = {
        registrations: triggers.registrations,
        defineTrigger: definitions.define.bind(definitions),
      }
      const event = { name: 'thing', provider: 'limited', title: 'A thing' }
      const polled: PollSource<{ place: string }> = {
        kind: 'poll',
        id: 'limited.feed',
        integration: limited,
        params,
        intervalSeconds: 60,
        poll: async (context) => {
          await limited.send(context.fetch, context.auth)
          return { events: [] }
        },
      }
      const hooked: RegistrationSource<{ place: string }> = {
        kind: 'registration',
        id: 'limited.hook',
        integration: limited,
        params,
        secret: 'own',
        verify: () => 'mismatch',
        receive: () => ({ deliveryId: '', isIdSigned: false }),
        read: () => ({ events: [] }),
        create: async (context) => {
          await limited.send(context.fetch, context.auth)
          return { data: null }
        },
        exists: () => Promise.resolve(true),
        remove: async (context) => void (await limited.send(context.fetch, context.auth)),
      }
      for (const [id, source] of [
        ['polled', polled],
        ['hooked', hooked],
      ] as const)
        new DynamicTrigger(host, { id, event, source })
      fixture.engine.defineJob({
        id: 'ask',
        name: 'Ask',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'ask' }),
        integrations: { limited },
        run: async (_, io) => void (await io.limited.ask('once')),
      })
      await fixture.engine.start()
    })

    afterEach(async () => {
      await triggers.deliveries.close()
      await fixture.close()
      await backend.drop(url)
      directory.remove()
      provider.close()
      await fetch.close()
    })

    const send = async (accountId: string): Promise<string> =>
      (await fixture.engine.sendEvent({ name: 'ask', payload: null }, { accountId })).runIds[0] ?? ''

    const register = (trigger: string, accountId: string) =>
      triggers.registrations.register({ trigger, key: accountId, params: { place: 'x' }, accountId })

    const recordOf = async (trigger: string, accountId: string): Promise<RegistrationDocument> => {
      const found = await fixture.store.range(registrations, '!', '~', 10)
      return found.find((one) => one.trigger === trigger && one.accountId === accountId) ?? assert.fail()
    }

    it('keep a source from asking what runs of the same identity were refused, and no other', async () => {
      provider.refused.add('ada')
      await reaches(fixture.engine, await send('ada'), 'failed')
      assert.equal(provider.of('ada'), 1)
      assert.equal((await register('polled', 'ada')).state, 'pending')
      assert.equal((await register('hooked', 'ada')).state, 'pending')
      for (const trigger of ['polled', 'hooked'])
        assert.equal((await register(trigger, 'bob')).state, 'active')
      assert.equal(provider.of('ada'), 1)
      assert.equal(provider.of('bob'), 2)
      const { dueAt, failures } = await recordOf('polled', 'ada')
      assert.equal(failures, 0, 'waiting is no failure')
      assert.ok(dueAt - clock.now() > (retryAfterSeconds - 5) * 1000)
      provider.refused.clear()
      clock.advance((retryAfterSeconds + 5) * 1000)
      await until('both are made', async () => {
        await triggers.registrations.sweep()
        const found = await Promise.all(['polled', 'hooked'].map((trigger) => recordOf(trigger, 'ada')))
        return found.every(({ state }) => state === 'active')
      })
      assert.equal(provider.of('ada'), 3)
    })

    it('keep runs from asking what a source was refused', async () => {
      await register('polled', 'ada')
      provider.refused.add('ada')
      clock.advance(61_000)
      await triggers.registrations.sweep()
      assert.equal(provider.of('ada'), 2)
      provider.refused.clear()
      const run = await send('ada')
      await reaches(fixture.engine, run, 'waiting')
      assert.equal(provider.of('ada'), 2)
      await reaches(fixture.engine, await send('bob'), 'succeeded')
      clock.advance((retryAfterSeconds + 5) * 1000)
      await fixture.engine.sweep()
      await reaches(fixture.engine, run, 'succeeded')
    })

    it('are waited for in place where it is only a moment', async () => {
      provider.refused.add('ada')
      const limited = fixture.engine.limitFetch(fetch, new Limited(() => provider.url, fetch), 'ada')
      const paced: Integration = {
        id: 'paced',
        metadata: facts,
        authSource: 'LOCAL',
        cloneForRun: () => paced,
        rateLimits: {
          gates: () => [{ scope: 'app', name: 'all', pace: { requests: 10, perMs: 1000 } }],
          read: () => [],
        },
      }
      const slow = fixture.engine.limitFetch(fetch, paced)
      const begun = performance.now()
      for (let count = 0; count < 3; count += 1) assert.equal((await slow(provider.url)).status, 200)
      assert.ok(performance.now() - begun > 200, 'two paces of 100 ms lie between three requests')
      const ada = { headers: { authorization: 'ada' } }
      assert.equal((await limited(provider.url, ada)).status, 429)
      await assert.rejects(limited(provider.url, ada), ({ code, details }) => {
        assert.equal(code, 'rate_limited')
        assert.equal(details.integration, 'limited')
        return details.retryAfterMs > (retryAfterSeconds - 5) * 1000
      })
      assert.equal(provider.of('ada'), 1)
    })
  })

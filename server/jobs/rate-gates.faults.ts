// Providers that refuse, fail and hang (X10), with the official SDKs against the stand-ins, two engines on one store, and
// two accounts of which one is in trouble. On MongoDB too where TEST_MONGODB_URL names one.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { Auth, OAuth2Auth } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import { printFigure } from '../../scripts/figure.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { Airtable } from '../integrations/airtable.ts'
import { connectAt, createTestFetch, redirectUri } from '../integrations/fixtures/acting.ts'
import { Github } from '../integrations/github.ts'
import type { Integration } from '../integrations/integration.ts'
import { Shopify } from '../integrations/shopify.ts'
import { Slack } from '../integrations/slack.ts'
import { startSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import { startFaultProxy, type Arrival, type Fault, type FaultProxy } from './fixtures/fault-proxy.ts'
import { gates } from './gates.ts'
import type { JobEngine } from './engine.ts'
import type { TaskOptions } from './job.ts'

const waitSeconds = 7
const fetch = createTestFetch()
let sandbox: Sandbox

before(async () => {
  sandbox = await startSandbox({ redirectUris: [redirectUri] })
})
after(async () => {
  await sandbox.close()
  await fetch.close()
})

/** Two accounts at one provider. */
interface Accounts {
  readonly ada: OAuth2Auth
  readonly grace: OAuth2Auth
}

const isOver = (engine: JobEngine, id: string): Promise<boolean> =>
  until('over', async () => (await engine.getRun(id)).endedAt !== null, 120_000)

const ofAccount = (auth: OAuth2Auth) => (arrival: Arrival) => arrival.authorization.includes(auth.accessToken)

for (const backend of backends) {
  describe(`a provider in trouble, on ${backend.name}`, { skip: backend.skip, timeout: 1_200_000 }, () => {
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let proxy: FaultProxy
    let accounts: Accounts
    const engines: EngineFixture[] = []

    beforeEach(() => {
      directory = createDirectory()
      url = backend.open()
    })
    afterEach(async () => {
      for (const engine of engines.splice(0)) await engine.close()
      await proxy.close()
      await backend.drop(url)
      directory.remove()
    })

    /** Two engines whose accounts act through the integration. */
    async function start(
      integration: Integration<string, Auth>,
      define: (fixture: EngineFixture) => void,
    ): Promise<EngineFixture> {
      for (let count = 0; count < 2; count += 1) {
        const fixture = await openEngine(directory.path, {
          storeUrl: url,
          concurrency: 20,
          integrations: [integration],
          resolveAuth: ({ accountId }) => {
            if (accountId === 'ada' || accountId === 'grace') return Promise.resolve(accounts[accountId])
            return Promise.reject(new AuthFlowError('not_connected'))
          },
        })
        engines.push(fixture)
        define(fixture)
        await fixture.engine.start()
      }
      const [first] = engines
      assert.ok(first)
      return first
    }

    /** Sends through both engines in turn. */
    async function send(accountId: keyof Accounts, count: number): Promise<string[]> {
      const sent = Array.from({ length: count }, (_, index) =>
        engines[index % engines.length]?.engine.sendEvent({ name: 'go', payload: null }, { accountId }),
      )
      return (await Promise.all(sent)).flatMap((event) => event?.runIds ?? [])
    }

    /** Resolves once all engines can know that nothing is let through. */
    async function gateCloses(): Promise<void> {
      const { store } = engines[0] ?? assert.fail()
      await until('a gate is closed', async () => (await store.range(gates, '!', '~', 1)).length > 0, 60_000)
    }

    async function startSlack(options: TaskOptions = {}): Promise<EngineFixture> {
      const { client, endpoints } = sandbox.slack
      const oauth = { ...client, scopes: ['chat:write', 'chat:write.public'] }
      const there = new Slack({ id: 'slack', connect: true, oauth, endpoints })
      accounts = {
        ada: (await connectAt(there, sandbox.slack, { fetch, person: 'ada' })).auth,
        grace: (await connectAt(there, sandbox.slack, { fetch, person: 'grace' })).auth,
      }
      proxy = await startFaultProxy(new URL(endpoints.apiUrl).origin)
      const apiUrl = `${proxy.url}/api`
      const slack = new Slack({ id: 'slack', connect: true, oauth, endpoints: { ...endpoints, apiUrl } })
      slack.useFetch(fetch)
      return start(slack, ({ engine }) =>
        engine.defineJob({
          id: 'go',
          name: 'Go',
          version: '1.0.0',
          trigger: eventTrigger({ name: 'go' }),
          integrations: { slack },
          run: async (_, io, { account }) => {
            const isAda = account?.id === 'ada'
            await io.slack.runTask(
              'post',
              async (web) => {
                await web.apiCall('chat.postMessage', {
                  channel: isAda ? 'C0ACMEGEN' : 'C0GLOBGEN',
                  text: 'x',
                })
              },
              isAda ? options : {},
            )
          },
        }),
      )
    }

    const refusals: Readonly<Record<string, () => Fault>> = {
      'Retry-After in seconds': () => ({ status: 429, headers: { 'retry-after': String(waitSeconds) } }),
      'Retry-After as a date': () => ({
        status: 429,
        headers: {
          'retry-after': new Date(Math.ceil(Date.now() / 1000) * 1000 + waitSeconds * 1000).toUTCString(),
        },
      }),
    }

    for (const [name, refusal] of Object.entries(refusals)) {
      it(`is left alone by the account that it refused, and by no other: 429 with ${name}`, async () => {
        const { engine } = await startSlack()
        let refusedAt = 0
        const isAda = ofAccount(accounts.ada)
        proxy.judge = (arrival) => {
          if (!isAda(arrival) || refusedAt > 0) return undefined
          refusedAt = Date.now()
          return refusal()
        }
        const [first] = await send('ada', 1)
        await reaches(engine, first, 'waiting', 120_000)
        const others = await send('ada', 4)
        const graces = await send('grace', 30)
        for (const id of graces) await reaches(engine, id, 'succeeded', 120_000)
        const endedAfter = Date.now() - refusedAt
        for (const id of [first, ...others]) await reaches(engine, id, 'succeeded', 120_000)
        const [, ...later] = proxy.arrivals.filter(isAda)
        const soonest = Math.min(...later.map(({ at }) => at)) - refusedAt
        assert.ok(soonest >= waitSeconds * 1000, `an attempt after ${soonest} ms`)
        assert.equal(later.length, 5, 'each is sent once')
        const meanwhile = proxy.arrivals.filter((one) => !isAda(one) && one.at < refusedAt + soonest)
        assert.ok(meanwhile.length > 0, 'the other account goes on')
        // Nobody but the refused one has used an attempt.
        const attempts = await Promise.all(
          [first, ...others].map(async (id) => (await engine.getRun(id ?? '')).tasks[0]?.attempts),
        )
        assert.deepEqual(attempts, [2, 1, 1, 1, 1])
        // They do not come all at once.
        const latest = Math.max(...later.map(({ at }) => at)) - refusedAt
        assert.ok(latest >= waitSeconds * 1000 + 2000, `all within ${latest} ms`)
        printFigure({
          requirement: 'X10',
          name: `${backend.name}: earliest attempt after 429 (${name})`,
          value: soonest,
          unit: 'ms',
        })
        printFigure({
          requirement: 'X10',
          name: `${backend.name}: 30 runs of the other account ended after`,
          value: endedAfter,
          unit: 'ms',
        })
      })
    }

    const troubles: Readonly<Record<string, { fault: Fault; attempts: number; codes: readonly string[] }>> = {
      '500 ten times': { fault: { status: 500 }, attempts: 4, codes: ['provider_unavailable'] },
      'no answer': { fault: 'hang', attempts: 4, codes: ['task_timeout'] },
      'a connection cut after the headers': { fault: 'reset', attempts: 4, codes: ['provider_unavailable'] },
      '200 with an error': {
        fault: { status: 200, body: '{"ok":false,"error":"fatal_error"}' },
        attempts: 4,
        codes: ['provider_unavailable', 'provider_rejected'],
      },
      garbage: {
        fault: { status: 200, body: '<html>' },
        attempts: 4,
        codes: ['provider_reply_invalid', 'provider_unavailable'],
      },
    }

    for (const [name, { fault, attempts, codes }] of Object.entries(troubles)) {
      it(`gets a bounded number of attempts of the account in trouble, and the others go on: ${name}`, async () => {
        const retry = { limit: attempts, minTimeoutInMs: 20, maxTimeoutInMs: 60 }
        const { engine } = await startSlack({ retry, ...(fault === 'hang' ? { timeoutInMs: 1000 } : {}) })
        const isAda = ofAccount(accounts.ada)
        proxy.judge = (arrival) => (isAda(arrival) ? fault : undefined)
        const adas = await send('ada', 3)
        const graces = await send('grace', 20)
        for (const id of graces) await reaches(engine, id, 'succeeded', 120_000)
        for (const id of adas) {
          const run = await reaches(engine, id, 'failed', 120_000)
          assert.ok(codes.includes(run.error?.code ?? ''), run.error?.code)
        }
        const sent = proxy.arrivals.filter(isAda).length
        assert.ok(sent <= adas.length * attempts, `${sent} attempts`)
        const worst = await Promise.all(
          graces.map(async (id) => (await engine.getRun(id)).tasks[0]?.attempts ?? 0),
        )
        assert.equal(Math.max(...worst), 1)
        printFigure({
          requirement: 'X10',
          name: `${backend.name}: requests of 3 runs with ${attempts} attempts each (${name})`,
          value: sent,
        })
      })
    }

    it('is asked no more before its reset once an answer said that nothing is left: GitHub', async () => {
      const { client, endpoints } = sandbox.github
      const oauth = { ...client, scopes: ['repo'] }
      const there = new Github({ id: 'github', connect: true, oauth, endpoints })
      accounts = {
        ada: (await connectAt(there, sandbox.github, { fetch, person: 'ada' })).auth,
        grace: (await connectAt(there, sandbox.github, { fetch, person: 'grace' })).auth,
      }
      proxy = await startFaultProxy(endpoints.apiUrl)
      const github = new Github({
        id: 'github',
        connect: true,
        oauth,
        endpoints: { ...endpoints, apiUrl: proxy.url },
      })
      github.useFetch(fetch)
      const { engine } = await start(github, (fixture) =>
        fixture.engine.defineJob({
          id: 'go',
          name: 'Go',
          version: '1.0.0',
          trigger: eventTrigger({ name: 'go' }),
          integrations: { github },
          run: async (_, io) => {
            await io.github.getRepo('repo', { owner: 'acme', repo: 'website' })
          },
        }),
      )
      const isAda = ofAccount(accounts.ada)
      const resetAt = Math.ceil(Date.now() / 1000) + 4
      const last = {
        status: 200,
        headers: {
          'x-ratelimit-remaining': '0',
          'x-ratelimit-reset': String(resetAt),
          'x-ratelimit-resource': 'core',
        },
        body: JSON.stringify({
          id: 1,
          name: 'website',
          full_name: 'acme/website',
          private: false,
          html_url: 'x',
          description: null,
          default_branch: 'main',
          owner: { login: 'acme' },
        }),
      }
      proxy.judge = (arrival) =>
        isAda(arrival) && proxy.arrivals.filter(isAda).length === 1 ? last : undefined
      const [first] = await send('ada', 1)
      await gateCloses()
      const others = await send('ada', 3)
      for (const id of await send('grace', 5)) await isOver(engine, id)
      for (const id of others) await isOver(engine, id)
      const [, ...later] = proxy.arrivals.filter(isAda)
      assert.ok(first)
      assert.equal(later.length, 3)
      for (const { at } of later)
        assert.ok(at >= resetAt * 1000, `${resetAt * 1000 - at} ms before the reset`)
      printFigure({
        requirement: 'X10',
        name: `${backend.name}: first request after GitHub's reset`,
        value: Math.min(...later.map(({ at }) => at)) - resetAt * 1000,
        unit: 'ms',
      })
    })

    it('gets 5 requests a second for a base from all engines together: Airtable', async () => {
      const { client, endpoints } = sandbox.airtable
      const oauth = { ...client, scopes: ['data.records:read', 'data.records:write', 'schema.bases:read'] }
      const there = new Airtable({ id: 'airtable', connect: true, oauth, endpoints })
      const ada = (await connectAt(there, sandbox.airtable, { fetch, person: 'ada' })).auth
      accounts = { ada, grace: ada }
      proxy = await startFaultProxy(endpoints.apiUrl)
      const airtable = new Airtable({
        id: 'airtable',
        connect: true,
        oauth,
        endpoints: { ...endpoints, apiUrl: proxy.url },
      })
      airtable.useFetch(fetch)
      const records = { status: 200, body: '{"records":[]}' }
      proxy.judge = () => records
      const { engine } = await start(airtable, (fixture) =>
        fixture.engine.defineJob({
          id: 'go',
          name: 'Go',
          version: '1.0.0',
          trigger: eventTrigger({ name: 'go' }),
          integrations: { airtable },
          run: async (_, io) => {
            await io.airtable.base('appAbCdEfGhIjKlMn').table('Orders').getRecords('orders')
          },
        }),
      )
      const ids = [...(await send('ada', 9)), ...(await send('grace', 9))]
      for (const id of ids) await reaches(engine, id, 'succeeded', 120_000)
      const times = proxy.arrivals.map(({ at }) => at).toSorted((one, other) => one - other)
      assert.equal(times.length, 18)
      const most = Math.max(
        ...times.map((at) => times.filter((other) => other >= at && other < at + 1000).length),
      )
      // Without gates all come at once. A machine that stands still for a moment brings some closer together.
      assert.ok(most <= 8, `${most} in a second`)
      printFigure({
        requirement: 'X10',
        name: `${backend.name}: most requests to one Airtable base in a second`,
        value: most,
      })
    })

    it('is given time to fill its bucket again where it said what queries cost: Shopify', async () => {
      const { client, endpoints } = sandbox.shopify
      const oauth = { ...client, scopes: ['read_products'] }
      const there = new Shopify({ id: 'shopify', connect: true, oauth, endpoints })
      const shop = 'acme.myshopify.com'
      const { auth } = await connectAt(there, sandbox.shopify, { fetch, person: 'ada', fields: { shop } })
      accounts = { ada: auth, grace: auth }
      proxy = await startFaultProxy(endpoints.origin)
      const shopify = new Shopify({ id: 'shopify', connect: true, oauth, endpoints: { origin: proxy.url } })
      shopify.useFetch(fetch)
      const throttleStatus = { maximumAvailable: 2000, currentlyAvailable: 100, restoreRate: 100 }
      const cost = { requestedQueryCost: 500, actualQueryCost: null, throttleStatus }
      const throttled = {
        status: 200,
        body: JSON.stringify({
          errors: [{ message: 'Throttled', extensions: { code: 'THROTTLED' } }],
          extensions: { cost },
        }),
      }
      proxy.judge = () => (proxy.arrivals.length === 1 ? throttled : undefined)
      const { engine } = await start(shopify, (fixture) =>
        fixture.engine.defineJob({
          id: 'go',
          name: 'Go',
          version: '1.0.0',
          trigger: eventTrigger({ name: 'go' }),
          integrations: { shopify },
          run: async (_, io) => {
            await io.shopify.getShop('shop')
          },
        }),
      )
      const [first] = await send('ada', 1)
      await gateCloses()
      const ids = await send('ada', 3)
      for (const id of [first, ...ids]) await reaches(engine, id, 'succeeded', 120_000)
      const [refused, ...later] = proxy.arrivals.map(({ at }) => at)
      assert.equal(later.length, 4)
      assert.ok(Math.min(...later) - (refused ?? 0) >= 4000)
    })
  })
}

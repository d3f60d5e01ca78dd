// C1: who may call what, as one table for each router. The rows are held against the routers' own lists, so that a
// procedure without one fails.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { everyNth } from '../../scripts/case-counts.ts'
import { printFigure } from '../../scripts/figure.ts'
import type { ConnectPurpose, ConnectTokenRequest } from '../../shared/flow.ts'
import { randomText } from '../../shared/ids.ts'
import { sha256 } from '../connect/digest.ts'
import { connectSets, tokenSet } from '../connect/sets.ts'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { apiRouter } from './api-router.ts'
import { connectRouter } from './connect-router.ts'
import {
  callApi,
  callPublic,
  connectSlack,
  dig,
  pageOrigin,
  secretKeys,
  startTestServer,
  type CallAnswer,
  type TestServer,
} from './fixtures/test-server.ts'

/** The direct way and, by a query that means nothing, tRPC's adapter, which `fast-path.test.ts` holds against each other. */
const ways = everyNth(2, ['', '?other'])

const purposes: readonly ConnectPurpose[] = ['create', 'reconnect', 'manage', 'runs']
const slack = 'slack-customers'
const airtable = 'airtable-customers'

/** A public procedure. */
interface PublicRow {
  /** Purposes of which any will do; undefined: no token at all is needed. */
  readonly purposes?: readonly ConnectPurpose[]
  /** Input about Ada's flow at Slack. */
  readonly input: (flowId: string) => unknown
  /** False where the integrations of the token make no difference. */
  readonly byIntegration?: boolean
  /** True when nobody may call it outside development mode. */
  readonly closed?: boolean
}

const publicRows: Readonly<Record<string, PublicRow>> = {
  'integrations.describe': { input: () => ({ integration: slack }) },
  'flows.begin': {
    purposes: ['create', 'reconnect'],
    input: () => ({ flowId: randomText(22), integration: slack, accountId: 'ada' }),
  },
  // The flow began with purpose `create`; another purpose of the same account may read it, not act in it.
  'flows.submit': {
    purposes: ['create'],
    input: (flowId) => ({ flowId, version: 1, method: 'oauth2', values: {} }),
  },
  'flows.watch': {
    purposes,
    input: (flowId) => ({ flows: [{ id: flowId, version: 0 }], waitMs: 0 }),
  },
  'flows.options': { purposes: ['create'], input: (flowId) => ({ flowId, field: 'channel' }) },
  'flows.cancel': { purposes: ['create'], input: (flowId) => ({ flowId }) },
  'connections.list': { purposes: ['manage'], input: () => undefined },
  'connections.disconnect': { purposes: ['manage'], input: () => ({ integration: slack }) },
  'runs.list': { purposes: ['runs'], input: () => ({}), byIntegration: false },
  'runs.get': { purposes: ['runs'], input: () => ({ id: 'no-such-run' }), byIntegration: false },
  'runs.statuses': { purposes: ['runs'], input: () => ({ id: 'no-such-run' }), byIntegration: false },
  'connectTokens.create': {
    closed: true,
    input: () => ({ accountId: 'ada', integrations: [slack], origins: [pageOrigin] }),
  },
}

/** Codes that say no because of who calls. */
const refusals = new Set<unknown>([
  'unauthenticated',
  'token_invalid',
  'token_expired',
  'token_revoked',
  'token_spent',
  'origin_missing',
  'origin_opaque',
  'origin_mismatch',
  'purpose_not_allowed',
  'integration_not_allowed',
  'account_mismatch',
  'flow_not_found',
  'development_only',
])

/** The same for keys. */
const keyRefusals = new Set<unknown>([
  'unauthenticated',
  'key_invalid',
  'scope_missing',
  'secret_key_in_browser',
])

/** Nothing of anybody's is in the answer. */
const isEmpty = ({ body }: CallAnswer): boolean => {
  const data = dig(body, 'result', 'data')
  const items = dig(data, 'items')
  return [data, items].some((value) => Array.isArray(value) && value.length === 0)
}

const isRefused = (answer: CallAnswer): boolean => refusals.has(answer.code) && answer.status >= 401

describe('C1: the public router', () => {
  let server: TestServer
  let store: Store
  let flowId: string
  let judged = 0
  let wrong = 0
  before(async () => {
    server = await startTestServer()
    store = await openStore(server.storeUrl)
    await store.migrate(connectSets, 'test')
    const token = await server.token('create', { accountId: 'ada' })
    flowId = randomText(22)
    await callPublic(server, 'flows.begin', { token, input: { flowId, integration: slack } })
    await connectSlack(server, 'grace')
  })
  after(async () => {
    printFigure({
      requirement: 'C1',
      name: 'wrong allows, public router',
      value: 0,
      unit: `of ${judged} calls`,
    })
    await store.close()
    await server.close()
  })

  const mint = (purpose: ConnectPurpose, more: Partial<ConnectTokenRequest> = {}): Promise<string> =>
    server.token(purpose, { accountId: 'ada', integrations: [slack], ...more })

  /** A token whose record was changed, as time or the host would. */
  const mintDead = async (purpose: ConnectPurpose, set: object): Promise<string> => {
    const token = await mint(purpose)
    assert.equal(await store.update(tokenSet, sha256(token), {}, { set }), true)
    return token
  }

  /** Every way of being the wrong one, for a procedure that takes the purposes. */
  const wrongCallers = (allowed: readonly ConnectPurpose[]) => {
    const [right = 'create'] = allowed
    const callers: Record<string, () => Promise<{ token?: string; origin?: string | null }>> = {
      'no token': async () => ({}),
      'an unknown token': async () => ({ token: `ctk_ct_${randomText(43)}` }),
      'half a token': async () => ({ token: (await mint(right)).slice(0, 40) }),
      'a token and more': async () => ({ token: `${await mint(right)}A` }),
      'an expired token': async () => ({ token: await mintDead(right, { expiresAt: store.now() - 1 }) }),
      'a revoked token': async () => {
        const token = await mint(right)
        assert.deepEqual(await server.client.connectTokens.revoke({ token }), { revoked: 1 })
        return { token }
      },
      'a spent token': async () => ({ token: await mintDead(right, { spentAt: store.now() }) }),
      'another origin': async () => ({ token: await mint(right), origin: 'https://evil.example' }),
      'an origin below': async () => ({ token: await mint(right), origin: `${pageOrigin}.evil.example` }),
      'an opaque origin': async () => ({ token: await mint(right), origin: 'null' }),
      'no origin': async () => ({ token: await mint(right), origin: null }),
      'a secret key': async () => ({ token: secretKeys.admin }),
    }
    for (const purpose of purposes) {
      if (!allowed.includes(purpose)) {
        callers[`a token for ${purpose}`] = async () => ({ token: await mint(purpose) })
      }
    }
    return callers
  }

  it('has a row for each procedure', () => {
    assert.deepEqual(
      Object.keys(publicRows).toSorted(),
      Object.keys(connectRouter._def.procedures).toSorted(),
    )
  })

  for (const [path, row] of Object.entries(publicRows)) {
    if (row.closed) {
      it(`${path} is closed to everybody`, async () => {
        const callers = { ...wrongCallers([]), right: async () => ({ token: await mint('create') }) }
        for (const caller of Object.values(callers)) {
          const answer = await callPublic(server, path, { input: row.input(flowId), ...(await caller()) })
          assert.equal(answer.code, 'development_only')
          judged += 1
        }
      })
      continue
    }
    const { purposes: allowed } = row
    if (!allowed) {
      it(`${path} is open to everybody`, async () => {
        assert.equal((await callPublic(server, path, { input: row.input(flowId) })).status, 200)
      })
      continue
    }

    it(`${path} takes a token of each purpose that may`, async () => {
      for (const purpose of allowed) {
        const answer = await callPublic(server, path, {
          input: row.input(flowId),
          token: await mint(purpose),
        })
        assert.equal(isRefused(answer), false, `${purpose}: ${String(answer.code)}`)
      }
    })

    it(`${path} refuses everybody else`, async () => {
      for (const [name, caller] of Object.entries(wrongCallers(allowed))) {
        for (const query of ways) {
          const input = row.input(flowId)
          const answer = await callPublic(server, `${path}${query}`, { input, ...(await caller()) })
          if (!isRefused(answer)) wrong += 1
          assert(isRefused(answer), `${name}: ${answer.status} ${String(answer.code)}`)
          judged += 1
        }
      }
    })

    it(`${path} shows and changes nothing of another account`, async () => {
      for (const purpose of allowed) {
        const token = await mint(purpose, { accountId: 'mallory' })
        const answer = await callPublic(server, path, { input: row.input(flowId), token })
        const nothing = ['not_connected', 'not_found'].includes(String(answer.code))
        assert(isRefused(answer) || isEmpty(answer) || nothing, `${purpose}: ${JSON.stringify(answer.body)}`)
        judged += 1
      }
    })

    if (row.byIntegration === false) continue
    it(`${path} shows and changes nothing at another integration`, async () => {
      for (const purpose of allowed) {
        const token = await mint(purpose, { integrations: [airtable] })
        const answer = await callPublic(server, path, { input: row.input(flowId), token })
        assert(isRefused(answer) || isEmpty(answer), `${purpose}: ${JSON.stringify(answer.body)}`)
        judged += 1
      }
    })
  }

  it('left Ada’s flow and Grace’s connection as they were', async () => {
    const token = await mint('create')
    const watched = await callPublic(server, 'flows.watch', {
      token,
      input: { flows: [{ id: flowId, version: 0 }], waitMs: 0 },
    })
    // Its own procedures were allowed to cancel it, once, by a token of hers.
    assert.equal(dig(watched.body, 'result', 'data', '0', 'stage'), 'cancelled')
    assert.equal(
      (await server.client.connections.get({ integration: slack, accountId: 'grace' })).state,
      'active',
    )
  })
})

const isKeyRefused = (answer: CallAnswer): boolean => keyRefusals.has(answer.code) && answer.status >= 401

type Key = keyof typeof secretKeys

/** A procedure of the server API: the keys that may call it besides `admin`, and an input that names nobody there. */
interface ApiRow {
  readonly keys: readonly Key[]
  readonly input: unknown
}

const one = { integration: airtable, accountId: 'nobody' }

const apiRows: Readonly<Record<string, ApiRow>> = {
  // readSlack is limited to Slack and asks for Airtable.
  'auth.get': { keys: ['read'], input: { id: airtable, accountId: 'nobody' } },
  'connectTokens.create': {
    keys: ['create'],
    input: { accountId: 'ada', integrations: [slack], origins: [pageOrigin] },
  },
  'connectTokens.revoke': { keys: ['create'], input: { accountId: 'nobody' } },
  'secretKeys.list': { keys: [], input: undefined },
  'connectLinks.create': {
    keys: ['create'],
    input: { accountId: 'ada', integration: slack, returnUrl: `${pageOrigin}/done` },
  },
  'connectPages.create': {
    keys: ['create'],
    input: {
      accountId: 'ada',
      integrations: [slack],
      confirmUrl: `${pageOrigin}/confirm`,
      returnUrl: `${pageOrigin}/done`,
    },
  },
  'connectPages.confirm': {
    keys: ['create'],
    input: { visit: `${randomText(43)}.${randomText(43)}`, accountId: 'nobody' },
  },
  'connections.confirm': { keys: ['create'], input: { flowId: randomText(22), accountId: 'nobody' } },
  'connections.list': { keys: ['connections'], input: {} },
  'connections.get': { keys: ['connections'], input: one },
  'connections.disconnect': { keys: ['connections'], input: one },
  'connections.setMetadata': { keys: ['connections'], input: { ...one, metadata: null } },
  'accounts.rename': { keys: [], input: { from: 'nobody', to: 'somebody' } },
  'integrations.rename': { keys: [], input: { from: 'nothing', to: airtable } },
  'audit.list': { keys: [], input: {} },
  'events.send': { keys: ['jobs'], input: { event: { name: 'nothing.listens', payload: null } } },
  'events.sendMany': { keys: ['jobs'], input: { events: [] } },
  'events.get': { keys: ['jobs', 'jobsRead'], input: { id: 'no-such-event' } },
  'events.cancel': { keys: ['jobs'], input: { id: 'no-such-event' } },
  'jobs.invoke': { keys: ['jobs'], input: { job: 'no-such-job', payload: null } },
  'jobs.batchInvoke': { keys: ['jobs'], input: { job: 'no-such-job', items: [] } },
  'runs.list': { keys: ['jobs', 'jobsRead'], input: {} },
  'runs.get': { keys: ['jobs', 'jobsRead'], input: { id: 'no-such-run' } },
  'runs.log': { keys: ['jobs', 'jobsRead'], input: { id: 'no-such-run' } },
  'runs.statuses': { keys: ['jobs', 'jobsRead'], input: { id: 'no-such-run' } },
  'registrations.register': { keys: ['jobs'], input: { trigger: 'nothing', key: 'k', params: null } },
  'registrations.unregister': { keys: ['jobs'], input: { trigger: 'nothing', key: 'k' } },
  'registrations.rotateSecret': { keys: ['jobs'], input: { trigger: 'nothing', key: 'k' } },
  'registrations.get': { keys: ['jobs', 'jobsRead'], input: { trigger: 'nothing', key: 'k' } },
  'registrations.list': { keys: ['jobs', 'jobsRead'], input: { trigger: 'nothing' } },
  'schedules.register': {
    keys: ['jobs'],
    input: {
      schedule: 'nothing',
      key: 'k',
      rule: { type: 'interval', seconds: 60, misfire: 'last', overlap: 'allow', spread: 0 },
    },
  },
  'schedules.unregister': { keys: ['jobs'], input: { schedule: 'nothing', key: 'k' } },
  'schedules.list': { keys: ['jobs', 'jobsRead'], input: { schedule: 'nothing' } },
  'store.get': { keys: ['jobs', 'jobsRead'], input: { name: 'nothing' } },
  'store.has': { keys: ['jobs', 'jobsRead'], input: { name: 'nothing' } },
  'store.set': { keys: ['jobs'], input: { name: 'nothing', value: null } },
  'store.delete': { keys: ['jobs'], input: { name: 'nothing' } },
  'runs.replay': { keys: ['jobs'], input: { id: 'no-such-run' } },
  'runs.resume': { keys: ['jobs'], input: { id: 'no-such-run' } },
  'runs.cancelForEvent': { keys: ['jobs'], input: { id: 'no-such-event' } },
  'runs.cancelForJob': { keys: ['jobs'], input: { job: 'no-such-job' } },
  'runs.cancel': { keys: ['jobs'], input: { id: 'no-such-run' } },
}

const keyNames: readonly Key[] = ['create', 'read', 'readSlack', 'connections', 'jobs', 'jobsRead', 'admin']

describe('C1: the server API', () => {
  let server: TestServer
  let judged = 0
  let wrong = 0
  before(async () => {
    server = await startTestServer()
  })
  after(async () => {
    printFigure({
      requirement: 'C1',
      name: 'wrong allows, server API',
      value: wrong,
      unit: `of ${judged} calls`,
    })
    await server.close()
  })

  it('has a row for each procedure', () => {
    assert.deepEqual(Object.keys(apiRows).toSorted(), Object.keys(apiRouter._def.procedures).toSorted())
  })

  for (const [turn, [path, { keys, input }]] of Object.entries(apiRows).entries()) {
    it(`${path} takes ${keys.join(', ') || 'no key'} but admin’s, and refuses the others`, async () => {
      for (const name of keyNames) {
        for (const query of ways) {
          const answer = await callApi(server, `${path}${query}`, { input, key: secretKeys[name] })
          const allowed = name === 'admin' || keys.includes(name)
          if (!allowed && !isKeyRefused(answer)) wrong += 1
          assert.equal(isKeyRefused(answer), !allowed, `${name}: ${answer.status} ${String(answer.code)}`)
          if (!allowed) assert.deepEqual([answer.status, answer.code], [403, 'scope_missing'])
          judged += 1
        }
      }
    })

    it(`${path} refuses who has no key, and every browser with one`, async () => {
      const callers: Record<string, { key?: string; headers?: Record<string, string>; code: string }> = {
        'no key': { code: 'unauthenticated' },
        'an unknown key': { key: `ctk_sk_${randomText(43)}`, code: 'key_invalid' },
        'a key and more': { key: `${secretKeys.admin}A`, code: 'key_invalid' },
        'a connect token': { key: await server.token('manage'), code: 'key_invalid' },
      }
      const browsers: readonly Record<string, string>[] = [
        { origin: pageOrigin },
        { origin: 'null' },
        { origin: server.url.replace(/\/auth$/, '') },
        { 'sec-fetch-site': 'none' },
        { 'sec-fetch-site': 'same-origin' },
      ]
      for (const headers of everyNth(3, browsers, turn)) {
        callers[JSON.stringify(headers)] = { key: secretKeys.admin, headers, code: 'secret_key_in_browser' }
      }
      for (const [name, { code, ...caller }] of Object.entries(callers)) {
        for (const query of ways) {
          const answer = await callApi(server, `${path}${query}`, { input, ...caller })
          if (!isKeyRefused(answer)) wrong += 1
          assert.equal(answer.code, code, name)
          assert(isKeyRefused(answer))
          judged += 1
        }
      }
    })
  }

  it('tells admins which keys there are and when they were used, and no digest', async () => {
    const answer = await callApi(server, 'secretKeys.list', { key: secretKeys.admin })
    const keys = dig(answer.body, 'result', 'data')
    assert(Array.isArray(keys))
    assert.deepEqual(
      keys.map((key: unknown) => [dig(key, 'id'), dig(key, 'scopes')]),
      [
        ['create', ['connect:create']],
        ['read', ['auth:read']],
        ['readSlack', ['auth:read(slack-customers)']],
        ['connections', ['connections:write']],
        ['jobs', ['jobs:write']],
        ['jobsRead', ['jobs:read']],
        ['admin', ['admin']],
      ],
    )
    assert.match(String(dig(keys[6], 'lastUsedAt')), /^\d{4}-\d\d-\d\dT/)
    assert.doesNotMatch(JSON.stringify(answer.body), /[0-9a-f]{64}|ctk_sk_/)
    const own = await server.client.secretKeys.list()
    assert.equal(own.length, 7)
  })
})

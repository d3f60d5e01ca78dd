import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { backends, type Backend } from './connect/fixtures/backends.ts'
import { encryptionKeys, startTestServer } from './http/fixtures/test-server.ts'
import { until } from './jobs/fixtures/engine-fixture.ts'
import { events, runs } from './jobs/records.ts'
import { readOptions } from './options.ts'
import { allSets } from './sealed-sets.ts'
import { openStore } from './store/open-store.ts'
import { httpTrigger } from './triggers/http-trigger.ts'
import { deliveries } from './triggers/registration-records.ts'

const dayMs = 86_400_000
const retention = { runDays: 2, eventDays: 8, deliveryBodyDays: 3, deliveryIdDays: 40, auditDays: 5 }

describe('the option retention', () => {
  const options = {
    environment: 'test',
    baseUrl: 'https://connect.example.com',
    store: 'sqlite:./none.db',
    encryptionKeys,
    integrations: [],
  }

  it('says how long audit rows are kept, too', () => {
    assert.equal(readOptions(options).audit.days, 365)
    assert.deepEqual(readOptions({ ...options, retention, audit: { reads: 'each' } }).audit, {
      days: 5,
      reads: 'each',
    })
  })

  it('is checked with the others', () => {
    assert.throws(() => readOptions({ ...options, retention: { eventDays: 6 } }), { code: 'invalid_option' })
  })

  for (const backend of backends)
    it(`is heeded by runs, events and webhooks on ${backend.name}`, { skip: backend.skip }, () =>
      heed(backend),
    )
})

async function heed(backend: Backend): Promise<void> {
  const url = backend.open()
  const own = url === undefined ? {} : { store: url }
  const server = await startTestServer({ options: { ...own, worker: true, retention } })
  const store = await openStore(url ?? server.storeUrl)
  try {
    server.client.defineJob({
      id: 'take',
      name: 'Take',
      version: '1.0.0',
      trigger: httpTrigger({ id: 'in', verify: () => true }),
      run: () => Promise.resolve(),
    })
    await server.client.start()
    await store.migrate(allSets, 'test')
    const send = async (body: string): Promise<void> => {
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`${server.url}/webhooks/http/in`, { method: 'POST', body, headers })
      assert.equal(answer.status, 200)
    }
    await send('{"n":1}')
    const [run] = await until('the run is over', async () => {
      const { items } = await store.list(runs, { index: 'all', equals: 'run', limit: 10 })
      return items.length === 1 && items[0]?.endedAt !== undefined ? items : undefined
    })
    assert.equal((run?.expireAt ?? 0) - (run?.endedAt ?? 0), 2 * dayMs)
    const event = await store.get(events, run?.event ?? '')
    assert.equal((event?.expireAt ?? 0) - (event?.createdAt ?? 0), 8 * dayMs)
    const read = await until('the delivery is read', async () => {
      const all = await store.range(deliveries, '!', '~', 10)
      return all.every(({ place }) => place === undefined) ? all : undefined
    })
    for (const { expireAt, receivedAt } of read) assert.equal((expireAt ?? 0) - receivedAt, 40 * dayMs)
    // As the body and as its text it is more than an event may have.
    await send(JSON.stringify('x'.repeat(600_000)))
    const failed = await until('one that can not be read', async () =>
      (await store.range(deliveries, '!', '~', 10)).find(({ place }) => place === 'failed'),
    )
    assert.equal((failed.dueAt ?? 0) - failed.receivedAt, 3 * dayMs)
    assert.notEqual(failed.request, undefined)
  } finally {
    await store.close()
    await server.close()
    await backend.drop(url)
  }
}

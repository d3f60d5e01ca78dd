// Telling the host about connections: signed webhooks, and events for jobs, on both databases. The receiver checks every
// message with the verifier of Standard Webhooks.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { AuthFlowError } from '../../shared/errors.ts'
import type { ConnectionEventData, OutgoingEvent } from './connection-events.ts'
import { connectionIdOf } from './connection-id.ts'
import { backends, type Backend } from './fixtures/backends.ts'
import { startListener, type Listener } from './fixtures/listener.ts'
import { rotatingMethod, startRotating, type Rotating } from './fixtures/rotating.ts'
import { connectDirectly, integrationOf, openWorkbench, type Workbench } from './fixtures/workbench.ts'
import { noticeSet } from './sets.ts'
import { readWebhookEndpoints } from './webhook-endpoints.ts'

const integration = 'rotating'
const makeSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.fail(`${what} did not happen`)
}

for (const backend of backends) {
  describe(`telling of changed connections (${backend.name})`, { skip: backend.skip }, () => suite(backend))
}

function suite(backend: Backend): void {
  const secrets = { first: makeSecret(), second: makeSecret(), old: makeSecret() }
  const events: OutgoingEvent[] = []
  let refuseEvent: Error | undefined
  let url: string | undefined
  let provider: Rotating
  let first: Listener
  let second: Listener
  let bench: Workbench
  let accounts = 0

  before(async () => {
    url = backend.open()
    provider = await startRotating()
    first = await startListener(secrets.first)
    // This one has not learnt the new secret yet.
    second = await startListener(secrets.old)
    const webhooks = readWebhookEndpoints(
      [
        { url: first.url, secret: secrets.first },
        { url: second.url, secret: [secrets.second, secrets.old] },
      ],
      true,
    )
    const sendEvent = async (event: OutgoingEvent): Promise<void> => {
      if (refuseEvent) throw refuseEvent
      events.push(event)
    }
    bench = await openWorkbench([integrationOf(integration, [rotatingMethod(provider)])], undefined, {
      ...(url === undefined ? {} : { storeUrl: url }),
      told: { webhooks, sendEvent },
    })
  })
  after(async () => {
    await bench.close()
    for (const server of [provider, first, second]) await server.close()
    await backend.drop(url)
  })

  const connectOne = async () => {
    const accountId = `acct-${(accounts += 1)}`
    const outcome = await connectDirectly(bench.connect, { integration, accountId })
    assert.equal(outcome.result, 'done')
    return { key: { integration, accountId }, id: connectionIdOf(integration, accountId) }
  }
  const heard = (listener: Listener, id: string) =>
    listener.accepted.filter(({ event }) => event.data.connection.id === id)
  const typesOf = (listener: Listener, id: string) => heard(listener, id).map(({ event }) => event.type)
  const pending = async (id: string) => {
    const all = []
    for (const target of ['events', ...readTargets()]) {
      const { items } = await bench.store.list(noticeSet, { index: 'due', equals: target, limit: 1000 })
      all.push(...items.filter(({ connectionId }) => connectionId === id))
    }
    return all
  }
  const readTargets = () =>
    readWebhookEndpoints(
      [first, second].map((listener) => ({ url: listener.url, secret: secrets.first })),
      true,
    ).map(({ id }) => id)
  const settled = (id: string) => until('the delivery', async () => (await pending(id)).length === 0)
  const hurry = async (id: string): Promise<void> => {
    await makeDue(id)
    await bench.connect.sweep()
  }
  // What is being sent just now is left alone.
  const makeDue = async (id: string): Promise<void> => {
    for (const { id: notice, version, attempts, lastError } of await pending(id)) {
      if (attempts > 0 && lastError === null) continue
      await bench.store.update(noticeSet, notice, { version }, { set: { dueAt: bench.store.now() } })
    }
  }

  it('tells every endpoint and the jobs of each change, in order, and leaves nothing behind', async () => {
    const { key, id } = await connectOne()
    await connectDirectly(bench.connect, { ...key, purpose: 'reconnect' })
    await bench.connect.disconnect(key, 'web')
    await settled(id)
    const expected = [
      'authflow.connection.connected',
      'authflow.connection.connected',
      'authflow.connection.disconnected',
    ]
    for (const listener of [first, second]) assert.deepEqual(typesOf(listener, id), expected)
    const own = events.filter(({ accountId }) => accountId === key.accountId)
    assert.deepEqual(
      own.map(({ name }) => name),
      expected,
    )
    const ids = heard(first, id).map((message) => message.id)
    assert.equal(new Set(ids).size, 3)
    assert.deepEqual(
      heard(second, id).map((message) => message.id),
      ids,
      'one message has one id, wherever it goes',
    )
    assert.deepEqual(
      own.map((event) => event.id),
      ids,
    )
    const last = heard(first, id).at(-1)?.event
    assert.equal(last?.data.connection.state, 'disconnected')
    assert.equal(last?.timestamp, (await bench.connect.getConnection(key)).updatedAt)
    const told: ConnectionEventData = JSON.parse(own[2]?.payload ?? '')
    assert.deepEqual(told, last?.data)
    assert.equal(JSON.stringify(first.requests).includes('canary'), false, 'no secret leaves')
  })

  it('signs with the new and the old secret while one is replaced, and with nothing else', async () => {
    const { id } = await connectOne()
    await settled(id)
    const message = heard(second, id)[0]
    assert.ok(message)
    const { body } = message.request
    const headers = Object.fromEntries(
      Object.entries(message.request.headers).map(([name, value]) => [name, String(value)]),
    )
    for (const secret of [secrets.second, secrets.old]) new Webhook(secret).verify(body, headers)
    assert.throws(() => new Webhook(secrets.first).verify(body, headers))
    assert.throws(() => new Webhook(secrets.second).verify(`${body} `, headers))
    const late = { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) }
    assert.throws(() => new Webhook(secrets.second).verify(body, late))
  })

  it('tries again until the endpoint takes it, and keeps later changes of the connection behind it', async () => {
    first.refuse = () => ({ status: 500 })
    const { key, id } = await connectOne()
    await until('the first try', async () => (await pending(id)).some(({ lastError }) => lastError !== null))
    await bench.connect.disconnect(key, 'web')
    await until('the others', () => typesOf(second, id).length === 2)
    const before = bench.store.now()
    await hurry(id)
    await until('the second try', async () =>
      (await pending(id)).some(({ attempts, dueAt }) => attempts === 2 && dueAt > before),
    )
    const held = (await pending(id)).toSorted((left, right) => left.at - right.at)
    assert.deepEqual(
      held.map(({ attempts }) => attempts > 0),
      [true, false],
    )
    assert.ok(held.every(({ dueAt }) => dueAt > bench.store.now()))
    assert.deepEqual(typesOf(first, id), [])
    first.refuse = undefined
    await hurry(id)
    await settled(id)
    assert.deepEqual(typesOf(first, id), [
      'authflow.connection.connected',
      'authflow.connection.disconnected',
    ])
    const requests = first.requests.filter(({ body }) => body.includes(id))
    assert.equal(new Set(requests.map(({ headers }) => headers['webhook-id'])).size, 2)
  })

  it('does not let one connection’s trouble hold up another’s', async () => {
    const broken = await connectOne()
    await settled(broken.id)
    first.refuse = ({ event }) => (event.data.connection.id === broken.id ? { status: 503 } : undefined)
    await bench.connect.disconnect(broken.key, 'web')
    await until('its failure', async () =>
      (await pending(broken.id)).some(({ lastError }) => lastError !== null),
    )
    const fine = await connectOne()
    await settled(fine.id)
    assert.deepEqual(typesOf(first, fine.id), ['authflow.connection.connected'])
    first.refuse = undefined
    await hurry(broken.id)
    await settled(broken.id)
  })

  it('waits as long as the endpoint asks', async () => {
    first.refuse = () => ({ status: 429, headers: { 'retry-after': '3600' } })
    const { id } = await connectOne()
    const put = async () => (await pending(id)).find(({ attempts }) => attempts === 1)
    await until('the refusal', async () => ((await put())?.dueAt ?? 0) > bench.store.now() + 3_000_000)
    first.refuse = undefined
    await hurry(id)
    await settled(id)
  })

  it('gives up what nobody takes for days, or what the endpoint says is gone, and says so in the trail', async () => {
    for (const status of [410, 500]) {
      first.refuse = () => ({ status })
      const { key, id } = await connectOne()
      if (status === 500) {
        await until('the first try', async () =>
          (await pending(id)).some(({ lastError }) => lastError !== null),
        )
        const [notice] = (await pending(id)).filter(({ lastError }) => lastError !== null)
        assert.ok(notice)
        const age = { at: notice.at - 4 * 86_400_000, dueAt: bench.store.now() }
        await bench.store.update(noticeSet, notice.id, {}, { set: age })
        await bench.connect.sweep()
      }
      await settled(id)
      first.refuse = undefined
      const query = { accountId: key.accountId, action: 'webhook.undelivered' }
      const { items } = await bench.connect.listAudit(query)
      assert.deepEqual(
        items.map(({ reason, actor }) => [reason, actor]),
        [[`authflow.connection.connected: http_${status}`, 'authflow']],
      )
      assert.deepEqual(typesOf(first, id), [])
      assert.deepEqual(typesOf(second, id), ['authflow.connection.connected'])
      await bench.connect.disconnect(key, 'web')
      await settled(id)
      assert.deepEqual(typesOf(first, id), ['authflow.connection.disconnected'], 'what comes later is told')
    }
  })

  it('repeats an event that the job engine could not take, and gives up one that it refuses', async () => {
    refuseEvent = new AuthFlowError('store_unavailable')
    const one = await connectOne()
    await until('a try', async () => (await pending(one.id)).some(({ lastError }) => lastError !== null))
    refuseEvent = undefined
    await hurry(one.id)
    await settled(one.id)
    assert.equal(events.filter(({ accountId }) => accountId === one.key.accountId).length, 1)
    refuseEvent = new AuthFlowError('invalid_payload')
    const other = await connectOne()
    await settled(other.id)
    refuseEvent = undefined
    const { items } = await bench.connect.listAudit({ ...other.key, action: 'webhook.undelivered' })
    assert.deepEqual(
      items.map(({ reason }) => reason),
      ['authflow.connection.connected: invalid_payload'],
    )
  })

  it('writes the notice with the change: without one there is not the other', async () => {
    const { key, id } = await connectOne()
    await settled(id)
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, () => bench.connect.disconnect(key, 'web')),
    )
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
    await settled(id)
    assert.equal(typesOf(first, id).length, 2, 'losers told nobody')
  })

  it('is sent once by many processes', async () => {
    const other = await bench.another()
    first.refuse = () => ({ status: 500 })
    const keys = []
    for (let at = 0; at < 5; at += 1) keys.push(await connectOne())
    for (const { id } of keys) {
      await until('a try', async () => (await pending(id)).some(({ lastError }) => lastError !== null))
    }
    first.refuse = undefined
    const before = first.accepted.length
    for (const { id } of keys) await makeDue(id)
    await Promise.all([bench.connect.sweep(), other.connect.sweep(), bench.connect.sweep()])
    for (const { id } of keys) await settled(id)
    assert.equal(first.accepted.length - before, 5)
  })
}

describe('readWebhookEndpoints', () => {
  const secret = makeSecret()
  it('refuses what would not be safe or can’t be meant', () => {
    const bad = [
      [{ url: 'http://hooks.example.com/', secret }],
      [{ url: 'https://10.0.0.1/', secret }],
      [{ url: 'https://user:password@hooks.example.com/', secret }],
      [{ url: 'not a url', secret }],
      [{ url: 'https://hooks.example.com/', secret: 'whsec_short' }],
      [{ url: 'https://hooks.example.com/', secret: secret.slice(6) }],
      [{ url: 'https://hooks.example.com/', secret: [secret, secret, secret] }],
      [
        { url: 'https://hooks.example.com/', secret },
        { url: 'https://hooks.example.com', secret },
      ],
    ]
    for (const webhooks of bad) {
      assert.throws(() => readWebhookEndpoints(webhooks, false), { code: 'invalid_option' })
    }
    for (const webhook of [
      { url: undefined, secret },
      { url: 'https://hooks.example.com/', secret: undefined },
      { url: 'https://hooks.example.com/', secret: [] },
    ]) {
      assert.throws(() => readWebhookEndpoints([webhook], false), { code: 'missing_option' })
    }
    assert.deepEqual(readWebhookEndpoints(undefined, false), [])
  })

  it('never shows a secret', () => {
    const text = 'whsec_canary-canary-canary'
    assert.throws(
      () => readWebhookEndpoints([{ url: 'https://hooks.example.com/', secret: text }], false),
      (error) => error instanceof Error && !error.message.includes('canary'),
    )
  })
})

// Spans as the SDK of OpenTelemetry collects them: an event's way from its sender to the provider, through a retry, a
// refused token, a restart and a webhook.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base'
import { z } from 'zod'
import type { RunState } from '../shared/flow.ts'
import { AuthFlow } from '../server/authflow.ts'
import {
  callApi,
  connectAirtable,
  encryptionKeys,
  secretKeys,
  secretKeysOption,
  startTestServer,
  type TestClient,
  type TestServer,
} from '../server/http/fixtures/test-server.ts'
import { openTracing } from '../server/tracing.ts'
import { eventTrigger } from '../server/triggers/event-trigger.ts'
import { httpTrigger } from '../server/triggers/http-trigger.ts'

const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })

before(() => {
  trace.setGlobalTracerProvider(provider)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
})

after(async () => {
  trace.disable()
  context.disable()
  await provider.shutdown()
})

let server: TestServer

beforeEach(async () => {
  exporter.reset()
  server = await startTestServer({ options: { worker: true, tracing: true } })
})

afterEach(() => server.close())

async function reaches(client: TestClient, id: string, state: RunState): Promise<void> {
  const deadline = Date.now() + 10_000
  for (;;) {
    const run = await client.runs.get({ id })
    if (run.state === state) return
    assert(Date.now() < deadline, `the run is ${run.state} ${JSON.stringify(run.error)}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Spans by name, once there are as many as wanted. */
async function spans(name: string, count: number): Promise<readonly ReadableSpan[]> {
  const deadline = Date.now() + 10_000
  for (;;) {
    const found = exporter.getFinishedSpans().filter((span) => span.name === name)
    if (found.length >= count) {
      assert.equal(found.length, count, `spans called ${name}`)
      return found
    }
    const names = exporter.getFinishedSpans().map((span) => span.name)
    assert(Date.now() < deadline, `${name} is not among ${names.join(', ')}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function span(name: string): Promise<ReadableSpan> {
  const [found] = await spans(name, 1)
  assert(found)
  return found
}

const traceOf = (of: ReadableSpan): string => of.spanContext().traceId

function assertChild(child: ReadableSpan, parent: ReadableSpan): void {
  assert.equal(traceOf(child), traceOf(parent), `${child.name} is in another trace than ${parent.name}`)
  assert.equal(
    child.parentSpanContext?.spanId,
    parent.spanContext().spanId,
    `${child.name} is not a child of ${parent.name}`,
  )
}

describe('tracing', () => {
  it('follows an event to its run, through the attempts of a task', async () => {
    server.client.defineJob({
      id: 'notify',
      name: 'Notify',
      version: '1.2.3',
      trigger: eventTrigger({ name: 'order.paid' }),
      run: async (_, io) => {
        await io.runTask(
          'shaky',
          (task) => {
            if (task.attempt === 1) throw new TypeError('ada@example.com could not be reached')
          },
          { name: 'Tell them', retry: { limit: 3, minTimeoutInMs: 1, maxTimeoutInMs: 1 } },
        )
        await io.runTask('outer', () => io.runTask('inner', () => 1))
      },
    })
    const tracer = trace.getTracer('host')
    const { runIds } = await tracer.startActiveSpan('checkout', async (checkout) => {
      const event = { name: 'order.paid', payload: { card: '4242424242424242' } }
      const record = await server.client.sendEvent(event, { accountId: 'ada@example.com' })
      checkout.end()
      return record
    })
    const [id = ''] = runIds
    const run = await span('run notify')
    const send = await span('send order.paid')
    assertChild(send, await span('checkout'))
    assertChild(run, send)
    assert.equal(send.kind, SpanKind.PRODUCER)
    assert.equal(run.kind, SpanKind.CONSUMER)
    assert.deepEqual(
      run.links.map((link) => link.context.spanId),
      [send.spanContext().spanId],
    )
    assert.deepEqual(run.attributes, {
      'messaging.system': 'authflow',
      'messaging.operation.name': 'run',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'notify',
      'authflow.run.id': id,
      'authflow.job.id': 'notify',
      'authflow.job.version': '1.2.3',
      'authflow.run.execution': 1,
      'authflow.outcome': 'finished',
    })

    const [first, second] = await spans('task Tell them', 2)
    assert(first && second)
    for (const attempt of [first, second]) assertChild(attempt, run)
    assert.equal(first.status.code, SpanStatusCode.ERROR)
    assert.equal(first.status.message, undefined)
    assert.equal(first.attributes['error.type'], 'TypeError')
    assert.equal(first.attributes['authflow.outcome'], 'retrying')
    assert.equal(second.attributes['authflow.task.attempt'], 2)
    assert.equal(second.attributes['authflow.outcome'], 'succeeded')
    assert.equal(second.status.code, SpanStatusCode.UNSET)
    const outer = await span('task outer')
    assertChild(outer, run)
    assertChild(await span('task inner'), outer)
  })

  it('shows no account, payload, text of an error or query', async () => {
    const secrets = ['ada@example.com', '4242424242424242', 'not a word of this', 'hidden']
    server.client.defineJob({
      id: 'fails',
      name: 'Fails',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'go' }),
      run: async (_, io) => {
        await io.runTask('throws', () => {
          throw new Error('not a word of this')
        })
      },
    })
    const event = { name: 'go', payload: { card: '4242424242424242', note: 'hidden' } }
    const { runIds } = await server.client.sendEvent(event, { accountId: 'ada@example.com' })
    await reaches(server.client, runIds[0] ?? '', 'failed')
    const run = await span('run fails')
    assert.equal(run.status.code, SpanStatusCode.ERROR)
    const shown = JSON.stringify(
      exporter
        .getFinishedSpans()
        .map(({ name, attributes, events, status, links }) => [name, attributes, events, status, links]),
    )
    for (const secret of secrets) assert(!shown.includes(secret), `${secret} is in ${shown}`)
  })

  it('makes the calls of an integration children of their task, and shows the refresh between them', async () => {
    await connectAirtable(server)
    const [, airtable] = server.integrations
    server.client.defineJob({
      id: 'sync',
      name: 'Sync',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'sync' }),
      integrations: { airtable },
      run: async (_, io) => {
        await io.airtable
          .base('appAcme0000000001')
          .table('Orders')
          .getRecords('orders', { filterByFormula: 'hidden=1' })
      },
    })
    exporter.reset()
    server.sandbox.airtable.faults.next({ status: 401 }, { path: '/v0/appAcme0000000001/Orders' })
    const { runIds } = await server.client.sendEvent({ name: 'sync', payload: null }, { accountId: 'ada' })
    await reaches(server.client, runIds[0] ?? '', 'succeeded')
    const run = await span('run sync')
    const [refused, again] = await spans('task Get records', 2)
    assert(refused && again)
    assertChild(refused, run)
    assertChild(again, run)
    assert.equal(refused.attributes['authflow.outcome'], 'refused')
    assert.equal(refused.attributes['authflow.task.connection'], 'airtable')
    const refresh = await span('refresh airtable-customers')
    assertChild(refresh, run)
    assert.equal(refresh.attributes['authflow.outcome'], 'saved')

    const [first, second] = await spans('GET', 2)
    assert(first && second)
    assertChild(first, refused)
    assertChild(second, again)
    assert.equal(first.kind, SpanKind.CLIENT)
    const { hostname, port, origin } = new URL(server.sandbox.airtable.url)
    assert.deepEqual(first.attributes, {
      'http.request.method': 'GET',
      'server.address': hostname,
      'server.port': Number(port),
      'url.full': `${origin}/v0/appAcme0000000001/Orders`,
      'http.response.status_code': 401,
      'error.type': '401',
    })
    assert.equal(second.attributes['http.response.status_code'], 200)
    assertChild(await span('POST'), refresh)
  })

  it('keeps to one trace after a restart, and shows a task that was done only once', async () => {
    const define = (client: TestClient): void => {
      client.defineJob({
        id: 'long',
        name: 'Long',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'long' }),
        run: async (_, io) => {
          await io.runTask('before', () => 1)
          await io.wait('a while', 1)
          await io.runTask('after', () => 2)
        },
      })
    }
    define(server.client)
    const { runIds } = await server.client.sendEvent({ name: 'long', payload: null })
    const [id = ''] = runIds
    const [asleep] = await spans('run long', 1)
    assert.equal(asleep?.attributes['authflow.outcome'], 'asleep')
    await server.client.close()
    const later: TestClient = new AuthFlow({
      environment: 'test',
      baseUrl: server.url,
      store: server.storeUrl,
      encryptionKeys,
      secretKeys: secretKeysOption,
      integrations: server.integrations,
      logger: server.log,
      tracing: { accountIds: true },
    })
    try {
      define(later)
      await later.start()
      await reaches(later, id, 'succeeded')
      const send = await span('send long')
      const [first, second] = await spans('run long', 2)
      assert(first && second)
      for (const run of [first, second]) assertChild(run, send)
      assert.equal(second.attributes['authflow.run.execution'], 2)
      assert.equal(second.attributes['authflow.outcome'], 'finished')
      assertChild(await span('task before'), first)
      assertChild(await span('task after'), second)
    } finally {
      await later.close()
    }
  })

  it('follows a webhook from its request to the run, and shows a refused one', async () => {
    server.client.defineJob({
      id: 'hooked',
      name: 'Hooked',
      version: '1.0.0',
      trigger: httpTrigger({ id: 'orders', verify: ({ headers }) => headers['x-key'] === 'right' }),
      run: () => undefined,
    })
    await server.client.start()
    const deliver = (key: string): Promise<Response> =>
      fetch(`${server.url}/webhooks/http/orders`, {
        method: 'POST',
        // Nobody out there says what a trace is a part of.
        headers: { 'x-key': key, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` },
        body: '{"order":1}',
      })
    assert.equal((await deliver('wrong')).status, 401)
    const refused = await span('receive orders')
    assert.equal(refused.attributes['error.type'], 'signature_invalid')
    assert.equal(refused.parentSpanContext, undefined)
    exporter.reset()
    assert.equal((await deliver('right')).status, 200)
    const run = await span('run hooked')
    const receive = await span('receive orders')
    const read = await span('read orders')
    const send = await span('send request')
    assert.equal(receive.attributes['authflow.outcome'], 'accepted')
    assert.equal(receive.parentSpanContext, undefined)
    assert.notEqual(traceOf(receive), 'a'.repeat(32))
    assertChild(read, receive)
    assertChild(send, read)
    assertChild(run, send)
  })

  it('takes up the trace of a backend that sends an event over HTTP', async () => {
    server.client.defineJob({
      id: 'told',
      name: 'Told',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'told' }),
      run: () => undefined,
    })
    const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
    const send = (traceparent: string): Promise<unknown> =>
      callApi(server, 'events.send', {
        input: { event: { name: 'told', payload: null } },
        key: secretKeys.jobs,
        headers: { traceparent },
      })
    await send(`00-${traceId}-${spanId}-01`)
    const run = await span('run told')
    assert.equal(traceOf(run), traceId)
    assert.equal((await span('send told')).parentSpanContext?.spanId, spanId)

    for (const wrong of [
      `00-${'0'.repeat(32)}-${spanId}-01`,
      `00-${traceId}-${spanId}-01-more`,
      `ff-${traceId}-${spanId}-01`,
      `00-${traceId.toUpperCase()}-${spanId}-01`,
    ]) {
      exporter.reset()
      await send(wrong)
      assert.equal((await span('send told')).parentSpanContext, undefined, wrong)
      await span('run told')
    }
  })

  it('leaves out what follows from something that was not sampled', async () => {
    let ended = 0
    server.client.defineJob({
      id: 'unseen',
      name: 'Unseen',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'unseen' }),
      run: async (_, io) => {
        await io.runTask('task', () => 1)
        ended += 1
      },
    })
    await server.client.start()
    const { body } = await callApi(server, 'events.send', {
      input: { event: { name: 'unseen', payload: null } },
      key: secretKeys.jobs,
      headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' },
    })
    const [id] = z
      .object({ result: z.object({ data: z.object({ runIds: z.array(z.string()) }) }) })
      .parse(body).result.data.runIds
    await reaches(server.client, id ?? '', 'succeeded')
    assert.equal(ended, 1)
    assert.deepEqual(exporter.getFinishedSpans(), [])
  })

  it('shows of a URL what is neither query nor secret', async () => {
    const tracing = await openTracing({})
    const shown = (url: string): unknown => {
      exporter.reset()
      tracing.asking({ method: 'GET', url: new URL(url) })?.end()
      return exporter.getFinishedSpans()[0]?.attributes['url.full']
    }
    assert.equal(
      shown('https://ada:pw@api.example.com/v1/items/42?token=t#hash'),
      'https://api.example.com/v1/items/42',
    )
    assert.equal(
      shown('https://hooks.example.com/services/T024BE7LD/XXkd8dk39dk29dk29dk2k9d3'),
      'https://hooks.example.com/services/T024BE7LD/[secret]',
    )
    assert.equal(
      shown(`https://api.example.com/bot110201543:${'AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw'}/getMe`),
      'https://api.example.com/[secret]/getMe',
    )
    assert.equal(String(shown(`https://api.example.com/${'a/'.repeat(1000)}`)).length, 256)
  })
})

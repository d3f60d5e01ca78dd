import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { afterEach, describe, it } from 'node:test'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { closeBenches, openBench, stores } from './fixtures/trigger-bench.ts'
import {
  hmacHeader,
  httpTrigger,
  standardWebhook,
  type HttpPayload,
  type HttpTriggerOptions,
} from './http-trigger.ts'

afterEach(closeBenches)

for (const { name, skip } of stores) {
  describe(`httpTrigger on ${name}`, { skip }, () => {
    it('takes requests that the verifier of an endpoint believes, once, as the account it names', async () => {
      const b = await openBench(name)
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

    it('starts a run for each signed delivery id although the bodies are the same', async () => {
      const b = await openBench(name)
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

  it('refuses a filter that never fits, and secrets that are not there, before the first request', () => {
    const verify = (): boolean => true
    const cases: [() => unknown, string, RegExp][] = [
      [
        () => httpTrigger(undefined as never),
        'invalid_input',
        /^httpTrigger takes an object with id, verify/,
      ],
      [
        () => httpTrigger({ id: 'a', verify, filter: { body: { x: [{ $like: 'y' }] } } }),
        'invalid_input',
        /\$like/,
      ],
      [() => httpTrigger({ id: 'a', verify, schema: {} as never }), 'invalid_input', /safeParse/],
      [() => standardWebhook(undefined as never), 'invalid_input', /^The secret of standardWebhook/],
      [() => hmacHeader({ header: 'x' } as never), 'missing_option', /hmacHeader needs `secret`/],
      [() => hmacHeader({ header: '', secret: 's' }), 'invalid_input', /hmacHeader needs `header`/],
      [
        () => hmacHeader({ header: 'x', secret: 's', encoding: 'base32' as never }),
        'invalid_input',
        /hex or base64/,
      ],
    ]
    for (const [make, code, message] of cases) assert.throws(make, { code, message })
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

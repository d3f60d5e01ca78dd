import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { refusalMs, standardLimits } from './rate-limits.ts'
import { retryAfterMs, waitForMore, waitOfAnswer } from './retry-after.ts'

const headers = (values: Record<string, string>): Headers => new Headers(values)
const http = (ms: number): string => new Date(ms).toUTCString()
const seconds = (ms: number): number => Math.floor(ms / 1000)
const day = 24 * 3_600_000

describe('waitOfAnswer', () => {
  it('reads seconds, fractions of them and dates', () => {
    assert.equal(waitOfAnswer(headers({ 'retry-after': '7' })), 7000)
    assert.equal(waitOfAnswer(headers({ 'retry-after': '2.0' })), 2000)
    const wait = waitOfAnswer(headers({ 'retry-after': http(Date.now() + 60_000) })) ?? 0
    assert.ok(wait > 55_000 && wait <= 60_000)
  })

  it("takes a date as one of the provider's clock, whatever ours shows", () => {
    const there = Date.now() - 3 * 3_600_000
    const answer = headers({ date: http(there), 'retry-after': http(there + 7000) })
    assert.equal(waitOfAnswer(answer), 7000)
  })

  it('takes a date that has passed for no wait, and nothing for longer than a day', () => {
    assert.equal(waitOfAnswer(headers({ 'retry-after': http(Date.now() - 60_000) })), 0)
    assert.equal(waitOfAnswer(headers({ 'retry-after': '999999999' })), day)
  })

  it('does not guess', () => {
    for (const value of ['', 'soon', '-1', '1e9', '0x10', '12345678901'])
      assert.equal(waitOfAnswer(headers({ 'retry-after': value })), undefined, value)
    assert.equal(waitOfAnswer(headers({})), undefined)
    assert.equal(retryAfterMs(Number.NaN), undefined)
  })

  it('never throws and stays between nothing and a day, whatever a provider writes', () => {
    const text = fc.string().filter((value) => {
      try {
        return headers({ x: value }) instanceof Headers
      } catch {
        return false
      }
    })
    fc.assert(
      fc.property(text, text, text, (one, two, three) => {
        const answer = headers({
          'retry-after': one,
          'x-ratelimit-remaining': '0',
          'x-ratelimit-reset': two,
          date: three,
        })
        for (const wait of [waitOfAnswer(answer), waitForMore(answer)])
          assert.ok(wait === undefined || (wait >= 0 && wait <= day))
      }),
    )
  })
})

describe('waitForMore', () => {
  it('reads instants in seconds and milliseconds, and numbers of seconds', () => {
    const at = Date.now() + 30_000
    for (const reset of [String(seconds(at)), String(at), '30']) {
      const wait = waitForMore(headers({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset })) ?? -1
      assert.ok(wait > 25_000 && wait <= 30_000, `${reset}: ${wait}`)
    }
  })

  it('knows the spellings, the draft of the IETF among them', () => {
    assert.equal(waitForMore(headers({ 'ratelimit-remaining': '0', 'ratelimit-reset': '5' })), 5000)
    assert.equal(waitForMore(headers({ 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': '5' })), 5000)
    assert.equal(waitForMore(headers({ ratelimit: '"default";r=0;t=9' })), 9000)
    assert.equal(waitForMore(headers({ ratelimit: '"default";r=1;t=9' })), undefined)
  })

  it('has nothing to say while requests are left', () => {
    assert.equal(waitForMore(headers({ 'x-ratelimit-remaining': '1', 'x-ratelimit-reset': '30' })), undefined)
    assert.equal(waitForMore(headers({ 'x-ratelimit-reset': '30' })), undefined)
  })
})

describe('standardLimits', () => {
  const read = (status: number, values: Record<string, string>) =>
    standardLimits.read(new Response(null, { status, headers: values }), {
      url: new URL('https://api.example.com/x'),
      method: 'GET',
    })

  it('closes the gate of the identity for as long as a refusal asks', async () => {
    const [news] = await read(429, { 'retry-after': '7' })
    assert.deepEqual(news, { gate: { scope: 'connection', name: 'all' }, closedMs: 7000 })
    assert.equal((await read(503, { 'retry-after': '3' }))[0]?.closedMs, 3000)
  })

  it('closes it before the refusal where an answer says that nothing is left', async () => {
    assert.equal(
      (await read(200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '4' }))[0]?.closedMs,
      4000,
    )
  })

  it('leaves it open for what is no matter of limits, and closes it for a second where a 429 says nothing', async () => {
    assert.deepEqual(await read(200, {}), [])
    assert.deepEqual(await read(503, {}), [])
    assert.equal(refusalMs(new Response(null, { status: 429 })), 1000)
  })
})

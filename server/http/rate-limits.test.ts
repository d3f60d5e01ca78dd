import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isAuthFlowError } from '../../shared/errors.ts'
import { randomText } from '../../shared/ids.ts'
import { rawRequest } from './fixtures/raw-request.ts'
import {
  callApi,
  callPublic,
  pageOrigin,
  postStart,
  prepareFlow,
  secretKeys,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'
import { createRateLimiter } from './rate-limits.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The wait that a refusal names, in ms; undefined when there is none. */
async function refusalOf(work: () => unknown): Promise<number | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    assert(isAuthFlowError(error) && error.code === 'rate_limited')
    return error.details.retryAfterMs
  }
}

describe('D7: createRateLimiter', () => {
  it('lets an account start ten times a minute, and says how long to wait', async () => {
    const limiter = createRateLimiter()
    for (let count = 0; count < 10; count++) await limiter.start('ada')
    const wait = await refusalOf(() => limiter.start('ada'))
    assert(wait !== undefined && wait > 0 && wait <= 60_000)
    await limiter.start('grace')
  })

  it('closes an address after twenty wrong tokens, that one only', async () => {
    const limiter = createRateLimiter()
    for (let count = 0; count < 20; count++) {
      limiter.checkGuesses('203.0.113.9')
      limiter.countGuess('203.0.113.9')
      await turn()
    }
    const wait = await refusalOf(() => limiter.checkGuesses('203.0.113.9'))
    assert(wait !== undefined && wait > 0 && wait <= 60_000)
    limiter.checkGuesses('203.0.113.10')
  })

  it('counts the addresses of one IPv6 network as one', async () => {
    const limiter = createRateLimiter({ guesses: 2 })
    for (const host of ['1', 'ffff:2']) limiter.countGuess(`2001:db8:1:2::${host}`)
    await turn()
    assert((await refusalOf(() => limiter.checkGuesses('2001:db8:1:2:aaaa::3'))) !== undefined)
    limiter.checkGuesses('2001:db8:1:3::1')
    limiter.countGuess('unknown')
  })

  it('takes other bounds, and none', async () => {
    const limiter = createRateLimiter({ starts: 1, guesses: false })
    await limiter.start('ada')
    assert((await refusalOf(() => limiter.start('ada'))) !== undefined)
    const open = createRateLimiter(false)
    for (let count = 0; count < 100; count++) {
      await open.start('ada')
      limiter.countGuess('::1')
      open.countGuess('::1')
    }
    await turn()
    limiter.checkGuesses('::1')
    open.checkGuesses('::1')
  })

  it('names the bound that cannot be', () => {
    for (const starts of [0, -1, 1.5, 100_001, Number.NaN]) {
      assert.throws(() => createRateLimiter({ starts }), { details: { option: 'rateLimits.starts' } })
    }
    assert.throws(() => createRateLimiter({ guesses: 0 }), { details: { option: 'rateLimits.guesses' } })
  })
})

const wrongToken = (): string => `ctk_ct_${randomText(43)}`
const wrongKey = (): string => `ctk_sk_${randomText(43)}`

const withServer = async (
  options: NonNullable<Parameters<typeof startTestServer>[0]>['options'] & object,
  run: (server: TestServer) => Promise<void>,
): Promise<void> => {
  const server = await startTestServer({ options })
  try {
    await run(server)
  } finally {
    await server.close()
  }
}

describe('D7: rate limits over HTTP', () => {
  it('turns the eleventh start of an account away, with the time to wait', () =>
    withServer({ rateLimits: {} }, async (server) => {
      for (let count = 0; count < 10; count++) {
        const { token, flowId } = await prepareFlow(server)
        assert.equal((await postStart(server, { token, flow: flowId, mode: 'popup' })).status, 200)
      }
      const { token, flowId } = await prepareFlow(server)
      const refused = await postStart(server, { token, flow: flowId, mode: 'popup' })
      assert.equal(refused.status, 429)
      assert.match(await refused.text(), /<code>rate_limited<\/code>/)
      const wait = Number(refused.headers.get('retry-after'))
      assert(wait >= 1 && wait <= 60)
      assert.equal(refused.headers.getSetCookie().length, 0)
      const other = await prepareFlow(server, 'slack-customers', 'grace')
      const grace = await postStart(server, { token: other.token, flow: other.flowId, mode: 'popup' })
      assert.equal(grace.status, 200)
    }))

  it('answers wrong tokens after the twentieth without looking them up, wherever they are sent', () =>
    withServer({ rateLimits: {} }, async (server) => {
      const token = await server.token('manage')
      for (let count = 0; count < 20; count++) {
        const way = count % 3
        if (way === 0) {
          const form = { token: wrongToken(), flow: randomText(22), mode: 'popup' }
          assert.equal((await postStart(server, form)).status, 401)
        } else if (way === 1) {
          assert.equal((await callPublic(server, 'connections.list', { token: wrongToken() })).status, 401)
        } else {
          assert.equal((await callApi(server, 'runs.list', { input: {}, key: wrongKey() })).status, 401)
        }
      }
      for (const answer of [
        await callPublic(server, 'connections.list', { token: wrongToken() }),
        await callPublic(server, 'connections.list', { token }),
        await callPublic(server, 'connections.list?other', { token: wrongToken() }),
        await callApi(server, 'runs.list', { input: {}, key: wrongKey() }),
        await callApi(server, 'runs.list?other', { input: {}, key: wrongKey() }),
      ]) {
        assert.deepEqual([answer.status, answer.code], [429, 'rate_limited'])
        const wait = Number(answer.headers.get('retry-after'))
        assert(wait >= 1 && wait <= 60)
      }
      const form = { token: wrongToken(), flow: randomText(22), mode: 'popup' }
      assert.equal((await postStart(server, form)).status, 429)
      assert.equal((await fetch(`${server.url}/connect/link/${randomText(43)}`)).status, 429)
      // Secret keys are judged in memory: a backend that has one is not held up by another that has not.
      assert.equal((await callApi(server, 'runs.list', { input: {}, key: secretKeys.jobs })).status, 200)
    }))

  it('believes no X-Forwarded-For, and locks nobody out behind a proxy that it was not told of', () =>
    withServer({ rateLimits: {} }, async (server) => {
      const list = (token: string, forwarded: string) =>
        rawRequest(`${server.url}/connect/trpc/connections.list`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            origin: pageOrigin,
            authorization: `Bearer ${token}`,
            'x-forwarded-for': forwarded,
          },
        })
      for (let count = 0; count < 20; count++) {
        assert.equal((await list(wrongToken(), `203.0.113.${count}`)).status, 401)
      }
      assert.equal((await list(wrongToken(), '203.0.113.99')).status, 429)
      assert.equal((await list(await server.token('manage'), '203.0.113.99')).status, 200)
    }))

  it('counts by what a trusted proxy says', () =>
    withServer({ rateLimits: {}, trustedProxies: 1 }, async (server) => {
      const list = (token: string, forwarded: string) =>
        rawRequest(`${server.url}/connect/trpc/connections.list`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            origin: pageOrigin,
            authorization: `Bearer ${token}`,
            'x-forwarded-for': forwarded,
          },
        })
      const token = await server.token('manage')
      for (let count = 0; count < 20; count++) {
        assert.equal((await list(wrongToken(), `198.51.100.${count}, 203.0.113.9`)).status, 401)
      }
      assert.equal((await list(token, '198.51.100.7, 203.0.113.9')).status, 429)
      assert.equal((await list(token, '203.0.113.9, 198.51.100.7')).status, 200)
    }))

  it('is lifted by `false`', () =>
    withServer({ rateLimits: false }, async (server) => {
      for (let count = 0; count < 30; count++) {
        assert.equal((await callPublic(server, 'connections.list', { token: wrongToken() })).status, 401)
      }
    }))
})

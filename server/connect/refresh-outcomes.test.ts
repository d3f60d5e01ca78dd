// E3 and the refresh half of X10: what each answer of a token endpoint does to a connection, and that nobody asks a
// provider sooner than it said.

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { isLong } from '../../scripts/case-counts.ts'
import { printFigure } from '../../scripts/figure.ts'
import { isAuthFlowError, type AuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { noMetrics } from '../../shared/metrics.ts'
import type { PlannedReply } from '../oauth/fixtures/token-server.ts'
import { connectionIdOf } from './connection-id.ts'
import { turnedClock } from './fixtures/around-store.ts'
import { rotatingMethod, startRotating } from './fixtures/rotating.ts'
import { baseUrl, connectDirectly, integrationOf, openWorkbench } from './fixtures/workbench.ts'
import type { ConnectionRecord } from './records.ts'
import { connectionSet } from './sets.ts'

// A date that does not name its zone must not be taken for one of this machine's.
process.env['TZ'] = 'America/New_York'

const integration = 'rotating'
const provider = await startRotating()
const quiet = await startRotating()
const clock = turnedClock()
const outcomes: string[] = []
const windows: number[] = []
const bench = await openWorkbench(
  [integrationOf(integration, [rotatingMethod(provider)]), integrationOf('quiet', [rotatingMethod(quiet)])],
  baseUrl,
  {
    aroundStore: clock.around,
    metrics: {
      ...noMetrics,
      refreshEnded: (_integration, outcome) => void outcomes.push(outcome),
      refreshWindow: (_integration, ms) => void windows.push(ms),
    },
  },
)
const { connect, store } = bench
after(async () => {
  await bench.close()
  await provider.close()
  await quiet.close()
})

let accounts = 0
let accountId = ''
beforeEach(async () => {
  // A success closes the circuit that an earlier case may have opened.
  clock.aheadMs += 3_600_000
  accountId = `acct-${(accounts += 1)}`
  Object.assign(provider, { refusal: undefined, beforeReply: undefined, grace: true })
  await connectDirectly(connect, { integration, accountId })
  await expire()
  await connect.getAuth({ id: integration, accountId })
  await expire()
  outcomes.length = 0
  windows.length = 0
  bench.logged.length = 0
})

const idOf = (account: string): string => connectionIdOf(integration, account)
const expire = () => store.update(connectionSet, idOf(accountId), {}, { set: { expiresAt: store.now() - 1 } })
const read = async (): Promise<ConnectionRecord> => {
  const found = await store.get(connectionSet, idOf(accountId))
  assert.ok(found)
  return found
}
const failing = async (account = accountId): Promise<AuthFlowError> => {
  try {
    await connect.getAuth({ id: integration, accountId: account })
  } catch (error) {
    assert.ok(isAuthFlowError(error), String(error))
    return error
  }
  return assert.fail('credentials were given out')
}

interface Case {
  /** What is answered; made when it is needed where it holds a time. */
  readonly reply: PlannedReply | (() => PlannedReply)
  readonly code: ErrorCode
  readonly outcome: 'needs_reauth' | 'failed' | 'misconfigured'
  readonly reason?: string
  /** Bounds of the time until the next try. */
  readonly waits?: readonly [from: number, to: number]
  /** True when the refresh token may have been used up. */
  readonly unsure?: boolean
}

const error = (status: number, code: string): PlannedReply => ({ status, body: { error: code } })
const over = (reply: PlannedReply, reason: string): Case => ({
  reply,
  code: 'needs_reauth',
  outcome: 'needs_reauth',
  reason,
})
const misconfigured = (reply: PlannedReply): Case => ({
  reply,
  code: 'client_misconfigured',
  outcome: 'misconfigured',
  waits: [29_000, 30_000],
})
const later = (reply: Case['reply'], changes: Partial<Case> = {}): Case => ({
  reply,
  code: 'refresh_failed',
  outcome: 'failed',
  waits: [900, 2_000],
  unsure: true,
  ...changes,
})
const inAMinute = (): Date => new Date(Date.now() + 60_999)
/** `Sun Nov  6 08:49:37 1994` */
const asctimeOf = (date: Date): string => {
  const [week = '', day = '', month = '', year = '', time = ''] = date
    .toUTCString()
    .replace(',', '')
    .split(' ')
  return `${week} ${month} ${day.replace(/^0/, ' ')} ${time} ${year}`
}

const cases: Readonly<Record<string, Case>> = {
  'invalid_grant with 400': over(error(400, 'invalid_grant'), 'invalid_grant'),
  'invalid_grant with 401': over(error(401, 'invalid_grant'), 'invalid_grant'),
  'invalid_grant with 403': over(error(403, 'invalid_grant'), 'invalid_grant'),
  'invalid_grant with 200': over(error(200, 'invalid_grant'), 'invalid_grant'),
  invalid_token: over(error(401, 'invalid_token'), 'invalid_token'),
  'bad_refresh_token with 200': over(error(200, 'bad_refresh_token'), 'bad_refresh_token'),
  invalid_client: misconfigured(error(401, 'invalid_client')),
  unauthorized_client: misconfigured(error(400, 'unauthorized_client')),
  'incorrect_client_credentials with 200': misconfigured(error(200, 'incorrect_client_credentials')),
  '429 with Retry-After in seconds': later(
    { status: 429, headers: { 'retry-after': '7' } },
    { waits: [6_900, 7_000], unsure: false },
  ),
  '429 with Retry-After as a date': later(
    () => ({ status: 429, headers: { 'retry-after': inAMinute().toUTCString() } }),
    { waits: [50_000, 61_000], unsure: false },
  ),
  '429 with Retry-After as a date of the oldest form': later(
    () => ({ status: 429, headers: { 'retry-after': asctimeOf(inAMinute()) } }),
    { waits: [50_000, 61_000], unsure: false },
  ),
  '403 with Retry-After': later(
    { status: 403, body: { error: 'abuse' }, headers: { 'retry-after': '60' } },
    { waits: [59_000, 60_000], unsure: false },
  ),
  'a limit told with 200 and Retry-After': later(
    { status: 200, body: { error: 'ratelimited' }, headers: { 'retry-after': '60' } },
    { waits: [59_000, 60_000] },
  ),
  '429 alone': later({ status: 429 }, { unsure: false }),
  '503 with Retry-After': later({ status: 503, headers: { 'retry-after': '7' } }, { waits: [6_900, 7_000] }),
  '500': later({ status: 500, body: 'stack trace' }),
  '502 with a page': later({
    status: 502,
    body: '<h1>Bad gateway</h1>',
    headers: { 'content-type': 'text/html' },
  }),
  'a cut connection': later({ hangUp: true }),
  garbage: later({ body: 'hello' }),
  'an answer without a token': later({ body: { ok: true } }),
  'an error with 200 that is for a moment': later(error(200, 'temporarily_unavailable')),
  'a redirect': later({ status: 302, headers: { location: '/elsewhere' } }),
  'two megabytes': later({ body: 'x'.repeat(2_000_000) }),
  'a refusal without a reason': later(error(400, 'mystery'), { unsure: false }),
  '401 without a word': later({ status: 401, body: '' }, { unsure: false }),
}

describe('E3: a refresh that is answered by', () => {
  for (const [name, expected] of Object.entries(cases)) {
    it(name, async () => {
      provider.refusal = typeof expected.reply === 'function' ? expected.reply() : expected.reply
      const before = provider.refreshes
      const { code, details } = await failing()
      const { state, reason, refreshRetryAt, refreshUnsure, refreshOpen, secrets } = await read()
      assert.equal(code, expected.code)
      assert.deepEqual(outcomes, [expected.outcome])
      assert.equal(refreshOpen, false)
      assert.ok(secrets['refreshToken'])
      if (expected.reason === undefined) {
        assert.equal(state, 'active')
        const waitMs = (refreshRetryAt ?? 0) - store.now()
        const [from, to] = expected.waits ?? [0, 0]
        assert.ok(waitMs >= from && waitMs <= to, `waits ${waitMs} ms`)
        assert.equal(refreshUnsure, expected.unsure ?? false)
        // Everybody is told to come back, and nobody asks before.
        assert.equal((await failing()).code, 'refresh_failed')
      } else {
        assert.deepEqual([state, reason, details.reason], ['needs_reauth', expected.reason, expected.reason])
        assert.equal((await failing()).code, 'needs_reauth')
      }
      assert.equal(provider.refreshes, before + 1)
      const levels = new Set(bench.logged.map(({ level }) => level))
      assert.equal(levels.has('error'), expected.outcome === 'misconfigured', 'only the host can mend it')
      if (expected.reason !== undefined) return
      provider.refusal = undefined
      clock.aheadMs += 70_000
      assert.equal((await connect.getAuth({ id: integration, accountId })).type, 'oauth2')
      assert.equal(windows.length, 1)
    })
  }
})

describe('E3: a provider that fails for ten minutes', () => {
  it('is asked less than 20 times for a connection, at spread times, and all recover', async () => {
    const all = Array.from({ length: isLong ? 20 : 5 }, (_, at) => `long-${accounts}-${at}`)
    for (const account of all) await connectDirectly(connect, { integration, accountId: account })
    for (const account of all) {
      await store.update(connectionSet, idOf(account), {}, { set: { expiresAt: store.now() - 1 } })
    }
    const from = clock.aheadMs
    const asked = new Map(all.map((account): [string, number[]] => [account, []]))
    const askAll = async (): Promise<number> => {
      let fresh = 0
      for (const account of all) {
        const before = provider.refreshes
        const ok = await connect.getAuth({ id: integration, accountId: account }).then(
          () => true,
          (reason: unknown) => !isAuthFlowError(reason) || reason.code !== 'refresh_failed',
        )
        if (ok) fresh += 1
        if (provider.refreshes > before) asked.get(account)?.push(clock.aheadMs - from)
      }
      return fresh
    }
    provider.refusal = { status: 503 }
    for (let second = 0; second < 600; second += 1) {
      assert.equal(await askAll(), 0)
      clock.aheadMs += 1_000
    }
    const attempts = [...asked.values()].map(({ length }) => length)
    const total = attempts.reduce((sum, count) => sum + count, 0)
    provider.refusal = undefined
    const backAt = clock.aheadMs
    while ((await askAll()) < all.length && clock.aheadMs - backAt < 600_000) clock.aheadMs += 1_000
    for (const account of all) {
      assert.equal((await connect.getConnection({ integration, accountId: account })).state, 'active')
    }
    assert.ok(Math.max(...attempts) < 20)
    const times = [...asked.values()].flat().filter((at) => at < backAt - from)
    const late = times.filter((at) => at > 10_000)
    assert.equal(new Set(late).size, late.length, 'never two at once')
    const gaps = late.toSorted((a, b) => a - b).map((at, index, all) => at - (all[index - 1] ?? 0))
    assert.ok(new Set(gaps).size > gaps.length / 4, `spread: ${gaps.join(' ')}`)
    assert.ok(clock.aheadMs - backAt <= 301_000)
    printFigure({
      requirement: 'E3',
      name: 'refresh requests of one connection in 10 min of 503, most',
      value: Math.max(...attempts),
    })
    printFigure({
      requirement: 'E3',
      name: `refresh requests of ${all.length} connections in 10 min of 503`,
      value: total,
    })
    printFigure({
      requirement: 'E3',
      name: `seconds until the last of ${all.length} connections recovered`,
      value: (clock.aheadMs - backAt) / 1000,
      unit: 's',
    })
  })

  it('does not hold up the connections to another', async () => {
    provider.refusal = { status: 503 }
    for (let at = 0; at < 8; at += 1) {
      await store.update(connectionSet, idOf(accountId), {}, { set: { refreshRetryAt: null } })
      await failing()
    }
    const before = provider.refreshes
    await store.update(connectionSet, idOf(accountId), {}, { set: { refreshRetryAt: null } })
    const { details } = await failing()
    assert.ok((details.retryAfterMs ?? 0) > 0, 'the circuit says when to come back')
    assert.equal(provider.refreshes, before, 'the circuit is open')
    await connectDirectly(connect, { integration: 'quiet', accountId })
    await store.update(
      connectionSet,
      connectionIdOf('quiet', accountId),
      {},
      { set: { expiresAt: store.now() - 1 } },
    )
    assert.equal((await connect.getAuth({ id: 'quiet', accountId })).type, 'oauth2')
  })
})

describe('E4: a token with less than 30 s left', () => {
  const leave = (leftMs: number) =>
    store.update(
      connectionSet,
      idOf(accountId),
      {},
      { set: { expiresAt: store.now() + leftMs, issuedAt: store.now() + leftMs - 3_600_000 } },
    )
  const leftMs = async (): Promise<number> => {
    const { expiresAt } = await connect.getAuth({ id: integration, accountId })
    return Date.parse(expiresAt ?? '') - store.now()
  }

  it('is not given out while the provider answers, however slowly', async () => {
    provider.beforeReply = () => new Promise((resolve) => setTimeout(() => resolve(undefined), 1_500))
    await leave(29_000)
    assert.ok((await leftMs()) > 30_000)
  })

  it('is given out while the provider is down', async () => {
    provider.refusal = { status: 503 }
    await leave(29_000)
    assert.ok((await leftMs()) <= 29_000)
  })

  it('is no reason to wait for a slow provider where more is left', async () => {
    let answer = (): void => undefined
    const answered = new Promise<undefined>((resolve) => (answer = () => resolve(undefined)))
    provider.beforeReply = () => answered
    await leave(120_000)
    assert.ok((await leftMs()) <= 120_000)
    assert.equal((await read()).refreshOpen, true, 'the refresh goes on')
    answer()
    for (let tries = 0; tries < 200 && (await read()).refreshOpen; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.ok((await leftMs()) > 3_000_000)
  })
})

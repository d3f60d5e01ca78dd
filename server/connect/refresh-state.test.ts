import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../scripts/case-counts.ts'
import type { ConnectionRecord } from './records.ts'
import { backoffMs, mayRepeat, noRefresh, refreshNeed } from './refresh-state.ts'

const issuedAt = 1_800_000_000_000
const recordOf = (lifetimeMs: number | null, credFence = 1): ConnectionRecord => ({
  ...noRefresh,
  id: `conn_${credFence}`,
  version: 1,
  kind: 'connection',
  integration: 'slack',
  accountId: 'acct-1',
  state: 'active',
  reason: null,
  method: 'oauth2',
  identity: { id: 'ada', label: 'Ada' },
  identityKey: 'key',
  scopes: [],
  fields: {},
  createdAt: issuedAt,
  updatedAt: issuedAt,
  secrets: { accessToken: 'sealed', refreshToken: 'sealed' },
  issuedAt,
  expiresAt: lifetimeMs === null ? null : issuedAt + lifetimeMs,
  credFence,
})

describe('refreshNeed', () => {
  it('E4: leaves no token with less than 30 s, nor half of a lifetime under a minute, as it is', () => {
    const lifetimes = fc.integer({ min: 1_000, max: 90 * 86_400_000 })
    fc.assert(
      fc.property(lifetimes, fc.nat(1_000), fc.double({ min: 0, max: 1, noNaN: true }), (life, fence, at) => {
        const record = recordOf(life, fence)
        const now = Math.floor(issuedAt + life * at)
        const leftMs = issuedAt + life - now
        const need = refreshNeed(record, now, false)
        if (leftMs <= 0) assert.equal(need, 'required')
        else if (leftMs < Math.min(30_000, life / 2)) assert.equal(need, 'early')
        // At most 5 min and a fifth, or a tenth of the lifetime and a fifth, before the end.
        else if (leftMs > Math.max(36_000, Math.min(360_000, 0.12 * life))) assert.equal(need, 'none')
      }),
      { numRuns: 2_000 },
    )
  })

  it('spreads the margin of tokens that were issued together, the same for every process', () => {
    const dueAt = (fence: number): number => {
      let leftMs = 400_000
      while (refreshNeed(recordOf(3_600_000, fence), issuedAt + 3_600_000 - leftMs, false) === 'none') {
        leftMs -= 1_000
      }
      return leftMs
    }
    const times = Array.from({ length: 200 }, (_, fence) => dueAt(fence))
    const again = Array.from({ length: casesOf(200) }, (_, fence) => dueAt(fence))
    assert.deepEqual(times.slice(0, again.length), again)
    assert.ok(new Set(times).size > 30, `${new Set(times).size} different seconds`)
    assert.ok(Math.min(...times) >= 299_000 && Math.max(...times) <= 361_000)
  })

  it('says that the end is the end without a refresh token', () => {
    const record = { ...recordOf(1_000), secrets: { accessToken: 'sealed' } }
    assert.equal(refreshNeed(record, issuedAt + 999, false), 'none')
    assert.equal(refreshNeed(record, issuedAt + 1_000, false), 'over')
    assert.equal(refreshNeed(record, issuedAt, true), 'over')
    assert.equal(refreshNeed(recordOf(null), issuedAt + 1e12, false), 'none')
    assert.equal(refreshNeed(recordOf(null), issuedAt, true), 'required')
  })
})

describe('backoffMs', () => {
  it('doubles from a second to five minutes, spread over the upper half', () => {
    for (let failures = 1; failures <= 40; failures += 1) {
      const full = Math.min(300_000, 1_000 * 2 ** failures)
      const waits = Array.from({ length: 50 }, () => backoffMs(failures))
      assert.ok(waits.every((wait) => wait >= full / 2 && wait <= full))
      assert.ok(new Set(waits).size > 25)
    }
  })
})

describe('mayRepeat', () => {
  it('sends an old refresh token again once, and further within the grace', () => {
    const after = (attempt: number) => ({ fence: 1, startedAt: 0, attempt })
    for (const rotation of ['none', 'strict', { graceSeconds: 60 }] as const) {
      assert.equal(mayRepeat(rotation, after(1), 3_600_000), true)
    }
    assert.equal(mayRepeat('none', after(9), 3_600_000), true)
    assert.equal(mayRepeat('strict', after(2), 1), false)
    assert.equal(mayRepeat({ graceSeconds: 60 }, after(2), 60_000), true)
    assert.equal(mayRepeat({ graceSeconds: 60 }, after(2), 60_001), false)
  })
})

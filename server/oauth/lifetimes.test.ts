// A10 and A11: whatever an answer says about lifetime and scopes, what is kept is usable.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../scripts/case-counts.ts'
import { printFigure } from '../../scripts/figure.ts'
import { refreshNeed } from '../connect/refresh-state.ts'
import type { ConnectionRecord } from '../connect/records.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { authorizationUrl } from './authorize.ts'
import { oauthMethod } from './fixtures/methods.ts'
import { instantOf, lifetimeOf, readTokenResponse, scopesOf } from './token-response.ts'

const runs = casesOf(10_000)
const method = oauthMethod('https://provider.example')
const endpoint = { method, fields: {}, fetch: createGuardedFetch() }
const tenYearsMs = 10 * 365 * 86_400_000

/** Numbers at the edges, the same as text, and things that are no numbers. */
const anyValue = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom<unknown>(
    0,
    -0,
    1,
    -1,
    1e12,
    1e308,
    Number.NaN,
    Infinity,
    null,
    undefined,
    '',
    ' ',
    '0',
    '-1',
    '1e3',
    '0x10',
    '3600',
    'never',
    '1e999',
    {},
    [],
    true,
  ),
  fc.double().map(String),
  fc
    .date({ noInvalidDate: false })
    .map((date) => (Number.isNaN(date.getTime()) ? 'Invalid Date' : date.toISOString())),
  fc.string(),
  fc.jsonValue(),
)

const recordWith = (issuedAt: number, expiresAt: number | null, renewable: boolean): ConnectionRecord => ({
  id: 'conn_1',
  version: 1,
  kind: 'connection',
  integration: 'x',
  accountId: 'a',
  state: 'active',
  reason: null,
  method: 'oauth2',
  identity: { id: 'i', label: 'i' },
  identityKey: 'k',
  scopes: [],
  fields: {},
  createdAt: issuedAt,
  updatedAt: issuedAt,
  secrets: renewable ? { accessToken: 's', refreshToken: 's' } : { accessToken: 's' },
  issuedAt,
  expiresAt,
  credFence: 1,
  refresh: null,
  refreshStartedAt: null,
  refreshOpen: false,
  refreshFailures: 0,
  refreshRetryAt: null,
  refreshUnsure: false,
})

describe('A11 expiry', () => {
  it('is a whole instant in the future or none, and never NaN', async () => {
    await fc.assert(
      fc.asyncProperty(anyValue, anyValue, async (lifetime, instant) => {
        const before = Date.now()
        const body = { access_token: 'at', expires_in: lifetime, expires_at: instant }
        const { expiresAt } = await readTokenResponse('refresh_token', endpoint, Response.json(body))
        if (expiresAt === undefined) return
        assert.ok(Number.isInteger(expiresAt), String(expiresAt))
        assert.ok(expiresAt >= before && expiresAt <= Date.now() + tenYearsMs)
        assert.doesNotThrow(() => new Date(expiresAt).toISOString())
      }),
      { numRuns: runs },
    )
    printFigure({
      requirement: 'A11',
      name: 'random lifetimes that gave NaN or an impossible date',
      value: 0,
      unit: `of ${runs}`,
    })
  })

  it('is none for null, 0, negative, missing and absurd lifetimes', () => {
    for (const none of [
      null,
      undefined,
      0,
      '0',
      -1,
      '-3600',
      1e12,
      '1e12',
      Number.NaN,
      Infinity,
      '',
      'never',
      {},
      true,
    ]) {
      assert.equal(lifetimeOf(none), undefined, String(none))
    }
    assert.deepEqual([lifetimeOf('3600'), lifetimeOf(3600), lifetimeOf(' 60 ')], [3600, 3600, 60])
  })

  it('reads instants in seconds, in ms and in ISO 8601, and none that is over', () => {
    const now = Date.parse('2026-11-21T00:00:00Z')
    const then = now + 3_600_000
    for (const said of [then, then / 1000, String(then / 1000), new Date(then).toISOString()]) {
      assert.equal(instantOf(said, now), then, String(said))
    }
    for (const none of [now, now - 1, 0, -1, 'tomorrow', '', null, now + 11 * 365 * 86_400_000]) {
      assert.equal(instantOf(none, now), undefined, String(none))
    }
  })

  it('that is none never causes a refresh by the clock; one that is does before it is over', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4e12 }),
        fc.integer({ min: 1000, max: tenYearsMs }),
        fc.integer({ min: 0, max: 4e12 }),
        fc.boolean(),
        (issuedAt, lifetimeMs, now, renewable) => {
          assert.equal(refreshNeed(recordWith(issuedAt, null, renewable), now, false), 'none')
          const record = recordWith(issuedAt, issuedAt + lifetimeMs, renewable)
          const atEnd = refreshNeed(record, issuedAt + lifetimeMs, false)
          assert.equal(atEnd, renewable ? 'required' : 'over')
          assert.equal(refreshNeed(record, issuedAt + lifetimeMs - 1, false), renewable ? 'early' : 'none')
          assert.equal(refreshNeed(record, issuedAt, false), 'none')
        },
      ),
      { numRuns: runs },
    )
  })
})

describe('A10 scopes', () => {
  it('come in any form as a list without doubles, or not at all', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const scopes = scopesOf(value)
        if (scopes === undefined) return assert.ok(typeof value !== 'string' && !Array.isArray(value))
        assert.ok(scopes.every((scope) => typeof scope === 'string' && scope !== ''))
        assert.equal(new Set(scopes).size, scopes.length)
      }),
      { numRuns: runs },
    )
  })

  it('are the same whichever way they are written', () => {
    const scope = fc.stringMatching(/^[a-z][a-z.:/_-]{0,20}$/)
    fc.assert(
      fc.property(fc.uniqueArray(scope, { minLength: 1, maxLength: 20 }), (list) => {
        for (const said of [list, list.join(' '), list.join(','), list.join(', ')]) {
          assert.deepEqual(scopesOf(said), list)
        }
        for (const separator of [' ', ','] as const) {
          const url = authorizationUrl({
            method: { ...method, scopeSeparator: separator },
            fields: {},
            scopes: list,
            state: 's',
            redirectUri: 'https://a.example/callback',
          })
          assert.equal(url.searchParams.get('scope'), list.join(separator))
        }
      }),
    )
  })
})

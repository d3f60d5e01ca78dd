// What the built-in integrations read from their providers' answers, as those document them.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ProviderLimits } from '../net/rate-limits.ts'
import { airtableLimits } from './airtable-limits.ts'
import { githubLimits } from './github-limits.ts'
import { shopifyLimits } from './shopify-limits.ts'
import { slackLimits } from './slack-limits.ts'

interface Given {
  readonly url: string
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

async function read(limits: ProviderLimits, { url, status = 200, headers = {}, body }: Given) {
  const request = { url: new URL(url), method: 'POST' }
  const answer = new Response(body === undefined ? null : JSON.stringify(body), { status, headers })
  const news = await limits.read(answer, request)
  // What it reads is not taken from the caller.
  if (body !== undefined) assert.deepEqual(await answer.json(), body)
  return news.map(({ gate, closedMs }) => [gate.scope, gate.name, Math.ceil(closedMs / 1000)])
}

const names = (limits: ProviderLimits, url: string): string[] =>
  limits.gates({ url: new URL(url), method: 'GET' }).map(({ scope, name }) => `${scope}/${name}`)

describe('rate limits of Slack', () => {
  const url = 'https://slack.com/api/chat.postMessage'

  it('are of one method for one workspace', async () => {
    assert.deepEqual(names(slackLimits, url), ['connection/chat.postMessage'])
    const refused = { url, status: 429, headers: { 'retry-after': '30' } }
    assert.deepEqual(await read(slackLimits, refused), [['connection', 'chat.postMessage', 30]])
    assert.deepEqual(await read(slackLimits, { url, body: { ok: false, error: 'fatal_error' } }), [])
  })
})

describe('rate limits of GitHub', () => {
  const url = 'https://api.github.com/repos/acme/website/issues'
  const reset = String(Math.floor(Date.now() / 1000) + 600)

  it('are of a resource, and of the user as a whole', () => {
    assert.deepEqual(names(githubLimits, url), ['connection/primary/core', 'connection/secondary'])
    assert.equal(
      names(githubLimits, 'https://api.github.com/search/issues?q=x')[0],
      'connection/primary/search',
    )
    assert.equal(
      names(githubLimits, 'https://api.github.com/search/code?q=x')[0],
      'connection/primary/code_search',
    )
    assert.equal(names(githubLimits, 'https://ghe.example.com/api/graphql')[0], 'connection/primary/graphql')
  })

  it('close the resource as soon as nothing is left, also without a refusal', async () => {
    for (const status of [200, 403, 429]) {
      const headers = {
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': reset,
        'x-ratelimit-resource': 'core',
      }
      const [news, ...others] = await read(githubLimits, { url, status, headers })
      assert.equal(news?.[1], 'primary/core')
      assert.ok(Number(news?.[2]) > 590)
      assert.deepEqual(others, [])
    }
  })

  it('wait as a secondary limit says, a minute where it says nothing, and not for a lack of permissions', async () => {
    const left = { 'x-ratelimit-remaining': '4000', 'x-ratelimit-reset': reset }
    const named = { url, status: 403, headers: { ...left, 'retry-after': '60' } }
    assert.deepEqual(await read(githubLimits, named), [['connection', 'secondary', 60]])
    assert.deepEqual(await read(githubLimits, { url, status: 429, headers: left }), [
      ['connection', 'secondary', 60],
    ])
    assert.deepEqual(await read(githubLimits, { url, status: 403, headers: left }), [])
  })
})

describe('rate limits of Airtable', () => {
  const url = 'https://api.airtable.com/v0/appAbCdEfGhIjKlMn/Orders'

  it('are 5 a second for a base, whoever asks, and 50 for a token', () => {
    const [token, base] = airtableLimits.gates({ url: new URL(url), method: 'GET' })
    assert.deepEqual(token, { scope: 'connection', name: 'token', pace: { requests: 50, perMs: 1000 } })
    assert.deepEqual(base, {
      scope: 'app',
      name: 'base/appAbCdEfGhIjKlMn',
      pace: { requests: 5, perMs: 1000 },
    })
    assert.deepEqual(names(airtableLimits, 'https://api.airtable.com/v0/meta/whoami'), ['connection/token'])
  })

  it('close the base for 30 seconds', async () => {
    assert.deepEqual(await read(airtableLimits, { url, status: 429 }), [
      ['app', 'base/appAbCdEfGhIjKlMn', 30],
    ])
  })
})

describe('rate limits of Shopify', () => {
  const graphql = 'https://acme.myshopify.com/admin/api/2026-10/graphql.json'
  const rest = 'https://acme.myshopify.com/admin/api/2026-10/products.json'
  const costOf = (requestedQueryCost: number, currentlyAvailable: number) => ({
    data: {},
    extensions: {
      cost: {
        requestedQueryCost,
        throttleStatus: { maximumAvailable: 2000, currentlyAvailable, restoreRate: 100 },
      },
    },
  })

  it('wait until the same query can be paid for', async () => {
    assert.deepEqual(await read(shopifyLimits, { url: graphql, body: costOf(500, 100) }), [
      ['connection', 'graphql', 4],
    ])
    assert.deepEqual(await read(shopifyLimits, { url: graphql, body: costOf(500, 500) }), [])
    assert.deepEqual(await read(shopifyLimits, { url: graphql, body: { data: { throttleStatus: 1 } } }), [])
  })

  it('wait for room in the bucket of REST, and as Retry-After says', async () => {
    const full = { url: rest, headers: { 'x-shopify-shop-api-call-limit': '40/40' } }
    assert.deepEqual(await read(shopifyLimits, full), [['connection', 'rest', 1]])
    const some = { url: rest, headers: { 'x-shopify-shop-api-call-limit': '39/40' } }
    assert.deepEqual(await read(shopifyLimits, some), [])
    const refused = { url: rest, status: 429, headers: { 'retry-after': '2.0' } }
    assert.deepEqual(await read(shopifyLimits, refused), [['connection', 'rest', 2]])
  })
})

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { isAuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { authorizationUrl } from '../oauth/authorize.ts'
import { refreshTokens } from '../oauth/refresh.ts'
import { canRevoke } from '../oauth/revoke.ts'
import { startSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import {
  connectAt,
  createDirectIO,
  createTestFetch,
  oauthOf,
  redirectUri,
  type Connected,
} from './fixtures/acting.ts'
import { Shopify, type ShopifyOptions } from './shopify.ts'

const code = (error: unknown): ErrorCode | undefined => (isAuthFlowError(error) ? error.code : undefined)
const fields = { shop: 'acme.myshopify.com' }
const app = { clientId: 'id', clientSecret: 'secret', scopes: ['read_products'] }

describe('Shopify', () => {
  const fetch = createTestFetch()
  let sandbox: Sandbox
  let shopify: Shopify<'shopify-customers'>
  let acme: Connected
  before(async () => {
    sandbox = await startSandbox({ redirectUris: [redirectUri] })
    const { client, endpoints } = sandbox.shopify
    const oauth = { ...client, scopes: ['write_products'] }
    shopify = new Shopify({ id: 'shopify-customers', connect: true, oauth, endpoints })
    shopify.useFetch(fetch)
    acme = await connectAt(shopify, sandbox.shopify, { fetch, fields })
  })
  beforeEach(() => sandbox.shopify.faults.clear())
  after(async () => {
    await sandbox.close()
    await fetch.close()
  })

  const acting = (io = createDirectIO(), auth = acme.auth) => shopify.cloneForRun(io, 'shopify', auth)

  describe('connecting', () => {
    it('goes to the shop’s own address and knows the shop', async () => {
      assert.deepEqual(acme.auth.identity, {
        id: 'gid://shopify/Shop/1',
        label: 'Acme',
        place: 'acme.myshopify.com',
      })
      assert.deepEqual(
        [acme.auth.scopes, acme.auth.fields['shop']],
        [['write_products'], 'acme.myshopify.com'],
      )
      const globex = await connectAt(shopify, sandbox.shopify, {
        fetch,
        fields: { shop: 'globex.myshopify.com' },
      })
      assert.equal(globex.auth.identity.label, 'Globex')
      const real = oauthOf(new Shopify({ id: 's', connect: true, oauth: app }))
      assert.equal(real.authorizationUrl(fields), 'https://acme.myshopify.com/admin/oauth/authorize')
      assert.equal(real.tokenUrl(fields), 'https://acme.myshopify.com/admin/oauth/access_token')
    })

    it('asks for tokens that expire, and refreshes them with a grace for the old refresh token', async () => {
      const { tokens } = await connectAt(shopify, sandbox.shopify, { fetch, fields })
      assert.ok((tokens.expiresAt ?? 0) > Date.now())
      const endpoint = { method: oauthOf(shopify), fields, fetch }
      const lost = await refreshTokens(endpoint, tokens.refreshToken ?? '')
      const next = await refreshTokens(endpoint, tokens.refreshToken ?? '')
      assert.notEqual(lost.refreshToken, next.refreshToken)
      await refreshTokens(endpoint, next.refreshToken)
      await assert.rejects(
        refreshTokens(endpoint, tokens.refreshToken ?? ''),
        (error) => code(error) === 'needs_reauth',
      )
      assert.equal(canRevoke(oauthOf(shopify)), false)
    })

    it('takes a wrong secret for the host’s mistake', async () => {
      // The callback is signed with the right secret, so the exchange is reached with the app's own.
      const method = { ...oauthOf(shopify), client: { ...oauthOf(shopify).client, clientSecret: 'wrong' } }
      await assert.rejects(
        refreshTokens({ method, fields, fetch }, 'x'),
        (error) => code(error) === 'client_misconfigured',
      )
    })

    it('accepts a callback only with a signature that fits and for the shop that was asked', async () => {
      const method = oauthOf(shopify)
      const url = authorizationUrl({ method, fields, scopes: [], state: 'a b/ü&=', redirectUri })
      const callback = await sandbox.shopify.consent(url)
      const { clientSecret } = sandbox.shopify.client
      const check = (params: URLSearchParams, shop = fields.shop, secret = clientSecret) =>
        method.checkCallback?.(params, { fields: { shop }, clientSecret: secret })
      const changed = (change: (params: URLSearchParams) => void): URLSearchParams => {
        const params = new URLSearchParams(callback.search)
        change(params)
        return params
      }
      check(callback.searchParams)
      const unverified = (error: unknown): boolean => code(error) === 'callback_unverified'
      assert.throws(() => check(callback.searchParams, 'globex.myshopify.com'), unverified)
      assert.throws(() => check(callback.searchParams, fields.shop, 'other'), unverified)
      assert.throws(() => check(changed((params) => params.set('code', 'x'))), unverified)
      assert.throws(() => check(changed((params) => params.delete('hmac'))), unverified)
      assert.throws(() => check(changed((params) => params.set('hmac', ''))), unverified)
      assert.throws(() => check(changed((params) => params.append('shop', 'evil.myshopify.com'))), unverified)
      assert.throws(
        () => check(changed((params) => params.append('hmac', params.get('hmac') ?? ''))),
        unverified,
      )
    })
  })

  describe('field shop', () => {
    const parse = (shop: string) => oauthOf(shopify).fields?.parse({ shop }) ?? assert.fail('no fields')

    for (const [typed, shop] of [
      ['acme', 'acme.myshopify.com'],
      ['ACME', 'acme.myshopify.com'],
      ['acme.myshopify.com', 'acme.myshopify.com'],
      ['https://ACME.myshopify.com/admin', 'acme.myshopify.com'],
      ['http://acme.myshopify.com', 'acme.myshopify.com'],
      ['  https://acme.myshopify.com/?x=1#y  ', 'acme.myshopify.com'],
      ['acme.myshopify.com.', 'acme.myshopify.com'],
      ['https://admin.shopify.com/store/acme', 'acme.myshopify.com'],
      ['https://Admin.Shopify.com/store/ACME/orders/1?x=1#y', 'acme.myshopify.com'],
      ['admin.shopify.com/store/acme/', 'acme.myshopify.com'],
      ['a1-b2-c3', 'a1-b2-c3.myshopify.com'],
      ['x'.repeat(60), `${'x'.repeat(60)}.myshopify.com`],
    ] as const) {
      it(`takes ${JSON.stringify(typed.slice(0, 40))}`, () => {
        assert.deepEqual(parse(typed), { values: { shop }, errors: [] })
      })
    }

    for (const typed of [
      '',
      'evil.com',
      'https://evil.com/acme.myshopify.com',
      'acme.myshopify.com.evil.com',
      'evil.com?acme.myshopify.com',
      'acme.myshopify.com@evil.com',
      'user:pass@acme.myshopify.com',
      'acme.myshopify.com:8443',
      'a.b.myshopify.com',
      '-acme',
      'ac me',
      'acme\nevil',
      'acmé',
      '.myshopify.com',
      'myshopify.com',
      'admin.shopify.com',
      'https://admin.shopify.com/store/',
      'https://admin.shopify.com/store/evil.com',
      'https://admin.shopify.com/store//acme',
      'https://admin.shopify.com/settings/acme',
      'https://admin.shopify.com.evil.com/store/acme',
      'https://evil.com/admin.shopify.com/store/acme',
      'https://accounts.shopify.com/store/acme',
      'ftp://acme.myshopify.com',
      'x'.repeat(61),
      '../../etc',
      'acme%2emyshopify.com',
    ]) {
      it(`refuses ${JSON.stringify(typed.slice(0, 40))}`, () => {
        const { values, errors } = parse(typed)
        assert.deepEqual([values, errors.length, errors[0]?.field], [{}, 1, 'shop'])
        assert.ok((errors[0]?.message ?? '').length > 10)
      })
    }

    it('makes no address from anything else, should something else get there', () => {
      const method = oauthOf(new Shopify({ id: 's', connect: true, oauth: app }))
      for (const shop of ['evil.com', 'acme.myshopify.com@evil.com', '']) {
        assert.throws(
          () => method.tokenUrl({ shop }),
          (error) => code(error) === 'blocked_host',
        )
      }
    })
  })

  describe('tasks', () => {
    it('reads the shop, creates products and lists them page by page through the SDK', async () => {
      const io = createDirectIO()
      const own = acting(io)
      assert.deepEqual(await own.getShop('shop'), {
        id: 'gid://shopify/Shop/1',
        name: 'Acme',
        myshopifyDomain: 'acme.myshopify.com',
        email: 'owner@acme.myshopify.com',
        currencyCode: 'EUR',
      })
      const mug = await own.createProduct('mug', { title: 'A mug "for" tea', status: 'DRAFT' })
      assert.deepEqual([mug.title, mug.status], ['A mug "for" tea', 'DRAFT'])
      await own.createProduct('cup', { title: 'Cup' })
      const first = await own.listProducts('list-1', { first: 1 })
      assert.deepEqual(first.products, [mug])
      const second = await own.listProducts('list-2', { first: 1, after: first.nextCursor ?? '' })
      assert.deepEqual([second.products.map(({ title }) => title), second.nextCursor], [['Cup'], null])
      assert.deepEqual(io.tasks[1]?.options?.params, { title: 'A mug "for" tea', status: 'DRAFT' })
      assert.deepEqual(
        sandbox.shopify.products().map(({ shop }) => shop),
        ['acme.myshopify.com', 'acme.myshopify.com'],
      )
    })

    it('runs any query, with variables', async () => {
      const query =
        'query Names($count: Int = 1) { first: products(first: $count) { edges { node { __typename title } } } }'
      const data = await acting().query<{ first: { edges: { node: { title: string } }[] } }>('names', {
        query,
      })
      assert.equal(data.first.edges[0]?.node.title, 'A mug "for" tea')
    })

    it('gives the SDK’s client outside of jobs', async () => {
      const client = await shopify.createClient(acme.auth)
      const { data, errors } = await client.request('{ shop { name } }')
      assert.deepEqual([data, errors], [{ shop: { name: 'Acme' } }, undefined])
    })
  })

  describe('when Shopify refuses', () => {
    const ask = async (auth = acme.auth, query = '{ shop { name } }') => {
      const io = createDirectIO()
      const error: unknown = await acting(io, auth)
        .query('ask', { query })
        .then(
          () => assert.fail('answered'),
          (reason: unknown) => reason,
        )
      return {
        error: isAuthFlowError(error) ? error : assert.fail(String(error)),
        verdict: io.tasks[0]?.verdict,
      }
    }

    it('throws errors of GraphQL, which the SDK returns', async () => {
      const { error, verdict } = await ask(acme.auth, '{ shop { secrets } }')
      assert.deepEqual(
        [error.code, error.details.providerCode, verdict],
        ['provider_rejected', 'undefinedField', { skipRetrying: true }],
      )
    })

    it('throws what the shop says against a product, and keeps none', async () => {
      const before = sandbox.shopify.products().length
      await assert.rejects(acting().createProduct('blank', { title: ' ' }), (error) => {
        return (
          isAuthFlowError(error) && error.details.status === 422 && error.details.providerCode === 'title'
        )
      })
      assert.equal(sandbox.shopify.products().length, before)
    })

    it('tells of access that was not granted', async () => {
      const { client, endpoints } = sandbox.shopify
      const narrow = new Shopify({
        id: 'narrow',
        connect: true,
        oauth: { ...client, scopes: ['read_orders'] },
        endpoints,
      })
      narrow.useFetch(fetch)
      const { auth } = await connectAt(narrow, sandbox.shopify, { fetch, fields })
      await assert.rejects(narrow.cloneForRun(createDirectIO(), 's', auth).listProducts('list'), (error) => {
        return (
          isAuthFlowError(error) &&
          error.details.status === 403 &&
          error.details.providerCode === 'ACCESS_DENIED'
        )
      })
    })

    it('waits as long as Retry-After says', async () => {
      sandbox.shopify.faults.next({ rateLimitSeconds: 2 })
      const { error, verdict } = await ask()
      assert.deepEqual([error.code, error.details.retryAfterMs], ['rate_limited', 2000])
      assert.ok(verdict && 'retryAt' in verdict)
    })

    it('leaves a dead token to the engine, and says nothing of it', async () => {
      const { error, verdict } = await ask({ ...acme.auth, accessToken: 'planted' })
      assert.deepEqual([error.code, error.details.status, verdict], ['provider_rejected', 401, undefined])
      assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /planted/)
    })

    it('lets failures, lost answers and garbage be retried, and does not retry by itself', async () => {
      const path = 'POST /acme.myshopify.com/admin/api/2026-10/graphql.json'
      const before = sandbox.shopify.counts()[path] ?? 0
      sandbox.shopify.faults.next({ status: 503 })
      assert.equal((await ask()).error.code, 'provider_unavailable')
      sandbox.shopify.faults.next({ lost: true })
      assert.equal((await ask()).error.code, 'provider_unavailable')
      sandbox.shopify.faults.next({ garbage: true })
      const { error, verdict } = await ask()
      assert.deepEqual([error.code, verdict], ['provider_reply_invalid', undefined])
      assert.equal(sandbox.shopify.counts()[path], before + 3)
    })

    it('reaches nothing that the server does not allow', async () => {
      const { endpoints } = sandbox.shopify
      const strict = new Shopify({ id: 'strict', shop: fields.shop, accessToken: 'x', endpoints })
      await assert.rejects(
        strict.cloneForRun(createDirectIO(), 's').getShop('shop'),
        (error) => code(error) === 'blocked_host',
      )
    })
  })
})

describe('new Shopify()', () => {
  const refusal = (options: ShopifyOptions): (string | undefined)[] => {
    try {
      new Shopify(options)
    } catch (error) {
      if (isAuthFlowError(error)) return [error.code, error.details.option, error.details.integration]
    }
    return assert.fail('was accepted')
  }

  it('takes a shop of its own, or an app', () => {
    assert.equal(
      new Shopify({ id: 's', shop: 'acme.myshopify.com', accessToken: 'shpat_1' }).authSource,
      'LOCAL',
    )
    assert.equal(new Shopify({ id: 's', connect: true, oauth: app }).authSource, 'HOSTED')
  })

  it('names what is missing or wrong', () => {
    const unset = process.env['AUTHFLOW_TEST_UNSET']
    assert.deepEqual(refusal({ id: 's', shop: 'acme.myshopify.com', accessToken: unset }), [
      'missing_option',
      'accessToken',
      's',
    ])
    assert.deepEqual(refusal({ id: 's', accessToken: 'x' }), ['missing_option', 'shop', 's'])
    assert.deepEqual(refusal({ id: 's', accessToken: 'x', shop: 'evil.com' }), [
      'invalid_option',
      'shop',
      's',
    ])
    assert.deepEqual(refusal({ id: 's', connect: true }), ['missing_option', 'oauth', 's'])
    assert.deepEqual(refusal({ id: 's', connect: true, oauth: app, apiVersion: 'latest/../x' }), [
      'invalid_option',
      'apiVersion',
      's',
    ])
    assert.deepEqual(refusal({ id: 's', connect: true, oauth: app, endpoints: { origin: 'nowhere' } }), [
      'invalid_option',
      'endpoints.origin',
      's',
    ])
  })
})

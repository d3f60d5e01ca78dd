// The stand-in Shopify: shops on one origin, the shop's host name as the first part of every path. Shopify's quirks are
// kept: no PKCE, scopes separated by commas, callbacks signed with the app's secret, tokens that expire only when asked
// for, a refresh token that works until its successor is used, a token header of its own.

import { createHmac } from 'node:crypto'

import { z } from 'zod'

import { consentRoutes, viewerPage, type PageStyle, type Person } from './consent-page.ts'
import { json, jsonBody, parameters, type Exchange, type Reply } from './http.ts'
import { AuthorizationServer } from './oauth.ts'
import { createCourier, type Courier, type SandboxDelivery } from './deliver.ts'
import { shopifyHookGraph, tellShopifyHooks, type ShopifyHappening } from './shopify-hooks.ts'
import { GraphError, runGraph, type GraphObject, type GraphValue } from './shopify-graphql.ts'
import { runStandIn, type Running, type StandIn, type StandInOptions } from './stand-in.ts'
import type { Grant, ShopifyProductRow, StateFile } from './state.ts'

/** A product as it stands. */
export type SandboxProduct = ShopifyProductRow

/** The stand-in Shopify. */
export interface SandboxShopify extends StandIn<{ readonly origin: string }> {
  /** Host names of the shops there are. */
  readonly shops: readonly string[]
  /** Products of all shops, oldest first. */
  products(): readonly SandboxProduct[]
  /** Webhook subscriptions of all shops. */
  hooks(): readonly {
    readonly id: string
    readonly shop: string
    readonly topic: string
    readonly uri: string
  }[]
  /** Removes one, as its shop's administrator can; false when there is none. */
  removeHook(id: string): Promise<boolean>
  /** Webhook requests that were sent since the start; the last 1000. */
  deliveries(): readonly SandboxDelivery[]
}

const shops = { 'acme.myshopify.com': 'Acme', 'globex.myshopify.com': 'Globex' } as const

const names = { ada: 'Ada Lovelace', grace: 'Grace Hopper' } as const

const peopleAt = (shop: string): Person[] =>
  Object.entries(shops)
    .filter(([host]) => host === shop)
    .flatMap(([place, placeName]) =>
      Object.entries(names).map(([id, name]) => ({ id, name, place, placeName })),
    )

const nameOf = (shop: string): string => peopleAt(shop)[0]?.placeName ?? shop

const style: PageStyle = {
  service: 'Shopify',
  placeKind: 'shop',
  accent: '#2f5d34',
  scopeWords: {
    read_products: 'See products',
    write_products: 'Create and change products',
    read_orders: 'See orders',
  },
}

const words = (scopes: string | null): string[] => (scopes ?? '').split(',').filter((scope) => scope !== '')

/** Adds what Shopify puts beside code and state, and the HMAC over all of it in the order of the names. */
function signCallback(callback: URLSearchParams, shop: string, secret: string): void {
  callback.set('host', Buffer.from(`${shop}/admin`).toString('base64').replaceAll('=', ''))
  callback.set('shop', shop)
  callback.set('timestamp', String(Math.floor(Date.now() / 1000)))
  callback.sort()
  callback.set('hmac', createHmac('sha256', secret).update(callback.toString()).digest('hex'))
}

async function tokenEndpoint(server: AuthorizationServer, exchange: Exchange): Promise<Reply> {
  const form = parameters(exchange)
  const refuse = (error: string, status = 400): Reply =>
    json({ error, error_description: 'The stand-in refused.' }, status)
  const shop = exchange.params['shop']
  if (!server.isClient(form.get('client_id'), form.get('client_secret')))
    return refuse('application_cannot_be_found')
  const refreshing = form.get('grant_type') === 'refresh_token'
  const expiring = refreshing || form.get('expiring') === '1'
  const outcome = refreshing
    ? await server.refresh(form.get('refresh_token'))
    : await server.exchange({
        code: form.get('code'),
        // Shopify does not ask for the redirect URI again; the code stays bound to the one of the request.
        redirectUri: form.get('redirect_uri') ?? undefined,
        verifier: null,
        accessTokenSeconds: expiring ? undefined : null,
      })
  if (!outcome.ok) return refuse(refreshing ? 'invalid_grant' : 'invalid_request')
  const { access, refresh, grant, expiresInSeconds } = outcome.issued
  if (grant.place !== shop) {
    await server.revoke(grant)
    return refuse('invalid_request')
  }
  const expiry = {
    expires_in: expiresInSeconds,
    refresh_token: refresh['access'],
    refresh_token_expires_in: 90 * 86_400,
  }
  return json({ access_token: access['access'], scope: grant.scopes.join(','), ...(expiring ? expiry : {}) })
}

const createInput = z.object({
  title: z.string(),
  status: z.enum(['ACTIVE', 'DRAFT', 'ARCHIVED']).default('ACTIVE'),
})

const showProduct = (row: ShopifyProductRow): GraphObject => ({
  __typename: 'Product',
  id: row.id,
  title: row.title,
  status: row.status,
  createdAt: row.createdAt,
  handle: row.title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-'),
})

const showShop = (shop: string): GraphObject => ({
  __typename: 'Shop',
  id: `gid://shopify/Shop/${Object.keys(shops).indexOf(shop) + 1}`,
  name: nameOf(shop),
  myshopifyDomain: shop,
  email: `owner@${shop}`,
  currencyCode: 'EUR',
})

/** What a query may ask in the grant's shop. */
function graphOf(
  grant: Grant,
  state: StateFile,
  tell: (happening: ShopifyHappening) => void,
): { query: GraphObject; mutation: GraphObject } {
  const { products } = state.data.shopify
  const shop = grant.place
  const need = (scope: string, field: string): void => {
    // write_… includes read_….
    if (grant.scopes.includes(scope) || grant.scopes.includes(scope.replace('read_', 'write_'))) return
    throw new GraphError(
      'ACCESS_DENIED',
      `Access denied for ${field} field. Required access: \`${scope}\` access scope.`,
    )
  }
  const list = (args: Readonly<Record<string, GraphValue>>): GraphObject => {
    need('read_products', 'products')
    const own = products.filter((row) => row.shop === shop)
    const start = typeof args['after'] === 'string' ? own.findIndex((row) => row.id === args['after']) + 1 : 0
    const first = typeof args['first'] === 'number' ? args['first'] : 10
    const rows = own.slice(start, start + first)
    return {
      nodes: rows.map(showProduct),
      edges: rows.map((row) => ({ cursor: row.id, node: showProduct(row) })),
      pageInfo: { hasNextPage: start + first < own.length, endCursor: rows.at(-1)?.id ?? null },
    }
  }
  const create = (args: Readonly<Record<string, GraphValue>>): GraphObject => {
    need('write_products', 'productCreate')
    const input = createInput.safeParse(args['product'])
    if (!input.success)
      throw new GraphError('argumentLiteralsIncompatible', 'product is not a ProductCreateInput')
    const { title, status } = input.data
    if (title.trim() === '') {
      return { product: null, userErrors: [{ field: ['title'], message: "Title can't be blank" }] }
    }
    const id = `gid://shopify/Product/${products.length + 1}`
    const row = { id, shop, title, status, createdAt: new Date().toISOString() }
    products.push(row)
    const numeric = Number(id.slice(id.lastIndexOf('/') + 1))
    tell({ shop, topic: 'products/create', payload: { id: numeric, admin_graphql_api_id: id, title } })
    return { product: showProduct(row), userErrors: [] }
  }
  const hooks = shopifyHookGraph(grant, state)
  return {
    query: { shop: showShop(shop), products: list, ...hooks.query },
    mutation: { productCreate: create, ...hooks.mutation },
  }
}

const graphInput = z.object({ query: z.string(), variables: z.record(z.string(), z.json()).nullish() })

async function graphEndpoint(
  server: AuthorizationServer,
  state: StateFile,
  exchange: Exchange,
  tell: (happening: ShopifyHappening) => void,
): Promise<Reply> {
  const header = exchange.headers['x-shopify-access-token']
  const found = server.authenticate(typeof header === 'string' ? header : undefined)
  if (!found || found.grant.place !== exchange.params['shop']) {
    return json(
      { errors: '[API] Invalid API key or access token (unrecognized login or wrong password)' },
      401,
    )
  }
  const input = graphInput.safeParse(jsonBody(exchange))
  if (!input.success) return json({ errors: { query: 'Required parameter missing or invalid' } }, 400)
  const cost = {
    requestedQueryCost: 1,
    actualQueryCost: 1,
    throttleStatus: { maximumAvailable: 2000, currentlyAvailable: 1999, restoreRate: 100 },
  }
  try {
    const data = runGraph(input.data.query, input.data.variables ?? {}, graphOf(found.grant, state, tell))
    await state.save()
    return json({ data, extensions: { cost } })
  } catch (error) {
    if (!(error instanceof GraphError)) throw error
    return json({ errors: [{ message: error.message, extensions: { code: error.code } }] })
  }
}

function viewer({ data }: StateFile): Reply {
  const rows = data.shopify.products
    .toReversed()
    .map((row) => ({ head: row.shop, text: row.title, meta: `${row.status} · ${row.createdAt}` }))
  return viewerPage(style, [{ title: 'Products', empty: 'No product yet.', rows }])
}

/** Starts the stand-in Shopify. */
export async function startShopify(options: StandInOptions): Promise<Running<SandboxShopify>> {
  const { state, redirectUris, accessTokenSeconds } = options
  const server = new AuthorizationServer({
    provider: 'shopify',
    state,
    redirectUris,
    pkce: 'refused',
    accessTokenSeconds: accessTokenSeconds ?? 3600,
    rotation: 'grace',
    tokenPrefix: (kind) => (kind === 'refresh' ? 'shprt_' : 'shpat_'),
  })
  const courier = createCourier()
  const tell = (happening: ShopifyHappening): void =>
    tellShopifyHooks({ state, courier, secret: server.client.clientSecret }, happening)
  const shopOf = (exchange: Exchange): string => exchange.params['shop'] ?? ''
  const consent = consentRoutes({
    path: '/:shop/admin/oauth/authorize',
    server,
    style,
    people: (exchange) => peopleAt(shopOf(exchange)),
    scopes: (query) => ({ scopes: words(query.get('scope')) }),
    finish: (callback, exchange) => signCallback(callback, shopOf(exchange), server.client.clientSecret),
  })
  const { standIn, close } = await runStandIn(options, {
    name: 'Shopify',
    people: Object.keys(shops).flatMap(peopleAt),
    server,
    routes: [
      { method: 'GET', path: '/', handle: () => viewer(state) },
      ...consent,
      {
        method: 'POST',
        path: '/:shop/admin/oauth/access_token',
        handle: (exchange) => tokenEndpoint(server, exchange),
      },
      {
        method: 'POST',
        path: '/:shop/admin/api/:version/graphql.json',
        handle: (exchange) => graphEndpoint(server, state, exchange, tell),
      },
    ],
    rateLimited: (seconds) =>
      json({ errors: 'Exceeded API rate limit.' }, 429, { 'retry-after': `${seconds}.0` }),
    notFound: () => json({ errors: 'Not Found' }, 404),
  })
  return { standIn: { ...standIn, endpoints: { origin: standIn.url }, ...viewsOf(state, courier) }, close }
}

/** What a test or the demo sees. */
const viewsOf = (state: StateFile, courier: Courier) => ({
  shops: Object.keys(shops),
  products: (): SandboxProduct[] => structuredClone(state.data.shopify.products),
  hooks: () => structuredClone(state.data.shopify.hooks),
  async removeHook(id: string): Promise<boolean> {
    const { hooks } = state.data.shopify
    const at = hooks.findIndex((hook) => hook.id === id)
    if (at < 0) return false
    hooks.splice(at, 1)
    await state.save()
    return true
  },
  deliveries: () => courier.deliveries(),
})

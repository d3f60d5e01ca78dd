// Shopify: acting in a shop with the official @shopify/admin-api-client. How accounts connect is in shopify-connect.ts.
// Provider facts: shopify.dev/docs/api/admin-graphql and /docs/api/usage/limits, read 2026-11-21.

import type { AdminApiClient } from '@shopify/admin-api-client'
import { z } from 'zod'
import type { OAuth2Auth } from '../../shared/auth.ts'
import type { IO, Json, Task, TaskOptions } from '../jobs/job.ts'
import {
  checkAuthSource,
  checkCredential,
  checkId,
  checkSigningSecrets,
  optionError,
  type Complainant,
  type OAuthAppOptions,
} from './checked-options.ts'
import { readAs } from './json-request.ts'
import { shopifyLimits } from './shopify-limits.ts'
import { failureError, member, retryAfterMs, type ProviderFailure } from './provider-failure.ts'
import { ProviderIntegration, type SdkRequest } from './provider-integration.ts'
import { loadPeer } from './sdk-peer.ts'
import {
  defaultApiVersion,
  shopAddress,
  shopifyConnect,
  shopPattern,
  type ShopAddress,
  type ShopifyEndpoints,
} from './shopify-connect.ts'
import { shopifySources, type ShopifySources } from './shopify-sources.ts'

export type { ShopifyEndpoints } from './shopify-connect.ts'
export { events } from './shopify-sources.ts'
export type {
  ShopifyOrderPayload,
  ShopifyProductPayload,
  ShopifyResourcePayload,
  ShopifyShopParams,
  ShopifySources,
} from './shopify-sources.ts'

/** Options of {@link Shopify}: `shop` with `accessToken` for the product's own shop, or `connect` for its customers'. */
export interface ShopifyOptions<Id extends string = string> {
  /** The host's own name for this integration: `shopify-customers`. */
  readonly id: Id
  /** `acme.myshopify.com`; with `accessToken`. */
  readonly shop?: string | undefined
  /** Admin API access token of a custom app: runs of any account use it. */
  readonly accessToken?: string | undefined
  /** Lets accounts connect their shops. */
  readonly connect?: boolean
  /** The host's Shopify app. Needed with `connect`. */
  readonly oauth?: OAuthAppOptions
  /**
   * Secrets of the app that webhooks may be signed with beside `oauth.clientSecret`: the old one while it is being changed,
   * because Shopify signs with it until it is revoked. Alone with `accessToken`, whose custom app has one too.
   */
  readonly signingSecret?: string | readonly string[] | undefined
  /** Version of the Admin API (default `2026-10`). */
  readonly apiVersion?: string
  /** Another place than the shops themselves, for stand-ins. */
  readonly endpoints?: ShopifyEndpoints
}

/** A shop, by Shopify's own names. */
export type ShopifyShop = {
  /** `gid://shopify/Shop/1`. */
  id: string
  /** As customers know it. */
  name: string
  /** `acme.myshopify.com`. */
  myshopifyDomain: string
  /** Address at which Shopify reaches the owner. */
  email: string
  /** ISO 4217. */
  currencyCode: string
}

/** A product. */
export type ShopifyProduct = {
  /** `gid://shopify/Product/1`. */
  id: string
  /** Plain text. */
  title: string
  /** `ACTIVE`, `DRAFT` or `ARCHIVED`. */
  status: string
  /** Its part of the address in the shop. */
  handle: string
  /** ISO 8601. */
  createdAt: string
}

const name = 'Shopify'

const shopReply = z.object({
  shop: z.object({
    id: z.string(),
    name: z.string(),
    myshopifyDomain: z.string(),
    email: z.string(),
    currencyCode: z.string(),
  }),
})
const product = z.object({
  id: z.string(),
  title: z.string(),
  status: z.string(),
  handle: z.string(),
  createdAt: z.string(),
})
const productsReply = z.object({
  products: z.object({
    nodes: z.array(product),
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() }),
  }),
})
const createReply = z.object({
  productCreate: z.object({
    product: product.nullable(),
    userErrors: z.array(z.object({ field: z.array(z.string()).nullable() })),
  }),
})

const productFields = 'id title status handle createdAt'

/** Shopify in the name of a shop. */
export class Shopify<const Id extends string = string> extends ProviderIntegration<
  Id,
  OAuth2Auth,
  AdminApiClient
> {
  /** Where webhooks come from: `shopify.sources.shop`. For `DynamicTrigger`. */
  readonly sources: ShopifySources
  readonly #options: ShopifyOptions<Id>
  readonly #address: ShopAddress
  /** Why a request failed, by the signal it was made with: the SDK passes on nothing but the message. */
  readonly #failures = new WeakMap<AbortSignal, unknown>()

  /**
   * @throws {@link AuthFlowError} `missing_option` naming the option and the id, also for a credential that is given but
   *   undefined; `invalid_option`
   */
  constructor(options: ShopifyOptions<Id>) {
    const self = { name, id: options.id }
    checkId(self)
    const local = Object.hasOwn(options, 'accessToken') || Object.hasOwn(options, 'shop')
    if (local) checkLocal(self, options)
    const authSource = checkAuthSource(self, { connect: options.connect, local, localOption: 'accessToken' })
    const apiVersion = checkApiVersion(self, options.apiVersion)
    const address = shopAddress(self, options.endpoints)
    const connect = options.connect
      ? shopifyConnect(self, { oauth: options.oauth, address, apiVersion })
      : undefined
    const endpoints = options.endpoints?.origin === undefined ? [] : [options.endpoints.origin]
    super({
      id: options.id,
      provider: 'shopify',
      name,
      authSource,
      connect,
      endpoints,
      limits: shopifyLimits,
    })
    this.#options = options
    this.#address = address
    const { shop, accessToken, oauth } = options
    this.sources = shopifySources({
      self,
      integration: this,
      apiUrl: (of) => `${address(of)}/admin/api/${apiVersion}/graphql.json`,
      own: { shop, accessToken },
      appSecrets: [
        ...(oauth?.clientSecret === undefined ? [] : [oauth.clientSecret]),
        ...checkSigningSecrets(self, options),
      ],
    })
  }

  override cloneForRun(io: IO, connectionKey: string, auth?: OAuth2Auth): Shopify<Id> {
    return new Shopify(this.#options).bindTo(this, io, connectionKey, auth)
  }

  override async createClient(auth?: OAuth2Auth): Promise<AdminApiClient> {
    const accessToken = this.#options.accessToken ?? auth?.accessToken
    const shop = this.#options.shop ?? auth?.fields['shop']
    if (accessToken === undefined || shop === undefined) throw this.notConnected()
    const base = this.#address(shop)
    const sdk = await loadPeer('@shopify/admin-api-client', () => import('@shopify/admin-api-client'))
    return sdk.createAdminApiClient({
      storeDomain: shop,
      accessToken,
      apiVersion: checkApiVersion(this.self, this.#options.apiVersion),
      retries: 0,
      // The SDK forces https and the shop's own host; where that is, only the constructor says.
      customFetchApi: (url, init) => this.#send(base + new URL(url).pathname, init),
      // Without a logger it writes to the console.
      logger: () => undefined,
    })
  }

  /**
   * Runs a query or mutation of the GraphQL Admin API and gives its `data`. `T` is what the caller says the answer is.
   * Errors of GraphQL are thrown; `userErrors` inside of the data are the caller's to read.
   */
  query<T extends Json = Json>(
    key: string,
    request: { readonly query: string; readonly variables?: { [name: string]: Json } },
    options: TaskOptions = {},
  ): Promise<T> {
    return this.runTask<T>(
      key,
      async (client, task) => plain<T>(await this.#request(client, task, request)),
      { name: 'Query shop', params: request, ...options },
    )
  }

  /** Reads the shop. */
  getShop(key: string, options: TaskOptions = {}): Promise<ShopifyShop> {
    const query = '{ shop { id name myshopifyDomain email currencyCode } }'
    return this.runTask(
      key,
      async (client, task) => readAs(this.self, shopReply, await this.#request(client, task, { query })).shop,
      { name: 'Get shop', ...options },
    )
  }

  /** One page of products; `nextCursor` is null on the last. Needs `read_products`. */
  listProducts(
    key: string,
    params: { readonly first?: number; readonly after?: string } = {},
    options: TaskOptions = {},
  ): Promise<{ products: ShopifyProduct[]; nextCursor: string | null }> {
    const query = `query ($first: Int!, $after: String) {
      products(first: $first, after: $after) { nodes { ${productFields} } pageInfo { hasNextPage endCursor } }
    }`
    const variables = {
      first: params.first ?? 50,
      ...(params.after === undefined ? {} : { after: params.after }),
    }
    return this.runTask(
      key,
      async (client, task) => {
        const { nodes, pageInfo } = readAs(
          this.self,
          productsReply,
          await this.#request(client, task, { query, variables }),
        ).products
        return { products: nodes, nextCursor: pageInfo.hasNextPage ? pageInfo.endCursor : null }
      },
      { name: 'List products', params: variables, ...options },
    )
  }

  /** Creates a product. Needs `write_products`. Shopify takes no idempotency key here: a lost answer may leave two. */
  createProduct(
    key: string,
    params: { readonly title: string; readonly status?: 'ACTIVE' | 'DRAFT' | 'ARCHIVED' },
    options: TaskOptions = {},
  ): Promise<ShopifyProduct> {
    const query = `mutation ($product: ProductCreateInput!) {
      productCreate(product: $product) { product { ${productFields} } userErrors { field } }
    }`
    return this.runTask(
      key,
      async (client, task) => {
        const variables = { product: { ...params } }
        const { productCreate } = readAs(
          this.self,
          createReply,
          await this.#request(client, task, { query, variables }),
        )
        if (productCreate.product) return productCreate.product
        const field = productCreate.userErrors[0]?.field?.join('.')
        throw failureError(this.self, { status: 422, code: field })
      },
      { name: 'Create product', params, ...options },
    )
  }

  protected override explain(error: unknown): unknown {
    return error
  }

  /** The SDK returns errors and never throws: they are thrown here. */
  async #request(
    client: AdminApiClient,
    task: Task,
    { query, variables = {} }: { readonly query: string; readonly variables?: { [name: string]: Json } },
  ): Promise<unknown> {
    const { signal, release } = ownSignal(task.signal)
    try {
      const { data, errors } = await client.request(query, { variables, signal })
      if (errors === undefined) return data
      const failure = this.#failures.get(signal)
      if (failure !== undefined) throw failure
      throw failureError(this.self, failureOf(errors))
    } finally {
      release()
    }
  }

  async #send(url: string, init: SdkRequest = {}): Promise<Response> {
    try {
      return await this.sdkFetch(url, init)
    } catch (error) {
      if (init.signal) this.#failures.set(init.signal, error)
      throw error
    }
  }
}

const plain = <T extends Json>(value: unknown): T => JSON.parse(JSON.stringify(value ?? null))

/** A signal of this one request that follows the task's; by hand, for one made by `any()` may be collected too early. */
function ownSignal(outer: AbortSignal): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController()
  const follow = (): void => controller.abort(outer.reason)
  if (outer.aborted) follow()
  else outer.addEventListener('abort', follow, { once: true })
  return { signal: controller.signal, release: () => outer.removeEventListener('abort', follow) }
}

/** The facts of what the SDK returned as `errors`. */
function failureOf(errors: unknown): ProviderFailure {
  const status = member(errors, 'networkStatusCode')
  if (typeof status !== 'number') return {}
  const [first] = [member(errors, 'graphQLErrors')].flat()
  const code = member(first, 'extensions', 'code')
  if (status === 429 || code === 'THROTTLED') {
    const headers = member(errors, 'response', 'headers')
    const wait = headers instanceof Headers ? headers.get('retry-after') : undefined
    return { status: 429, code, rateLimited: true, retryAfterMs: retryAfterMs(wait) ?? 2000 }
  }
  if (status >= 400) return { status, code }
  // GraphQL errors come with status 200.
  if (code === 'ACCESS_DENIED') return { status: 403, code }
  if (code === 'INTERNAL_SERVER_ERROR') return { status: 503, code }
  return first === undefined ? { status, garbled: true } : { status: 400, code }
}

function checkLocal(self: Complainant, { shop, accessToken }: ShopifyOptions): void {
  checkCredential(self, 'accessToken', accessToken)
  if (shopPattern.test(checkCredential(self, 'shop', shop))) return
  throw optionError('invalid_option', self, {
    option: 'shop',
    what: 'must look like your-shop.myshopify.com.',
  })
}

function checkApiVersion(self: Complainant, version = defaultApiVersion): string {
  if (/^(?:\d{4}-\d{2}|unstable)$/.test(version)) return version
  throw optionError('invalid_option', self, { option: 'apiVersion', what: 'must look like 2026-10.' })
}

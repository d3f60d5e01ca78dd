// Webhooks of shops, one for each topic, made as the shop. All are signed with the secret of the host's app, so the URL
// of each, which nobody else is told, says whose it is. Provider facts: shopify.dev/docs/apps/build/webhooks and
// /docs/api/admin-graphql/latest/mutations/webhookSubscriptionCreate, read 2026-11-21.

import { z } from 'zod'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Json, PayloadSchema } from '../jobs/job.ts'
import type { Complainant } from './checked-options.ts'
import type { Integration } from './integration.ts'
import { readAs, requestJson } from './json-request.ts'
import { failureError, member } from './provider-failure.ts'
import { bearerOf, jsonOf } from './webhook-body.ts'
import type {
  EventSpecification,
  HookContext,
  RegistrationSource,
  SourceContext,
  Verdict,
  VerifyContext,
  WebhookRequest,
} from './webhook-source.ts'

const shopParams = z.object({})

/** Nothing: the shop is that of the account. */
export type ShopifyShopParams = z.output<typeof shopParams>

/** Where webhooks of Shopify are made. */
export interface ShopifySources {
  /** Webhooks of the account's shop, for the topic of the trigger's event. Needs the scope to read what it is about. */
  readonly shop: RegistrationSource<ShopifyShopParams>
}

/** What the sources need of the integration. */
export interface ShopifySourceOptions {
  readonly self: Complainant
  readonly integration: Integration
  /** Where the Admin API of a shop is. */
  apiUrl(shop: string | undefined): string
  /** Of an integration with credentials from code. */
  readonly own: { readonly shop: string | undefined; readonly accessToken: string | undefined }
  /** The app's, the newest first. Empty: nothing is believed. */
  readonly appSecrets: readonly string[]
}

const subscription = z.object({ id: z.string(), uri: z.string().nullish() })
const listReply = z.object({ webhookSubscriptions: z.object({ nodes: z.array(subscription) }) })
const createReply = z.object({
  webhookSubscriptionCreate: z.object({
    webhookSubscription: subscription.nullable(),
    userErrors: z.array(z.object({ field: z.array(z.string()).nullable() })),
  }),
})
const oneReply = z.object({ webhookSubscription: subscription.nullable() })
const hookData = z.object({ id: z.string() })

type Query = (query: string, variables?: { readonly [name: string]: Json }) => Promise<unknown>

/** The sources of one integration. */
export function shopifySources(options: ShopifySourceOptions): ShopifySources {
  const { self, integration, appSecrets } = options
  const idOf = (data: Json): string => readAs(self, hookData, data).id
  return {
    shop: {
      kind: 'registration',
      id: 'shopify.shop',
      integration,
      params: shopParams,
      secret: 'app',
      appSecrets,
      verify: verifyShopify,
      receive: ({ headers }) => ({ deliveryId: headers['x-shopify-webhook-id'] ?? '', isIdSigned: false }),
      read: ({ headers, rawBody }) => ({
        events: [
          {
            name: headers['x-shopify-topic'] ?? '',
            payload: jsonOf(rawBody),
            context: { shop: headers['x-shopify-shop-domain'] ?? null },
            ...triggeredAt(headers['x-shopify-triggered-at']),
          },
        ],
      }),
      async create(context) {
        if (appSecrets.length === 0)
          throw new AuthFlowError(
            'missing_option',
            `${self.name} (${self.id}): webhooks need \`oauth\`, whose secret signs them, or \`signingSecret\`.`,
          )
        return { data: { id: await create(self, queryFor(options, context), context) } }
      },
      async exists(context) {
        const query = 'query ($id: ID!) { webhookSubscription(id: $id) { id uri } }'
        const data = await queryFor(options, context)(query, { id: idOf(context.data) })
        return readAs(self, oneReply, data).webhookSubscription?.uri === context.url
      },
      async remove(context) {
        const query =
          'mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId } }'
        // One that is not there is told among the data, not as an error.
        await queryFor(options, context)(query, { id: idOf(context.data) })
      },
    },
  }
}

function queryFor(
  { self, apiUrl, own }: ShopifySourceOptions,
  { auth, fetch }: SourceContext<unknown>,
): Query {
  const token = bearerOf(self, auth, own.accessToken)
  const url = apiUrl(own.shop ?? auth?.fields['shop'])
  return async (query, variables = {}) => {
    const headers = { 'x-shopify-access-token': token }
    const { body } = await requestJson(self, fetch, url, { headers, body: { query, variables } })
    const [error] = [member(body, 'errors')].flat()
    if (error === undefined) return member(body, 'data')
    const code = member(error, 'extensions', 'code')
    if (code === 'THROTTLED') throw failureError(self, { status: 429, rateLimited: true, retryAfterMs: 2000 })
    throw failureError(self, { status: code === 'ACCESS_DENIED' ? 403 : 400, code })
  }
}

/** `orders/create` as GraphQL writes it. */
const topicName = (topic: string): string => topic.toUpperCase().replace(/\W+/g, '_')

async function create(
  self: Complainant,
  query: Query,
  context: HookContext<ShopifyShopParams>,
): Promise<string> {
  const topic = topicName(context.events[0] ?? '')
  const list = `query ($topics: [WebhookSubscriptionTopic!]) {
    webhookSubscriptions(first: 250, topics: $topics) { nodes { id uri } }
  }`
  const { webhookSubscriptions } = readAs(self, listReply, await query(list, { topics: [topic] }))
  const there = webhookSubscriptions.nodes.find(({ uri }) => uri === context.url)
  if (there) return there.id
  const mutation = `mutation ($topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!) {
    webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) {
      webhookSubscription { id uri } userErrors { field }
    }
  }`
  const variables = { topic, subscription: { uri: context.url, format: 'JSON' } }
  const { webhookSubscriptionCreate: made } = readAs(self, createReply, await query(mutation, variables))
  if (made.webhookSubscription) return made.webhookSubscription.id
  throw failureError(self, { status: 422, code: made.userErrors[0]?.field?.at(-1) })
}

function triggeredAt(text: string | undefined): { timestamp?: Date } {
  return text === undefined || Number.isNaN(Date.parse(text)) ? {} : { timestamp: new Date(text) }
}

/** Whether a request is Shopify's. */
export function verifyShopify({ headers, rawBody }: WebhookRequest, context: VerifyContext): Verdict {
  const signature = headers['x-shopify-hmac-sha256']
  if (signature === undefined) return 'missing'
  const check = { algorithm: 'sha256', data: [rawBody], signature, encoding: 'base64' } as const
  return context.secrets.some((key) => context.hmacMatches({ ...check, key })) ? 'ok' : 'mismatch'
}

const resource = z.looseObject({ id: z.number(), admin_graphql_api_id: z.string().optional() })
const order = resource.extend({
  name: z.string().optional(),
  email: z.string().nullish(),
  total_price: z.string().optional(),
})
const product = resource.extend({ title: z.string() })

/** Something of a shop, by Shopify's own names. */
export type ShopifyResourcePayload = z.output<typeof resource>
/** An order. */
export type ShopifyOrderPayload = z.output<typeof order>
/** A product. */
export type ShopifyProductPayload = z.output<typeof product>

const on = <Payload>(
  name: string,
  title: string,
  schema: PayloadSchema<Payload>,
): EventSpecification<Payload> => ({
  name,
  provider: 'shopify',
  title,
  schema,
})

/** Events of Shopify for `DynamicTrigger`. */
export const events = {
  /** An order was placed. */
  onOrderCreated: on('orders/create', 'Order created', order),
  /** An order changed. */
  onOrderUpdated: on('orders/updated', 'Order updated', order),
  /** An order was paid. */
  onOrderPaid: on('orders/paid', 'Order paid', order),
  /** A product was made. */
  onProductCreated: on('products/create', 'Product created', product),
  /** A product changed. */
  onProductUpdated: on('products/update', 'Product updated', product),
  /** A customer was added. */
  onCustomerCreated: on('customers/create', 'Customer created', resource),
  /** Any topic, by Shopify's own name for it: `inventory_levels/update`. */
  topic: (name: string): EventSpecification<Json> => ({ name, provider: 'shopify', title: name }),
} as const

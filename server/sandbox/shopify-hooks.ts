// Webhook subscriptions of the stand-in Shopify: made by GraphQL, sent when a product is made, signed with the secret of
// the app that made them.

import { createHmac, randomUUID } from 'node:crypto'

import type { Courier } from './deliver.ts'
import { GraphError, type GraphObject, type GraphValue } from './shopify-graphql.ts'
import type { Grant, ShopifyHookRow, StateFile } from './state.ts'

type Args = Readonly<Record<string, GraphValue>>

const show = ({ id, topic, uri }: ShopifyHookRow): GraphObject => ({
  __typename: 'WebhookSubscription',
  id,
  topic,
  uri,
})

const topicOf = (value: GraphValue | undefined): string => {
  if (typeof value === 'string' && /^[A-Z_]{3,80}$/.test(value)) return value
  throw new GraphError('argumentLiteralsIncompatible', 'topic is not a WebhookSubscriptionTopic')
}

/** What a query may ask about subscriptions in the grant's shop. */
export function shopifyHookGraph(
  grant: Grant,
  state: StateFile,
): { query: GraphObject; mutation: GraphObject } {
  const rows = state.data.shopify.hooks
  const shop = grant.place
  const own = (id: GraphValue | undefined): ShopifyHookRow | undefined =>
    rows.find((row) => row.shop === shop && row.id === id)
  return {
    query: {
      webhookSubscription: ({ id }: Args) => {
        const row = own(id)
        return row ? show(row) : null
      },
      webhookSubscriptions: ({ topics }: Args) => ({
        nodes: rows
          .filter((row) => row.shop === shop && (!Array.isArray(topics) || topics.includes(row.topic)))
          .map(show),
      }),
    },
    mutation: {
      webhookSubscriptionCreate: (args: Args) => create(rows, shop, args),
      webhookSubscriptionDelete: ({ id }: Args) => {
        const row = own(id)
        if (row) rows.splice(rows.indexOf(row), 1)
        return { deletedWebhookSubscriptionId: row?.id ?? null, userErrors: [] }
      },
    },
  }
}

function create(
  rows: ShopifyHookRow[],
  shop: string,
  { topic, webhookSubscription: given }: Args,
): GraphObject {
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given)
  const uri = isObject ? given['uri'] : null
  const name = topicOf(topic)
  if (
    typeof uri !== 'string' ||
    rows.some((row) => row.shop === shop && row.topic === name && row.uri === uri)
  ) {
    const userErrors = [{ field: ['webhookSubscription', 'uri'], message: 'Address is not allowed' }]
    return { webhookSubscription: null, userErrors }
  }
  const row = { id: `gid://shopify/WebhookSubscription/${Date.now()}${rows.length}`, shop, topic: name, uri }
  rows.push(row)
  return { webhookSubscription: show(row), userErrors: [] }
}

/** Something that happened in a shop. */
export interface ShopifyHappening {
  readonly shop: string
  /** `products/create`. */
  readonly topic: string
  readonly payload: Readonly<Record<string, unknown>>
}

/** Tells every subscription of the shop to the topic. */
export function tellShopifyHooks(
  {
    state,
    courier,
    secret,
  }: { readonly state: StateFile; readonly courier: Courier; readonly secret: string },
  { shop, topic, payload }: ShopifyHappening,
): void {
  const body = JSON.stringify(payload)
  const name = topic.toUpperCase().replace(/\W+/g, '_')
  for (const row of state.data.shopify.hooks) {
    if (row.shop !== shop || row.topic !== name) continue
    const id = randomUUID()
    const headers = {
      'content-type': 'application/json',
      'x-shopify-topic': topic,
      'x-shopify-shop-domain': shop,
      'x-shopify-webhook-id': id,
      'x-shopify-triggered-at': new Date().toISOString(),
      'x-shopify-hmac-sha256': createHmac('sha256', secret).update(body).digest('base64'),
    }
    courier.send({ id, url: row.uri, headers, body })
  }
}

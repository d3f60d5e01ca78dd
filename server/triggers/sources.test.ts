import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { events as airtableEvents } from '../integrations/airtable.ts'
import { events as shopifyEvents } from '../integrations/shopify.ts'
import { events as slackEvents } from '../integrations/slack.ts'
import { dig } from '../http/fixtures/test-server.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import type { Json } from '../jobs/job.ts'
import { DynamicTrigger } from './dynamic-trigger.ts'
import {
  shopifyOldSecret,
  slackSigningSecret,
  startWorld,
  type World,
  type WorldClient,
  type worldIntegrations,
} from './fixtures/trigger-world.ts'

const seen: { job: string; account: string | undefined; key: string | undefined; payload: unknown }[] = []
const of = (job: string) => seen.filter((one) => one.job === job)

function define(client: WorldClient, [, slack, airtable, shopify]: ReturnType<typeof worldIntegrations>) {
  const job = <Params extends Json, Payload>(id: string, trigger: DynamicTrigger<Params, Payload>) => {
    client.defineJob({
      id,
      name: id,
      version: '1.0.0',
      trigger,
      run: (payload, _, ctx) =>
        void seen.push({ job: id, account: ctx.account?.id, key: ctx.source?.id, payload }),
    })
    return trigger
  }
  const { workspace } = slack.sources
  const { base } = airtable.sources
  const { shop } = shopify.sources
  return {
    mention: job(
      'mention',
      new DynamicTrigger(client, { id: 'mention', event: slackEvents.onAppMention, source: workspace }),
    ),
    change: job(
      'change',
      new DynamicTrigger(client, { id: 'change', event: airtableEvents.onChange, source: base }),
    ),
    product: job(
      'product',
      new DynamicTrigger(client, { id: 'product', event: shopifyEvents.onProductCreated, source: shop }),
    ),
  }
}

let world: World
let triggers: ReturnType<typeof define>
before(async () => {
  world = await startWorld({
    define: (client, integrations) => void (triggers = define(client, integrations)),
  })
  await world.client.start()
})
after(() => world.close())

describe('slack.sources.workspace', () => {
  it('answers the challenge, and takes events to the accounts of their workspace only', async () => {
    const url = `${world.url}/webhooks/app/slack-customers`
    const { slack } = world.sandbox
    assert.equal(await slack.subscribe({ url, signingSecret: 'wrong' }), false)
    assert.equal(await slack.subscribe({ url, signingSecret: slackSigningSecret }), true)
    const [ada, grace] = slack.people
    for (const [account, person] of [
      ['1', ada?.id],
      ['2', ada?.id],
      ['3', grace?.id],
    ] as const) {
      await world.connect('slack-customers', account, { person: person ?? '' })
      await triggers.mention.register(`of ${account}`, {}, { accountId: account })
    }
    const team = ada?.place ?? ''
    const event = { type: 'app_mention', channel: 'C1', text: 'hello', ts: '1.2', user: 'U1' }
    const id = slack.happen({ team, event })
    await until('both accounts of the workspace', () => of('mention').length === 2)
    assert.deepEqual(
      of('mention')
        .map(({ account }) => account)
        .sort(),
      ['1', '2'],
    )
    assert.deepEqual(of('mention')[0]?.payload, event)

    for (let times = 0; times < 3; times += 1) assert.equal((await slack.redeliver(id)).status, 200)
    slack.happen({ team, event: { ...event, type: 'message' } })
    await world.client.connections.disconnect({ integration: 'slack-customers', accountId: '2' })
    slack.happen({ team, event: { ...event, text: 'again' } })
    await until('the one that is left', () => of('mention').length === 3)
    assert.deepEqual(of('mention').at(-1)?.account, '1')
    await triggers.mention.unregister('of 1')
    slack.happen({ team: grace?.place ?? '', event })
    await until('the other workspace', () => of('mention').length === 4)
    assert.deepEqual(of('mention').at(-1)?.account, '3')
  })

  it('refuses what is not signed by Slack, and apps that nobody listens to', async () => {
    const url = `${world.url}/webhooks/app/slack-customers`
    assert.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 401)
    const other = `${world.url}/webhooks/app/github-customers`
    assert.equal((await fetch(other, { method: 'POST', body: '{}' })).status, 404)
  })
})

describe('airtable.sources.base', () => {
  const api = (path: string, init: RequestInit) =>
    fetch(`${world.sandbox.airtable.url}/v0/${path}`, {
      ...init,
      headers: {
        authorization: `Bearer ${world.sandbox.airtable.personalAccessTokens['ada']}`,
        'content-type': 'application/json',
      },
    })
  const add = (baseId: string, name: string) =>
    api(`${baseId}/Leads`, {
      method: 'POST',
      body: JSON.stringify({ records: [{ fields: { Name: name } }] }),
    })

  it('reads what a ping is about from where it left, each change once', async () => {
    await world.connect('airtable-customers', 'a', { person: 'ada' })
    const baseId = world.sandbox.airtable.bases['ada'] ?? ''
    const made = await triggers.change.register('leads', { baseId }, { accountId: 'a' })
    assert.equal(made.state, 'active')
    assert(Date.parse(made.expiresAt ?? '') > Date.now() + 6 * 24 * 3_600_000)
    // More than a page, and more pings than readings.
    await Promise.all(Array.from({ length: 60 }, (_, index) => add(baseId, `lead ${index}`)))
    await until('all changes', () => of('change').length >= 60, 20_000)
    const numbers = of('change').map(
      ({ payload }) => (payload as { baseTransactionNumber: number }).baseTransactionNumber,
    )
    assert.equal(new Set(numbers).size, 60)
    await add(baseId, 'one more')
    await until('one more', () => of('change').length === 61)
    assert.equal((await world.client.runs.list({ job: 'change', limit: 100 })).items.length, 61)
  })

  it('makes anew what has ended', async () => {
    await world.sandbox.airtable.expireHooks(-1)
    await world.connect('airtable-customers', 'a', { person: 'ada' })
    await until('a live hook', () =>
      world.sandbox.airtable.hooks().some(({ expirationTime }) => Date.parse(expirationTime) > Date.now()),
    )
    const count = of('change').length
    const baseId = world.sandbox.airtable.bases['ada'] ?? ''
    await add(baseId, 'after')
    await until('a change of the new hook', () => of('change').length === count + 1)
  })

  it('is removed on disconnect although Airtable has no way to end a grant, and made again', async () => {
    const alive = (): number =>
      world.sandbox.airtable.hooks().filter(({ expirationTime }) => Date.parse(expirationTime) > Date.now())
        .length
    assert.equal(alive(), 1)
    await world.client.connections.disconnect({ integration: 'airtable-customers', accountId: 'a' })
    await until('the hook to go', () => alive() === 0)
    await world.connect('airtable-customers', 'a', { person: 'ada' })
    await until('the hook to be back', () => alive() === 1)
  })

  it('removes it on unregister', async () => {
    await triggers.change.unregister('leads')
    assert.equal(
      world.sandbox.airtable.hooks().filter(({ expirationTime }) => Date.parse(expirationTime) > Date.now())
        .length,
      0,
    )
  })
})

describe('shopify.sources.shop', () => {
  it('makes a subscription to the topic in the account’s shop and starts its job', async () => {
    await world.connect('shopify-customers', 's', { values: { shop: 'acme.myshopify.com' } })
    const made = await triggers.product.register('products', {}, { accountId: 's' })
    assert.equal(made.state, 'active')
    assert.deepEqual(
      world.sandbox.shopify.hooks().map(({ shop, topic }) => [shop, topic]),
      [['acme.myshopify.com', 'PRODUCTS_CREATE']],
    )
    const auth = await world.client.getAuth({ id: 'shopify-customers', accountId: 's' })
    const [, , , shopify] = world.integrations
    const sdk = await shopify.createClient(auth)
    await sdk.request(
      'mutation ($product: ProductCreateInput!) { productCreate(product: $product) { product { id } userErrors { field } } }',
      {
        variables: { product: { title: 'Lamp' } },
      },
    )
    await until('the job', () => of('product').length === 1)
    assert.deepEqual([of('product')[0]?.account, of('product')[0]?.key], ['s', 'products'])
    assert.equal(dig(of('product')[0]?.payload, 'title'), 'Lamp')
  })

  const subscriptions = () => world.sandbox.shopify.hooks()

  it('believes the app’s old secret while it is being changed, and no other', async () => {
    const sent = world.sandbox.shopify.deliveries().at(-1)
    const body = JSON.stringify({ ...JSON.parse(sent?.body ?? ''), id: 77, title: 'Signed before' })
    const post = async (secret: string, webhookId: string) => {
      const signature = createHmac('sha256', secret).update(body).digest('base64')
      const headers = {
        ...sent?.headers,
        'x-shopify-webhook-id': webhookId,
        'x-shopify-hmac-sha256': signature,
      }
      return (await fetch(sent?.url ?? '', { method: 'POST', body, headers })).status
    }
    assert.equal(await post('d'.repeat(32), 'a'), 401)
    assert.equal(await post(shopifyOldSecret, 'b'), 200)
    await until('the job', () => of('product').length === 2)
    assert.equal(dig(of('product')[1]?.payload, 'title'), 'Signed before')
  })

  it('makes again what was deleted at the shop', async () => {
    const [old] = subscriptions()
    assert.equal(await world.sandbox.shopify.removeHook(old?.id ?? ''), true)
    await world.connect('shopify-customers', 's', { values: { shop: 'acme.myshopify.com' } })
    await until('the subscription', () => subscriptions().length === 1)
    assert.equal(subscriptions()[0]?.uri, old?.uri)
  })

  it('is removed on disconnect, and made again on reconnect', async () => {
    const [url] = subscriptions().map(({ uri }) => uri)
    await world.client.connections.disconnect({ integration: 'shopify-customers', accountId: 's' })
    await until('the subscription to go', () => subscriptions().length === 0)
    assert.equal((await fetch(url ?? '', { method: 'POST', body: '{}' })).status, 404)
    await world.connect('shopify-customers', 's', { values: { shop: 'acme.myshopify.com' } })
    await until('the subscription', () => subscriptions().length === 1)
    await until('active', async () => (await triggers.product.get('products')).state === 'active')
  })

  it('is removed on unregister', async () => {
    await triggers.product.unregister('products')
    assert.equal(subscriptions().length, 0)
  })
})

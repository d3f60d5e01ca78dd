// Shopify's side of connecting: the shop as a field, per-shop endpoints, scopes in words, the OAuth method with Shopify's
// quirks, the signed callback. Acting in a shop is in shopify.ts. Provider facts:
// shopify.dev/docs/apps/build/authentication-authorization, read 2026-11-21.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { AuthFlowError } from '../../shared/errors.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import {
  checkEndpoint,
  checkOAuthApp,
  optionError,
  type Complainant,
  type OAuthAppOptions,
} from './checked-options.ts'
import { defineFields, type FieldMeta } from './field-set.ts'
import { fieldTexts, methodLabels, scopeTexts } from './field-texts.ts'
import type { ConnectDefinition, Identified, OAuth2Method } from './integration.ts'
import { checkingCredentials, readAs, requestJson } from './json-request.ts'
import { failureError, member } from './provider-failure.ts'

/** Where Shopify is; for stand-ins. */
export interface ShopifyEndpoints {
  /** One origin for all shops, with the shop's host name as the first part of the path (default: each shop's own host). */
  readonly origin?: string
}

/** Host names of shops. One DNS label under a fixed suffix: nothing else can become part of an address. */
export const shopPattern = /^[a-z0-9][a-z0-9-]{0,59}\.myshopify\.com$/

/** Version of the Admin API that is used unless the host names another. */
export const defaultApiVersion = '2026-10'

/** Where a shop is: `https://acme.myshopify.com`, or below the overriding origin. Throws `blocked_host`. */
export type ShopAddress = (shop: string | undefined) => string

/** How shops are addressed, the overriding origin checked. Throws `invalid_option`. */
export function shopAddress(self: Complainant, endpoints: ShopifyEndpoints | undefined): ShopAddress {
  const given = endpoints?.origin
  const origin = given === undefined ? undefined : checkEndpoint(self, 'origin', given)
  return (shop = '') => {
    if (!shopPattern.test(shop))
      throw new AuthFlowError('blocked_host', 'The shop is not a host name under myshopify.com.')
    return origin === undefined ? `https://${shop}` : `${origin}/${shop}`
  }
}

const scopeLabels: Record<string, string> = {
  read_customers: 'See customers',
  read_fulfillments: 'See fulfilments',
  read_inventory: 'See stock',
  read_locations: 'See locations',
  read_orders: 'See orders of the last 60 days',
  read_products: 'See products',
  write_customers: 'See and change customers',
  write_fulfillments: 'See and change fulfilments',
  write_inventory: 'See and change stock',
  write_orders: 'See and change orders',
  write_products: 'See and change products',
}

const shopFields = z.object({
  shop: z
    .string()
    .max(80)
    .regex(shopPattern)
    .meta({
      title: 'Shop',
      locales: fieldTexts('shop'),
      description: 'The shop’s name, or its address at myshopify.com.',
      placeholder: 'your-shop.myshopify.com',
      normalise: [
        'trim',
        'lower',
        'stripScheme',
        // What merchants see in their browser's address bar, with the shop's name at myshopify.com.
        ['stripPrefix', 'admin.shopify.com/store/'],
        'stripPath',
        'stripTrailingDot',
        ['addSuffix', '.myshopify.com'],
      ],
      patternMessage: 'This is not a Shopify address. It looks like your-shop.myshopify.com.',
      autocomplete: 'off',
      inputMode: 'url',
    } satisfies FieldMeta),
})

/** What the method needs to know of the integration. */
export interface ShopifyConnectOptions {
  readonly oauth: OAuthAppOptions | undefined
  readonly address: ShopAddress
  readonly apiVersion: string
}

/** How accounts connect to Shopify. Throws `missing_option` and `invalid_option`. */
export function shopifyConnect(self: Complainant, options: ShopifyConnectOptions): ConnectDefinition {
  const { oauth, address, apiVersion } = options
  if (!oauth)
    throw optionError('missing_option', self, { option: 'oauth', what: 'is needed with `connect: true`.' })
  const method: OAuth2Method = {
    id: 'oauth2',
    label: 'Sign in with Shopify',
    labels: methodLabels('signIn', 'Shopify'),
    fields: defineFields(shopFields),
    client: checkOAuthApp(self, oauth),
    authorizationUrl: ({ shop }) => `${address(shop)}/admin/oauth/authorize`,
    tokenUrl: ({ shop }) => `${address(shop)}/admin/oauth/access_token`,
    scopeSeparator: ',',
    scopeLabels,
    scopeLocales: scopeTexts(scopeLabels),
    pkce: { off: 'Shopify does not know PKCE; its callbacks are signed with the app’s secret instead.' },
    clientAuth: 'post',
    // Tokens that never expire end on 2027-01-01 for public apps.
    tokenParams: { expiring: '1' },
    // The old refresh token works until the new one is used; an hour is sooner than the next refresh.
    rotation: { graceSeconds: 3600 },
    normaliseTokenResponse,
    checkCallback: (params, { fields, clientSecret }) =>
      checkCallback(params, fields['shop'] ?? '', clientSecret),
    installValues: (params, { clientSecret }) => readInstall(params, clientSecret),
    identify: ({ accessToken }, { fetch, fields }) =>
      identify(self, fetch, `${address(fields['shop'])}/admin/api/${apiVersion}/graphql.json`, accessToken),
    // No `revoke`: only the merchant can remove an app, and that would end every connection to the shop.
  }
  return { methods: [method] }
}

/** No `token_type`, scopes with commas. */
async function normaliseTokenResponse(response: Response): Promise<Response> {
  const body: unknown = await response.clone().json()
  if (!response.ok || typeof body !== 'object' || body === null) {
    const error = member(body, 'error')
    // Shopify's word for a client it does not know.
    const known = error === 'application_cannot_be_found' ? 'invalid_client' : error
    return typeof known === 'string' ? Response.json({ error: known }, { status: response.status }) : response
  }
  const scope = member(body, 'scope')
  return Response.json({
    ...body,
    token_type: 'bearer',
    ...(typeof scope === 'string' ? { scope: scope.replaceAll(',', ' ') } : {}),
  })
}

/**
 * The callback is signed over all its parameters but the signature, sorted by name, and it names the shop. The time in it
 * is not judged: the state is good for one callback of one flow.
 */
function checkCallback(params: URLSearchParams, shop: string, clientSecret: string): void {
  const signed = new URLSearchParams(params)
  signed.delete('hmac')
  signed.sort()
  const expected = createHmac('sha256', clientSecret).update(signed.toString()).digest('hex')
  const signatureFits = sameText(params.getAll('hmac').join(), expected)
  const shopFits = sameText(params.getAll('shop').join(), shop)
  if (!signatureFits || !shopFits) throw new AuthFlowError('callback_unverified')
}

/** Who installs from the app store comes with the shop's name, signed as a callback is. */
function readInstall(params: URLSearchParams, clientSecret: string): { readonly shop: string } {
  const shop = params.get('shop') ?? ''
  checkCallback(params, shop, clientSecret)
  if (!shopPattern.test(shop)) throw new AuthFlowError('callback_unverified')
  return { shop }
}

const sameText = (one: string, other: string): boolean =>
  timingSafeEqual(createHash('sha256').update(one).digest(), createHash('sha256').update(other).digest())

const shopReply = z.object({
  data: z.object({ shop: z.object({ id: z.string(), name: z.string(), myshopifyDomain: z.string() }) }),
})

/** The shop itself: whoever of its staff consented. */
async function identify(
  self: Complainant,
  fetch: GuardedFetch,
  url: string,
  token: string,
): Promise<Identified> {
  const headers = { 'x-shopify-access-token': token }
  const body = { query: '{ shop { id name myshopifyDomain } }' }
  const ask = () => requestJson(self, fetch, url, { headers, body })
  const answer = (await checkingCredentials(self, ask)).body
  if (member(answer, 'errors') !== undefined) throw failureError(self, { garbled: true })
  const { id, name, myshopifyDomain } = readAs(self, shopReply, answer).data.shop
  return { identity: { id, label: name, place: myshopifyDomain } }
}

// Stripe: payments of a connected account, by Connect or with a restricted key. Provider facts: docs.stripe.com, "OAuth
// reference" of Connect and "API keys".

import { z } from 'zod'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'
import type { ProviderTools } from '../defined-methods.ts'
import { unlessEnded } from '../ended-already.ts'
import { defineFields, type FieldMeta } from '../field-set.ts'
import { fieldTexts, methodLabels } from '../field-texts.ts'
import type { Identified } from '../integration.ts'

export { events, stripeSources } from '../stripe-sources.ts'
export type {
  StripeAccountParams,
  StripeObjectPayload,
  StripeSourceOptions,
  StripeSources,
} from '../stripe-sources.ts'

const apiUrl = 'https://api.stripe.com/v1'

const account = z.object({
  id: z.string(),
  email: z.string().nullish(),
  business_profile: z.object({ name: z.string().nullish() }).nullish(),
})

async function identify(token: string, { request }: ProviderTools): Promise<Identified> {
  const { body } = await request(`${apiUrl}/account`, { headers: bearer(token) })
  const { id, email, business_profile } = account.parse(body)
  return { identity: { id, label: business_profile?.name ?? email ?? id }, fields: { account: id } }
}

const keyFields = z.object({
  apiKey: z
    .string()
    .max(255)
    .regex(/^(?:sk|rk)_(?:live|test)_\w+$/)
    .meta({
      title: 'Restricted key',
      locales: fieldTexts('stripeKey'),
      description: 'Made in the dashboard under Developers, API keys, with as few permissions as needed.',
      placeholder: 'rk_live_…',
      secret: true,
      normalise: ['trim'],
      patternMessage: 'A key begins with rk_live_, rk_test_, sk_live_ or sk_test_.',
      autocomplete: 'off',
      helpUrl: 'https://dashboard.stripe.com/apikeys',
    } satisfies FieldMeta),
})

/** Stripe. The app's secret for OAuth is the platform's secret key. */
export const stripe = defineProvider({
  provider: 'stripe',
  name: 'Stripe',
  apiUrl,
  methods: {
    oauth2: {
      label: 'Connect with Stripe',
      labels: methodLabels('connectWith', 'Stripe'),
      authorizationUrl: 'https://connect.stripe.com/oauth/authorize',
      tokenUrl: 'https://connect.stripe.com/oauth/token',
      clientAuth: 'post',
      pkce: { off: 'Stripe Connect documents no PKCE; a code is good only with the platform’s secret key.' },
      rotation: 'none',
      scopeLabels: { read_only: 'See payments', read_write: 'See and change payments' },
      identify,
      revoke: (_tokens, { request, client, fields }) =>
        unlessEnded([400], () =>
          request('https://connect.stripe.com/oauth/deauthorize', {
            headers: bearer(client.clientSecret),
            form: { client_id: client.clientId, stripe_user_id: fields['account'] ?? '' },
          }),
        ),
    },
    apiKey: {
      label: 'Restricted key',
      labels: methodLabels('restrictedKey', 'Stripe'),
      fields: defineFields(keyFields),
      verify: ({ fields, ...tools }) => identify(fields['apiKey'] ?? '', tools),
    },
  },
})

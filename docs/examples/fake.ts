// What every example talks to: a fake, so that the examples work wherever the site is; or a connect server with stand-in
// providers, where `npm run docs` serves the site from the reader's own machine.

import { configureAuthFlow, type IntegrationView } from 'authflow/ui'
import { fakeConnect, type FakeOutcome } from 'authflow/fake'

const scopes = [
  { scope: 'chat:write', label: 'Post messages' },
  { scope: 'channels:read', label: 'See public channels' },
]
const key = { name: 'apiKey', required: true, secret: true, normalise: ['trim'] } as const
const text = { type: 'string', minLength: 1, maxLength: 255 } as const

const integrations: readonly IntegrationView[] = [
  {
    id: 'slack',
    provider: 'slack',
    name: 'Slack',
    methods: [{ id: 'oauth2', label: 'Sign in with Slack', fields: [], scopes }],
  },
  {
    id: 'airtable',
    provider: 'airtable',
    name: 'Airtable',
    methods: [
      { id: 'oauth2', label: 'Sign in with Airtable', fields: [], scopes: [] },
      {
        id: 'apiKey',
        label: 'Personal access token',
        scopes: [],
        fields: [
          {
            ...key,
            helpUrl: 'https://airtable.com/create/tokens',
            schema: {
              ...text,
              title: 'Personal access token',
              description: 'Begins with pat.',
              pattern: '^pat',
            },
            patternMessage: 'A token begins with pat.',
          },
        ],
      },
    ],
  },
  {
    id: 'shopify',
    provider: 'shopify',
    name: 'Shopify',
    methods: [
      {
        id: 'oauth2',
        label: 'Connect the shop',
        scopes: [{ scope: 'read_products', label: 'See products' }],
        fields: [
          {
            name: 'shop',
            required: true,
            secret: false,
            normalise: ['trim', 'lower', 'stripScheme', 'stripPath', ['stripSuffix', '.myshopify.com']],
            suffix: '.myshopify.com',
            placeholder: 'acme',
            inputMode: 'url',
            schema: {
              ...text,
              title: 'Shop',
              description: 'As in your admin’s address.',
              pattern: '^[a-z0-9][a-z0-9-]*$',
            },
            patternMessage: 'Letters, digits and hyphens.',
          },
        ],
      },
    ],
  },
]

const outcomes: readonly FakeOutcome[] = [
  'connects',
  'waits',
  'verifies',
  'denied',
  'rejected',
  'fails',
  'blocked',
  'unreachable',
]
const query = new URLSearchParams(location.search)
const asked = query.get('outcome')
const endpoint = query.get('endpoint') ?? ''

async function mint(need: { integrations: readonly string[]; purpose: string }): Promise<{ token: string }> {
  const wanted = new URLSearchParams({ integrations: need.integrations.join(), purpose: need.purpose })
  const reply = await fetch(`/connect-token?${wanted}`, { method: 'POST' })
  if (!reply.ok) throw new Error(`no token: ${reply.status}`)
  return reply.json()
}

/** Asked after consent, as Slack asks for a channel. */
const channel = {
  name: 'channel',
  required: true,
  secret: false,
  normalise: [],
  placeholder: 'Choose a channel',
  schema: { ...text, title: 'Channel', description: 'Where messages go.', enum: ['C1', 'C2'] },
  optionLabels: ['#general', '#random'],
} as const

// A link to the page can name no other server than one on the reader's machine.
if (asked === 'sandbox' && /^http:\/\/localhost:\d+$/.test(endpoint)) {
  configureAuthFlow({ endpoint, connectToken: mint })
} else {
  fakeConnect({
    integrations,
    outcome: outcomes.find((one) => one === asked) ?? 'connects',
    ...(asked === 'asks' && { configure: [channel] }),
  })
}

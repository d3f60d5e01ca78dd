// Airtable's side of connecting: endpoints, scopes in words, the OAuth method with Airtable's quirks, and personal access
// tokens. Acting as the account is in airtable.ts. Provider facts: airtable.com/developers/web/api/oauth-reference and
// /get-user-id-scopes, read 2026-11-21.

import { z } from 'zod'
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
import type {
  ConnectDefinition,
  Identified,
  KeyMethod,
  OAuth2Method,
  OAuthClientOptions,
} from './integration.ts'
import { checkingCredentials, readAs, requestJson } from './json-request.ts'

/** Where Airtable is; for stand-ins and proxies. */
export interface AirtableEndpoints {
  /** Host of the consent page and the token endpoint (default `https://airtable.com`). */
  readonly webUrl?: string
  /** Host of the API, without `/v0` (default `https://api.airtable.com`). */
  readonly apiUrl?: string
}

/** The endpoints in use. */
export interface AirtableAddresses {
  readonly webUrl: string
  readonly apiUrl: string
}

/** Where Airtable is, the overridden places checked. Throws `invalid_option`. */
export function airtableEndpoints(
  self: Complainant,
  { webUrl, apiUrl }: AirtableEndpoints = {},
): AirtableAddresses {
  return {
    webUrl: checkEndpoint(self, 'webUrl', webUrl ?? 'https://airtable.com'),
    apiUrl: checkEndpoint(self, 'apiUrl', apiUrl ?? 'https://api.airtable.com'),
  }
}

const scopeLabels: Record<string, string> = {
  'data.recordComments:read': 'Read comments in records',
  'data.recordComments:write': 'Create, change and delete comments',
  'data.records:read': 'Read records',
  'data.records:write': 'Create, change and delete records',
  'schema.bases:read': 'See the structure of bases',
  'schema.bases:write': 'Change the structure of bases',
  'user.email:read': 'See the e-mail address',
  'webhook:manage': 'Manage webhooks',
}

/** How accounts connect to Airtable. Throws `missing_option` and `invalid_option`. */
export function airtableConnect(
  self: Complainant,
  options: { readonly oauth?: OAuthAppOptions; readonly personalAccessToken?: boolean },
  addresses: AirtableAddresses,
): ConnectDefinition {
  const { oauth, personalAccessToken = true } = options
  if (!oauth && !personalAccessToken) {
    const what = 'is needed with `connect: true` and `personalAccessToken: false`.'
    throw optionError('missing_option', self, { option: 'oauth', what })
  }
  return {
    methods: [
      ...(oauth ? [oauthMethod(self, checkOAuthApp(self, oauth), addresses)] : []),
      ...(personalAccessToken ? [tokenMethod(self, addresses)] : []),
    ],
  }
}

/** Airtable has no endpoint that ends a grant: the person removes the integration in the account's settings. */
function oauthMethod(
  self: Complainant,
  client: OAuthClientOptions,
  { webUrl, apiUrl }: AirtableAddresses,
): OAuth2Method {
  return {
    id: 'oauth2',
    label: 'Sign in with Airtable',
    labels: methodLabels('signIn', 'Airtable'),
    client,
    authorizationUrl: () => `${webUrl}/oauth2/v1/authorize`,
    tokenUrl: () => `${webUrl}/oauth2/v1/token`,
    scopeSeparator: ' ',
    scopeLabels,
    scopeLocales: scopeTexts(scopeLabels),
    // Required by Airtable.
    pkce: 'S256',
    clientAuth: 'basic',
    // A refresh ends both tokens before it; using an old refresh token again ends the grant.
    rotation: 'strict',
    identify: ({ accessToken }, { fetch }) => identify(self, fetch, apiUrl, { token: accessToken }),
  }
}

const tokenFields = z.object({
  apiKey: z
    .string()
    .regex(/^pat[A-Za-z0-9]{14}\.[0-9a-f]{64}$/)
    .meta({
      title: 'Personal access token',
      locales: fieldTexts('airtableToken'),
      description: 'Made at airtable.com/create/tokens, with access to the bases to work with.',
      placeholder: 'pat…',
      secret: true,
      normalise: ['trim'],
      patternMessage: 'A personal access token begins with pat and has a dot and 64 characters at its end.',
      autocomplete: 'off',
      helpUrl: 'https://airtable.com/create/tokens',
    } satisfies FieldMeta),
})

function tokenMethod(self: Complainant, { apiUrl }: AirtableAddresses): KeyMethod {
  return {
    id: 'apiKey',
    label: 'Personal access token',
    labels: methodLabels('personalToken', 'Airtable'),
    fields: defineFields(tokenFields),
    verify: ({ fetch, fields }) =>
      identify(self, fetch, apiUrl, { token: fields['apiKey'] ?? '', field: 'apiKey' }),
  }
}

const whoAmI = z.object({
  id: z.string(),
  email: z.string().optional(),
  scopes: z.array(z.string()).optional(),
})

/** The user of a token. The e-mail address is there with the scope `user.email:read` only. */
async function identify(
  self: Complainant,
  fetch: GuardedFetch,
  apiUrl: string,
  { token, field }: { token: string; field?: string },
): Promise<Identified> {
  const headers = { authorization: `Bearer ${token}` }
  const ask = () => requestJson(self, fetch, `${apiUrl}/v0/meta/whoami`, { headers })
  const { id, email, scopes } = readAs(self, whoAmI, (await checkingCredentials(self, ask, field)).body)
  return { identity: { id, label: email ?? id }, ...(scopes === undefined ? {} : { scopes }) }
}

// Microsoft: Entra ID and everything that Microsoft Graph reaches. Provider facts: learn.microsoft.com/entra/identity-platform,
// "OAuth 2.0 authorization code flow" and "device authorization grant".

import { z } from 'zod'
import { AuthFlowError } from '../../../shared/errors.ts'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'
import type { ProviderTools } from '../defined-methods.ts'
import { rewritingScopes } from '../granted-scopes.ts'
import type { Identified } from '../integration.ts'

const apiUrl = 'https://graph.microsoft.com/v1.0'

const user = z.object({
  id: z.string(),
  displayName: z.string().nullish(),
  userPrincipalName: z.string().nullish(),
  mail: z.string().nullish(),
})

async function identify(token: string, { request }: ProviderTools): Promise<Identified> {
  const { body } = await request(`${apiUrl}/me`, { headers: bearer(token) })
  const { id, displayName, userPrincipalName, mail } = user.parse(body)
  return { identity: { id, label: mail ?? userPrincipalName ?? displayName ?? id } }
}

/** Graph's scopes come with its address in front, and `offline_access` is never named though it was granted. */
const normaliseTokenResponse = rewritingScopes((scopes, answer) => [
  ...scopes.map((scope) => scope.replace('https://graph.microsoft.com/', '')),
  ...(typeof answer['refresh_token'] === 'string' ? ['offline_access'] : []),
])

const scopeLabels = {
  'User.Read': 'See who you are',
  offline_access: 'Stay connected',
  'Mail.Read': 'Read e-mail',
  'Mail.Send': 'Send e-mail',
  'Calendars.ReadWrite': 'See and change calendars',
  'Files.ReadWrite': 'See and change files',
}

/** `common`, `organizations`, `consumers`, the id of a tenant, or a domain of it. */
const tenantPattern = /^(?:common|organizations|consumers|[0-9a-f-]{36}|(?:[a-z0-9-]+\.)+[a-z]{2,})$/

/**
 * Microsoft for the accounts of one tenant, or `organizations`, `consumers`. A refresh gives a new refresh token; the old
 * one goes on working for a while, on which nothing here relies.
 *
 * @throws {@link AuthFlowError} `invalid_option` for a tenant that is none
 */
export function microsoftOf(tenant: string) {
  if (!tenantPattern.test(tenant)) {
    throw new AuthFlowError('invalid_option', 'microsoftOf: the tenant is neither an id nor a domain.', {
      details: { option: 'tenant' },
    })
  }
  const endpoint = `https://login.microsoftonline.com/${tenant}/oauth2/v2.0`
  const shared = {
    tokenUrl: `${endpoint}/token`,
    rotation: 'strict',
    scopeLabels,
    normaliseTokenResponse,
    identify,
  } as const
  return defineProvider({
    provider: 'microsoft',
    name: 'Microsoft',
    apiUrl,
    methods: {
      oauth2: { ...shared, authorizationUrl: `${endpoint}/authorize`, clientAuth: 'post' },
      device: { ...shared, deviceAuthorizationUrl: `${endpoint}/devicecode`, clientAuth: 'none' },
    },
  })
}

/** Microsoft for all accounts: of organisations, and personal ones. */
export const microsoft = microsoftOf('common')

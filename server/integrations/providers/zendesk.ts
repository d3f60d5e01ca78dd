// Zendesk: tickets of one help desk. Provider facts: developer.zendesk.com, "Using OAuth authentication" and "OAuth
// tokens"; refresh tokens are required since 2026-04-30.

import { z } from 'zod'
import { AuthFlowError } from '../../../shared/errors.ts'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'
import type { ProviderTools } from '../defined-methods.ts'
import { unlessEnded } from '../ended-already.ts'
import { defineFields, type FieldMeta } from '../field-set.ts'
import { fieldTexts } from '../field-texts.ts'

const deskFields = z.object({
  subdomain: z
    .string()
    .min(2)
    .max(63)
    .regex(/^(?!xn--)[a-z0-9][a-z0-9-]*[a-z0-9]$/)
    .meta({
      title: 'Subdomain',
      locales: fieldTexts('zendeskSubdomain'),
      description: 'The first part of your help desk’s address.',
      placeholder: 'acme',
      suffix: '.zendesk.com',
      normalise: ['trim', 'lower', 'stripScheme', 'stripPath', ['stripSuffix', '.zendesk.com']],
      patternMessage: 'Only the part before .zendesk.com: letters, digits and hyphens.',
      autocomplete: 'off',
    } satisfies FieldMeta),
})

const deskOf = ({ subdomain }: Readonly<Record<string, string>>): string => `https://${subdomain}.zendesk.com`

const me = z.object({
  user: z.object({ id: z.number().nullable(), name: z.string().nullish(), email: z.string().nullish() }),
})
const current = z.object({ token: z.object({ id: z.number() }) })

/** A token is ended by its id, which it can tell of itself. */
async function endToken(desk: string, token: string, { request }: ProviderTools): Promise<void> {
  const headers = bearer(token)
  const { body } = await request(`${desk}/api/v2/oauth/tokens/current.json`, { headers })
  const { id } = current.parse(body).token
  await request(`${desk}/api/v2/oauth/tokens/${id}.json`, { method: 'DELETE', headers })
}

/** Zendesk. */
export const zendesk = defineProvider({
  provider: 'zendesk',
  name: 'Zendesk',
  apiUrl: (fields) => `${deskOf(fields)}/api/v2`,
  methods: {
    oauth2: {
      fields: defineFields(deskFields),
      authorizationUrl: (fields) => `${deskOf(fields)}/oauth/authorizations/new`,
      tokenUrl: (fields) => `${deskOf(fields)}/oauth/tokens`,
      clientAuth: 'post',
      requestBody: 'json',
      // Without these a token never ends. A day, and 90 days for the refresh token.
      tokenParams: { expires_in: '86400', refresh_token_expires_in: '7776000' },
      refreshParams: { expires_in: '86400', refresh_token_expires_in: '7776000' },
      // A refresh ends both tokens before it.
      rotation: 'strict',
      scopeLabels: { read: 'See everything', write: 'Change everything', 'tickets:read': 'See tickets' },
      identify: async (token, { request, fields }) => {
        const { body } = await request(`${deskOf(fields)}/api/v2/users/me.json`, { headers: bearer(token) })
        const { id, name, email } = me.parse(body).user
        // Nobody signed in is a user without an id.
        if (id === null) throw new AuthFlowError('credentials_rejected')
        return {
          identity: {
            id: String(id),
            label: email ?? name ?? String(id),
            place: new URL(deskOf(fields)).host,
          },
        }
      },
      revoke: ({ accessToken }, context) =>
        unlessEnded([401, 404], () => endToken(deskOf(context.fields), accessToken, context)),
    },
  },
})

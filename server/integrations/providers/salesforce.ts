// Salesforce: records of one organisation. Where a person signs in is theirs to say; where the API is, the token answer
// says. Provider facts: help.salesforce.com, "OAuth 2.0 Web Server Flow" and "Revoke OAuth Tokens".

import { z } from 'zod'
import { AuthFlowError } from '../../../shared/errors.ts'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'
import { defineFields, type FieldMeta } from '../field-set.ts'
import { fieldTexts } from '../field-texts.ts'

/** Production, sandboxes, and an organisation's own name (My Domain). */
const loginHost =
  /^(?!xn--)(?:login|test|[a-z0-9][a-z0-9-]{0,61}(?:\.(?:sandbox|develop|scratch|trailblaze))?\.my)\.salesforce\.com$/

const instanceHost = /^[a-z0-9][a-z0-9-]{0,61}(?:\.[a-z0-9][a-z0-9-]{0,61}){0,3}\.salesforce\.com$/

const loginFields = z.object({
  domain: z
    .string()
    .max(120)
    .regex(loginHost)
    .default('login.salesforce.com')
    .meta({
      title: 'Domain',
      locales: fieldTexts('salesforceDomain'),
      description: 'login.salesforce.com, test.salesforce.com for sandboxes, or your own (My Domain).',
      placeholder: 'acme.my.salesforce.com',
      normalise: ['trim', 'lower', 'stripScheme', 'stripPath'],
      patternMessage: 'This is not a Salesforce address. It looks like acme.my.salesforce.com.',
      autocomplete: 'off',
      inputMode: 'url',
    } satisfies FieldMeta),
})

const user = z.object({
  user_id: z.string(),
  organization_id: z.string(),
  preferred_username: z.string().optional(),
  name: z.string().optional(),
})

/** The instance that a token is for, which is nowhere but at Salesforce. */
function instanceOf(told: string | undefined): string {
  const url = told !== undefined && URL.canParse(told) ? new URL(told) : undefined
  if (url?.protocol === 'https:' && url.port === '' && instanceHost.test(url.hostname)) return url.origin
  throw new AuthFlowError('provider_reply_invalid', 'Salesforce named an instance that is not its own.')
}

/** Salesforce. Ask for the scope `refresh_token`; tokens have no announced end, so a refused one is refreshed. */
export const salesforce = defineProvider({
  provider: 'salesforce',
  name: 'Salesforce',
  apiUrl: ({ instanceUrl }) => instanceOf(instanceUrl),
  methods: {
    oauth2: {
      fields: defineFields(loginFields),
      authorizationUrl: ({ domain }) => `https://${domain}/services/oauth2/authorize`,
      tokenUrl: ({ domain }) => `https://${domain}/services/oauth2/token`,
      revocationUrl: ({ domain }) => `https://${domain}/services/oauth2/revoke`,
      clientAuth: 'post',
      answerMembers: ['instance_url'],
      scopeLabels: {
        api: 'Use the API in your name',
        refresh_token: 'Stay connected',
        openid: 'See who you are',
      },
      identify: async (token, { request, tokens, fields }) => {
        const instanceUrl = instanceOf(tokens.members?.['instance_url'] ?? fields['instanceUrl'])
        const { body } = await request(`${instanceUrl}/services/oauth2/userinfo`, { headers: bearer(token) })
        const { user_id, organization_id, preferred_username, name } = user.parse(body)
        return {
          identity: {
            id: `${organization_id}:${user_id}`,
            label: preferred_username ?? name ?? user_id,
            place: new URL(instanceUrl).host,
          },
          fields: { instanceUrl },
        }
      },
    },
  },
})

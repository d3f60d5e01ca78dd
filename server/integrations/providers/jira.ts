// Jira: issues of a site in Atlassian's cloud. Provider facts: developer.atlassian.com/cloud/jira/platform, "OAuth 2.0 (3LO)
// apps"; the 10 minutes for a lost answer: community.developer.atlassian.com/t/83103.

import { z } from 'zod'
import { AuthFlowError } from '../../../shared/errors.ts'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'

const atlassian = 'https://api.atlassian.com'

const me = z.object({ account_id: z.string(), email: z.string().optional(), name: z.string().optional() })
const sites = z.array(z.object({ id: z.string(), url: z.string(), name: z.string() })).min(1)
const cloudIdPattern = /^[0-9a-f-]{36}$/

/** Jira. Ask for `read:me` and `offline_access` beside the scopes of Jira. */
export const jira = defineProvider({
  provider: 'jira',
  name: 'Jira',
  apiUrl: ({ cloudId = '' }) => {
    if (cloudIdPattern.test(cloudId)) return `${atlassian}/ex/jira/${cloudId}/rest/api/3`
    throw new AuthFlowError(
      'not_supported',
      'The account granted several sites: call their APIs by their own address.',
    )
  },
  methods: {
    oauth2: {
      authorizationUrl: 'https://auth.atlassian.com/authorize',
      tokenUrl: 'https://auth.atlassian.com/oauth/token',
      authorizationParams: { audience: 'api.atlassian.com', prompt: 'consent' },
      clientAuth: 'post',
      requestBody: 'json',
      pkce: { off: 'Atlassian documents no PKCE for these apps; a code is good only with the app’s secret.' },
      rotation: { graceSeconds: 600 },
      scopeLabels: {
        'read:jira-work': 'See issues and projects',
        'write:jira-work': 'Change issues',
        'read:me': 'See who you are',
        offline_access: 'Stay connected',
      },
      identify: async (token, { request }) => {
        const headers = bearer(token)
        const { account_id, email, name } = me.parse((await request(`${atlassian}/me`, { headers })).body)
        const { body } = await request(`${atlassian}/oauth/token/accessible-resources`, { headers })
        const granted = sites.parse(body)
        const [site] = granted
        return {
          identity: {
            id: account_id,
            label: email ?? name ?? account_id,
            place: granted.map(({ name: called }) => called).join(', '),
          },
          // With several sites nobody has said yet which one is meant.
          fields: site && granted.length === 1 ? { cloudId: site.id, site: site.url } : {},
        }
      },
    },
  },
})

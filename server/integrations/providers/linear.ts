// Linear: issues and projects of a workspace. Provider facts: linear.app/developers, "OAuth 2.0 authentication".

import { z } from 'zod'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'

export { events, linearSources } from '../linear-sources.ts'
export type {
  LinearPayload,
  LinearSourceOptions,
  LinearSources,
  LinearTeamParams,
} from '../linear-sources.ts'

const apiUrl = 'https://api.linear.app'

const who = z.object({
  data: z.object({
    viewer: z.object({ id: z.string(), name: z.string(), email: z.string().optional() }),
    organization: z.object({ id: z.string(), name: z.string(), urlKey: z.string() }),
  }),
})

/** Linear. Its API is GraphQL: `api.request('/graphql', { body: { query } })`. */
export const linear = defineProvider({
  provider: 'linear',
  name: 'Linear',
  apiUrl,
  methods: {
    oauth2: {
      authorizationUrl: 'https://linear.app/oauth/authorize',
      tokenUrl: 'https://api.linear.app/oauth/token',
      revocationUrl: () => 'https://api.linear.app/oauth/revoke',
      scopeSeparator: ',',
      clientAuth: 'post',
      // Since 2026-04-01 every app has tokens of a day and refresh tokens that are good once.
      rotation: 'strict',
      scopeLabels: {
        read: 'See everything in the workspace',
        write: 'Change everything in the workspace',
        'issues:create': 'Create issues',
        'comments:create': 'Write comments',
      },
      identify: async (token, { request }) => {
        const query = '{ viewer { id name email } organization { id name urlKey } }'
        const { body } = await request(`${apiUrl}/graphql`, { headers: bearer(token), body: { query } })
        const { viewer, organization } = who.parse(body).data
        return {
          identity: {
            id: `${organization.id}:${viewer.id}`,
            label: viewer.email ?? viewer.name,
            place: `workspace ${organization.name}`,
          },
          fields: { workspace: organization.urlKey },
        }
      },
    },
  },
})

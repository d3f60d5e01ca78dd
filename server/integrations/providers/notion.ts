// Notion: pages and databases that a person shares with the app. Provider facts: developers.notion.com, "Authorization",
// "Refresh a token", "Revoke a token".

import { z } from 'zod'
import { basic, bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'
import { unlessEnded } from '../ended-already.ts'

const version = { 'notion-version': '2025-09-03' }

const bot = z.object({
  id: z.string(),
  name: z.string().nullish(),
  bot: z.object({ workspace_name: z.string().nullish() }).optional(),
})

/** Notion. The identity is the bot that a person's consent made in one workspace. */
export const notion = defineProvider({
  provider: 'notion',
  name: 'Notion',
  apiUrl: 'https://api.notion.com/v1',
  headers: version,
  methods: {
    oauth2: {
      authorizationUrl: 'https://api.notion.com/v1/oauth/authorize',
      tokenUrl: 'https://api.notion.com/v1/oauth/token',
      authorizationParams: { owner: 'user' },
      requestBody: 'json',
      // Secrets have an underscore, which RFC 6749's encoding would change and Notion would not change back.
      clientAuth: 'basicRaw',
      pkce: { off: 'Notion documents no PKCE; a code is good only with the app’s secret.' },
      rotation: 'strict',
      identify: async (token, { request }) => {
        const headers = { ...bearer(token), ...version }
        const { body } = await request('https://api.notion.com/v1/users/me', { headers })
        const { id, name, bot: facts } = bot.parse(body)
        const workspace = facts?.workspace_name
        return { identity: { id, label: name ?? id, ...(workspace ? { place: workspace } : {}) } }
      },
      revoke: ({ accessToken }, { request, client }) =>
        unlessEnded([400, 404], () =>
          request('https://api.notion.com/v1/oauth/revoke', {
            headers: basic(client.clientId, client.clientSecret),
            body: { token: accessToken },
          }),
        ),
    },
  },
})

// Asana: tasks and projects of the workspaces that a person is in. Provider facts: developers.asana.com/docs/oauth.

import { z } from 'zod'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'

const apiUrl = 'https://app.asana.com/api/1.0'

const me = z.object({ data: z.object({ gid: z.string(), name: z.string(), email: z.string().optional() }) })

/** Asana. Its scopes are set in the app, or asked for one by one; `default` asks for all of the app's. */
export const asana = defineProvider({
  provider: 'asana',
  name: 'Asana',
  apiUrl,
  methods: {
    oauth2: {
      authorizationUrl: 'https://app.asana.com/-/oauth_authorize',
      tokenUrl: 'https://app.asana.com/-/oauth_token',
      revocationUrl: () => 'https://app.asana.com/-/oauth_revoke',
      clientAuth: 'post',
      rotation: 'none',
      identify: async (token, { request }) => {
        const { body } = await request(`${apiUrl}/users/me`, { headers: bearer(token) })
        const { gid, name, email } = me.parse(body).data
        return { identity: { id: gid, label: email ?? name } }
      },
    },
  },
})

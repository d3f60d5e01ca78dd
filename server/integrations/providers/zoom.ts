// Zoom: meetings of a person or of an account. Provider facts: developers.zoom.us/docs/integrations/oauth and
// /docs/internal-apps/s2s-oauth.

import { z } from 'zod'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'

const apiUrl = 'https://api.zoom.us/v2'

const user = z.object({ id: z.string(), email: z.string().optional(), account_id: z.string().optional() })

/** Zoom. Scopes are set in the app. */
export const zoom = defineProvider({
  provider: 'zoom',
  name: 'Zoom',
  apiUrl,
  methods: {
    oauth2: {
      authorizationUrl: 'https://zoom.us/oauth/authorize',
      tokenUrl: 'https://zoom.us/oauth/token',
      revocationUrl: () => 'https://zoom.us/oauth/revoke',
      clientAuth: 'basicRaw',
      rotation: 'strict',
      identify: async (token, { request }) => {
        const { body } = await request(`${apiUrl}/users/me`, { headers: bearer(token) })
        const { id, email, account_id } = user.parse(body)
        const place = account_id === undefined ? {} : { place: `account ${account_id}` }
        return { identity: { id, label: email ?? id, ...place } }
      },
    },
  },
})

// HubSpot: contacts, companies and deals of one portal. Provider facts: developers.hubspot.com, "OAuth" of API version
// 2026-03; the endpoints before it end on 2027-02-16.

import { z } from 'zod'
import { AuthFlowError } from '../../../shared/errors.ts'
import { defineProvider } from '../define-provider.ts'

const apiUrl = 'https://api.hubapi.com'

const told = z.object({
  active: z.boolean().optional(),
  hub_id: z.number(),
  hub_domain: z.string().optional(),
  user: z.string().optional(),
})

/** HubSpot. The identity is the portal, whoever of its people consented. */
export const hubspot = defineProvider({
  provider: 'hubspot',
  name: 'HubSpot',
  apiUrl,
  methods: {
    oauth2: {
      authorizationUrl: 'https://app.hubspot.com/oauth/authorize',
      tokenUrl: `${apiUrl}/oauth/2026-03/token`,
      revocationUrl: () => `${apiUrl}/oauth/2026-03/token/revoke`,
      clientAuth: 'post',
      rotation: 'none',
      identify: async (token, { request, client }) => {
        const { clientId = '', clientSecret = '' } = client ?? {}
        const form = {
          token,
          token_type_hint: 'access_token',
          client_id: clientId,
          client_secret: clientSecret,
        }
        const { body } = await request(`${apiUrl}/oauth/2026-03/token/introspect`, { form })
        const { active, hub_id, hub_domain, user } = told.parse(body)
        if (active === false) throw new AuthFlowError('credentials_rejected')
        return {
          identity: {
            id: String(hub_id),
            label: user ?? String(hub_id),
            place: hub_domain ?? `portal ${hub_id}`,
          },
          fields: { portalId: String(hub_id) },
        }
      },
    },
  },
})

// Discord: who somebody is and where they are. Provider facts: discord.com/developers/docs/topics/oauth2.

import { z } from 'zod'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'

const apiUrl = 'https://discord.com/api/v10'

const user = z.object({ id: z.string(), username: z.string(), global_name: z.string().nullish() })

/** Discord. Ask for the scope `identify`. */
export const discord = defineProvider({
  provider: 'discord',
  name: 'Discord',
  apiUrl,
  methods: {
    oauth2: {
      authorizationUrl: 'https://discord.com/oauth2/authorize',
      tokenUrl: 'https://discord.com/api/oauth2/token',
      revocationUrl: () => 'https://discord.com/api/oauth2/token/revoke',
      clientAuth: 'post',
      rotation: 'strict',
      scopeLabels: {
        identify: 'See who you are',
        email: 'See the e-mail address',
        guilds: 'See your servers',
      },
      identify: async (token, { request }) => {
        const { body } = await request(`${apiUrl}/users/@me`, { headers: bearer(token) })
        const { id, username, global_name } = user.parse(body)
        return { identity: { id, label: global_name ?? username } }
      },
    },
  },
})

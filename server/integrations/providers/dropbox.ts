// Dropbox: files of a person or a team. Provider facts: dropbox.com/developers/reference/oauth-guide.

import { z } from 'zod'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'
import { unlessEnded } from '../ended-already.ts'

const apiUrl = 'https://api.dropboxapi.com'

const account = z.object({
  account_id: z.string(),
  email: z.string().optional(),
  name: z.object({ display_name: z.string() }),
})

/** Dropbox. Its API takes POST alone: `api.request('/2/files/list_folder', { body: { path: '' } })`. */
export const dropbox = defineProvider({
  provider: 'dropbox',
  name: 'Dropbox',
  apiUrl,
  methods: {
    oauth2: {
      authorizationUrl: 'https://www.dropbox.com/oauth2/authorize',
      tokenUrl: `${apiUrl}/oauth2/token`,
      authorizationParams: { token_access_type: 'offline' },
      clientAuth: 'post',
      rotation: 'none',
      scopeLabels: {
        'account_info.read': 'See who you are',
        'files.content.read': 'Read files',
        'files.content.write': 'Change files',
      },
      identify: async (token, { request }) => {
        // The procedure takes no argument, which is written as null.
        const sent = { headers: bearer(token), body: null }
        const { body } = await request(`${apiUrl}/2/users/get_current_account`, sent)
        const { account_id, email, name } = account.parse(body)
        return { identity: { id: account_id, label: email ?? name.display_name } }
      },
      revoke: ({ accessToken }, { request }) =>
        unlessEnded([401], () =>
          request(`${apiUrl}/2/auth/token/revoke`, { headers: bearer(accessToken), body: null }),
        ),
    },
  },
})

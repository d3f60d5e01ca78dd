// Google: sign-in with OpenID Connect and access to all of its APIs, as far as the scopes go. Provider facts:
// developers.google.com/identity/protocols/oauth2/web-server and /identity/openid-connect/openid-connect.

import { z } from 'zod'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'
import { rewritingScopes } from '../granted-scopes.ts'

const claims = z.object({ sub: z.string(), email: z.string().optional(), hd: z.string().optional() })

const userInfoUrl = 'https://openidconnect.googleapis.com/v1/userinfo'

/** What is asked for by a short name is granted by a long one. */
const shortNames: Readonly<Record<string, string>> = {
  'https://www.googleapis.com/auth/userinfo.email': 'email',
  'https://www.googleapis.com/auth/userinfo.profile': 'profile',
}

/**
 * Google. The API's hosts differ by product: `apiUrl` is `https://www.googleapis.com`, which Calendar and Drive share.
 * People may leave scopes out at the consent page; `getAuth({ scopes })` tells.
 */
export const google = defineProvider({
  provider: 'google',
  name: 'Google',
  apiUrl: 'https://www.googleapis.com',
  methods: {
    oauth2: {
      authorizationUrl: 'https://accounts.google.com/o/oauth2/v2/auth',
      tokenUrl: 'https://oauth2.googleapis.com/token',
      revocationUrl: () => 'https://oauth2.googleapis.com/revoke',
      issuer: () => 'https://accounts.google.com',
      oidc: { jwksUrl: () => 'https://www.googleapis.com/oauth2/v3/certs' },
      clientAuth: 'post',
      // A refresh token comes with the first consent only, unless consent is asked for each time.
      authorizationParams: { access_type: 'offline', prompt: 'consent', include_granted_scopes: 'true' },
      rotation: 'none',
      scopeLabels: {
        email: 'See the e-mail address',
        'https://www.googleapis.com/auth/calendar.readonly': 'See calendars',
        'https://www.googleapis.com/auth/calendar.events': 'See and change events',
        'https://www.googleapis.com/auth/drive.file':
          'See and change the files that were opened with the app',
        'https://www.googleapis.com/auth/gmail.readonly': 'Read e-mail',
        'https://www.googleapis.com/auth/gmail.send': 'Send e-mail',
        'https://www.googleapis.com/auth/spreadsheets': 'See and change spreadsheets',
      },
      normaliseTokenResponse: rewritingScopes((scopes) => [
        ...scopes,
        ...scopes.flatMap((scope) => shortNames[scope] ?? []),
      ]),
      // The ID token is there once; later the token alone has to tell.
      identify: async (token, { tokens, request }) => {
        const told = tokens.idClaims ?? (await request(userInfoUrl, { headers: bearer(token) })).body
        const { sub, email, hd } = claims.parse(told)
        return { identity: { id: sub, label: email ?? sub, ...(hd === undefined ? {} : { place: hd }) } }
      },
    },
  },
})

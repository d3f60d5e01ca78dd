// What of credentials must be in no log and no error.

import type { Auth } from '../../shared/auth.ts'

/** The secrets of credentials. */
export function secretsOf(auth: Auth): string[] {
  switch (auth.type) {
    case 'oauth2':
      return [auth.accessToken]
    case 'apiKey':
      return [auth.apiKey]
    case 'basic':
      return [auth.password]
  }
}

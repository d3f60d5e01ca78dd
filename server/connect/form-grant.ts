// What typed values amount to: a key that the provider accepts, or the token of an app that the account made itself.

import type { ClientCredentialsMethod, KeyMethod } from '../integrations/integration.ts'
import { requestClientToken } from '../oauth/client-credentials.ts'
import type { ConnectContext } from './context.ts'
import { identify, keyGrant, oauthGrant, type Grant, type GrantValues } from './grant.ts'

/** A method whose values are typed and then tried by the server alone. */
export type FormMethod = KeyMethod | ClientCredentialsMethod

/**
 * The grant of the values, tried at the provider.
 *
 * @throws {@link AuthFlowError} `credentials_rejected`, `provider_unavailable` and what else the provider's hook throws
 */
export async function formGrant(
  { fetch, store }: Pick<ConnectContext, 'fetch' | 'store'>,
  { method, values }: { readonly method: FormMethod; readonly values: GrantValues },
): Promise<Grant> {
  const fields = { ...values.open, ...values.secret }
  if (method.id !== 'clientCredentials') {
    const identified = await identify(() => method.verify({ fetch, fields }))
    return keyGrant(method.id, identified, { values, now: store.now() })
  }
  const tokens = await requestClientToken({ method, fields, fetch })
  const now = store.now()
  const identified = await identify(() => method.identify(tokens, { fetch, fields }))
  return oauthGrant(tokens, identified, { values, askedFor: method.scopes, now, via: method.id })
}

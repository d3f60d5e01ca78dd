// What a source acts with: the credentials of the registration's account, looked up when they are needed, refreshed once
// when the provider refuses them, and never those of another identity; and requests that keep to the provider's limits.

import type { Auth } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import type { TriggerContext } from './context.ts'
import type { AnyDynamicTrigger } from './registration.ts'
import type { RegistrationDocument } from './registration-records.ts'

/** Calls with credentials; after a 401 once more with fresh ones. */
export async function withAuth<T>(
  context: TriggerContext,
  registration: Pick<RegistrationDocument, 'accountId' | 'identityId'>,
  trigger: AnyDynamicTrigger,
  call: (auth: Auth | undefined) => Promise<T> | T,
): Promise<T> {
  const auth = await authFor(context, registration, trigger)
  try {
    return await call(auth)
  } catch (error) {
    const isRefused =
      isAuthFlowError(error) && error.code === 'provider_rejected' && error.details.status === 401
    if (!isRefused || auth === undefined) throw error
    return call(await authFor(context, registration, trigger, auth.tokenHash))
  }
}

/** The fetch of a source: its requests pass the gates that those of runs as the same identity pass. */
export const fetchFor = (
  { engine, fetch }: Pick<TriggerContext, 'engine' | 'fetch'>,
  { source }: Pick<AnyDynamicTrigger, 'source'>,
  identity: string | null | undefined,
): GuardedFetch => engine.limitFetch(fetch, source.integration, identity ?? undefined)

/**
 * The credentials of the registration's account; undefined for an integration with credentials from code.
 *
 * @throws {@link AuthFlowError} those of `getAuth`, `identity_changed`, `not_connected` (no account)
 */
export async function authFor(
  { resolveAuth }: TriggerContext,
  { accountId, identityId }: Pick<RegistrationDocument, 'accountId' | 'identityId'>,
  { source: { integration } }: AnyDynamicTrigger,
  rejectedTokenHash?: string,
): Promise<Auth | undefined> {
  if (integration.authSource === 'LOCAL') return undefined
  if (accountId === null) throw new AuthFlowError('not_connected')
  const rejected = rejectedTokenHash === undefined ? {} : { rejectedTokenHash }
  const auth = await resolveAuth({ id: integration.id, accountId, ...rejected })
  if (identityId !== null && auth.identity.id !== identityId) {
    throw new AuthFlowError('identity_changed', 'The registration was made as another identity.', {
      details: { integration: integration.id, accountId },
    })
  }
  return auth
}

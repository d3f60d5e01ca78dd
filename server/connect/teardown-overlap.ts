// A new grant while the old one of the same identity is being ended. Where a provider keeps one grant for an identity,
// the end of the old one would end the new one, too: what has not begun is called off, what is under way is waited for,
// and a grant that was made meanwhile is asked for once more before it is kept.

import { setTimeout as delay } from 'node:timers/promises'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { removeStep, type Step } from '../store/store.ts'
import { findMethod, type ConnectContext } from './context.ts'
import { identify, type Grant } from './grant.ts'
import { grantMethodOf } from './grant-method.ts'
import type { TeardownRecord } from './records.ts'
import { fieldsOfSecrets } from './secrets.ts'
import { teardownSet } from './sets.ts'

/** How long a grant that was ended leaves a trace, in ms: longer than an exchange and all that follows it may take. */
export const afterglowMs = 120_000
/** How often a revocation under way is looked at, in ms. */
const lookAgainMs = 100
const pageSize = 100

/** Where a new grant is about to be kept. */
export interface GrantPlace {
  readonly integration: string
  readonly identityKey: string
}

/**
 * The steps that call off what would end the new grant. Waits for what is under way at the provider, at most 30 s, and
 * then asks the provider whether the new grant outlived it.
 *
 * @throws {@link AuthFlowError} `conflict` when it did not: the user has to authorise again
 */
export async function callOffSteps(
  context: ConnectContext,
  place: GrantPlace,
  grant: Grant,
): Promise<Step[]> {
  if (grant.method !== 'oauth2') return []
  const related = await settledTeardowns(context, place, grant)
  // The trace may be a little older than the grant: clocks of two machines, and a slow answer.
  const overlapped = related.some(
    ({ endedAt }) => endedAt !== null && endedAt + afterglowMs / 2 > grant.issuedAt,
  )
  if (overlapped) await requireAlive(context, place, grant)
  return related
    .filter(({ kind }) => kind === 'teardown')
    .map(({ id, version }) => removeStep(teardownSet, id, { version }))
}

/** The grants being ended that concern this identity, once none of them is under way. */
async function settledTeardowns(
  context: ConnectContext,
  place: GrantPlace,
  { via }: Grant,
): Promise<TeardownRecord[]> {
  const { store } = context
  const method = findMethod(context.integration(place.integration), via)
  // Where every connection has its own grant, ending one leaves the others alone.
  if (!method || 'verify' in method || method.grantScope === 'connection') return []
  for (;;) {
    const query = { index: 'byIdentity', equals: place.identityKey, limit: pageSize }
    const { items } = await store.list(teardownSet, query)
    if (!items.some(({ claimedUntil }) => claimedUntil !== null && claimedUntil > store.now())) return items
    await delay(lookAgainMs)
  }
}

async function requireAlive(context: ConnectContext, place: GrantPlace, grant: Grant): Promise<void> {
  const { accessToken = '', ...others } = grant.secrets
  const fields = { ...grant.fields, ...fieldsOfSecrets(others) }
  const method = grantMethodOf(context.integration(place.integration), grant, fields)
  if (!method) return
  try {
    await identify(() => method.identify({ accessToken }, { fetch: context.fetch, fields }))
  } catch (cause) {
    if (!isAuthFlowError(cause) || cause.code !== 'credentials_rejected') throw cause
    const message = 'The connection that was being ended took the new one with it. Connect again.'
    throw new AuthFlowError('conflict', message, { cause, details: { integration: place.integration } })
  }
}

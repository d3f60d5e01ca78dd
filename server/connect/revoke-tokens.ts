// Ends connect tokens before their time, links too. The record stays to its end, so that a page learns what happened, and
// a flow that the token began can not be finished.

import { AuthFlowError } from '../../shared/errors.ts'
import { checkAccountId } from '../../shared/ids.ts'
import { updateStep } from '../store/store.ts'
import { auditStep, type Actor } from './audit.ts'
import type { ConnectContext } from './context.ts'
import { sha256 } from './digest.ts'
import type { TokenRecord } from './records.ts'
import { tokenSet } from './sets.ts'

/** Which tokens to end: one, or all of an account. */
export type RevokeTokensRequest = { readonly token: string } | { readonly accountId: string }

const pageSize = 200

/**
 * Ends the tokens; how many there were that still worked. One that is minted at the same moment may be missed.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export async function revokeTokens(
  context: ConnectContext,
  request: RevokeTokensRequest,
  actor: Actor,
): Promise<number> {
  const { store } = context
  if ('token' in request) {
    if (typeof request.token !== 'string' || request.token === '') {
      throw new AuthFlowError('invalid_input', 'token must be a connect token.')
    }
    const record = await store.get(tokenSet, sha256(request.token))
    return record && (await revoke(context, record, actor)) ? 1 : 0
  }
  const equals = checkAccountId(request.accountId)
  let revoked = 0
  let cursor: string | undefined
  do {
    const page = await store.list(tokenSet, {
      index: 'byAccount',
      equals,
      limit: pageSize,
      ...(cursor === undefined ? {} : { cursor }),
    })
    const ended = await Promise.all(page.items.map((record) => revoke(context, record, actor)))
    revoked += ended.filter(Boolean).length
    cursor = page.cursor
  } while (cursor !== undefined)
  return revoked
}

/** False when it does not work any more. A token whose time is over may still have flows under way. */
async function revoke({ store, audit }: ConnectContext, record: TokenRecord, actor: Actor): Promise<boolean> {
  const { id, accountId, integrations } = record
  const now = store.now()
  const [integration = null, ...others] = integrations
  const about = { id: null, integration: others.length > 0 ? null : integration, accountId }
  return store.transact([
    updateStep(tokenSet, id, { revokedAt: null, spentAt: null }, { set: { revokedAt: now } }),
    auditStep(now, { action: 'token.revoked', actor, connection: about, reason: record.purpose }, audit.days),
  ])
}

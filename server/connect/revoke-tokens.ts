// Ends connect tokens before their time, links too. The record stays to its end, so that a page learns what happened, and
// a flow that the token began can not be finished.

import { AuthFlowError } from '../../shared/errors.ts'
import { checkAccountId } from '../../shared/ids.ts'
import type { Store } from '../store/store.ts'
import { sha256 } from './digest.ts'
import { tokenSet } from './sets.ts'

/** Which tokens to end: one, or all of an account. */
export type RevokeTokensRequest = { readonly token: string } | { readonly accountId: string }

const pageSize = 200

/**
 * Ends the tokens; how many there were that still worked. One that is minted at the same moment may be missed.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export async function revokeTokens(store: Store, request: RevokeTokensRequest): Promise<number> {
  if ('token' in request) {
    if (typeof request.token !== 'string' || request.token === '') {
      throw new AuthFlowError('invalid_input', 'token must be a connect token.')
    }
    return (await revoke(store, sha256(request.token))) ? 1 : 0
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
    const ended = await Promise.all(page.items.map(({ id }) => revoke(store, id)))
    revoked += ended.filter(Boolean).length
    cursor = page.cursor
  } while (cursor !== undefined)
  return revoked
}

/** False when there is none, or it does not work any more. A token whose time is over may still have flows under way. */
async function revoke(store: Store, id: string): Promise<boolean> {
  return store.update(tokenSet, id, { revokedAt: null, spentAt: null }, { set: { revokedAt: store.now() } })
}

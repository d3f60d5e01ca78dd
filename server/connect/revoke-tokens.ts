// Ends connect tokens before their time, links too. Their records are deleted: such a token is as unknown as any other
// text, and a flow that it began can not be finished.

import { AuthFlowError } from '../../shared/errors.ts'
import { checkAccountId } from '../../shared/ids.ts'
import type { Store } from '../store/store.ts'
import { scanSet } from '../vault/scan-set.ts'
import { sha256 } from './digest.ts'
import { tokenSet } from './sets.ts'

/** Which tokens to end: one, or all of an account. */
export type RevokeTokensRequest = { readonly token: string } | { readonly accountId: string }

/**
 * Ends the tokens; how many there were. Those of an account are found by reading all tokens of the last day.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export async function revokeTokens(store: Store, request: RevokeTokensRequest): Promise<number> {
  if ('token' in request) {
    if (typeof request.token !== 'string' || request.token === '') {
      throw new AuthFlowError('invalid_input', 'token must be a connect token.')
    }
    return (await store.remove(tokenSet, sha256(request.token))) ? 1 : 0
  }
  const accountId = checkAccountId(request.accountId)
  let revoked = 0
  await scanSet(store, tokenSet, {
    onPage: async (records) => {
      const own = records.filter((record) => record.accountId === accountId)
      const removed = await Promise.all(own.map(({ id }) => store.remove(tokenSet, id)))
      revoked += removed.filter(Boolean).length
      return records.length
    },
  })
  return revoked
}

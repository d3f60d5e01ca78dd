// Keeps a new connect token, of whatever kind: its digest, and what its bearer may do. The token itself is told once.

import type { ConnectTokenReply } from '../../shared/flow.ts'
import { randomText } from '../../shared/ids.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import type { ConnectContext } from './context.ts'
import { sha256 } from './digest.ts'
import type { TokenRecord } from './records.ts'
import { tokenSet } from './sets.ts'
import type { TokenGrant } from './token-request.ts'

const minuteMs = 60_000
const shortestLinkMs = minuteMs
const longestLinkMs = 7 * 24 * 60 * minuteMs
/** How much longer its record is kept: pages learn that it expired, and it reads its own flow to the end. */
const afterlifeMs = 24 * 3_600_000

/** What begins a token of each kind: for a page of the host, for a link, for a page of this server. */
type TokenPrefix = 'ctk_ct' | 'ctk_ln' | 'ctk_pg'

/** A token that is about to be. */
export interface NewToken extends Pick<TokenRecord, 'mintedBy' | 'uses' | 'usesMax' | 'link' | 'page'> {
  readonly prefix: TokenPrefix
  readonly grant: TokenGrant
  readonly lifetimeMs: number
}

/** Stores the digest of a token made here. */
export async function keepToken(
  { store }: ConnectContext,
  { prefix, grant, lifetimeMs, ...facts }: NewToken,
): Promise<ConnectTokenReply> {
  const token = `${prefix}_${randomText(43)}`
  const expiresAt = store.now() + lifetimeMs
  const expireAt = expiresAt + afterlifeMs
  await store.insert(tokenSet, { ...grant, ...facts, id: sha256(token), expiresAt, spentAt: null, expireAt })
  return { token, expiresAt: new Date(expiresAt).toISOString() }
}

/** Throws `invalid_input` unless a link may live so long: a minute to a week. */
export function judgeLinkLife(lifetimeMs: number): void {
  if (Number.isInteger(lifetimeMs) && lifetimeMs >= shortestLinkMs && lifetimeMs <= longestLinkMs) return
  throw new AuthFlowError(
    'invalid_input',
    `lifetimeMs must be a whole number from ${shortestLinkMs} to ${longestLinkMs}.`,
  )
}

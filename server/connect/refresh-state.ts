// When a credential needs a refresh, and what a failed one means for the next. Pure rules over a connection's record.

import type { RefreshRotation, TokenSet } from '../integrations/integration.ts'
import { sha256 } from './digest.ts'
import { isRenewable } from './grant-method.ts'
import type { ConnectionRecord, RefreshIntent } from './records.ts'

/** Refreshed this long before the end at most, in ms; for short lifetimes a tenth of them. */
const longestMarginMs = 5 * 60_000
const marginShare = 0.1
/**
 * Callers need time to use what they get: with less than this left, a token is given out only where the provider can't
 * be had. Lifetimes under a minute keep half of it, or each call would refresh.
 */
export const leastLeftMs = 30_000
const leastLeftShare = 0.5
/** The margin is spread upwards by up to a fifth, so that tokens issued together are not refreshed together. */
const marginSpread = 0.2
const firstBackoffMs = 1_000
const longestBackoffMs = 5 * 60_000
/** Refusals in a row without a reason that we know, after which the user has to authorise again. */
const unexplainedLimit = 10

/** The members of a connection whose credential was just issued. */
export const noRefresh = {
  refresh: null,
  refreshStartedAt: null,
  refreshOpen: false,
  refreshFailures: 0,
  refreshRetryAt: null,
  refreshUnsure: false,
} as const satisfies Partial<ConnectionRecord>

/** What ends a credential in the same write: nothing that could be opened, or refreshed, stays. */
export const endedCredential = {
  ...noRefresh,
  state: 'disconnected',
  reason: null,
  secrets: {},
  expiresAt: null,
} as const satisfies Partial<ConnectionRecord>

/**
 * `none`: use it as it is. `early`: still valid, but due. `required`: no use without a refresh. `over`: ended, and there
 * is nothing to refresh it with.
 */
export type RefreshNeed = 'none' | 'early' | 'required' | 'over'

/** What the credential needs now. `rejected`: the provider refused this very access token. */
export function refreshNeed(record: ConnectionRecord, now: number, rejected: boolean): RefreshNeed {
  const refreshable = isRenewable(record)
  if (rejected) return refreshable ? 'required' : 'over'
  if (record.expiresAt === null) return 'none'
  if (record.expiresAt <= now) return refreshable ? 'required' : 'over'
  return refreshable && record.expiresAt - marginOf(record, record.expiresAt) <= now ? 'early' : 'none'
}

function marginOf(record: ConnectionRecord, expiresAt: number): number {
  const lifetime = Math.max(0, expiresAt - record.issuedAt)
  const least = Math.min(leastLeftMs, leastLeftShare * lifetime)
  const margin = Math.max(least, Math.min(longestMarginMs, marginShare * lifetime))
  // The same for every process that asks, else the most impatient one decides.
  const digest = Buffer.from(sha256(`${record.id} ${record.credFence}`), 'base64url')
  const spread = (digest.readUInt16BE(0) / 0xffff) * marginSpread
  return margin * (1 + spread)
}

/**
 * When a token set ends by the store's clock, which every process judges it by; null when it does not end. Its own
 * instant is by the clock of this process, which may differ from that of a database by more than a token lives.
 *
 * @param now the store's
 */
export const endOf = ({ expiresAt }: Pick<TokenSet, 'expiresAt'>, now: number): number | null =>
  expiresAt === undefined ? null : now + expiresAt - Date.now()

/** Wait before the next try after `failures` in a row: doubles from 1 s to 5 min, spread over the upper half. */
export function backoffMs(failures: number): number {
  const full = Math.min(longestBackoffMs, firstBackoffMs * 2 ** Math.min(failures, 20))
  return full / 2 + (Math.random() * full) / 2
}

/** True when refusals that the provider does not explain have to be taken for the end of the grant. */
export const isHopeless = (failures: number): boolean => failures >= unexplainedLimit

/**
 * True when the old refresh token may be sent again although an earlier call with it was cut off. Where tokens rotate it
 * is sent once more: within the provider's grace that is allowed, and past it nothing is lost that is not lost already.
 */
export function mayRepeat(rotation: RefreshRotation, interrupted: RefreshIntent, now: number): boolean {
  if (rotation === 'none' || interrupted.attempt < 2) return true
  return rotation !== 'strict' && now - interrupted.startedAt <= rotation.graceSeconds * 1000
}

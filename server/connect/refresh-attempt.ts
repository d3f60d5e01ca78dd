// One refresh under a lease: intent, call, outcome. Each write is a compare-and-set, so that a holder that was stopped and
// woke late changes nothing that was written after it. Saving the new credential is in refresh-save.ts.

import { AuthFlowError, toAuthFlowError } from '../../shared/errors.ts'
import type { TokenSet } from '../integrations/integration.ts'
import { renewTokens } from '../oauth/refresh.ts'
import { fieldsOfSecrets, secretBox } from './secrets.ts'
import type { ConnectContext } from './context.ts'
import { grantMethodOf, isRenewable } from './grant-method.ts'
import type { HeldLease } from './held-lease.ts'
import { markNeedsReauth } from './needs-reauth.ts'
import type { ConnectionRecord } from './records.ts'
import type { Permit } from './refresh-breaker.ts'
import { saveRefreshed } from './refresh-save.ts'
import { backoffMs, isHopeless, mayRepeat, noRefresh } from './refresh-state.ts'
import { connectionSet } from './sets.ts'
import type { Teardowns } from './teardown.ts'

/** No use asking again sooner when the host's own client is refused. */
const misconfiguredDelayMs = 30_000

/** What an attempt works with. */
export interface AttemptParts {
  readonly context: ConnectContext
  readonly teardowns: Teardowns
}

/** What an attempt needs to be allowed to call the provider. */
export interface AttemptLeave {
  readonly lease: HeldLease
  /** Settled by the attempt where it called the provider. */
  readonly permit: Permit
}

/** What came of an attempt: a credential that was saved, an error that only the host can mend, or something else. */
export type AttemptOutcome = 'saved' | 'other' | AuthFlowError

/**
 * Refreshes the credential of a record that was read under the lease. Resolves when its outcome is written: a new
 * credential, a failure with the time of the next try, or `needs_reauth`. Also when another changed the record
 * meanwhile; the caller reads again in every case.
 *
 * @throws {@link AuthFlowError} `unreadable_ciphertext`, and the store's
 */
export async function attemptRefresh(
  parts: AttemptParts,
  leave: AttemptLeave,
  record: ConnectionRecord,
): Promise<AttemptOutcome> {
  const { context } = parts
  const { lease, permit } = leave
  const secrets = secretBox(context.vault, 'credential').openAll(record, record.secrets)
  const fields = { ...record.fields, ...fieldsOfSecrets(secrets) }
  const method = grantMethodOf(context.integration(record.integration), record, fields)
  if (!method || !isRenewable(record)) return refreshFailed(record, context.store.now())
  const interrupted = record.refresh
  if (interrupted && interrupted.fence < lease.fence) context.metrics.leaseStolen('credential')
  if (interrupted && !mayRepeat(method.rotation, interrupted, context.store.now())) {
    await markNeedsReauth(context, record, 'refresh_outcome_unknown')
    return 'other'
  }
  const opened = await writeIntent(context, lease, record)
  // Another may be calling already: with rotating tokens a second call, made late, could end the grant.
  if (!opened || lease.lost) return 'other'
  let tokens: TokenSet
  try {
    tokens = await renewTokens({ method, fields, fetch: context.fetch }, secrets['refreshToken'])
    permit.settle()
  } catch (error) {
    permit.settle(error)
    return writeFailure(context, opened, error)
  }
  const answeredAt = performance.now()
  const saved = await saveRefreshed(parts, lease, { opened, tokens })
  context.metrics.refreshWindow(record.integration, performance.now() - answeredAt)
  context.metrics.refreshEnded(record.integration, saved ? 'refreshed' : 'superseded')
  return saved ? 'saved' : 'other'
}

/** Says what is about to happen before it does, which also proves that the store can be written. */
async function writeIntent(
  { store }: ConnectContext,
  lease: HeldLease,
  record: ConnectionRecord,
): Promise<ConnectionRecord | undefined> {
  const startedAt = record.refresh?.startedAt ?? store.now()
  const refresh = { fence: lease.fence, startedAt, attempt: (record.refresh?.attempt ?? 0) + 1 }
  const match = { version: record.version, credFence: { lessThan: lease.fence }, state: 'active' }
  const set = { refresh, refreshOpen: true, refreshStartedAt: startedAt }
  return store.updateAndGet(connectionSet, record.id, match, { set })
}

async function writeFailure(
  context: ConnectContext,
  opened: ConnectionRecord,
  error: unknown,
): Promise<AttemptOutcome> {
  const { store, metrics } = context
  const failure = toAuthFlowError(error)
  const { code, details } = failure
  const failures = opened.refreshFailures + 1
  logFailure(context, opened, { failure, failures })
  const reason = reauthReason(opened, failure, failures)
  if (reason !== undefined) {
    // Only if nothing was written since: another may have refreshed in between, then the refusal is of an old token.
    const marked = await markNeedsReauth(context, opened, reason)
    metrics.refreshEnded(opened.integration, marked ? 'needs_reauth' : 'superseded')
    return 'other'
  }
  const misconfigured = isMisconfigured(failure)
  const waitMs = misconfigured
    ? misconfiguredDelayMs
    : Math.max(details.retryAfterMs ?? 0, backoffMs(failures))
  // A refusal that was heard leaves the refresh token as it was; silence and failures may have used it up.
  const heard = misconfigured || code === 'provider_rejected' || details.status === 429
  const set = {
    ...noRefresh,
    refreshFailures: failures,
    refreshRetryAt: store.now() + waitMs,
    refreshUnsure: opened.refreshUnsure || !heard,
  }
  await store.update(connectionSet, opened.id, { version: opened.version }, { set })
  metrics.refreshEnded(opened.integration, misconfigured ? 'misconfigured' : 'failed')
  return misconfigured ? failure : 'other'
}

const isMisconfigured = ({ code }: AuthFlowError): boolean =>
  code === 'client_misconfigured' || code === 'blocked_host'

/** What only the host can mend concerns every connection of the integration, so it is an error and not a warning. */
function logFailure(
  { log }: ConnectContext,
  { id: connectionId, integration }: ConnectionRecord,
  { failure, failures }: { readonly failure: AuthFlowError; readonly failures: number },
): void {
  const { code } = failure
  const { status, providerCode } = failure.details
  const facts = { code, status, providerCode, integration, connectionId, failures }
  if (isMisconfigured(failure)) {
    log.error(
      facts,
      'no access token of this integration can be refreshed: its client or its addresses are wrong',
    )
  } else {
    log.warn(facts, 'an access token could not be refreshed')
  }
}

/** Why the grant is over for good, if it is. */
function reauthReason(
  opened: ConnectionRecord,
  failure: AuthFlowError,
  failures: number,
): string | undefined {
  if (failure.code === 'provider_rejected' && isHopeless(failures)) return 'refresh_rejected'
  if (failure.code !== 'needs_reauth') return undefined
  const afterUnknown = opened.refreshUnsure || (opened.refresh?.attempt ?? 1) > 1
  return afterUnknown ? 'refresh_outcome_unknown' : (failure.details.reason ?? 'refused')
}

/**
 * The error for a credential that can't be had just now.
 *
 * @param waitMs the shortest time to come back after, beside the connection's own
 */
export function refreshFailed(record: ConnectionRecord, now: number, waitMs = 0): AuthFlowError {
  const { integration, accountId, refreshRetryAt } = record
  const retryAfterMs = Math.max(waitMs, refreshRetryAt === null ? 0 : refreshRetryAt - now)
  return new AuthFlowError('refresh_failed', undefined, {
    details: { integration, accountId, ...(retryAfterMs > 0 ? { retryAfterMs } : {}) },
  })
}

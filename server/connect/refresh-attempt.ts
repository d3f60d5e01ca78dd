// One refresh under a lease: intent, call, save. Each write is a compare-and-set, so that a holder that was stopped and
// woke late changes nothing that was written after it.

import { setTimeout as delay } from 'node:timers/promises'
import { AuthFlowError, isAuthFlowError, toAuthFlowError } from '../../shared/errors.ts'
import { refreshTokens, type RefreshedTokens } from '../oauth/refresh.ts'
import { fieldsOfSecrets, secretBox } from './secrets.ts'
import { findOAuthMethod, type ConnectContext } from './context.ts'
import type { HeldLease } from './held-lease.ts'
import { markNeedsReauth } from './needs-reauth.ts'
import type { ConnectionRecord } from './records.ts'
import { backoffMs, isHopeless, mayRepeat, noRefresh } from './refresh-state.ts'
import { connectionSet } from './sets.ts'
import type { Teardowns } from './teardown.ts'
import { connectionView } from './views.ts'

/** How long an unsaved token set is held and its save tried again, in ms. With rotating tokens it is all there is. */
const saveForMs = 10 * 60_000
const longestSaveDelayMs = 2_000
/** No use asking again sooner when the host's own client is refused. */
const misconfiguredDelayMs = 30_000

/** What an attempt works with. */
export interface AttemptParts {
  readonly context: ConnectContext
  readonly teardowns: Teardowns
}

/**
 * Refreshes the credential of a record that was read under the lease. Resolves when its outcome is written: a new
 * credential, a failure with the time of the next try, or `needs_reauth`. Also when another changed the record
 * meanwhile; the caller reads again in every case. What it resolves with is an error that only the host can mend.
 *
 * @throws {@link AuthFlowError} `unreadable_ciphertext`, and the store's
 */
export async function attemptRefresh(
  parts: AttemptParts,
  lease: HeldLease,
  record: ConnectionRecord,
): Promise<AuthFlowError | undefined> {
  const { context } = parts
  const method = findOAuthMethod(context.integration(record.integration))
  const secrets = secretBox(context.vault, 'credential').openAll(record, record.secrets)
  const { refreshToken } = secrets
  if (!method || refreshToken === undefined) return refreshFailed(record, context.store.now())
  const interrupted = record.refresh
  if (interrupted && !mayRepeat(method.rotation, interrupted, context.store.now())) {
    await markNeedsReauth(context, record, 'refresh_outcome_unknown')
    return undefined
  }
  const opened = await writeIntent(context, lease, record)
  if (!opened) return undefined
  let tokens: RefreshedTokens
  try {
    const fields = { ...record.fields, ...fieldsOfSecrets(secrets) }
    tokens = await refreshTokens({ method, fields, fetch: context.fetch }, refreshToken)
  } catch (error) {
    return writeFailure(context, opened, error)
  }
  await save(parts, lease, { opened, tokens })
  return undefined
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
): Promise<AuthFlowError | undefined> {
  const { store, log } = context
  const failure = toAuthFlowError(error)
  const { code, details } = failure
  const { id: connectionId, integration } = opened
  const failures = opened.refreshFailures + 1
  const { status, providerCode } = details
  log.warn(
    { code, status, providerCode, integration, connectionId, failures },
    'an access token could not be refreshed',
  )
  const reason = reauthReason(opened, failure, failures)
  if (reason !== undefined) {
    // Only if nothing was written since: another may have refreshed in between, then the refusal is of an old token.
    await markNeedsReauth(context, opened, reason)
    return undefined
  }
  const misconfigured = code === 'client_misconfigured' || code === 'blocked_host'
  const waitMs = misconfigured
    ? misconfiguredDelayMs
    : Math.max(details.retryAfterMs ?? 0, backoffMs(failures))
  // A refusal that was heard leaves the refresh token as it was; silence and failures may have used it up.
  const heard = misconfigured || code === 'provider_rejected' || status === 429
  const set = {
    ...noRefresh,
    refreshFailures: failures,
    refreshRetryAt: store.now() + waitMs,
    refreshUnsure: opened.refreshUnsure || !heard,
  }
  await store.update(connectionSet, opened.id, { version: opened.version }, { set })
  return misconfigured ? failure : undefined
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

interface Refreshed {
  readonly opened: ConnectionRecord
  readonly tokens: RefreshedTokens
}

/**
 * Saves the new tokens before anybody uses them. Accepted if the credential was written under a smaller fence; so a
 * save whose outcome got lost can be repeated, and disconnect and reconnect, which take greater fences, keep it out.
 */
async function save(parts: AttemptParts, lease: HeldLease, refreshed: Refreshed): Promise<void> {
  const { context } = parts
  const { store } = context
  const { opened } = refreshed
  const set = changeOf(context, lease, refreshed)
  const giveUpAt = performance.now() + saveForMs
  for (let tries = 1; ; tries += 1) {
    try {
      const match = { credFence: { lessThan: lease.fence } }
      const saved = await store.updateAndGet(connectionSet, opened.id, match, { set })
      // Where the lease was lost another may have marked the connection; whoever was told must hear that it works.
      if (saved && lease.lost) await context.changed({ type: 'connected', connection: connectionView(saved) })
      if (!saved) await giveUpIfSuperseded(parts, lease, refreshed)
      return
    } catch (error) {
      const isOurs = isAuthFlowError(error) && !error.retryable
      if (isOurs || performance.now() > giveUpAt) throw error
      context.log.error(
        { connectionId: opened.id, tries },
        'refreshed credentials could not be saved yet; they are held in memory and the save is repeated',
      )
      await delay(Math.min(longestSaveDelayMs, 50 * 2 ** Math.min(tries, 10)))
    }
  }
}

function changeOf(
  context: ConnectContext,
  lease: HeldLease,
  { opened, tokens }: Refreshed,
): Partial<ConnectionRecord> {
  const now = context.store.now()
  const { accessToken, refreshToken } = tokens
  const sealed = secretBox(context.vault, 'credential').seal(opened, { accessToken, refreshToken })
  return {
    ...noRefresh,
    state: 'active',
    reason: null,
    secrets: { ...opened.secrets, ...sealed },
    issuedAt: now,
    expiresAt: tokens.expiresAt ?? null,
    scopes: tokens.scopes ?? opened.scopes,
    credFence: lease.fence,
    updatedAt: now,
  }
}

/** The save was refused: it was there already, or a later writer came first. A grant that nobody holds is ended. */
async function giveUpIfSuperseded(
  parts: AttemptParts,
  lease: HeldLease,
  refreshed: Refreshed,
): Promise<void> {
  const { context, teardowns } = parts
  const { opened, tokens } = refreshed
  const current = await context.store.get(connectionSet, opened.id)
  if (!current || current.credFence === lease.fence || current.state !== 'disconnected') return
  const { id: connectionId, integration, accountId, identityKey, fields, scopes } = opened
  const { accessToken, refreshToken } = tokens
  const formSecrets = secretBox(context.vault, 'credential').openAll(opened, opened.secrets)
  const secrets = { ...formSecrets, accessToken, refreshToken }
  await teardowns.abandon({ connectionId, integration, accountId, identityKey, fields, scopes, secrets })
}

/** The error for a credential that can't be had just now. */
export function refreshFailed(record: ConnectionRecord, now: number): AuthFlowError {
  const { integration, accountId, refreshRetryAt } = record
  const retryAfterMs = refreshRetryAt === null ? undefined : Math.max(0, refreshRetryAt - now)
  return new AuthFlowError('refresh_failed', undefined, {
    details: { integration, accountId, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  })
}

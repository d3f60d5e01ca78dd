// Ends grants at the provider after they were given up here. The secrets of such a grant live in a record of their own
// that `getAuth` can't read; it is tried again for a day and then deleted.

import { isAuthFlowError } from '../../shared/errors.ts'
import type { MethodId } from '../../shared/flow.ts'
import { randomText } from '../../shared/ids.ts'
import type { OAuthEndpoint } from '../oauth/endpoint.ts'
import { canRevoke, revokeGrant } from '../oauth/revoke.ts'
import { insertStep, removeStep, updateStep, type Step } from '../store/store.ts'
import { auditStep, ourselves, type AuditEntry } from './audit.ts'
import type { ConnectContext } from './context.ts'
import { grantMethodOf } from './grant-method.ts'
import { identify } from './grant.ts'
import { identityKeyOf } from './identity-key.ts'
import { useForTheLastTime } from './last-use.ts'
import { noticeSteps } from './notices.ts'
import type { TeardownRecord } from './records.ts'
import { fieldsOfSecrets, secretBox, type SecretBox } from './secrets.ts'
import { connectionSet, teardownSet } from './sets.ts'
import { afterglowMs } from './teardown-overlap.ts'
import { connectionView } from './views.ts'

/** How long ending a grant is tried, in ms. */
const tryForMs = 24 * 3_600_000
/** Kept longer only where no process was there to give it up and say so, in ms. */
const keepMs = 7 * 24 * 3_600_000
/** While one process asks the provider others leave the record alone for this long, in ms: two calls of 10 s. */
const claimMs = 30_000
const firstDelayMs = 5_000
const longestDelayMs = 3_600_000
/** Records per round, and those worked on at once. */
const roundSize = 50
const sweepAtOnce = 10
/** Holders of one identity read at once. */
const holdersPerPage = 100

/** A grant to be ended. */
export interface GivenUpGrant {
  readonly connectionId: string
  readonly integration: string
  readonly accountId: string
  /** Null where the provider did not say whose grant it is; it is asked again before the grant is ended. */
  readonly identityKey: string | null
  /** The method that the grant came by (default `oauth2`). */
  readonly via?: MethodId
  readonly fields: Readonly<Record<string, string>>
  readonly scopes: readonly string[]
  /** Plaintext by field name. */
  readonly secrets: Readonly<Record<string, string>>
}

/** Ends grants at providers. */
export interface Teardowns {
  /** The step that notes a grant as given up, with the note's id; undefined where the provider has no way to end it. */
  note(grant: GivenUpGrant): { readonly id: string; readonly step: Step } | undefined
  /** Tries to end a noted grant now, without anybody waiting. */
  runSoon(id: string): void
  /** Gives up a grant that no connection holds: notes it and tries to end it. */
  abandon(grant: GivenUpGrant): Promise<void>
  /** Tries those that are due, and gives up those that were tried for a day. */
  sweep(): Promise<void>
}

/** The teardowns of a connect service. */
export function createTeardowns(context: ConnectContext): Teardowns {
  const { store } = context
  const box = secretBox(context.vault, 'teardown')
  const note: Teardowns['note'] = (grant) => noteGrant(context, box, grant)
  const runSoon: Teardowns['runSoon'] = (id) =>
    context.background('ending a grant at the provider', () => runTeardown(context, box, id))
  return {
    note,
    runSoon,
    async abandon(grant) {
      const noted = note(grant)
      if (noted && (await store.transact([noted.step]))) runSoon(noted.id)
    },
    async sweep() {
      const query = { index: 'due', equals: 'teardown', to: store.now() + 1, limit: roundSize }
      const { items } = await store.list(teardownSet, query)
      for (let at = 0; at < items.length; at += sweepAtOnce) {
        const some = items.slice(at, at + sweepAtOnce)
        await Promise.all(some.map(({ id }) => runTeardown(context, box, id)))
      }
    },
  }
}

function noteGrant(
  context: ConnectContext,
  box: SecretBox,
  grant: GivenUpGrant,
): ReturnType<Teardowns['note']> {
  const method = grantMethodOf(context.integration(grant.integration), grant, grant.fields)
  const isRevocable = method && canRevoke(method) && grant.secrets['accessToken'] !== undefined
  if (!isRevocable && !context.lastUse?.concerns(grant.integration)) return undefined
  const now = context.store.now()
  const id = `td_${randomText(22)}`
  const { secrets, ...rest } = grant
  const step = insertStep(teardownSet, {
    ...rest,
    id,
    kind: 'teardown',
    secrets: box.seal({ ...grant, id }, secrets),
    attempts: 0,
    dueAt: now,
    createdAt: now,
    claimedUntil: null,
    lastError: null,
    giveUpAt: now + tryForMs,
    endedAt: null,
    expireAt: now + keepMs,
  })
  return { id, step }
}

async function runTeardown(context: ConnectContext, box: SecretBox, id: string): Promise<void> {
  const { store } = context
  const found = await store.get(teardownSet, id)
  if (!found || found.kind === 'ended' || found.dueAt > store.now()) return
  if (found.giveUpAt <= store.now()) return giveUp(context, found)
  const claimedUntil = store.now() + claimMs
  const claim = { set: { dueAt: claimedUntil, claimedUntil }, increment: { attempts: 1 } }
  const record = await store.updateAndGet(teardownSet, id, { version: found.version }, claim)
  if (!record) return
  let kept = false
  try {
    kept = await endUnlessHeld(context, box, record)
  } catch (error) {
    return putOff(context, record, error)
  }
  await finish(context, record, kept ? 'grant.kept' : 'grant.revoked')
}

/** Ends the grant at the provider. True when it was left alone because another connection lives on it. */
async function endUnlessHeld(
  context: ConnectContext,
  box: SecretBox,
  record: TeardownRecord,
): Promise<boolean> {
  const { accessToken = '', refreshToken, ...others } = box.openAll(record, record.secrets)
  const fields = { ...record.fields, ...fieldsOfSecrets(others) }
  await useForTheLastTime(context, record, { accessToken, others: fieldsOfSecrets(others) })
  const method = grantMethodOf(context.integration(record.integration), record, fields)
  if (!method) return false
  if (!canRevoke(method)) return true
  const place = { method, fields, fetch: context.fetch }
  // Where each connection has a grant of its own nobody else holds it.
  if (method.grantScope !== 'connection') {
    const key = record.identityKey ?? (await identityKeyAt(context, record, { ...place, accessToken }))
    // A token that is refused may still have a refresh token that is not.
    if (key !== undefined && (await isHeld(context, key))) return true
  }
  const tokens = {
    accessToken,
    scopes: record.scopes,
    ...(refreshToken === undefined ? {} : { refreshToken }),
  }
  await revokeGrant(place, tokens)
  return false
}

/** Whose grant it is; undefined when the provider does not take the token any more. */
async function identityKeyAt(
  context: ConnectContext,
  { integration }: TeardownRecord,
  { method, fields, fetch, accessToken }: OAuthEndpoint & { readonly accessToken: string },
): Promise<string | undefined> {
  try {
    const { identity } = await identify(() => method.identify({ accessToken }, { fetch, fields }))
    return identityKeyOf(context, integration, identity.id)
  } catch (error) {
    if (isAuthFlowError(error) && error.code === 'credentials_rejected') return undefined
    throw error
  }
}

async function putOff(context: ConnectContext, record: TeardownRecord, error: unknown): Promise<void> {
  const { store, log } = context
  const { id, version, integration, connectionId, attempts } = record
  const code = isAuthFlowError(error) ? error.code : 'internal'
  const retryAfterMs = isAuthFlowError(error) ? (error.details.retryAfterMs ?? 0) : 0
  const delayMs = Math.max(retryAfterMs, delayOf(attempts))
  const set = {
    dueAt: Math.min(record.giveUpAt, store.now() + delayMs),
    claimedUntil: null,
    lastError: code,
  }
  await store.update(teardownSet, id, { version }, { set })
  log.warn({ code, integration, connectionId, delayMs }, 'the grant could not be ended at the provider yet')
}

/**
 * True while an active connection has the same identity. Ending this grant could end that one too, where a provider
 * has one grant per identity; the last holder ends it.
 */
async function isHeld({ store }: ConnectContext, identityKey: string): Promise<boolean> {
  const query = { index: 'byIdentity', equals: identityKey, order: 'desc', limit: holdersPerPage } as const
  let page = await store.list(connectionSet, query)
  for (;;) {
    if (page.items.some(({ kind, state }) => kind === 'connection' && state === 'active')) return true
    // Past holders stay on record, and there may be any number of them before one that is active.
    const { cursor } = page
    if (cursor === undefined) return false
    page = await store.list(connectionSet, { ...query, cursor })
  }
}

/** Deletes the secrets. A trace stays for a moment, for whoever is just connecting the same identity. */
async function finish(
  context: ConnectContext,
  record: TeardownRecord,
  action: 'grant.revoked' | 'grant.kept',
): Promise<void> {
  const { store } = context
  const { id, version } = record
  const now = store.now()
  const trace = {
    kind: 'ended' as const,
    secrets: {},
    claimedUntil: null,
    endedAt: now,
    expireAt: now + afterglowMs,
  }
  const end =
    action === 'grant.kept'
      ? removeStep(teardownSet, id, { version })
      : updateStep(teardownSet, id, { version }, { set: trace })
  await store.transact([end, auditStep(now, entryOf(record, action), context.audit.days)])
}

/** A day has passed: the secrets are deleted, and everybody who may act on it is told. */
async function giveUp(context: ConnectContext, record: TeardownRecord): Promise<void> {
  const { store, log } = context
  const { id, version, integration, connectionId, attempts, lastError } = record
  const now = store.now()
  const reason = lastError ?? 'not_tried'
  const connection = await store.get(connectionSet, connectionId)
  const told = await store.transact([
    removeStep(teardownSet, id, { version }),
    auditStep(now, { ...entryOf(record, 'grant.not_revoked'), reason }, context.audit.days),
    ...(connection
      ? noticeSteps(context, {
          name: 'authflow.connection.revocation_failed',
          at: Math.max(now, connection.updatedAt),
          data: { connection: connectionView(connection), reason },
        })
      : []),
  ])
  if (!told) return
  const facts = { code: reason, integration, connectionId, attempts }
  log.warn(facts, 'a grant could not be ended at the provider within a day; end it there by hand')
}

function entryOf(record: TeardownRecord, action: AuditEntry['action']): AuditEntry {
  const { connectionId, integration, accountId } = record
  return { action, actor: ourselves, connection: { id: connectionId, integration, accountId } }
}

/** Doubles from 5 s to an hour, spread over the upper half. */
function delayOf(attempts: number): number {
  const full = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(attempts, 16))
  return full / 2 + (Math.random() * full) / 2
}

// Ends grants at the provider after they were given up here. The secrets of such a grant live in a record of their own
// that `getAuth` can't read; it is tried again for a day and then deleted.

import { randomText } from '../../shared/ids.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import { canRevoke, revokeGrant } from '../oauth/revoke.ts'
import { insertStep, removeStep, type Step } from '../store/store.ts'
import { auditStep, ourselves } from './audit.ts'
import { findOAuthMethod, type ConnectContext } from './context.ts'
import type { TeardownRecord } from './records.ts'
import { fieldsOfSecrets, secretBox, type SecretBox } from './secrets.ts'
import { connectionSet, teardownSet } from './sets.ts'

/** How long ending a grant is tried, in ms. */
const tryForMs = 24 * 3_600_000
/** While one process tries, others leave the record alone for this long. */
const claimMs = 60_000
const firstDelayMs = 5_000
const longestDelayMs = 3_600_000
/** Records per round, and other holders looked at for one grant. */
const roundSize = 50
const sweepAtOnce = 10
/** Holders of one identity read at once. */
const holdersPerPage = 100

/** A grant to be ended. */
export interface GivenUpGrant {
  readonly connectionId: string
  readonly integration: string
  readonly accountId: string
  readonly identityKey: string
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
  /** Steps that forget the grants noted for a connection: the same identity has just granted anew. */
  forgetSteps(connectionId: string, identityKey: string): Promise<Step[]>
  /** Tries those that are due. */
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
    async forgetSteps(connectionId, identityKey) {
      const query = { index: 'byConnection', equals: connectionId, limit: roundSize }
      const { items } = await store.list(teardownSet, query)
      return items
        .filter((record) => record.identityKey === identityKey)
        .map((record) => removeStep(teardownSet, record.id))
    },
    async sweep() {
      const query = { index: 'due', equals: 'teardown', to: store.now(), limit: roundSize }
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
  const method = findOAuthMethod(context.integration(grant.integration))
  if (!method || !canRevoke(method) || grant.secrets['accessToken'] === undefined) return undefined
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
    expireAt: now + tryForMs,
  })
  return { id, step }
}

async function runTeardown(context: ConnectContext, box: SecretBox, id: string): Promise<void> {
  const { store } = context
  const found = await store.get(teardownSet, id)
  if (!found || found.dueAt > store.now()) return
  const claim = { set: { dueAt: store.now() + claimMs }, increment: { attempts: 1 } }
  const record = await store.updateAndGet(teardownSet, id, { version: found.version }, claim)
  if (!record) return
  if (await isHeld(context, record)) return finish(context, record, 'grant.kept')
  try {
    await revoke(context, box, record)
  } catch (error) {
    const retryAfterMs = isAuthFlowError(error) ? (error.details.retryAfterMs ?? 0) : 0
    const delayMs = Math.max(retryAfterMs, delayOf(record.attempts))
    await store.update(
      teardownSet,
      id,
      { version: record.version },
      { set: { dueAt: store.now() + delayMs } },
    )
    const { integration, connectionId } = record
    const code = isAuthFlowError(error) ? error.code : 'internal'
    context.log.warn(
      { code, integration, connectionId, delayMs },
      'the grant could not be ended at the provider yet',
    )
    return
  }
  await finish(context, record, 'grant.revoked')
}

/**
 * True while an active connection has the same identity. Ending this grant could end that one too, where a provider
 * has one grant per identity; the last holder ends it.
 */
async function isHeld({ store }: ConnectContext, { identityKey }: TeardownRecord): Promise<boolean> {
  const query = { index: 'byIdentity', equals: identityKey, order: 'desc', limit: holdersPerPage } as const
  let page = await store.list(connectionSet, query)
  for (;;) {
    if (page.items.some((connection) => connection.state === 'active')) return true
    // Past holders stay on record, and there may be any number of them before one that is active.
    const { cursor } = page
    if (cursor === undefined) return false
    page = await store.list(connectionSet, { ...query, cursor })
  }
}

async function revoke(context: ConnectContext, box: SecretBox, record: TeardownRecord): Promise<void> {
  const method = findOAuthMethod(context.integration(record.integration))
  if (!method) return
  const { accessToken = '', refreshToken, ...others } = box.openAll(record, record.secrets)
  const fields = { ...record.fields, ...fieldsOfSecrets(others) }
  const tokens = {
    accessToken,
    scopes: record.scopes,
    ...(refreshToken === undefined ? {} : { refreshToken }),
  }
  await revokeGrant({ method, fields, fetch: context.fetch }, tokens)
}

async function finish(
  { store }: ConnectContext,
  record: TeardownRecord,
  action: 'grant.revoked' | 'grant.kept',
): Promise<void> {
  const { connectionId, integration, accountId } = record
  const connection = { id: connectionId, integration, accountId }
  await store.transact([
    removeStep(teardownSet, record.id, { version: record.version }),
    auditStep(store.now(), { action, actor: ourselves, connection }),
  ])
}

/** Doubles from 5 s to an hour, spread over the upper half. */
function delayOf(attempts: number): number {
  const full = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(attempts, 16))
  return full / 2 + (Math.random() * full) / 2
}

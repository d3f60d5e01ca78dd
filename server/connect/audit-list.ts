// Reading the audit trail. The index that leaves least is read; what else was asked for is judged row by row, within a
// bound, so that no question can hold up the store.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Page } from '../../shared/flow.ts'
import { checkAccountId } from '../../shared/ids.ts'
import type { ListQuery } from '../store/store.ts'
import { connectionIdOf } from './connection-id.ts'
import type { ConnectContext } from './context.ts'
import type { AuditAction, AuditRecord } from './records.ts'
import { auditSet } from './sets.ts'

const defaultLimit = 50
const maxLimit = 200
/** Rows looked at for one page. */
const maxScanned = 2_000

/** Which rows. All of them when empty. */
export interface AuditQuery {
  /** About this account only. */
  readonly accountId?: string
  /** About the integration with this id only. */
  readonly integration?: string
  /** `connection.disconnected`, `credential.read`, … */
  readonly action?: string
  /** ISO 8601: from this instant on. */
  readonly from?: string
  /** ISO 8601: before this instant. */
  readonly to?: string
  /** 1 to 200 (default 50). */
  readonly limit?: number
  /** From the page before. */
  readonly cursor?: string
}

/** One row: what happened, who did it and when. Never holds a secret. */
export interface AuditRow {
  /** Unique; rises with time. */
  readonly id: string
  /** ISO 8601; of reads the minute they were counted in. */
  readonly at: string
  /** What happened. */
  readonly action: AuditAction
  /** The host's user, the id of a secret key, `run:<id>`, or `authflow` itself. */
  readonly actor: string
  /** Id of the secret key that let the actor in. */
  readonly key?: string
  /** The connection it is about. */
  readonly connectionId?: string
  /** Id of its integration. */
  readonly integration?: string
  /** Its account, as it was called then. */
  readonly accountId?: string
  /** Who the account was at the provider. */
  readonly identityId?: string
  /** Why. */
  readonly reason?: string
  /** How often, where that is more than once: reads of one credential by one reader in one minute. */
  readonly count?: number
}

/**
 * A page of the trail, newest first. It may hold fewer rows than asked for, even none, and still have a cursor.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export async function listAudit({ store }: ConnectContext, query: AuditQuery): Promise<Page<AuditRow>> {
  const { limit = defaultLimit } = query
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
    throw new AuthFlowError('invalid_input', `limit must be a whole number from 1 to ${maxLimit}.`)
  }
  const index = indexFor(query)
  const rows: AuditRow[] = []
  let { cursor } = query
  for (let scanned = 0; scanned < maxScanned;) {
    const page = await store.list(auditSet, {
      ...index,
      order: 'desc',
      limit: limit - rows.length,
      ...(cursor === undefined ? {} : { cursor }),
    })
    scanned += page.items.length
    rows.push(...page.items.filter((record) => isWanted(record, query)).map(auditRow))
    cursor = page.cursor
    if (cursor === undefined || rows.length >= limit) break
  }
  return cursor === undefined ? { items: rows } : { items: rows, cursor }
}

function indexFor(query: AuditQuery): Pick<ListQuery<AuditRecord>, 'index' | 'equals' | 'from' | 'to'> {
  const { accountId, integration, action } = query
  const bounds = {
    ...(query.from === undefined ? {} : { from: instant('from', query.from) }),
    ...(query.to === undefined ? {} : { to: instant('to', query.to) }),
  }
  if (accountId !== undefined) {
    const account = checkAccountId(accountId)
    return integration === undefined
      ? { index: 'byAccount', equals: account, ...bounds }
      : { index: 'byConnection', equals: connectionIdOf(integration, account), ...bounds }
  }
  if (action !== undefined) return { index: 'byAction', equals: action, ...bounds }
  if (integration !== undefined) return { index: 'byIntegration', equals: integration, ...bounds }
  return { index: 'all', equals: 'audit', ...bounds }
}

function instant(name: string, text: string): number {
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new AuthFlowError('invalid_input', `${name} must be an ISO 8601 instant.`)
  return at
}

const isWanted = (record: AuditRecord, { accountId, integration, action }: AuditQuery): boolean =>
  (accountId === undefined || record.accountId === accountId) &&
  (integration === undefined || record.integration === integration) &&
  (action === undefined || record.action === action)

function auditRow(record: AuditRecord): AuditRow {
  const { id, at, action, actor, key, connectionId, integration, accountId, identityId, reason, count } =
    record
  return {
    id,
    at: new Date(at).toISOString(),
    action,
    actor,
    ...(key === null ? {} : { key }),
    ...(connectionId === null ? {} : { connectionId }),
    ...(integration === null ? {} : { integration }),
    ...(accountId === null ? {} : { accountId }),
    ...(identityId === null ? {} : { identityId }),
    ...(reason === null ? {} : { reason }),
    ...(count === 1 ? {} : { count }),
  }
}

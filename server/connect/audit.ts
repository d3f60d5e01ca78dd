// Rows of the audit trail. A row is a step of the transaction that makes the change: neither is there without the other.

import { randomText } from '../../shared/ids.ts'
import { insertStep, type Step } from '../store/store.ts'
import type { AuditAction, AuditRecord } from './records.ts'
import { auditSet } from './sets.ts'

/** How long a row is kept, in ms: one year. */
const retentionMs = 365 * 86_400_000

/** Who made a change. */
export interface Actor {
  /** The host's user, the secret key's id or `authflow`. */
  readonly name: string
  /** Id of the secret key that let them in. */
  readonly key: string | null
}

/** Changes that authflow makes by itself. */
export const ourselves: Actor = { name: 'authflow', key: null }

/** What a row tells. */
export interface AuditEntry {
  readonly action: AuditAction
  readonly actor: Actor
  readonly connection: { readonly id: string; readonly integration: string; readonly accountId: string }
  readonly identityId?: string
  readonly reason?: string
}

/** The step that writes the row. */
export function auditStep(now: number, entry: AuditEntry): Step {
  const { action, actor, connection, identityId = null, reason = null } = entry
  const row: Omit<AuditRecord, 'version'> = {
    // Ids rise with time, so rows written together lie together.
    id: `${now.toString(16).padStart(12, '0')}-${randomText(16)}`,
    at: now,
    action,
    actor: actor.name,
    key: actor.key,
    connectionId: connection.id,
    integration: connection.integration,
    accountId: connection.accountId,
    identityId,
    reason,
    expireAt: now + retentionMs,
  }
  return insertStep(auditSet, row)
}

// Rows of the audit trail. A row is a step of the transaction that makes the change: neither is there without the other.

import { randomText } from '../../shared/ids.ts'
import { insertStep, type NewDocument, type Step } from '../store/store.ts'
import type { ConnectContext } from './context.ts'
import type { AuditAction, AuditRecord } from './records.ts'
import { auditSet } from './sets.ts'

const dayMs = 86_400_000

/** How long a row is kept unless the host says otherwise, in days. */
export const defaultAuditDays = 365

/** Who made a change. */
export interface Actor {
  /** The host's user, the secret key's id, `run:<id>` or `authflow`. */
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
  /** Absent for what is about no single connection. */
  readonly connection?: {
    readonly id: string | null
    readonly integration: string | null
    readonly accountId: string
  }
  readonly identityId?: string
  readonly reason?: string
}

/** The step that writes the row. `days`: how long it is kept. */
export function auditStep(now: number, entry: AuditEntry, days = defaultAuditDays): Step {
  return insertStep(auditSet, auditRow(now, entry, days))
}

/** What was done with an encryption key, by whoever runs the servers. */
export async function noteKeyChange(
  { store, audit }: Pick<ConnectContext, 'store' | 'audit'>,
  change: 'rotated' | 'retired',
  kid: string,
): Promise<void> {
  const entry: AuditEntry = { action: `key.${change}`, actor: ourselves, reason: kid }
  await store.insert(auditSet, auditRow(store.now(), entry, audit.days))
}

/** The row. Ids rise with time, so rows written together lie together. */
export function auditRow(now: number, entry: AuditEntry, days: number): NewDocument<AuditRecord> {
  const { action, actor, connection, identityId = null, reason = null } = entry
  return {
    id: `${now.toString(16).padStart(12, '0')}-${randomText(16)}`,
    kind: 'audit',
    at: now,
    action,
    actor: actor.name,
    key: actor.key,
    connectionId: connection?.id ?? null,
    integration: connection?.integration ?? null,
    accountId: connection?.accountId ?? null,
    identityId,
    reason,
    count: 1,
    expireAt: now + days * dayMs,
  }
}

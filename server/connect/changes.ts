// A change of a connection as it has to be written down: its row in the audit trail and its notices to the host, in the
// transaction that makes the change.

import type { Step } from '../store/store.ts'
import { auditStep, type Actor } from './audit.ts'
import type { ConnectionEventData } from './connection-events.ts'
import type { ConnectContext } from './context.ts'
import { noticeSteps } from './notices.ts'
import type { AuditAction, ConnectionEventName, ConnectionRecord } from './records.ts'
import { fullConnectionView } from './views.ts'

/** What was done to a connection. */
export interface RecordedChange {
  readonly action: AuditAction
  readonly actor: Actor
  /** As it is after the change; its `updatedAt` is the time of it. */
  readonly connection: Omit<ConnectionRecord, 'version'>
  readonly reason?: string
  /** More facts for the host. */
  readonly data?: Omit<ConnectionEventData, 'connection'>
}

const eventNames: Partial<Record<AuditAction, ConnectionEventName>> = {
  'connection.connected': 'authflow.connection.connected',
  'connection.reconnected': 'authflow.connection.connected',
  'connection.recovered': 'authflow.connection.connected',
  'connection.needs_reauth': 'authflow.connection.needs_reauth',
  'connection.disconnected': 'authflow.connection.disconnected',
  'connection.renamed': 'authflow.connection.renamed',
}

/** The steps that write a change down. They belong into the transaction of the change. */
export function changeSteps(context: ConnectContext, change: RecordedChange): Step[] {
  const { action, actor, connection, reason, data } = change
  const audit = auditStep(
    connection.updatedAt,
    {
      action,
      actor,
      connection,
      identityId: connection.identity.id,
      ...(reason === undefined ? {} : { reason }),
    },
    context.audit.days,
  )
  const name = eventNames[action]
  if (name === undefined) return [audit]
  const facts = { ...data, connection: fullConnectionView(connection) }
  return [audit, ...noticeSteps(context, { name, at: connection.updatedAt, data: facts })]
}

/** The time of a change: now, and later than the change before, so that the order of changes is theirs. */
export const changeTime = ({ store }: ConnectContext, before?: { readonly updatedAt: number }): number =>
  before ? Math.max(store.now(), before.updatedAt + 1) : store.now()

// Marks a connection whose credentials no longer work, and says so to callers.

import { AuthFlowError } from '../../shared/errors.ts'
import { updateStep } from '../store/store.ts'
import { ourselves } from './audit.ts'
import { changeSteps, changeTime } from './changes.ts'
import type { ConnectContext } from './context.ts'
import type { ConnectionRecord } from './records.ts'
import { noRefresh } from './refresh-state.ts'
import { connectionSet } from './sets.ts'
import { tellMembers } from './shared-grant.ts'
import { connectionView } from './views.ts'

/**
 * Marks the connection, if it is still as it was read, with its audit row in the same write. False when it changed
 * meanwhile: then the reason is about credentials that are no longer there.
 */
export async function markNeedsReauth(
  context: ConnectContext,
  record: ConnectionRecord,
  reason: string,
): Promise<boolean> {
  const updatedAt = changeTime(context, record)
  const set = { ...noRefresh, state: 'needs_reauth' as const, reason, updatedAt }
  const mark = updateStep(connectionSet, record.id, { version: record.version, state: 'active' }, { set })
  if (record.kind === 'grant') return markShared(context, { ...record, ...set }, mark)
  const marked = await context.store.transact([
    mark,
    ...changeSteps(context, {
      action: 'connection.needs_reauth',
      actor: ourselves,
      connection: { ...record, ...set },
      reason,
    }),
  ])
  if (marked) {
    const connection = connectionView({ ...record, ...set })
    await context.changed({ type: 'needs_reauth', connection })
  }
  return marked
}

/** Marks a credential that several connections share, and with it the connections. */
async function markShared(
  context: ConnectContext,
  grant: ConnectionRecord,
  mark: ReturnType<typeof updateStep>,
): Promise<boolean> {
  const marked = await context.store.transact([mark])
  // A process that dies here leaves the connections to whoever asks for their credential next.
  if (marked) await tellMembers(context, grant)
  return marked
}

/** The error for a connection that has to be authorised again. */
export function needsReauth(record: ConnectionRecord): AuthFlowError {
  const { integration, accountId, reason } = record
  const details = { integration, accountId, ...(reason === null ? {} : { reason }) }
  return new AuthFlowError('needs_reauth', undefined, { details })
}

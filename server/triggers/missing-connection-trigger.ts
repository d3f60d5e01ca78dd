// The triggers for connections that runs wait for: shorthands for the events that the engine sends.

import { AuthFlowError } from '../../shared/errors.ts'
import type { PayloadSchema, Trigger } from '../jobs/job.ts'
import { missingEvent, resolvedEvent, type MissingConnection } from '../jobs/missing-connection.ts'
import { eventTrigger } from './event-trigger.ts'

/** Options of {@link missingConnectionTrigger} and {@link missingConnectionResolvedTrigger}. */
export interface MissingConnectionOptions {
  /** Ids of the integrations that it is for (default: all). */
  readonly integration?: string | readonly string[]
}

/**
 * A trigger that starts the job when runs begin to wait because their account is not connected, or its credentials no
 * longer work: once for each connection, however many runs wait. The job runs for the account; let it not use the
 * integration that is missing, or it waits as well.
 *
 * @throws {@link AuthFlowError} `invalid_input` for an empty list
 */
export function missingConnectionTrigger(options: MissingConnectionOptions = {}): Trigger<MissingConnection> {
  return notice(missingEvent, options)
}

/**
 * A trigger that starts the job when the connection that runs waited for is there: once, as they are woken.
 *
 * @throws {@link AuthFlowError} `invalid_input` for an empty list
 */
export function missingConnectionResolvedTrigger(
  options: MissingConnectionOptions = {},
): Trigger<MissingConnection> {
  return notice(resolvedEvent, options)
}

function notice(name: string, { integration }: MissingConnectionOptions): Trigger<MissingConnection> {
  const integrations = typeof integration === 'string' ? [integration] : integration
  if (integrations?.length === 0)
    throw new AuthFlowError('invalid_input', 'integration must name one integration at least.')
  return eventTrigger<MissingConnection>({
    name,
    schema: { safeParse: readPayload },
    ...(integrations === undefined ? {} : { filter: { integration: integrations } }),
  })
}

/** The engine made it; what else sends an event of such a name gets a run that can't read it. */
function readPayload(value: unknown): ReturnType<PayloadSchema<MissingConnection>['safeParse']> {
  if (isPayload(value)) return { success: true, data: value }
  const issues = [{ path: ['connection'], message: 'is no notice of a missing connection' }]
  return { success: false, error: { issues } }
}

const isPayload = (value: unknown): value is MissingConnection =>
  typeof value === 'object' &&
  value !== null &&
  'connection' in value &&
  'since' in value &&
  typeof value.since === 'string' &&
  'integration' in value &&
  typeof value.integration === 'string' &&
  'accountId' in value &&
  typeof value.accountId === 'string'

// The trigger for what happens to connections: a shorthand for the events that the connect service sends.

import type { Connection } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import type { EventFilter, PayloadSchema, Trigger } from '../jobs/job.ts'
import { eventTrigger } from './event-trigger.ts'

const changes = ['connected', 'needs_reauth', 'disconnected', 'renamed', 'revocation_failed'] as const

/** What can happen to a connection. */
export type ConnectionChangeName = (typeof changes)[number]

/** What a job that is started by a connection's change gets. */
export interface ConnectionPayload {
  /** As it was right after the change. */
  readonly connection: Connection
  /** `revocation_failed`: code of the last failure. */
  readonly reason?: string
  /** `renamed`: what it was called before. */
  readonly previous?: { readonly integration: string; readonly accountId: string }
}

/** Options of {@link connectionTrigger}. */
export interface ConnectionTriggerOptions {
  /** What starts the job (default `connected`). */
  readonly on?: ConnectionChangeName | readonly ConnectionChangeName[]
  /** Ids of the integrations that it is for (default: all). */
  readonly integration?: string | readonly string[]
}

/**
 * A trigger that starts the job whenever a connection changed: `authflow.connection.connected` and its peers. The run acts
 * as the connection's account. A change starts it once, also when it is told twice.
 *
 * @throws {@link AuthFlowError} `invalid_input` for a change that there is not, or an empty list
 */
export function connectionTrigger({
  on = 'connected',
  integration,
}: ConnectionTriggerOptions = {}): Trigger<ConnectionPayload> {
  const names = typeof on === 'string' ? [on] : on
  const unknown = names.filter((name) => !changes.includes(name))
  const integrations = typeof integration === 'string' ? [integration] : integration
  if (names.length === 0 || unknown.length > 0 || integrations?.length === 0) {
    throw new AuthFlowError(
      'invalid_input',
      `connectionTrigger takes \`on\` of ${changes.join(', ')}, and an \`integration\` where there is one.`,
    )
  }
  const filter: EventFilter | undefined = integrations && { connection: { integration: integrations } }
  return eventTrigger<ConnectionPayload>({
    names: names.map((name) => `authflow.connection.${name}`),
    schema: { safeParse: readPayload },
    ...(filter === undefined ? {} : { filter }),
  })
}

/** The connect service made it; what else sends an event of such a name gets a run that can't read it. */
function readPayload(value: unknown): ReturnType<PayloadSchema<ConnectionPayload>['safeParse']> {
  if (isPayload(value)) return { success: true, data: value }
  const issues = [{ path: ['connection'], message: 'is no change of a connection' }]
  return { success: false, error: { issues } }
}

function isPayload(value: unknown): value is ConnectionPayload {
  if (typeof value !== 'object' || value === null || !('connection' in value)) return false
  const { connection } = value
  return (
    typeof connection === 'object' && connection !== null && 'id' in connection && 'accountId' in connection
  )
}

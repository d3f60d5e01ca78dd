// What the host hears about connections, by webhook and as events that start jobs: the shape, and the name of each.

import type { Connection } from '../../shared/auth.ts'
import type { ConnectionEventName } from './records.ts'

/**
 * One change of a connection. As a webhook it is the whole body; as an event of a job, `data` is the payload. Never
 * holds a secret.
 */
export interface ConnectionEvent {
  /** What happened. */
  readonly type: ConnectionEventName
  /** ISO 8601 instant of the change. */
  readonly timestamp: string
  /** The facts. */
  readonly data: ConnectionEventData
}

/** Facts of a {@link ConnectionEvent}. */
export interface ConnectionEventData {
  /** As it was right after the change. */
  readonly connection: Connection
  /** `revocation_failed`: code of the last failure. */
  readonly reason?: string
  /** `renamed`: what it was called before. */
  readonly previous?: { readonly integration: string; readonly accountId: string }
}

/** An event on its way to the job engine. The same `id` again is the same event. */
export interface OutgoingEvent {
  readonly id: string
  readonly name: ConnectionEventName
  /** JSON text of {@link ConnectionEventData}. */
  readonly payload: string
  readonly accountId: string
  readonly timestamp: Date
}

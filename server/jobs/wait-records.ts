// What runs that wait for something outside keep beside their own record, where those who bring it find it.

import { defineSet, type StoredDocument } from '../store/store.ts'

/** A run that waits for an event. Its id is `topic/run/digest of the path`. */
export interface EventWaitDocument extends StoredDocument {
  readonly runId: string
  /** Of the wait in the run. */
  readonly path: string
  readonly state: 'open' | 'taken'
  /** Sealed; absent where any payload will do. */
  readonly filter?: string
  /** Sealed; absent where any context will do. */
  readonly contextFilter?: string
  /** Sealed: the event that was taken. */
  readonly event?: string
}

/** Says that a run has taken an event, for one of its waits and none of the others. Its id is `run/event`. */
export interface TakingDocument extends StoredDocument {
  /** Id of the wait. */
  readonly wait: string
}

/** A run that waits for a request. Its id is a digest of the token in the address, which is kept nowhere. */
export interface RequestWaitDocument extends StoredDocument {
  readonly runId: string
  /** Of the wait in the run. */
  readonly path: string
  /** `over`: the run does not wait any more, and nothing came. */
  readonly state: 'open' | 'received' | 'over'
  /** Sealed: the body that came, as JSON. */
  readonly body?: string
}

/** Waits for events, those for one topic side by side. */
export const eventWaits = defineSet<EventWaitDocument>('event_waits')

/** Events that runs have taken. */
export const takings = defineSet<TakingDocument>('event_takings')

/** Waits for requests. */
export const requestWaits = defineSet<RequestWaitDocument>('request_waits')

/** Every set of this file. */
export const outsideWaitSets = [eventWaits, takings, requestWaits] as const

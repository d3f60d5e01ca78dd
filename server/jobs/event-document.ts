// An event as it is kept: its sealed body, the runs it is to start, and what is told of it.

import type { EngineCore } from './core.ts'
import type { EventOrigin, EventRecord } from './engine.ts'
import type { Json } from './job.ts'
import { runIdOf, type EventDocument, type PublishedJob, type Target } from './records.ts'

/** What an event carries. */
export interface EventContent {
  readonly payload: Json
  readonly context: Json
  /** Present for events of triggers. */
  readonly from?: EventOrigin['from']
}

type Sealed = Pick<EventDocument, 'id' | 'targets'>

/** The content of an event. Throws `unreadable_ciphertext`. */
export function openBody(core: EngineCore, event: Sealed & Pick<EventDocument, 'body'>): EventContent {
  return JSON.parse(bodySession(core, event).open(event.body, 'event')) as EventContent
}

/** Seals the JSON of an {@link EventContent} for an event with the targets given. */
export function sealBody(core: EngineCore, event: Sealed, text: string): string {
  return bodySession(core, event).seal(text, 'event')
}

/** One derived key serves the event and its first run; an event that starts nothing has its own. */
function bodySession(core: EngineCore, { id, targets }: Sealed): ReturnType<EngineCore['vault']['session']> {
  return core.vault.session('run', targets[0]?.runId ?? id)
}

/** The runs that the event with the given key starts of the jobs. */
export function targetsOf(key: string, jobs: readonly PublishedJob[]): Target[] {
  return jobs.map(({ job, jobName, version }) => ({ runId: runIdOf(key, job), job, jobName, version }))
}

/** What its sender is told of an event. */
export function toRecord(
  event: Pick<EventDocument, 'eventId' | 'name' | 'timestamp' | 'accountId' | 'targets'> &
    Partial<Pick<EventDocument, 'pending' | 'cancelledAt'>>,
): EventRecord {
  return {
    id: event.eventId,
    name: event.name,
    timestamp: new Date(event.timestamp).toISOString(),
    accountId: event.accountId,
    state: event.pending === true ? 'delayed' : event.cancelledAt === undefined ? 'delivered' : 'cancelled',
    runIds: event.targets.map(({ runId }) => runId),
  }
}

// What the engine keeps in the store: events, runs with the journal of their tasks, results too large for the run's
// own record, and workers. Payloads, outputs, errors and log lines are sealed for the run they belong to.

import { hash, randomUUID } from 'node:crypto'
import { defineSet, type NewDocument, type StoredDocument } from '../store/store.ts'
import type { EventFilter, ScheduleRule } from './job.ts'
import { gates, type Ticket } from './gates.ts'
import { lanes, waits, type LimitRule, type WaitDocument } from './lane-records.ts'
import type { RunState } from '../../shared/flow.ts'
import { outsideWaitSets } from './wait-records.ts'

/** A run that an event starts. */
export interface Target {
  readonly runId: string
  readonly job: string
  readonly jobName: string
  readonly version: string
}

/** An event that was taken in. Its id is made of environment, account, source and the sender's id. */
export interface EventDocument extends StoredDocument {
  readonly eventId: string
  readonly name: string
  readonly source: string
  readonly accountId: string | null
  /** When the account was called that, where its runs are made later. */
  readonly accountAt?: number
  readonly timestamp: number
  readonly createdAt: number
  /** Sealed `{ payload, context }`, for the first target's run, or for the event itself when it starts nothing. */
  readonly body: string
  /** When its runs were to be started, where that was not at once. */
  readonly deliverAt?: number
  /** Present until a delayed event is delivered or cancelled. */
  readonly pending?: true
  /** Since when it is to start nothing any more. */
  readonly cancelledAt?: number
  /** Where its sending stands in a trace. */
  readonly traceparent?: string
  /** Decided once, when the event was delivered; until then none. */
  readonly targets: readonly Target[]
  /** Under which runs that wait for it find it; absent until it is delivered. */
  readonly topic?: string
  readonly deliveredAt?: number
  /** Present where a run invoked the job. */
  readonly parent?: ParentLink
  /** Present where a run went on as a new one. */
  readonly continues?: string
}

/** Events whose runs are being made; written before the events, removed when the runs are there. */
export interface DispatchDocument extends StoredDocument {
  readonly scope: 'dispatch'
  readonly createdAt: number
  /** Ids of the events; absent where there is one, whose id it has itself. */
  readonly events?: readonly string[]
}

/** An event that is to be delivered later. Same id as the event; always written in one transaction with it. */
export interface DelayDocument extends StoredDocument {
  readonly scope: 'delay'
  readonly deliverAt: number
}

/** A connection that runs wait for; its id is a digest of both names. */
export interface ParkingDocument extends StoredDocument {
  readonly scope: 'parking'
  readonly integration: string
  readonly accountId: string
  readonly since: number
  /** True once the host was told, by an event. */
  readonly told?: boolean
}

/** Tells a worker to cancel one of its runs; its id is `worker/run`. Kept for an hour, should the worker die. */
export interface CancelDocument extends StoredDocument {
  readonly runId: string
}

/** What a run that was invoked by another knows of those above it. */
export interface ParentLink {
  /** The run that invoked it. */
  readonly run: string
  /** It is told when this one is over. */
  readonly awaited: boolean
  /** Jobs of all runs above it, the outermost first. */
  readonly chain: readonly string[]
  /** How many of them, counted from the last, wait for the next one. */
  readonly waits: number
}

/** What happened to one task, wait or log line. A later entry of the same path replaces an earlier one. */
export interface JournalEntry {
  /** Keys from the outermost task to this one, see {@link childPath}. */
  readonly path: string
  readonly kind: 'task' | 'wait' | 'log' | 'branches' | 'status' | 'value' | 'event' | 'request' | 'invoke'
  /**
   * `started`: under way, written only where a repeat is not allowed. `retrying`, `waiting`: until the time given.
   * `succeeded` and `failed` are final.
   */
  readonly state: 'started' | 'retrying' | 'waiting' | 'succeeded' | 'failed'
  /** For people, where it is not the key. */
  readonly name?: string
  /** Digest of the parameters, which replay compares; of a change of a status the path that created it. */
  readonly params?: string
  /** Key of the integration it acts through. */
  readonly connection?: string
  /** The last attempt made; 1 is the first. */
  readonly attempt: number
  /** How often a response was known to have come back; part of the idempotency key. */
  readonly epoch?: number
  readonly startedAt: number
  readonly endedAt?: number
  readonly until?: number
  /** How often a task that may not be repeated was entered again after a proper suspension. */
  readonly entered?: number
  readonly output?: string
  readonly error?: string
  /** Of a failure that another one inside it made: the path of that. */
  readonly cause?: string
  /** Ids of the runs that the call starts. */
  readonly children?: readonly string[]
  /** They are cancelled with the run. */
  readonly cascades?: boolean
  /** Of a wait for an event: under which it is found. */
  readonly topic?: string
  /** Place among the run's statuses and values, in the order they were written. */
  readonly seq?: number
}

/** When the account of a run was called as the run says: whoever takes the name later is another. */
export const namedAt = ({ accountAt, createdAt }: RunDocument): number => accountAt ?? createdAt

/** One job started once, to its end. */
export interface RunDocument extends StoredDocument {
  /** The same for all runs, so that they can be listed by age. */
  readonly scope: 'run'
  readonly job: string
  readonly jobName: string
  readonly jobVersion: string
  readonly accountId: string | null
  /** When the account was called that, where it was before the run was made; see {@link namedAt}. */
  readonly accountAt?: number
  /** Id of the event's document. */
  readonly event: string
  readonly state: RunState
  /** Under which others find it, see {@link places}; absent once it is over. */
  readonly place?: string
  /** When it is to be looked at next; absent while it runs and once it is over. */
  readonly dueAt?: number
  readonly createdAt: number
  readonly endedAt?: number
  /** The worker that runs it. Every write of that worker names owner and fence. */
  readonly owner?: string
  /** Rises with every claim. */
  readonly fence?: number
  /** Rises with every signal from outside; a run falls asleep only if it has seen the last one. */
  readonly signalSeq?: number
  /** In chunks, as they were appended. */
  readonly journal?: readonly (readonly JournalEntry[])[]
  /** True once a result was stored beside the run. */
  readonly overflowed?: boolean
  /** By path: tasks that were suspended, not cut off, with their entry's `entered`. */
  readonly suspended?: Readonly<Record<string, number>>
  /** By integration id: the identity that the run acts as, for good. */
  readonly identities?: Readonly<Record<string, string>>
  /** Since when it has not been able to act as the account. */
  readonly parkedAt?: number
  /** Since when its time is counted, where that is not its start: it was resumed. */
  readonly timedFrom?: number
  /** Slots of concurrency limits that it has: the token by the lane. They stay with it until it ends or falls asleep. */
  readonly slots?: Readonly<Record<string, number>>
  /** By path: times at which tasks that wait for a rate limit may go on. */
  readonly tickets?: Readonly<Record<string, Ticket>>
  /** While it is blocked: the document that says so to its lane. */
  readonly waitsFor?: NewDocument<WaitDocument>
  /** Somebody cancelled it: whoever has it or takes it ends it as cancelled. */
  readonly cancelRequested?: boolean
  /** Its worker died while it ran. Until a task commits, it runs alone. */
  readonly suspect?: boolean
  /** It runs alone now. */
  readonly alone?: boolean
  /** How often its worker died while it ran alone. */
  readonly strikes?: number
  readonly output?: string
  /** Sealed `{ code, message }`. */
  readonly error?: string
  /** Path of the task whose failure ended it; absent where the run's own code threw. */
  readonly failedAt?: string
  /** The run whose event it was started with again. */
  readonly replayOf?: string
  /** The run that goes on in its place, see `IO.continueAsNew`. */
  readonly continuedAs?: string
  /** The run in whose place it goes on. */
  readonly continues?: string
  /** Present where another run invoked it. */
  readonly parent?: ParentLink
  /** When what it waited for came, the last time. */
  readonly wokenAt?: number
}

/** A result that did not fit into its run's record. */
export interface TaskDocument extends StoredDocument {
  readonly entry: JournalEntry
}

/** A value that jobs keep; its id is `global/digest` or `job/id/digest` of its name. */
export interface ValueDocument extends StoredDocument {
  /** Sealed JSON. */
  readonly value: string
  readonly updatedAt: number
}

/** A job at one version as other processes need to know it to start runs of it. */
export interface PublishedJob {
  readonly job: string
  readonly jobName: string
  readonly version: string
  readonly enabled: boolean
  readonly names: readonly string[]
  readonly source: string
  readonly filter?: EventFilter
  readonly contextFilter?: EventFilter
  /** Present for jobs that fire by themselves. */
  readonly schedule?: ScheduleRule
  /** Present for jobs of which only so many runs may run at a time. */
  readonly limit?: LimitRule
  /** Runs of versions that nobody has any more go on with this one while it is the highest. */
  readonly onVersionGone?: 'latest'
}

/** A worker and what it can run. Alive as long as its lease is. */
export interface WorkerDocument extends StoredDocument {
  readonly scope: 'worker'
  readonly startedAt: number
  /** Last heartbeat; decides only whether its lease is worth a look. */
  readonly seenAt: number
  readonly jobs: readonly PublishedJob[]
  /** Found dead; kept for a while, because a frozen process may come back and claim one more run before it notices. */
  readonly dead?: boolean
}

/** Events by the sender's id. */
export const events = defineSet<EventDocument>('events', { topic: ['topic', 'deliveredAt'] })

/** Events in the middle of their dispatch. */
export const dispatches = defineSet<DispatchDocument>('dispatches', { all: ['scope', 'createdAt'] })

/** Events to be delivered later, by when. */
export const delays = defineSet<DelayDocument>('delays', { all: ['scope', 'deliverAt'] })

/** Runs to be cancelled that a worker has. */
export const cancels = defineSet<CancelDocument>('cancels')

/** Connections that runs wait for. */
export const parkings = defineSet<ParkingDocument>('parkings', { all: ['scope', 'since'] })

/** Runs. */
export const runs = defineSet<RunDocument>('runs', {
  all: ['scope', 'createdAt'],
  account: ['accountId', 'createdAt'],
  job: ['job', 'createdAt'],
  place: ['place', 'dueAt'],
})

/** Large results; the id is `run/digest of the path`. */
export const tasks = defineSet<TaskDocument>('tasks')

/** Workers. */
export const workers = defineSet<WorkerDocument>('workers', { all: ['scope', 'startedAt'] })

/** Values that outlive runs. */
export const values = defineSet<ValueDocument>('values')

/** Every set that the engine needs; pass it to `Store.migrate`. */
export const jobSets = [
  events,
  dispatches,
  runs,
  tasks,
  parkings,
  workers,
  cancels,
  delays,
  values,
  lanes,
  waits,
  gates,
  ...outsideWaitSets,
] as const

/**
 * Values of a run's `place`. One index serves the search for a dead worker's runs, for late runs and for those that
 * wait for a connection, because a run is in one of these places at a time; each index costs every run several writes.
 */
export const places = {
  queued: 'queued',
  waiting: 'waiting',
  waitingForVersion: 'waiting_for_version',
  /** It is over, and something is left to do: see run-ending.ts. */
  ending: 'ending',
  ownedBy: (worker: string): string => `owner/${worker}`,
  parkedOn: (integration: string, accountId: string): string => `parked/${integration}/${accountId}`,
} as const

/** SHA-256 of the parts in base64url; no two lists of parts share one text. */
export function digest(...parts: readonly (string | number | null)[]): string {
  return hash('sha256', JSON.stringify(parts), 'base64url')
}

const timedIdPattern = /^evt_[0-9a-f]{12}/
const prefixLength = 12

/** An id for an event whose sender gave none. It begins with the time, so that records made together lie together. */
export function createEventId(now: number): string {
  return `evt_${Math.floor(now).toString(16).padStart(prefixLength, '0')}${randomUUID().replaceAll('-', '')}`
}

/** Id of an event's document: the time if the event's id begins with it, and a digest of all that makes it unique. */
export function eventKey(
  environment: string,
  accountId: string | null,
  source: string,
  eventId: string,
): string {
  const unique = digest('event', environment, accountId, source, eventId)
  return (
    (timedIdPattern.test(eventId) ? eventId.slice(4, 4 + prefixLength) : unique.slice(0, prefixLength)) +
    unique
  )
}

/** Id of the run that an event starts of a job. The version has no part in it: an event starts a job once. */
export function runIdOf(event: string, job: string, registration: string | null = null): string {
  return `run_${event.slice(0, prefixLength)}${digest(event, job, registration).slice(0, 32)}`
}

/** Shape of a run's id. */
export const runIdPattern = /^run_[\w-]{44}$/

/** Id of a result stored beside its run. */
export function taskId(runId: string, path: string): string {
  return `${runId}/${digest(path).slice(0, 32)}`
}

/** Path of a task inside another: keys joined by `/`, with the characters that have a meaning escaped. */
export function childPath(parent: string, key: string): string {
  const escaped = /[%/#]/.test(key) ? key.replace(/[%/#]/g, encodeURIComponent) : key
  return parent === '' ? escaped : `${parent}/${escaped}`
}

/** The place of the branches of `io.parallel` at the path. No key makes one like it. */
export const branchesOf = (path: string): string => `${path}#`

/** The key that a path ends with. */
export function lastKey(path: string): string {
  const key = path.slice(path.lastIndexOf('/') + 1)
  return key.includes('%') ? decodeURIComponent(key) : key
}

/** Id of the record of a connection that runs wait for. */
export function parkingId(integration: string, accountId: string): string {
  return digest('parking', integration, accountId)
}

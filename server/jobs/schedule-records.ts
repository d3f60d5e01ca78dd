// What is stored of schedules: one record each, which says when it fires next and what it is about to fire.

import { defineSet, type StoredDocument } from '../store/store.ts'
import type { Json, ScheduleRule } from './job.ts'

/** An instant that is being fired. */
export interface Firing {
  /** The schedule's own time, in ms. */
  readonly at: number
  /** The one that was fired before; null for the first. */
  readonly last: number | null
}

/** A schedule of a job, or one that was registered. Its id is a digest of trigger and key. */
export interface ScheduleDocument extends StoredDocument {
  /** The same for all, so that due ones can be listed. */
  readonly scope: 'schedule'
  /** `job/<id>` for the job's own; else `dynamic/<id>` of the dynamic schedule. */
  readonly trigger: string
  /** What it was registered with; empty for a job's own. */
  readonly key: string
  readonly rule: ScheduleRule
  readonly accountId: string | null
  /** When it was last registered: the account had that name then. Absent where there is none. */
  readonly accountAt?: number
  readonly metadata: Json
  /** Version of the job that the rule is from. */
  readonly jobVersion?: string
  /** Intervals are counted from here. */
  readonly anchor: number
  /** The schedule's next time; null when there is none. */
  readonly nextAt: number | null
  /** When it is to be looked at; null while it is off. */
  readonly dueAt: number | null
  /** The last time that was fired. */
  readonly lastAt: number | null
  /** Decided and being sent. Whoever finds it late sends it again, which does no harm. */
  readonly firing: readonly Firing[]
  /** Waiting for an earlier run to end, oldest first. */
  readonly queued: readonly number[]
  /** Runs that were started last. */
  readonly runIds: readonly string[]
  /** Since when no process knows the job. */
  readonly goneSince?: number
  readonly createdAt: number
}

/** Schedules. */
export const schedules = defineSet<ScheduleDocument>('schedules', {
  due: ['scope', 'dueAt'],
  trigger: ['trigger', 'createdAt'],
  account: ['accountId', 'createdAt'],
})

/** Every set of the schedules; pass it to `Store.migrate`. */
export const scheduleSets = [schedules] as const

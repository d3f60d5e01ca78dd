// What a run tells of itself while it goes on, as pages and backends read it.

import type { Metadata } from './auth.ts'
import type { RunState } from './flow.ts'

/** How a status stands. */
export type StatusState = 'loading' | 'success' | 'failure'

/** What a status may be changed to; what is left out stays as it was. */
export interface StatusChange {
  /** For people, 1 to 256 characters. */
  readonly label?: string
  /** How it stands. */
  readonly state?: StatusState
  /** More for the page that shows it: a JSON object, with the label at most 16 KB. Replaces what was there. */
  readonly data?: Metadata
}

/** A status of a run. */
export interface RunStatus {
  /** Unique in its run: the key it was created with, inside tasks with the keys of those before it. */
  readonly id: string
  /** For people. */
  readonly label: string
  /** How it stands. */
  readonly state: StatusState
  /** What the job put with it; null where it put nothing. */
  readonly data: Metadata | null
  /** ISO 8601. */
  readonly createdAt: string
  /** ISO 8601. */
  readonly updatedAt: string
  /** What it was before, oldest first; the last fifty. */
  readonly history: readonly {
    readonly label: string
    readonly state: StatusState
    readonly data: Metadata | null
    /** ISO 8601: since when it was so. */
    readonly updatedAt: string
  }[]
}

/** The statuses of a run. */
export interface RunStatuses {
  /** The run, and how it stands. */
  readonly run: { readonly id: string; readonly state: RunState }
  /** In the order they were created; empty where the job creates none. */
  readonly statuses: readonly RunStatus[]
}

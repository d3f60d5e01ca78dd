// What triggers that are registered at run time need of the server they belong to. `AuthFlow` is one.

import type { ScheduleBook } from '../jobs/schedule-book.ts'

/** A server that dynamic triggers and schedules belong to. */
export interface TriggerHost {
  /** Registered schedules. For {@link DynamicSchedule}. */
  readonly schedules: Pick<ScheduleBook, 'register' | 'unregister' | 'list'>
}

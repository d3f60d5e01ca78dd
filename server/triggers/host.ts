// What triggers that are registered at run time need of the server they belong to. `AuthFlow` is one.

import type { ScheduleBook } from '../jobs/schedule-book.ts'
import type { AnyDynamicTrigger, RegistrationApi } from './registration.ts'

/** A server that dynamic triggers and schedules belong to. */
export interface TriggerHost {
  /** Registered schedules. For `DynamicSchedule`. */
  readonly schedules: Pick<ScheduleBook, 'register' | 'unregister' | 'list'>
  /** Registrations of dynamic triggers. */
  readonly registrations: RegistrationApi
  /** Makes a dynamic trigger known. Called by its constructor. Throws `duplicate_trigger`. */
  defineTrigger(trigger: AnyDynamicTrigger): void
}

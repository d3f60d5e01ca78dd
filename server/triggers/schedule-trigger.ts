// The triggers of jobs that fire by themselves: by the clock of a place, or every so many seconds. They only describe;
// firing is the engine's.

import type { PayloadSchema, ScheduleRule, Trigger } from '../jobs/job.ts'
import { cronRule, intervalRule, type CronSettings, type IntervalSettings } from '../jobs/schedule-rule.ts'
import { scheduledEvent } from '../jobs/schedule-ticker.ts'
import { checkOptions } from './trigger-options.ts'

export type { CronSettings, IntervalSettings, ScheduleSettings } from '../jobs/schedule-rule.ts'

/** What `run` of a scheduled job gets. */
export interface ScheduledPayload {
  /** The time of the schedule that this run is for; the run itself may start later. */
  readonly ts: Date
  /** The time that was fired before; absent at the first. */
  readonly lastTimestamp?: Date
}

/** Makes dates of what is stored. */
export const scheduledSchema: PayloadSchema<ScheduledPayload> = {
  safeParse(value) {
    const { ts, lastTimestamp } = { ...(typeof value === 'object' ? value : {}) } as Record<string, unknown>
    if (typeof ts !== 'string' || Number.isNaN(Date.parse(ts))) {
      return { success: false, error: { issues: [{ path: ['ts'], message: 'must be an instant' }] } }
    }
    const last = typeof lastTimestamp === 'string' ? { lastTimestamp: new Date(lastTimestamp) } : {}
    return { success: true, data: { ts: new Date(ts), ...last } }
  },
}

/**
 * Starts the job by the clock: `cronTrigger({ cron: '30 9 * * MON-FRI', timeZone: 'Europe/Berlin' })`. It fires once
 * however many processes run, and after a restart makes up for missed times as `misfire` says. A local time that the
 * change to summer time skips fires at the first instant after the gap; one that the change back repeats fires once. With
 * a wildcard or a step in minute or hour it is other: what is skipped does not fire, what is repeated fires twice.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function cronTrigger(settings: CronSettings): Trigger<ScheduledPayload> {
  return triggerOf(cronOf('cronTrigger', settings))
}

/**
 * Starts the job every so many seconds, counted from when the rule was first stored; restarts do not move it.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function intervalTrigger(settings: IntervalSettings): Trigger<ScheduledPayload> {
  return triggerOf(intervalOf('intervalTrigger', settings))
}

const common = ['misfire', 'overlap', 'spread'] as const

/** The rule of settings as users write them. Throws `invalid_input`, also for `timezone`, which would be UTC unseen. */
export function cronOf(what: string, settings: CronSettings): ScheduleRule {
  checkOptions(what, settings, ['cron', 'timeZone', ...common])
  return cronRule(settings)
}

/** The rule of settings as users write them. Throws `invalid_input`. */
export function intervalOf(what: string, settings: IntervalSettings): ScheduleRule {
  checkOptions(what, settings, ['seconds', ...common])
  return intervalRule(settings)
}

const triggerOf = (schedule: ScheduleRule): Trigger<ScheduledPayload> => ({
  kind: 'schedule',
  names: [scheduledEvent],
  schema: scheduledSchema,
  schedule,
})

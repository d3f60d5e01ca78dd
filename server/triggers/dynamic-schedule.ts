// Schedules that are made while the product runs: one for each account, at the time that the account chose.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Page } from '../../shared/flow.ts'
import { checkDefinitionId } from '../jobs/definition-id.ts'
import type { Json, PayloadSchema, ScheduleRule, Trigger } from '../jobs/job.ts'
import { dynamicTrigger, sourceOf, type ScheduleRegistration } from '../jobs/schedule-book.ts'
import type { CronSettings, IntervalSettings } from '../jobs/schedule-rule.ts'
import { scheduledEvent } from '../jobs/schedule-ticker.ts'
import { asTask } from './as-task.ts'
import type { TriggerHost } from './host.ts'
import { cronOf, intervalOf, scheduledSchema, type ScheduledPayload } from './schedule-trigger.ts'
import { checkHost, checkOptions } from './trigger-options.ts'

export type { ScheduleRegistration } from '../jobs/schedule-book.ts'

/** What {@link DynamicSchedule.register} takes: when, and as whom. */
export type ScheduleOptions = (
  | {
      /** By the clock. */
      readonly type: 'cron'
      /** Pattern and time zone. */
      readonly options: CronSettings
    }
  | {
      /** Every so many seconds. */
      readonly type: 'interval'
      /** How many. */
      readonly options: IntervalSettings
    }
) & {
  /** The account its runs act as (default: the product itself). */
  readonly accountId?: string
  /** Given to its runs as `ctx.source.metadata`. JSON of at most 16 KB. */
  readonly metadata?: Json
}

/**
 * A schedule whose times are registered one by one. Jobs use it as their trigger; each registration starts each of
 * them, with its key as `ctx.source.id`.
 */
export class DynamicSchedule implements Trigger<ScheduledPayload> {
  readonly kind = 'schedule'
  readonly names: readonly string[] = [scheduledEvent]
  readonly schema: PayloadSchema<ScheduledPayload> = scheduledSchema
  /** Where its events come from: nowhere else. */
  readonly source: string
  /** Stable name of the schedule. */
  readonly id: string
  readonly #host: Pick<TriggerHost, 'schedules'>

  /** Throws `invalid_input` when the id is none, or there is no client. */
  constructor(host: Pick<TriggerHost, 'schedules'>, options: { readonly id: string }) {
    checkOptions('new DynamicSchedule', options, ['id'])
    const { id } = options
    checkDefinitionId('a DynamicSchedule', id)
    checkHost(`DynamicSchedule ${id}`, host)
    this.id = id
    this.source = sourceOf(dynamicTrigger(id))
    this.#host = host
  }

  /**
   * Registers a time, or changes it: a key has one. The same again changes nothing. Inside a run this is a task,
   * each time it is called.
   *
   * @param key unique in this schedule; 1 to 256 characters
   * @throws {@link AuthFlowError} `invalid_input`
   */
  async register(key: string, options: ScheduleOptions): Promise<ScheduleRegistration> {
    const what = `DynamicSchedule ${this.id}`
    checkOptions(`register of ${what}`, options, ['type', 'options', 'accountId', 'metadata'])
    const { accountId, metadata } = options
    const rule = ruleOf(what, options)
    const call = { trigger: this.id, key, action: 'register', name: 'Register schedule' } as const
    const text = await asTask(call, async () =>
      JSON.stringify(
        await this.#host.schedules.register({ schedule: this.id, key, rule, accountId, metadata }),
      ),
    )
    return JSON.parse(text) as ScheduleRegistration
  }

  /** Ends a registration; false when there is none. Runs that it started go on. Inside a run this is a task. */
  unregister(key: string): Promise<boolean> {
    const call = { trigger: this.id, key, action: 'unregister', name: 'Unregister schedule' } as const
    return asTask(call, () => this.#host.schedules.unregister(this.id, key))
  }

  /**
   * Its registrations, oldest first; of all accounts or of one, by the name that it had when it was registered. `limit` 1
   * to 100 (default 20).
   */
  list(
    query: { readonly accountId?: string; readonly limit?: number; readonly cursor?: string } = {},
  ): Promise<Page<ScheduleRegistration>> {
    return this.#host.schedules.list({ schedule: this.id, ...query })
  }
}

function ruleOf(what: string, options: ScheduleOptions): ScheduleRule {
  switch (options.type) {
    case 'cron':
      return cronOf(`\`options\` of ${what}`, options.options)
    case 'interval':
      return intervalOf(`\`options\` of ${what}`, options.options)
    default:
      throw new AuthFlowError('invalid_input', `type in register of ${what} must be cron or interval.`)
  }
}

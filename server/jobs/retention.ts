// How long what is over is kept: in days as the host says it, in ms as it is used. What is still needed is never deleted
// with age, whatever the numbers: a run's time begins with its end.

import { AuthFlowError } from '../../shared/errors.ts'
import { defaultAuditDays } from '../connect/audit.ts'

/** How long records are kept, in whole days. What is not said keeps its default. */
export interface RetentionOptions {
  /** Runs with the results of their tasks, after their end: 1 to 3,650 (default 30). */
  readonly runDays?: number
  /**
   * Events and what they answered, after they were sent or delivered: 7 to 3,650 (default 30). A run can be replayed or
   * resumed for as long as its event is there. One that is not over keeps its event; seven days are for an outage of all workers.
   */
  readonly eventDays?: number
  /** Bodies of webhook requests that could not be read: 1 to 30 (default 7). One that was read is deleted at once. */
  readonly deliveryBodyDays?: number
  /** Ids of webhook requests, by which a repeat is known: 30 to 3,650 (default 35). Providers resend for up to 30 days. */
  readonly deliveryIdDays?: number
  /** Rows of the audit trail: 1 to 3,650 (default 365). */
  readonly auditDays?: number
}

/** The options, read. */
export interface Retention {
  /** Of runs and results, after the run's end. */
  readonly runMs: number
  /** Of events, and of what is kept of waits for events and requests. */
  readonly eventMs: number
  /** Of the bodies of unreadable deliveries. */
  readonly deliveryBodyMs: number
  /** Of the ids of deliveries. */
  readonly deliveryIdMs: number
  /** Of audit rows, in days. */
  readonly auditDays: number
}

const dayMs = 86_400_000
const longest = 3_650

interface Bounds {
  readonly least: number
  readonly most: number
  readonly usual: number
}

const bounds: Readonly<Record<keyof RetentionOptions, Bounds>> = {
  runDays: { least: 1, most: longest, usual: 30 },
  eventDays: { least: 7, most: longest, usual: 30 },
  deliveryBodyDays: { least: 1, most: 30, usual: 7 },
  deliveryIdDays: { least: 30, most: longest, usual: 35 },
  auditDays: { least: 1, most: longest, usual: defaultAuditDays },
}

/**
 * Checks and reads the option.
 *
 * @throws {@link AuthFlowError} `invalid_option` with the name of what is wrong
 */
export function readRetention(options: RetentionOptions = {}): Retention {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(bounds, name)) continue
    const known = Object.keys(bounds).join(', ')
    throw invalid('retention', `\`retention\` has no \`${name.slice(0, 64)}\`. There are ${known}.`)
  }
  const days = (name: keyof RetentionOptions): number => {
    const { least, most, usual } = bounds[name]
    const given = options[name] ?? usual
    if (Number.isInteger(given) && given >= least && given <= most) return given
    const option = `retention.${name}`
    throw invalid(option, `\`${option}\` must be a whole number of days from ${least} to ${most}.`)
  }
  return {
    runMs: days('runDays') * dayMs,
    eventMs: days('eventDays') * dayMs,
    deliveryBodyMs: days('deliveryBodyDays') * dayMs,
    deliveryIdMs: days('deliveryIdDays') * dayMs,
    auditDays: days('auditDays'),
  }
}

/** What is kept for how long unless the host says otherwise. */
export const defaultRetention: Retention = readRetention()

const invalid = (option: string, message: string): AuthFlowError =>
  new AuthFlowError('invalid_option', message, { details: { option } })

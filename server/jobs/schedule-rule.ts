// When a schedule fires: rules checked, and the instants they name. The clock of a place is croner's business; what is
// decided here is that a local time that a change of the clock skips fires at the next valid instant, and that one that
// comes twice fires once. A wildcard or a step in minute or hour means every such instant: skipped ones are none.

import { Cron } from 'croner'
import { AuthFlowError } from '../../shared/errors.ts'
import type { ScheduleRule } from './job.ts'

/** Shortest and longest interval, in seconds. */
const intervalBounds = [1, 366 * 24 * 3600] as const
/** Longest spread, in seconds: a day. */
const maxSpread = 24 * 3600
/** Most missed instants that are made up for. */
export const maxMissed = 100
/** An instant that is late by less is not a missed one, in ms. */
const graceMs = 60_000
const maxCached = 10_000

const crons = new Map<string, Cron>()

/** What of a rule may be left out, as users write it. */
export interface ScheduleSettings {
  /**
   * What becomes of times at which no server ran: fire once for the last of them (`last`, the default), for none that
   * is over a minute late (`skip`), or for each of them, at most the last 100 (`all`).
   */
  readonly misfire?: ScheduleRule['misfire']
  /**
   * What becomes of a time at which an earlier run of the same schedule is not over: start another beside it (`allow`,
   * the default), start none (`skip`), or start it once the other is over, at most 100 in a row (`queue`).
   */
  readonly overlap?: ScheduleRule['overlap']
  /** Each schedule fires later by a part of this of its own, the same every time: 0 to 86400 seconds (default 0). */
  readonly spread?: number
}

/** When by the clock. */
export interface CronSettings extends ScheduleSettings {
  /** Five fields: minute, hour, day of the month, month, day of the week (`30 9 * * MON-FRI`); or `@daily` and its kin. */
  readonly cron: string
  /** IANA name of the time zone the fields are in: `Europe/Berlin` (default `UTC`). */
  readonly timeZone?: string
}

/** How often. */
export interface IntervalSettings extends ScheduleSettings {
  /** 1 second to 366 days. */
  readonly seconds: number
}

/**
 * The rule, complete.
 *
 * @throws {@link AuthFlowError} `invalid_input` naming what is wrong; also for a pattern that never comes
 */
export function cronRule(settings: CronSettings): ScheduleRule {
  const { cron, timeZone = 'UTC' } = settings
  const rule: ScheduleRule = { type: 'cron', cron, timeZone, ...commonOf(settings) }
  if (typeof cron !== 'string' || cron.length > 200) throw invalid('cron must be text of five fields.')
  if (!isTimeZone(timeZone)) throw invalid('timeZone must be an IANA name such as Europe/Berlin.')
  let next: Date | null
  try {
    next = cronOf(cron, timeZone).nextRun()
  } catch (cause) {
    throw new AuthFlowError(
      'invalid_input',
      `cron must have five fields that exist, such as 30 9 * * MON-FRI.`,
      {
        cause,
      },
    )
  }
  if (next === null) throw invalid('cron names a time that never comes.')
  return rule
}

/** The rule, complete. Throws `invalid_input`. */
export function intervalRule(settings: IntervalSettings): ScheduleRule {
  const { seconds } = settings
  const [shortest, longest] = intervalBounds
  if (!Number.isInteger(seconds) || seconds < shortest || seconds > longest) {
    throw invalid(`seconds must be a whole number from ${shortest} to ${longest}.`)
  }
  return { type: 'interval', seconds, ...commonOf(settings) }
}

/** The rule as it is kept, judged once more: it may have come from another process. Throws `invalid_input`. */
export const checkRule = (rule: ScheduleRule): ScheduleRule =>
  rule.type === 'cron' ? cronRule(rule) : intervalRule(rule)

/** The first instant of the rule after the given one, in ms; undefined when there is none. */
export function instantAfter(rule: ScheduleRule, anchor: number, after: number): number | undefined {
  if (rule.type === 'cron') return cronOf(rule.cron, rule.timeZone).nextRun(new Date(after))?.getTime()
  const step = rule.seconds * 1000
  return anchor + (Math.floor((after - anchor) / step) + 1) * step
}

/** The last instants from `from` to `to`, both included, oldest first, at most 100. */
export function instantsBetween(rule: ScheduleRule, anchor: number, [from, to]: [number, number]): number[] {
  if (to < from) return []
  if (rule.type === 'cron') {
    const before = cronOf(rule.cron, rule.timeZone).previousRuns(maxMissed, new Date(to + 1))
    return before
      .map((instant) => instant.getTime())
      .filter((instant) => instant >= from && instant <= to)
      .toReversed()
  }
  const step = rule.seconds * 1000
  const last = anchor + Math.floor((to - anchor) / step) * step
  const found: number[] = []
  for (let at = last; at >= from && found.length < maxMissed; at -= step) found.push(at)
  return found.toReversed()
}

/** Those of the due instants (oldest first) that are to be fired. */
export function afterMisfires(rule: ScheduleRule, due: readonly number[], now: number): number[] {
  if (rule.misfire === 'all') return [...due]
  const last = due.slice(-1)
  return rule.misfire === 'last' ? last : last.filter((instant) => now - instant <= graceMs)
}

function commonOf({ misfire = 'last', overlap = 'allow', spread = 0 }: ScheduleSettings) {
  if (!['last', 'skip', 'all'].includes(misfire)) throw invalid('misfire must be last, skip or all.')
  if (!['skip', 'queue', 'allow'].includes(overlap)) throw invalid('overlap must be skip, queue or allow.')
  if (!Number.isInteger(spread) || spread < 0 || spread > maxSpread) {
    throw invalid(`spread must be a whole number of seconds from 0 to ${maxSpread}.`)
  }
  return { misfire, overlap, spread }
}

/** Patterns are read once: taking one apart costs more than finding its next instant. */
function cronOf(cron: string, timeZone: string): Cron {
  const name = `${timeZone} ${cron}`
  let found = crons.get(name)
  if (found === undefined) {
    found = new Cron(cron, { timezone: timeZone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true })
    if (crons.size >= maxCached) crons.clear()
    crons.set(name, found)
  }
  return found
}

function isTimeZone(value: unknown): boolean {
  try {
    // Offsets such as +01:00 are taken too by some engines; they know no daylight saving and are no names.
    return (
      typeof value === 'string' &&
      /^[A-Za-z]/.test(value) &&
      !!new Intl.DateTimeFormat('en', { timeZone: value })
    )
  } catch {
    return false
  }
}

const invalid = (message: string): AuthFlowError => new AuthFlowError('invalid_input', message)

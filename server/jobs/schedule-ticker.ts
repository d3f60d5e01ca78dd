// Fires schedules. Several processes may: one of them decides what is fired, by compare-and-set on the schedule's
// record, and writes it down before it sends. What it leaves unsent another one sends, under the same event id.

import { isAuthFlowError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/log.ts'
import type { Store } from '../store/store.ts'
import type { JobEngine } from './engine.ts'
import { runs } from './records.ts'
import { lookAt, offsetOf, sourceOf, type ScheduleBook } from './schedule-book.ts'
import { schedules, type Firing, type ScheduleDocument } from './schedule-records.ts'
import { afterMisfires, instantAfter, instantsBetween, maxMissed } from './schedule-rule.ts'

/** Name of the events. */
export const scheduledEvent = 'scheduled'

/** Longest pause between two looks; nearer times are waited for exactly. */
const pauseMs = 1000
/** Whoever decided has this long to send. */
const sendWithinMs = 5000
const keepJobsEveryMs = 5000
/** A job that no process knows for so long is no more. */
const forgetAfterMs = 7 * 24 * 3_600_000
const pageSize = 200
const atOnce = 20

/** What a ticker needs. */
export interface TickerOptions {
  readonly store: Store
  readonly book: ScheduleBook
  readonly engine: Pick<JobEngine, 'takeTriggered' | 'scheduledJobs'>
  readonly log: Logger
  /** The clock of due times (default: the store's). */
  readonly now?: () => number
}

/** A running ticker. */
export interface Ticker {
  /** Fires what is due now. For tests; a started ticker does it by itself. */
  round(): Promise<void>
  /** Begins to fire. */
  start(): void
  /** Ends after the round under way. Repeated calls do nothing. */
  stop(): Promise<void>
}

/** A ticker; it does nothing before its start. */
export function createTicker(options: TickerOptions): Ticker {
  const { store, log, now = () => store.now() } = options
  const context = { ...options, now }
  const stopping = new AbortController()
  let running: Promise<void> | undefined
  let keptAt = -Infinity
  const round = async (): Promise<number> => {
    if (now() - keptAt >= keepJobsEveryMs) {
      await options.book.keepJobs(options.engine.scheduledJobs())
      keptAt = now()
    }
    return fireDue(context)
  }
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const next = await round().catch((cause: unknown) => {
        log.warn({ err: cause }, 'Schedules could not be looked at; trying again.')
        return Infinity
      })
      await pause(Math.max(5, Math.min(pauseMs, next - now())), stopping.signal)
    }
  }
  return {
    round: async () => {
      keptAt = -Infinity
      await round()
    },
    start: () => void (running ??= run()),
    async stop() {
      stopping.abort()
      await running
    },
  }
}

interface TickerContext extends TickerOptions {
  readonly now: () => number
}

/** Fires what is due; when the next one is. */
async function fireDue(context: TickerContext): Promise<number> {
  const { store, now, log } = context
  for (;;) {
    const query = { index: 'due', equals: 'schedule', from: 0, to: Math.floor(now()) + pauseMs + 1 }
    const { items, cursor } = await store.list(schedules, { ...query, limit: pageSize })
    const due = items.filter(({ dueAt }) => dueAt !== null && dueAt <= now())
    for (let at = 0; at < due.length; at += atOnce) {
      const work = due.slice(at, at + atOnce).map((schedule) => fire(context, schedule))
      for (const done of await Promise.allSettled(work)) {
        if (done.status === 'rejected')
          log.warn({ err: done.reason }, 'A schedule could not be fired; trying again.')
      }
    }
    if (due.length < pageSize || cursor === undefined) {
      const rest = items.map(({ dueAt }) => dueAt ?? Infinity).filter((dueAt) => dueAt > now())
      return Math.min(...rest, Infinity)
    }
  }
}

async function fire(context: TickerContext, schedule: ScheduleDocument): Promise<void> {
  if (await isForgotten(context, schedule)) return
  // Decided before by somebody who did not come to the end.
  if (schedule.firing.length > 0) return send(context, schedule)
  const decided = await decide(context, schedule)
  if (decided && decided.firing.length > 0) await send(context, decided)
}

/** A job's own schedule outlives the job by a while: no process of a rolling deployment may know it for a moment. */
async function isForgotten(
  { store, engine, now }: TickerContext,
  schedule: ScheduleDocument,
): Promise<boolean> {
  const { id, version, trigger, goneSince } = schedule
  if (!trigger.startsWith('job/')) return false
  if (engine.scheduledJobs().some(({ job }) => trigger === `job/${job}`)) return false
  if (goneSince !== undefined && now() - goneSince > forgetAfterMs)
    await store.remove(schedules, id, { version })
  else {
    const { nextAt, dueAt } = nextTimes(schedule, now())
    await store.update(schedules, id, { version }, { set: { nextAt, dueAt, goneSince: goneSince ?? now() } })
  }
  return true
}

/** What is fired, written down by the one process that may; undefined when another was quicker. */
async function decide(
  context: TickerContext,
  schedule: ScheduleDocument,
): Promise<ScheduleDocument | undefined> {
  const { store, now, log } = context
  const { id, rule, anchor, nextAt, lastAt } = schedule
  const at = now()
  const until = at - offsetOf(id, rule)
  const due = nextAt === null ? [] : instantsBetween(rule, anchor, [nextAt, until])
  const wanted = afterMisfires(rule, due, until)
  const isBusy = rule.overlap !== 'allow' && (await isUnderWay(context, schedule))
  const { chosen, queued } = afterOverlap(schedule, wanted, isBusy)
  if (wanted.length > chosen.length + queued.length - schedule.queued.length)
    log.debug(
      { schedule: id, skipped: wanted.length },
      'a schedule left times out: an earlier run is not over',
    )
  const firing: Firing[] = []
  for (const instant of chosen) firing.push({ at: instant, last: firing.at(-1)?.at ?? lastAt })
  const times = nextTimes({ ...schedule, queued }, at)
  const dueAt = firing.length > 0 ? Math.ceil(at + sendWithinMs) : times.dueAt
  const set = { firing, queued, nextAt: times.nextAt, dueAt, lastAt: firing.at(-1)?.at ?? lastAt }
  return store.updateAndGet(schedules, id, { version: schedule.version }, { set })
}

function afterOverlap(
  { rule, queued }: ScheduleDocument,
  wanted: readonly number[],
  isBusy: boolean,
): { chosen: readonly number[]; queued: readonly number[] } {
  if (rule.overlap === 'allow') return { chosen: wanted, queued: [] }
  // Two at once would overlap each other.
  if (rule.overlap === 'skip') return { chosen: isBusy ? [] : wanted.slice(-1), queued: [] }
  const waiting = [...queued, ...wanted].slice(-maxMissed)
  return isBusy ? { chosen: [], queued: waiting } : { chosen: waiting.slice(0, 1), queued: waiting.slice(1) }
}

async function isUnderWay({ store }: TickerContext, { runIds }: ScheduleDocument): Promise<boolean> {
  const over = new Set(['succeeded', 'failed', 'cancelled'])
  const found = await store.getMany(runs, runIds)
  return found.some(({ state }) => !over.has(state))
}

async function send(context: TickerContext, schedule: ScheduleDocument): Promise<void> {
  const { store, engine, now, log } = context
  const { id, trigger, key, accountId, accountAt, metadata, rule } = schedule
  const runIds: string[] = []
  for (const { at, last } of schedule.firing) {
    const instant = new Date(at)
    const event = {
      id: `${id}@${instant.toISOString()}`,
      name: scheduledEvent,
      source: sourceOf(trigger),
      timestamp: instant,
      payload: {
        ts: instant.toISOString(),
        lastTimestamp: last === null ? null : new Date(last).toISOString(),
      },
    }
    try {
      const from = { id: key === '' ? trigger.slice('job/'.length) : key, metadata }
      runIds.push(...(await engine.takeTriggered(event, { accountId, accountAt, from })).runIds)
    } catch (error) {
      // Fired before the schedule was removed and registered anew: it has been fired.
      if (!isAuthFlowError(error) || error.code !== 'event_conflict') throw error
      log.warn({ schedule: id }, 'a time of a schedule was fired before')
    }
  }
  const { dueAt } = nextTimes(schedule, now())
  const kept = rule.overlap === 'allow' ? [] : runIds
  await store.update(
    schedules,
    id,
    { version: schedule.version },
    { set: { firing: [], dueAt, runIds: kept } },
  )
}

function nextTimes(
  { id, rule, anchor, nextAt, queued }: ScheduleDocument,
  now: number,
): { nextAt: number | null; dueAt: number | null } {
  const until = now - offsetOf(id, rule)
  const next = nextAt !== null && nextAt > until ? nextAt : instantAfter(rule, anchor, until)
  const own = lookAt(id, rule, next)
  const again = queued.length === 0 ? Infinity : Math.ceil(now) + pauseMs
  return {
    nextAt: next ?? null,
    dueAt: own === null && again === Infinity ? null : Math.min(own ?? Infinity, again),
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    timer.unref()
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}

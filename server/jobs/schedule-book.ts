// The schedules there are: those of jobs, kept equal to what the highest versions say, and those that were registered.
// Firing them is the ticker's (schedule-ticker.ts).

import semver from 'semver'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Page } from '../../shared/flow.ts'
import { checkAccountId } from '../../shared/ids.ts'
import type { Store } from '../store/store.ts'
import { canonicalJson } from './canonical-json.ts'
import type { ScheduledJob } from './engine.ts'
import type { Json, ScheduleRule } from './job.ts'
import { digest } from './records.ts'
import { schedules, type ScheduleDocument } from './schedule-records.ts'
import { checkRule, instantAfter } from './schedule-rule.ts'

const maxKeyLength = 256
const maxMetadataBytes = 16 * 1024
const maxTries = 10

/** A registration of a dynamic schedule. */
export interface ScheduleRegistration {
  /** Id of the dynamic schedule. */
  readonly schedule: string
  /** What it was registered with; unique in its schedule. */
  readonly key: string
  /** When it fires. */
  readonly rule: ScheduleRule
  /** The account its runs act as; null for the product itself. */
  readonly accountId: string | null
  /** Given to its runs. */
  readonly metadata: Json
  /** ISO 8601: when it fires next, without its spread. */
  readonly nextAt: string | null
  /** ISO 8601: the last time that was fired; null before the first. */
  readonly lastAt: string | null
}

/** What is to be registered. */
export interface NewSchedule {
  /** Id of the dynamic schedule. */
  readonly schedule: string
  /** Unique in the schedule; 1 to 256 characters. */
  readonly key: string
  /** When it fires. Judged once more where it is stored. */
  readonly rule: ScheduleRule
  /** The account its runs act as (default: the product itself). */
  readonly accountId?: string | undefined
  /** Given to its runs as `ctx.source.metadata`. JSON of at most 16 KB. */
  readonly metadata?: Json | undefined
}

/** The schedules of one store. */
export interface ScheduleBook {
  /** Registers, or changes what is registered. The same again changes nothing, not even when it fires next. */
  register(schedule: NewSchedule): Promise<ScheduleRegistration>
  /** False when there is none. What it has started goes on. */
  unregister(schedule: string, key: string): Promise<boolean>
  /**
   * Oldest first; of all accounts or of one, by the name that it had when it was registered. A page may hold fewer than
   * `limit`, and none, while there is a cursor.
   */
  list(query: {
    schedule: string
    accountId?: string | undefined
    limit?: number | undefined
    cursor?: string | undefined
  }): Promise<Page<ScheduleRegistration>>
  /** Makes the schedules of jobs what the jobs say. Older versions change nothing. */
  keepJobs(jobs: readonly ScheduledJob[]): Promise<void>
}

/** Source of the events of a schedule. */
export const sourceOf = (trigger: string): string => `authflow:${trigger}`

/** Part of {@link ScheduleDocument.trigger} for registered ones. */
export const dynamicTrigger = (schedule: string): string => `dynamic/${schedule}`

/** What a book is kept on. */
export interface BookOptions {
  readonly store: Store
  /** The clock of due times (default: the store's). */
  readonly now?: () => number
}

type Context = Required<BookOptions>

/** The book on a store that was migrated with `scheduleSets`. */
export function createScheduleBook({ store, now = () => store.now() }: BookOptions): ScheduleBook {
  const context = { store, now }
  return {
    register: (schedule) => register(context, schedule),
    unregister: (schedule, key) => store.remove(schedules, idOf(dynamicTrigger(schedule), checkKey(key))),
    async list({ schedule, accountId, limit = 20, cursor }) {
      if (!Number.isInteger(limit) || limit < 1 || limit > 100)
        throw new AuthFlowError('invalid_input', 'limit must be a whole number from 1 to 100.')
      const trigger = dynamicTrigger(schedule)
      const by =
        accountId === undefined
          ? { index: 'trigger', equals: trigger }
          : { index: 'account', equals: checkAccountId(accountId) }
      const page = await store.list(schedules, { ...by, limit, ...(cursor === undefined ? {} : { cursor }) })
      const items = page.items.filter((found) => found.trigger === trigger).map(viewOf)
      return page.cursor === undefined ? { items } : { items, cursor: page.cursor }
    },
    async keepJobs(jobs) {
      for (const job of jobs) await keepJob(context, job)
    },
  }
}

/** When a schedule that fires at the instant is to be looked at: later by its own part of the spread. */
export function lookAt(id: string, rule: ScheduleRule, instant: number | undefined): number | null {
  return instant === undefined ? null : instant + offsetOf(id, rule)
}

/** The schedule's own part of its spread, in ms: the same every time, in every process. */
export function offsetOf(id: string, { spread }: ScheduleRule): number {
  if (spread === 0) return 0
  const part = Number.parseInt(Buffer.from(digest('spread', id), 'base64url').toString('hex').slice(0, 8), 16)
  return Math.floor((part / 2 ** 32) * spread * 1000)
}

async function register(context: Context, schedule: NewSchedule): Promise<ScheduleRegistration> {
  const { accountId } = schedule
  const rule = checkRule(schedule.rule)
  const trigger = dynamicTrigger(schedule.schedule)
  const key = checkKey(schedule.key)
  const facts = {
    rule,
    accountId: accountId === undefined ? null : checkAccountId(accountId),
    metadata: checkMetadata(schedule.metadata),
  }
  return viewOf(await put(context, { trigger, key, ...facts }))
}

type Facts = Pick<ScheduleDocument, 'trigger' | 'key' | 'rule' | 'accountId' | 'metadata'>

/** Inserts or changes one. Times already decided are let happen. */
async function put(context: Context, facts: Facts): Promise<Omit<ScheduleDocument, 'version'>> {
  const { store } = context
  const id = idOf(facts.trigger, facts.key)
  for (let tries = 0; tries < maxTries; tries += 1) {
    const now = context.now()
    const found = await store.get(schedules, id)
    if (found === undefined) {
      const created = newSchedule(id, facts, now)
      if (await store.insert(schedules, created)) return created
    } else {
      const { rule, accountId, metadata } = facts
      const isSame =
        canonicalJson({ rule, accountId, metadata }) ===
        canonicalJson({ rule: found.rule, accountId: found.accountId, metadata: found.metadata })
      if (isSame && accountId === null) return found
      const times =
        canonicalJson({ rule }) === canonicalJson({ rule: found.rule }) ? {} : restart(id, rule, now)
      // Whoever registers it means the account that has the name now.
      const set = { rule, accountId, metadata, ...meantAt(accountId, now), ...times }
      const changed = await store.updateAndGet(schedules, id, { version: found.version }, { set })
      if (changed) return changed
    }
  }
  throw new AuthFlowError('conflict')
}

async function keepJob(context: Context, { job, version, enabled, schedule }: ScheduledJob): Promise<void> {
  const { store } = context
  const facts = { trigger: `job/${job}`, key: '', rule: schedule, accountId: null, metadata: null }
  const id = idOf(facts.trigger, facts.key)
  const now = context.now()
  const found = await store.get(schedules, id)
  if (found === undefined) {
    if (enabled) await store.insert(schedules, { ...newSchedule(id, facts, now), jobVersion: version })
    return
  }
  if (found.jobVersion !== undefined && semver.gt(found.jobVersion, version)) return
  const isSame = canonicalJson({ rule: schedule }) === canonicalJson({ rule: found.rule })
  const isOn = found.dueAt !== null
  if (isSame && isOn === enabled && found.jobVersion === version && found.goneSince === undefined) return
  // A job that was off does not make up for the time it was.
  const times = isSame && isOn && enabled ? {} : restart(id, schedule, now)
  const set = {
    rule: schedule,
    jobVersion: version,
    ...times,
    ...(enabled ? {} : { dueAt: null, queued: [] }),
  }
  // Somebody else's change is as good; the next round looks again.
  await store.update(schedules, id, { version: found.version }, { set, unset: ['goneSince'] })
}

function newSchedule(id: string, facts: Facts, now: number): Omit<ScheduleDocument, 'version'> {
  return {
    id,
    scope: 'schedule',
    ...facts,
    ...meantAt(facts.accountId, now),
    ...restart(id, facts.rule, now),
    lastAt: null,
    firing: [],
    runIds: [],
    createdAt: now,
  }
}

const meantAt = (accountId: string | null, now: number): { accountAt?: number } =>
  accountId === null ? {} : { accountAt: now }

const restart = (id: string, rule: ScheduleRule, now: number) => {
  const next = instantAfter(rule, now, now)
  return { anchor: now, nextAt: next ?? null, dueAt: lookAt(id, rule, next), queued: [] }
}

const idOf = (trigger: string, key: string): string => digest('schedule', trigger, key)

function viewOf(found: Omit<ScheduleDocument, 'version'>): ScheduleRegistration {
  const { trigger, key, rule, accountId, metadata, nextAt, lastAt } = found
  return {
    schedule: trigger.slice(trigger.indexOf('/') + 1),
    key,
    rule,
    accountId,
    metadata,
    nextAt: nextAt === null ? null : new Date(nextAt).toISOString(),
    lastAt: lastAt === null ? null : new Date(lastAt).toISOString(),
  }
}

/** The key, if it is one. Throws `invalid_input`. */
export function checkKey(key: unknown, call?: string): string {
  if (
    typeof key === 'string' &&
    key !== '' &&
    key.length <= maxKeyLength &&
    key.isWellFormed() &&
    !key.includes('\0')
  )
    return key
  throw new AuthFlowError(
    'invalid_input',
    `The key ${call === undefined ? 'of a registration' : `given to ${call}`} must be text of 1 to ${maxKeyLength} characters.`,
  )
}

/** Metadata as JSON gives it back; null when there is none. Throws `invalid_input`. */
export function checkMetadata(metadata: Json | undefined, name = 'metadata'): Json {
  if (metadata === undefined) return null
  let text: string | undefined
  try {
    text = JSON.stringify(metadata) as string | undefined
  } catch {
    text = undefined
  }
  if (text !== undefined && Buffer.byteLength(text) <= maxMetadataBytes) return JSON.parse(text) as Json
  throw new AuthFlowError('invalid_input', `${name} must be JSON of at most 16 KB.`)
}

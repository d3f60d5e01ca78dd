// Events and the runs that wait for them. The sender stores the event, then looks for those who wait; a run stores that it
// waits, then looks for events. Whoever finds the other gives the event to the wait in one transaction, which also says
// that the run has taken it: an event answers one wait of a run.

import { insertStep, updateStep, type Step } from '../store/store.ts'
import type { EngineCore } from './core.ts'
import { openBody, type EventContent } from './event-document.ts'
import { filterMatches } from './event-filter.ts'
import type { EventFilter, Json } from './job.ts'
import type { WaitForEventOptions } from './outside-io.ts'
import { digest, events, type EventDocument, type JournalEntry, type RunDocument } from './records.ts'
import { eventWaits, takings, type EventWaitDocument } from './wait-records.ts'

const pageSize = 200
/** Tells of a run whose record keeps changing meanwhile. */
const maxTries = 10

/** Events that a run waits for: those of one name, source and account have one topic. */
export interface TopicFacts {
  readonly accountId: string | null
  readonly source: string
  readonly name: string
}

/** Under which events and waits find each other. */
export const topicOf = (environment: string, { accountId, source, name }: TopicFacts): string =>
  digest('topic', environment, accountId, source, name).slice(0, 22)

/** Bounds of the ids of the topic's waits. */
export const waitsOf = (topic: string): { from: string; to: string } => ({
  from: `${topic}/`,
  to: `${topic}0`,
})

/** Id of the wait of a run at a path. */
export const eventWaitId = (topic: string, runId: string, path: string): string =>
  `${topic}/${runId}/${digest(path).slice(0, 22)}`

const takingId = (runId: string, event: string): string => `${runId}/${event}`

const fieldOf = (path: string): string => `event:${path}`

/** The filters of a wait as they are stored. */
export function sealFilters(
  { vault }: EngineCore,
  { runId, path }: Pick<EventWaitDocument, 'runId' | 'path'>,
  { filter, contextFilter }: Pick<WaitForEventOptions, 'filter' | 'contextFilter'>,
): Pick<EventWaitDocument, 'filter' | 'contextFilter'> {
  const session = vault.session('run', runId)
  const seal = (field: string, value: EventFilter): string =>
    session.seal(JSON.stringify(value), `${field}:${path}`)
  return {
    ...(filter === undefined ? {} : { filter: seal('filter', filter) }),
    ...(contextFilter === undefined ? {} : { contextFilter: seal('contextFilter', contextFilter) }),
  }
}

/** The event that a wait has taken, as JSON; undefined while it has none. */
export function takenBy({ vault }: EngineCore, wait: EventWaitDocument): string | undefined {
  if (wait.event === undefined) return undefined
  return vault.session('run', wait.runId).open(wait.event, fieldOf(wait.path))
}

/** Gives the event to every run that waits for it. Safe to repeat, and for several processes at once. */
export async function tellWaits(
  core: EngineCore,
  event: EventDocument | Omit<EventDocument, 'version'>,
): Promise<void> {
  const { store, environment } = core
  const bounds = waitsOf(event.topic ?? topicOf(environment, event))
  let content: EventContent | undefined
  let { from } = bounds
  for (;;) {
    const page = await store.range(eventWaits, from, bounds.to, pageSize)
    if (page.length > 0) content ??= openBody(core, event)
    if (content !== undefined) await tellPage(core, { event, content }, page)
    const last = page.at(-1)
    if (page.length < pageSize || last === undefined) return
    from = `${last.id}!`
  }
}

interface Told {
  readonly event: Omit<EventDocument, 'version'>
  readonly content: EventContent
}

/** Runs side by side, the waits of one run in turn: only one of them gets the event. */
async function tellPage(core: EngineCore, told: Told, page: readonly EventWaitDocument[]): Promise<void> {
  const byRun = new Map<string, EventWaitDocument[]>()
  for (const wait of page) {
    if (wait.state !== 'open' || !wants(core, wait, told.content)) continue
    const known = byRun.get(wait.runId)
    if (known === undefined) byRun.set(wait.runId, [wait])
    else known.push(wait)
  }
  await Promise.all([...byRun.values()].map((waits) => tellRun(core, told, waits)))
}

async function tellRun(core: EngineCore, told: Told, waits: readonly EventWaitDocument[]): Promise<void> {
  for (const wait of waits) if (await give(core, told, wait)) return
}

/** True when the run has the event now, by this wait or another. */
async function give(core: EngineCore, told: Told, wait: EventWaitDocument): Promise<boolean> {
  const { store, signals } = core
  for (let tries = 0; tries < maxTries; tries += 1) {
    const given = await signals.tell(wait.runId, takeSteps(core, told, wait))
    if (given === 'woken') return true
    if (given === 'over') {
      await store.remove(eventWaits, wait.id)
      return true
    }
    if ((await store.get(takings, takingId(wait.runId, told.event.id))) !== undefined) return true
    if ((await store.get(eventWaits, wait.id))?.state !== 'open') return false
  }
  return false
}

function wants(
  { vault }: EngineCore,
  { runId, path, filter, contextFilter }: EventWaitDocument,
  { payload, context }: EventContent,
): boolean {
  if (filter === undefined && contextFilter === undefined) return true
  const session = vault.session('run', runId)
  const fits = (field: string, sealed: string | undefined, value: Json): boolean =>
    sealed === undefined ||
    filterMatches(value, JSON.parse(session.open(sealed, `${field}:${path}`)) as EventFilter)
  return fits('filter', filter, payload) && fits('contextFilter', contextFilter, context)
}

function takeSteps(core: EngineCore, { event, content }: Told, wait: EventWaitDocument): Step[] {
  const { vault, now, retention } = core
  const text = JSON.stringify({
    id: event.eventId,
    name: event.name,
    source: event.source,
    accountId: event.accountId,
    timestamp: event.timestamp,
    payload: content.payload,
    context: content.context,
  })
  const sealed = vault.session('run', wait.runId).seal(text, fieldOf(wait.path))
  const expireAt = Math.ceil(now()) + retention.eventMs
  return [
    insertStep(takings, { id: takingId(wait.runId, event.id), wait: wait.id, expireAt }),
    updateStep(eventWaits, wait.id, { state: 'open' }, { set: { state: 'taken', event: sealed } }),
  ]
}

/** Looks for an event that came since then and gives it to the wait. True when the wait has one now. */
export async function lookBack(
  core: EngineCore,
  wait: EventWaitDocument,
  { topic, since, own }: { readonly topic: string; readonly since: number; readonly own: string },
): Promise<boolean> {
  const { store } = core
  let cursor: string | undefined
  do {
    const page = await store.list(events, {
      index: 'topic',
      equals: topic,
      from: since,
      limit: pageSize,
      ...(cursor === undefined ? {} : { cursor }),
    })
    const others = page.items.filter(({ id }) => id !== own)
    const ids = others.map(({ id }) => takingId(wait.runId, id))
    const taken = new Set((await store.getMany(takings, ids)).map(({ id }) => id))
    for (const event of others) {
      if (taken.has(takingId(wait.runId, event.id))) continue
      const content = openBody(core, event)
      if (!wants(core, wait, content)) continue
      if (await store.transact(takeSteps(core, { event, content }, wait))) return true
      // Another wait of the run has it, or this one got another event.
      if ((await store.get(eventWaits, wait.id))?.state === 'taken') return true
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  return false
}

/** Takes a wait away that its run left open. */
export async function forgetEventWait(
  { store }: EngineCore,
  run: RunDocument,
  { path, topic }: JournalEntry,
): Promise<void> {
  if (topic !== undefined) await store.remove(eventWaits, eventWaitId(topic, run.id, path))
}

// Events that are to be delivered later: kept like the others, but without runs until their time, and until then
// rewritten by the same id or cancelled. The event and the row that says when change in one transaction.

import { AuthFlowError } from '../../shared/errors.ts'
import { insertStep, removeStep, updateStep, type NewDocument } from '../store/store.ts'
import type { EngineCore } from './core.ts'
import type { EventDetails, SendEventOptions } from './engine.ts'
import { openBody, sealBody, targetsOf, toRecord } from './event-document.ts'
import { checkObject } from './event-input.ts'
import { topicOf } from './event-waits.ts'
import { delays, events, runs, type EventDocument } from './records.ts'
import type { EventFacts, JobRegistry } from './registry.ts'

const longestDelaySeconds = 366 * 24 * 3600
/** The runs of an event that are told of; it has the ids of all. */
const maxRunsTold = 1000
/** An event that can't be delivered is tried again after this. */
const troubleMs = 60_000
const pageSize = 500

/**
 * When an event is to be delivered; undefined is at once.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function deliverAtOf(options: SendEventOptions, now: number): number | undefined {
  checkObject('the options of an event', options, '{ accountId }')
  const { deliverAt, deliverAfter } = options
  if (deliverAt === undefined && deliverAfter === undefined) return undefined
  if (deliverAt !== undefined && deliverAfter !== undefined)
    throw new AuthFlowError('invalid_input', 'An event takes deliverAt or deliverAfter, not both.')
  if (deliverAt !== undefined && !(deliverAt instanceof Date && Number.isFinite(deliverAt.getTime())))
    throw new AuthFlowError('invalid_input', 'deliverAt must be a valid Date.')
  if (deliverAfter !== undefined && !(typeof deliverAfter === 'number' && deliverAfter >= 0))
    throw new AuthFlowError('invalid_input', 'deliverAfter must be a number of seconds, 0 or more.')
  const at = deliverAt?.getTime() ?? Math.ceil(now + (deliverAfter ?? 0) * 1000)
  if (at > now + longestDelaySeconds * 1000)
    throw new AuthFlowError('invalid_input', 'An event may be delayed by 366 days.')
  return at <= now ? undefined : at
}

/** Stores a delayed event. False when the id was there before. */
export function insertDelayed({ store }: EngineCore, event: NewDocument<EventDocument>): Promise<boolean> {
  const { id, deliverAt = 0 } = event
  return store.transact([insertStep(events, event), insertStep(delays, { id, scope: 'delay', deliverAt })])
}

/**
 * Gives a delayed event the content and the time of the same event sent again. Undefined when it was delivered,
 * cancelled or rewritten meanwhile.
 *
 * @throws {@link AuthFlowError} `event_conflict` when it has another name
 */
export async function rewriteDelayed(
  core: EngineCore,
  before: EventDocument,
  { document, text }: { document: NewDocument<EventDocument>; text: string },
): Promise<NewDocument<EventDocument> | undefined> {
  const { id, version } = before
  if (before.name !== document.name) {
    throw new AuthFlowError(
      'event_conflict',
      `The delayed event ${document.eventId} is named ${before.name}. Give this one its own id, or cancel that one.`,
    )
  }
  const deliverAt = document.deliverAt ?? core.now()
  const body = sealBody(core, { id, targets: [] }, text)
  const set = { body, timestamp: document.timestamp, deliverAt, expireAt: deliverAt + core.retention.eventMs }
  const isDone = await core.store.transact([
    updateStep(events, id, { version, pending: true }, { set }),
    updateStep(delays, id, {}, { set: { deliverAt } }),
  ])
  return isDone ? { ...before, ...set } : undefined
}

/**
 * Decides which runs a due event starts, once, and gives it for their dispatch, also when another process decided. Its row
 * in `delays` is the caller's to remove once they are there: whoever finds it finishes what is cut off in between.
 * `early`: it is not due yet; undefined: it is gone or cancelled.
 */
export async function markDelivered(
  core: EngineCore,
  id: string,
  matching: (facts: EventFacts) => ReturnType<JobRegistry['matching']>,
): Promise<EventDocument | 'early' | undefined> {
  const { store, now } = core
  for (;;) {
    const event = await store.get(events, id)
    if (event === undefined || event.cancelledAt !== undefined) return undefined
    if (event.pending !== true) return event
    if ((event.deliverAt ?? 0) > now()) return 'early'
    const content = openBody(core, event)
    const { name, source, version } = event
    const { payload, context } = content
    const targets = targetsOf(id, matching({ name, source, payload, context }))
    const body = sealBody(core, { id, targets }, JSON.stringify(content))
    const topic = topicOf(core.environment, event)
    const deliveredAt = now()
    // It may be late by much, if no worker was there.
    const expireAt = deliveredAt + core.retention.eventMs
    const change = { set: { targets, body, topic, deliveredAt, expireAt }, unset: ['pending' as const] }
    const delivered = await store.updateAndGet(events, id, { version, pending: true }, change)
    if (delivered !== undefined) return delivered
  }
}

/** Cancels an event that is still delayed; gives it as it is then. Undefined when there is none. */
export async function cancelEvent(
  { store, now, retention }: EngineCore,
  id: string,
): Promise<EventDocument | undefined> {
  for (;;) {
    const event = await store.get(events, id)
    if (event?.pending !== true) return event
    const cancelledAt = now()
    const { version } = event
    const set = { cancelledAt, expireAt: cancelledAt + retention.eventMs }
    const isDone = await store.transact([
      updateStep(events, id, { version, pending: true }, { set, unset: ['pending'] }),
      removeStep(delays, id),
    ])
    if (isDone) return store.get(events, id)
  }
}

/** The event with what became of its runs. */
export async function describeEvent({ store }: EngineCore, event: EventDocument): Promise<EventDetails> {
  const ids = event.targets.slice(0, maxRunsTold).map(({ runId }) => runId)
  const found = ids.length === 0 ? [] : await store.getMany(runs, ids)
  return {
    ...toRecord(event),
    createdAt: toIso(event.createdAt),
    deliverAt: event.deliverAt === undefined ? null : toIso(event.deliverAt),
    cancelledAt: event.cancelledAt === undefined ? null : toIso(event.cancelledAt),
    runs: found.map(({ id, job, state, endedAt }) => ({
      id,
      job,
      state,
      endedAt: endedAt === undefined ? null : toIso(endedAt),
    })),
  }
}

const toIso = (ms: number): string => new Date(ms).toISOString()

/** Delivers events when they are due, while its worker lives. */
export class DelayedEvents {
  readonly #core: EngineCore
  readonly #deliver: (id: string) => Promise<void>
  readonly #timers = new Map<string, NodeJS.Timeout>()
  #isLooking = false

  constructor(core: EngineCore, deliver: (id: string) => Promise<void>) {
    this.#core = core
    this.#deliver = deliver
  }

  /** Delivers what is due, and sets timers for what will be within the time given, in ms. */
  async look(withinMs: number): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      for (;;) {
        const now = this.#core.now()
        const { items } = await this.#core.store.list(delays, {
          index: 'all',
          equals: 'delay',
          to: now + withinMs,
          limit: pageSize,
        })
        const due = items.filter(({ deliverAt }) => deliverAt <= now)
        for (const { id, deliverAt } of items) if (deliverAt > now) this.#setTimer(id, deliverAt - now)
        await Promise.all(due.map(({ id }) => this.#try(id)))
        if (due.length < pageSize) return
      }
    } finally {
      this.#isLooking = false
    }
  }

  /** Delivers nothing more by itself. */
  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  #setTimer(id: string, ms: number): void {
    clearTimeout(this.#timers.get(id))
    const deliver = (): void => {
      this.#timers.delete(id)
      void this.#try(id)
    }
    this.#timers.set(id, setTimeout(deliver, Math.ceil(ms)).unref())
  }

  async #try(id: string): Promise<void> {
    const { store, log, now } = this.#core
    try {
      await this.#deliver(id)
    } catch (error) {
      log.error({ err: error, event: id }, 'a delayed event could not be delivered; trying again in a minute')
      const deliverAt = now() + troubleMs
      await store.update(delays, id, {}, { set: { deliverAt } }).catch(() => undefined)
    }
  }
}

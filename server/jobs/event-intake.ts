// Taking events in: judged before anything is stored, and stored once by the sender's id; then the same event again has
// the same answer, and another one under its id is refused.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Mutable } from '../../shared/mutable.ts'
import { follow } from '../../shared/tracing.ts'
import type { NewDocument } from '../store/store.ts'
import { canonicalJson } from './canonical-json.ts'
import type { EngineCore } from './core.ts'
import { deliverAtOf, insertDelayed, markDelivered, rewriteDelayed } from './delayed-events.ts'
import type { EventInput, EventOrigin, EventRecord, SendEventOptions } from './engine.ts'
import { EventDispatch, type NewEvent, type RunTaker } from './event-dispatch.ts'
import { openBody, sealBody, targetsOf, toRecord } from './event-document.ts'
import { checkFacts, checkIsEvent, checkSender, checkText, payloadLimit, toText } from './event-input.ts'
import { topicOf } from './event-waits.ts'
import { judgeAll, runOf, type InvokeRequest } from './invoke-request.ts'
import type { Json } from './job.ts'
import type { InvokeItem } from './outside-io.ts'
import { createEventId, delays, eventKey, events, type EventDocument, type ParentLink } from './records.ts'
import { defaultSource, invokeEvent, invokeSource } from './event-sources.ts'
import type { JobRegistry } from './registry.ts'

/** Providers send what they send; the body of a webhook request may have as much. */
const triggeredLimit = 1024 * 1024

/** How an event comes in. */
interface Way {
  readonly accountId: string | null | undefined
  /** When it had that name, where that is not now. */
  readonly accountAt?: number | undefined
  /** Present for events of triggers. */
  readonly from?: EventOrigin['from']
  /** True for the events of `invoke`, whose source is the engine's own. */
  readonly isInvoked?: boolean
  /** The run that invokes, if it is one. */
  readonly parent?: ParentLink | undefined
  /** Absent: at once. */
  readonly deliverAt?: number | undefined
  /** Bytes that the payload may have. */
  readonly limit: number
}

/** A checked event. */
interface Intake extends NewEvent {
  /** The content as JSON. */
  readonly text: string
}

/** Takes events in for one engine. */
export class EventIntake {
  readonly #core: EngineCore
  readonly #registry: JobRegistry
  readonly #dispatch: EventDispatch

  constructor(core: EngineCore, registry: JobRegistry, taker: RunTaker) {
    this.#core = core
    this.#registry = registry
    this.#dispatch = new EventDispatch(core, registry, taker)
  }

  /** See `JobEngine.sendEvent`. */
  send(event: EventInput, options: SendEventOptions = {}): Promise<EventRecord> {
    return this.#judgeAndTake(() => this.#judgeSent(event, options))
  }

  /** Rejects where a plain call would throw; an async function would cost every event a promise more. */
  #judgeAndTake(judge: () => Intake): Promise<EventRecord> {
    try {
      return this.#takeIn(judge())
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Starts the run of a job that can be invoked; its event can be sent by nobody.
   *
   * @throws {@link AuthFlowError} `conflict` when the job was turned off meanwhile
   */
  async invoke(request: InvokeRequest): Promise<{ id: string }> {
    return runOf(request.job, await this.#judgeAndTake(() => this.#judgeInvoked(request)))
  }

  /** The same for many runs of one job: all are judged before any is stored. */
  async invokeMany(job: string, items: readonly InvokeItem[]): Promise<{ id: string }[]> {
    const intakes = judgeAll('items', items, (item) => {
      const { idempotencyKey, ...rest } = item
      return this.#judgeInvoked({
        ...rest,
        job,
        ...(idempotencyKey === undefined ? {} : { id: idempotencyKey }),
      })
    })
    const records = await Promise.all(intakes.map((intake) => this.#takeIn(intake)))
    return records.map((record) => runOf(job, record))
  }

  #judgeInvoked({ job, payload, context, id, accountId, accountAt, parent }: InvokeRequest): Intake {
    if (id !== undefined) checkText('idempotencyKey', id)
    const event = {
      name: invokeEvent,
      source: invokeSource(job),
      payload,
      ...(context === undefined ? {} : { context }),
      ...(id === undefined ? {} : { id }),
    }
    return this.#judge(event, { accountId, accountAt, parent, isInvoked: true, limit: payloadLimit })
  }

  /** See `JobEngine.sendEvents`. */
  async sendMany(all: readonly EventInput[], options: SendEventOptions = {}): Promise<EventRecord[]> {
    const intakes = judgeAll('events', all, (event) => this.#judgeSent(event, options))
    return Promise.all(intakes.map((intake) => this.#takeIn(intake)))
  }

  /** See `JobEngine.takeTriggered`. */
  take(event: EventInput, origin: EventOrigin): Promise<EventRecord> {
    return this.#judgeAndTake(() => this.#judge(event, { ...origin, limit: triggeredLimit }))
  }

  #judgeSent(event: EventInput, options: SendEventOptions): Intake {
    checkIsEvent(event)
    const deliverAt = deliverAtOf(options, this.#core.now())
    return this.#judge(event, { accountId: options.accountId, deliverAt, limit: payloadLimit })
  }

  #takeIn(intake: Intake): Promise<EventRecord> {
    const { document } = intake
    const traced = this.#core.tracing.sending(document)
    if (traced === undefined) return this.#store(intake)
    const { traceparent } = traced
    const store = (): Promise<EventRecord> =>
      this.#store({ ...intake, document: { ...document, traceparent } })
    return follow(traced, store, ({ state }) => ({ outcome: state }))
  }

  async #store(intake: Intake): Promise<EventRecord> {
    const { document } = intake
    const stored = await (document.pending === true
      ? insertDelayed(this.#core, document)
      : this.#dispatch.tryStore(intake))
    return stored ? toRecord(document) : this.#repeat(intake)
  }

  /** See {@link EventDispatch.dispatch}. */
  dispatch(event: NewDocument<EventDocument>): Promise<void> {
    return this.#dispatch.dispatch(event)
  }

  #judge(event: EventInput, way: Way): Intake {
    const { from, limit, deliverAt } = way
    const accountId = from === undefined ? accountOf(event, way) : (way.accountId ?? null)
    checkFacts(event)
    const { name, id = createEventId(this.#core.now()), source = defaultSource, timestamp } = event
    const payloadText = toText('payload', event.payload, limit)
    const contextText = toText('context', event.context ?? null, payloadLimit)
    // What runs will see, so that filter and schema judge the same.
    const payload = JSON.parse(payloadText) as Json
    const context = JSON.parse(contextText) as Json
    const matching = this.#registry.matching({ name, source, payload, context })
    // A provider's payload is what it is: it fails the runs whose schema refuses it.
    if (from === undefined)
      for (const { job, version } of matching) this.#registry.find(job, version)?.check(payload)

    const key = eventKey(this.#core.environment, accountId, source, id)
    // Which jobs a delayed event starts is decided when it is delivered.
    const targets = deliverAt === undefined ? targetsOf(key, matching) : []
    const now = this.#core.now()
    const accountAt = way.accountAt ?? (deliverAt === undefined ? undefined : now)
    const text = `{"payload":${payloadText},"context":${contextText}${from ? `,"from":${JSON.stringify(from)}` : ''}}`
    const document: Mutable<EventDocument> = {
      id: key,
      version: 1,
      eventId: id,
      name,
      source,
      accountId,
      timestamp: timestamp?.getTime() ?? now,
      createdAt: now,
      body: sealBody(this.#core, { id: key, targets }, text),
      targets,
      expireAt: (deliverAt ?? now) + this.#core.retention.eventMs,
    }
    if (accountId !== null && accountAt !== undefined) document.accountAt = accountAt
    if (way.parent !== undefined) document.parent = way.parent
    if (deliverAt !== undefined) {
      document.deliverAt = deliverAt
      document.pending = true
    } else if (way.isInvoked !== true) {
      // Nobody waits for an invocation, and nobody yet for what is delayed.
      document.topic = topicOf(this.#core.environment, { accountId, source, name })
      document.deliveredAt = now
    }
    const content = { payload, context, ...(from ? { from } : {}) }
    return { document, content, text }
  }

  /** The id was there before: the same event again, or another one under its name. */
  async #repeat(intake: Intake): Promise<EventRecord> {
    const { document, content } = intake
    const before = await this.#core.store.get(events, document.id)
    if (before === undefined) {
      // Somebody waits for it; or a run of its was there, left from an event that has been deleted.
      if (await this.#dispatch.insert(intake)) return toRecord(document)
      if ((await this.#core.store.get(events, document.id)) !== undefined) return this.#repeat(intake)
      throw new AuthFlowError('conflict', 'The event is being deleted. Send it again.')
    }
    if (before.pending === true) {
      const rewritten = await rewriteDelayed(this.#core, before, intake)
      if (rewritten === undefined) return this.#repeat(intake)
      return intake.document.pending ? toRecord(rewritten) : this.#deliverNow(intake)
    }
    const stored = openBody(this.#core, before)
    if (before.name !== document.name || canonicalJson(stored.payload) !== canonicalJson(content.payload)) {
      throw new AuthFlowError(
        'event_conflict',
        before.cancelledAt === undefined
          ? `An event ${document.eventId} with another payload was sent before. Give this one its own id.`
          : `The event ${document.eventId} was cancelled. Give this one its own id.`,
      )
    }
    return toRecord(before)
  }

  /** A delayed event was sent again without a delay. */
  async #deliverNow(intake: Intake): Promise<EventRecord> {
    await this.deliver(intake.document.id)
    const delivered = await this.#core.store.get(events, intake.document.id)
    return delivered === undefined || delivered.pending === true ? this.#repeat(intake) : toRecord(delivered)
  }

  /** Starts the runs of a delayed event that is due. Safe to repeat, and for several processes at once. */
  async deliver(id: string): Promise<void> {
    const event = await markDelivered(this.#core, id, (facts) => this.#registry.matching(facts))
    if (event === 'early') return
    if (event !== undefined) await this.#dispatch.dispatch(event)
    await this.#core.store.remove(delays, id)
  }
}

/** The account of an event, checked; the source of an invocation is the engine's own. */
const accountOf = (event: EventInput, { accountId, isInvoked }: Way): string | null =>
  checkSender(isInvoked === true ? {} : event, accountId)

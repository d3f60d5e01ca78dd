// Taking events in: judged before anything is stored, stored once by the sender's id, and turned into runs. A store
// with cheap transactions takes the event, the hints and the runs in one; elsewhere the event is stored first as
// pending, and whoever finds it so can finish.

import { AuthFlowError } from '../../shared/errors.ts'
import { follow } from '../../shared/tracing.ts'
import type { Wakeup } from '../queue/queue.ts'
import { insertStep, vacantStep, type NewDocument, type Step } from '../store/store.ts'
import { canonicalJson } from './canonical-json.ts'
import type { EngineCore } from './core.ts'
import { deliverAtOf, insertDelayed, markDelivered, rewriteDelayed } from './delayed-events.ts'
import type { EventInput, EventOrigin, EventRecord, SendEventOptions } from './engine.ts'
import { openBody, sealBody, targetsOf, toRecord, type EventContent } from './event-document.ts'
import { checkFacts, checkSender, payloadLimit, toText } from './event-input.ts'
import { tellWaits, topicOf, waitsOf } from './event-waits.ts'
import { judgeAll, runOf, type InvokeRequest } from './invoke-request.ts'
import type { Json } from './job.ts'
import type { Claim } from './journal.ts'
import { lanesOf, waits, type LaneRef, type WaitDocument } from './lane-records.ts'
import { newBlockedRun, newRun } from './new-run.ts'
import type { InvokeItem } from './outside-io.ts'
import {
  createEventId,
  delays,
  dispatches,
  eventKey,
  events,
  runs,
  type EventDocument,
  type ParentLink,
  type RunDocument,
  type Target,
} from './records.ts'
import { defaultSource, invokeEvent, invokeSource } from './event-sources.ts'
import type { JobRegistry } from './registry.ts'
import { eventWaits } from './wait-records.ts'

/** Providers send what they send; the body of a webhook request may have as much. */
const triggeredLimit = 1024 * 1024
const chunkSize = 500
/** More than these are not put into one transaction. */
const transactedTargets = 100

/** A worker of this process that may take new runs at once, without a detour through the queue. */
export interface RunTaker {
  /**
   * Resolves when there is a free slot, or when waiting for one is not worth it any more: after a second at most.
   * Undefined when there is nothing to wait for.
   */
  awaitSlot(): Promise<void> | undefined
  /** A claim on a free slot for a run of the job, if there is one and no older run waits for it. */
  reserve(target: Target): Claim | undefined
  /** The run was stored with the claim in it: run it. */
  adopt(run: RunDocument, event: EventDocument, content: EventContent): void
  /** The run was not stored: the slot is free again. */
  giveBack(): void
  /** It is not known whether the run was stored with the claim in it. */
  doubt(runId: string): void
}

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
interface Intake {
  readonly document: NewDocument<EventDocument>
  readonly content: EventContent
  /** The content as JSON. */
  readonly text: string
}

/** Takes events in for one engine. */
export class EventIntake {
  readonly #core: EngineCore
  readonly #registry: JobRegistry
  readonly #taker: RunTaker

  constructor(core: EngineCore, registry: JobRegistry, taker: RunTaker) {
    this.#core = core
    this.#registry = registry
    this.#taker = taker
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
    const { targets, pending } = intake.document
    const { store, queue } = this.#core
    if (pending)
      return (await insertDelayed(this.#core, intake.document))
        ? toRecord(intake.document)
        : this.#repeat(intake)
    const transacts = store.capabilities.cheapTransactions && queue.inStore !== undefined
    const stored =
      transacts && targets.length <= transactedTargets
        ? await this.#transact(intake)
        : await this.#insert(intake)
    return stored ? toRecord(intake.document) : this.#repeat(intake)
  }

  /** Makes the runs of a pending event. Safe to repeat, and for several processes at once. */
  async dispatch(event: NewDocument<EventDocument>): Promise<void> {
    const { store, queue } = this.#core
    for (let from = 0; from < event.targets.length; from += chunkSize) {
      const chunk = event.targets.slice(from, from + chunkSize)
      const createdAt = this.#core.now()
      const due: Target[] = []
      const blocked: NonNullable<ReturnType<typeof newBlockedRun>>[] = []
      for (const target of chunk) {
        const made = newBlockedRun({ event, target, createdAt }, this.#lanesOf(target, event))
        if (made === undefined) due.push(target)
        else blocked.push(made)
      }
      await queue.add(due.map((target) => hintOf(target, createdAt)))
      await Promise.all([
        ...due.map((target) => store.insert(runs, newRun({ event, target, createdAt }))),
        ...blocked.map(({ run }) => store.insert(runs, run)),
      ])
      // After their runs: a wait whose run is not there would be taken for a stale one.
      await this.#enter(blocked.map(({ wait }) => wait))
    }
    if (event.topic !== undefined) await tellWaits(this.#core, event)
    await store.remove(dispatches, event.id)
  }

  #lanesOf({ job, version }: Target, { accountId }: Pick<EventDocument, 'accountId'>): readonly LaneRef[] {
    return lanesOf(this.#registry.limitOf(job, version), accountId)
  }

  async #enter(entered: readonly NewDocument<WaitDocument>[]): Promise<void> {
    if (entered.length === 0) return
    const { store, lanes } = this.#core
    await Promise.all(entered.map((wait) => store.insert(waits, wait)))
    void lanes.admit(entered)
  }

  #judge(event: EventInput, way: Way): Intake {
    const { from, limit, deliverAt } = way
    const accountId = from === undefined ? accountOf(event, way) : (way.accountId ?? null)
    checkFacts(event)
    const {
      name,
      context = null,
      id = createEventId(this.#core.now()),
      source = defaultSource,
      timestamp,
    } = event
    const payloadText = toText('payload', event.payload, limit)
    const contextText = toText('context', context, payloadLimit)
    // What runs will see, so that filter and schema judge the same.
    const payload = JSON.parse(payloadText) as Json
    const matching = this.#registry.matching({ name, source, payload })
    // A provider's payload is what it is: it fails the runs whose schema refuses it.
    if (from === undefined)
      for (const { job, version } of matching) this.#registry.find(job, version)?.check(payload)

    const key = eventKey(this.#core.environment, accountId, source, id)
    // Which jobs a delayed event starts is decided when it is delivered.
    const targets = deliverAt === undefined ? targetsOf(key, matching) : []
    const now = this.#core.now()
    const accountAt = way.accountAt ?? (deliverAt === undefined ? undefined : now)
    const text = `{"payload":${payloadText},"context":${contextText}${from ? `,"from":${JSON.stringify(from)}` : ''}}`
    const document = {
      id: key,
      eventId: id,
      name,
      source,
      accountId,
      ...(accountId === null || accountAt === undefined ? {} : { accountAt }),
      timestamp: timestamp?.getTime() ?? now,
      createdAt: now,
      body: sealBody(this.#core, { id: key, targets }, text),
      targets,
      expireAt: (deliverAt ?? now) + this.#core.retention.eventMs,
      ...(deliverAt === undefined ? {} : { deliverAt, pending: true as const }),
      // Nobody waits for an invocation, and nobody yet for what is delayed.
      ...(way.isInvoked === true || deliverAt !== undefined
        ? {}
        : { topic: topicOf(this.#core.environment, { accountId, source, name }), deliveredAt: now }),
      ...(way.parent === undefined ? {} : { parent: way.parent }),
    }
    const content = { payload, context: JSON.parse(contextText) as Json, ...(from ? { from } : {}) }
    return { document, content, text }
  }

  async #transact({ document, content }: Intake): Promise<boolean> {
    const { store, queue, now } = this.#core
    // A run that is stored as claimed costs four writes; one that goes through the queue, seven.
    const slot = document.targets.length === 1 ? this.#taker.awaitSlot() : undefined
    if (slot !== undefined) await slot
    const createdAt = now()
    const steps: Step[] = [insertStep(events, document)]
    if (document.topic !== undefined) {
      // Where a run waits for it, the event is stored as one that is still to be told of.
      const { from, to } = waitsOf(document.topic)
      steps.unshift(vacantStep(eventWaits, from, to))
    }
    const hints: Wakeup[] = []
    const taken: NewDocument<RunDocument>[] = []
    const entered: NewDocument<WaitDocument>[] = []
    for (const target of document.targets) {
      const origin = { event: document, target, createdAt }
      const blocked = newBlockedRun(origin, this.#lanesOf(target, document))
      if (blocked !== undefined) {
        entered.push(blocked.wait)
        steps.push(insertStep(runs, blocked.run), insertStep(waits, blocked.wait))
        continue
      }
      const claim = this.#taker.reserve(target)
      const run = newRun(origin, claim)
      if (claim === undefined) hints.push(hintOf(target, createdAt))
      else taken.push(run)
      steps.push(insertStep(runs, run))
    }
    steps.push(...(queue.inStore?.steps(hints) ?? []))
    let done = false
    try {
      done = await store.transact(steps)
    } catch (error) {
      for (const { id } of taken) this.#taker.doubt(id)
      throw error
    } finally {
      if (!done) for (const _ of taken) this.#taker.giveBack()
    }
    if (!done) return false
    if (hints.length > 0) queue.inStore?.announce(hints)
    if (entered.length > 0) void this.#core.lanes.admit(entered)
    for (const run of taken) this.#taker.adopt({ ...run, version: 1 }, { ...document, version: 1 }, content)
    return true
  }

  async #insert({ document }: Intake): Promise<boolean> {
    const { store } = this.#core
    const { id, createdAt } = document
    // Before the event: an event without it would never be finished.
    const isDispatched = document.targets.length > 0 || document.topic !== undefined
    if (isDispatched) await store.insert(dispatches, { id, scope: 'dispatch', createdAt })
    if (!(await store.insert(events, document))) return false
    if (isDispatched) await this.dispatch(document)
    return true
  }

  /** The id was there before: the same event again, or another one under its name. */
  async #repeat(intake: Intake): Promise<EventRecord> {
    const { document, content } = intake
    const before = await this.#core.store.get(events, document.id)
    if (before === undefined) {
      // Somebody waits for it; or a run of its was there, left from an event that has been deleted.
      if (await this.#insert(intake)) return toRecord(document)
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
    if (event !== undefined) await this.dispatch(event)
    await this.#core.store.remove(delays, id)
  }
}

/** The account of an event, checked; the source of an invocation is the engine's own. */
const accountOf = (event: EventInput, { accountId, isInvoked }: Way): string | null =>
  checkSender(isInvoked === true ? {} : event, accountId)

const hintOf = ({ runId, job, version }: Target, dueAt: number): Wakeup => ({ runId, job, version, dueAt })

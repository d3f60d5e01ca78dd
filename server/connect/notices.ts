// The outbox: every change of a connection that the host is to hear of, kept from the transaction that made the change
// until each target has it. A killed process loses nothing; a target may hear twice and then sees the same message id.

import { isAuthFlowError } from '../../shared/errors.ts'
import { randomText } from '../../shared/ids.ts'
import { insertStep, removeStep, type Step } from '../store/store.ts'
import { auditStep, ourselves } from './audit.ts'
import type { ConnectionEvent, ConnectionEventData } from './connection-events.ts'
import type { ConnectContext } from './context.ts'
import { compositeDigest } from './digest.ts'
import type { ConnectionEventName, NoticeRecord } from './records.ts'
import { noticeSet } from './sets.ts'
import { sendWebhook, type SendOutcome, type WebhookEndpoint } from './webhook-endpoints.ts'

/** Target of the events that start jobs. */
const eventsTarget = 'events'
/** Waits between tries, in ms, each spread upwards by up to a fifth. After the last one the message is given up. */
const retryDelaysMs = [
  5_000, 30_000, 120_000, 600_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000,
]
const spread = 0.2
/** Whatever is this old gets one more try and no further one, in ms. */
const giveUpAfterMs = 3 * 86_400_000
/** Kept for a host that was down; deleted then, in ms. */
const keepMs = 7 * 86_400_000
/** While one process sends, others leave the message alone for this long, in ms: more than a request may take. */
const claimMs = 60_000
/** Messages looked at together, rounds of them in one sweep, and lanes sent at once to one target. */
const pageSize = 100
const pagesPerSweep = 20
const lanesAtOnce = 10

/** A change to tell. */
export interface Notice {
  readonly name: ConnectionEventName
  readonly at: number
  readonly data: ConnectionEventData
}

/** Tells the targets. */
export interface Notices {
  /** Sends what there is of a connection, oldest first, without anybody waiting. */
  runSoon(connectionId: string): void
  /** Sends what is due. */
  sweep(): Promise<void>
}

const laneOf = (target: string, connectionId: string): string => compositeDigest(target, connectionId)

const targetsOf = ({ webhooks, sendEvent }: ConnectContext): readonly string[] => [
  ...webhooks.map(({ id }) => id),
  ...(sendEvent ? [eventsTarget] : []),
]

/** The steps that write a change down for every target. None where nobody listens. */
export function noticeSteps(context: ConnectContext, { name, at, data }: Notice): Step[] {
  const { id: connectionId, integration, accountId } = data.connection
  const messageId = `msg_${randomText(22)}`
  const event: ConnectionEvent = { type: name, timestamp: new Date(at).toISOString(), data }
  const body = JSON.stringify(event)
  return targetsOf(context).map((target) =>
    insertStep(noticeSet, {
      id: `${messageId}.${target}`,
      target,
      lane: laneOf(target, connectionId),
      messageId,
      name,
      connectionId,
      integration,
      accountId,
      at,
      body,
      attempts: 0,
      dueAt: at,
      lastError: null,
      expireAt: at + keepMs,
    }),
  )
}

/** The outbox of a connect service. */
export function createNotices(context: ConnectContext): Notices {
  return {
    runSoon(connectionId) {
      for (const target of targetsOf(context)) {
        const lane = laneOf(target, connectionId)
        context.background('telling of a changed connection', async () => void (await runLane(context, lane)))
      }
    },
    async sweep() {
      await Promise.all(targetsOf(context).map((target) => sweepTarget(context, target)))
    },
  }
}

async function sweepTarget(context: ConnectContext, target: string): Promise<void> {
  const { store } = context
  for (let page = 0; page < pagesPerSweep; page += 1) {
    const query = { index: 'due', equals: target, to: store.now() + 1, limit: pageSize }
    const { items } = await store.list(noticeSet, query)
    const lanes = [...new Set(items.map(({ lane }) => lane))]
    for (let from = 0; from < lanes.length; from += lanesAtOnce) {
      const some = lanes.slice(from, from + lanesAtOnce)
      await Promise.all(
        some.map(async (lane) => {
          const head = await runLane(context, lane)
          if (head) await postpone(context, items, head)
        }),
      )
    }
    if (items.length < pageSize) return
  }
}

/** What stands behind a message that waits waits with it, or it would be looked at in every round. */
async function postpone(
  { store }: ConnectContext,
  items: readonly NoticeRecord[],
  head: NoticeRecord,
): Promise<void> {
  const behind = items.filter(
    ({ lane, id, dueAt }) => lane === head.lane && id !== head.id && dueAt < head.dueAt,
  )
  await Promise.all(
    behind.map(({ id, version }) =>
      store.update(noticeSet, id, { version, attempts: 0 }, { set: { dueAt: head.dueAt } }),
    ),
  )
}

/** Sends a lane's messages in order. What stops it is given back: a message that has to wait. */
async function runLane(context: ConnectContext, lane: string): Promise<NoticeRecord | undefined> {
  const { store } = context
  for (;;) {
    const { items } = await store.list(noticeSet, { index: 'lane', equals: lane, limit: 1 })
    const [head] = items
    if (!head) return undefined
    // A message that was never tried only waited for the one before it.
    if (head.attempts > 0 && head.dueAt > store.now()) return head
    const claim = { set: { dueAt: store.now() + claimMs }, increment: { attempts: 1 } }
    const claimed = await store.updateAndGet(noticeSet, head.id, { version: head.version }, claim)
    if (!claimed) continue
    const outcome = await send(context, claimed)
    if (outcome.state === 'accepted') {
      await store.remove(noticeSet, claimed.id, { version: claimed.version })
      continue
    }
    const dueAt = await putOff(context, claimed, outcome)
    if (dueAt !== undefined) return { ...claimed, dueAt }
  }
}

async function send(context: ConnectContext, notice: NoticeRecord): Promise<SendOutcome> {
  if (notice.target === eventsTarget) return sendToJobs(context, notice)
  const endpoint = context.webhooks.find(({ id }) => id === notice.target)
  if (!endpoint) return { state: 'refused', code: 'not_found', over: false }
  const now = context.store.now()
  return sendWebhook(context.fetch, endpoint, { id: notice.messageId, body: notice.body, now })
}

async function sendToJobs(context: ConnectContext, notice: NoticeRecord): Promise<SendOutcome> {
  const { messageId, name, accountId, at } = notice
  const { data } = JSON.parse(notice.body) as ConnectionEvent
  try {
    const event = { id: messageId, name, payload: JSON.stringify(data), accountId, timestamp: new Date(at) }
    await context.sendEvent?.(event)
    return { state: 'accepted' }
  } catch (error) {
    if (!isAuthFlowError(error)) return { state: 'refused', code: 'internal', over: false }
    return { state: 'refused', code: error.code, over: !error.retryable }
  }
}

/** When it is tried next; undefined when it was given up, which the audit trail tells. */
async function putOff(
  context: ConnectContext,
  notice: NoticeRecord,
  outcome: Extract<SendOutcome, { state: 'refused' }>,
): Promise<number | undefined> {
  const { store, log } = context
  const { id, version, target, name, attempts, connectionId, integration, accountId } = notice
  const facts = { code: outcome.code, target: nameOf(context.webhooks, target), name, connectionId, attempts }
  const delayMs = retryDelaysMs[attempts - 1]
  const isOld = store.now() - notice.at >= giveUpAfterMs
  if (outcome.over || isOld || delayMs === undefined) {
    await store.transact([
      removeStep(noticeSet, id, { version }),
      auditStep(
        store.now(),
        {
          action: 'webhook.undelivered',
          actor: ourselves,
          connection: { id: connectionId, integration, accountId },
          reason: `${name}: ${outcome.code}`,
        },
        context.audit.days,
      ),
    ])
    log.error(facts, 'the host could not be told of a changed connection, and will not be')
    return undefined
  }
  const waitMs = Math.max(outcome.retryAfterMs ?? 0, delayMs * (1 + Math.random() * spread))
  const dueAt = store.now() + Math.round(waitMs)
  await store.update(noticeSet, id, { version }, { set: { dueAt, lastError: outcome.code } })
  log.warn({ ...facts, waitMs: Math.round(waitMs) }, 'the host could not be told of a changed connection yet')
  return dueAt
}

/** For logs: the host name alone, since the rest of a URL may be a secret. */
function nameOf(webhooks: readonly WebhookEndpoint[], target: string): string {
  const endpoint = webhooks.find(({ id }) => id === target)
  return endpoint ? new URL(endpoint.url).host : target
}

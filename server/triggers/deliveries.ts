// Requests of providers: believed or refused by their raw bytes, stored once, answered, and then read. What a crash
// leaves between storing and reading, the upkeep reads.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { follow, type Traced } from '../../shared/tracing.ts'
import { hmacMatches, textMatches } from '../vault/signature.ts'
import type { Received, WebhookRequest } from '../integrations/webhook-source.ts'
import { digest } from '../jobs/records.ts'
import { insertStep } from '../store/store.ts'
import { delayAfter, type TriggerContext } from './context.ts'
import { readDelivery, type StoredRequest } from './delivery-reading.ts'
import { idOf, type HttpEndpoint } from './http-trigger.ts'
import {
  isUsable,
  deliveries,
  openSecret,
  registrations,
  tenantKey,
  type DeliveryDocument,
} from './registration-records.ts'

/** Whoever stored a delivery begins to read it at once; after this others do, in ms. */
const beginMs = 5_000
/** Whoever reads a delivery has this long, in ms. */
const claimMs = 30_000
/** About two days of trying. */
const maxAttempts = 50
const maxIdLength = 200
const pageSize = 100
const atOnce = 20
/** Deliveries in memory to be read; more are left to the upkeep. */
const maxWaiting = 1000

/** Where a request came to. */
export type WebhookTarget =
  | { readonly type: 'registration'; readonly hook: string }
  | { readonly type: 'app'; readonly integration: string }
  | { readonly type: 'http'; readonly endpoint: string }

/** What is answered to an authentic request, with status 200. */
export interface WebhookAnswer {
  readonly outcome: 'accepted' | 'duplicate' | 'answered'
  readonly body?: string
  readonly contentType?: string
}

/** Takes webhook requests. */
export interface Deliveries {
  /**
   * Tells where a request came to, before its body is read. Undefined for an address that is nobody's.
   *
   * @throws {@link AuthFlowError} `closed` while this process does not know the trigger (others may)
   */
  find(target: WebhookTarget): Promise<Receiver | undefined>
  /** One round: deliveries that nobody has read yet. */
  sweep(): Promise<void>
  /** Ends once those under way are read. What waits is left to others. */
  close(): Promise<void>
}

/** Takes the requests of one address. */
export interface Receiver {
  /**
   * Resolves once the delivery is stored.
   *
   * @throws {@link AuthFlowError} `signature_invalid` and nothing is kept; `invalid_input` for a body that is not what
   *   the provider documents
   */
  receive(request: WebhookRequest): Promise<WebhookAnswer>
}

/** How the requests of one address are judged. */
interface Judge {
  readonly target: string
  /** For counting. */
  readonly name: string
  verify(request: WebhookRequest): Promise<boolean> | boolean
  receive(request: WebhookRequest): Received
}

/** The deliveries of one server. */
export function createDeliveries(context: TriggerContext): Deliveries {
  const reader = createReader(context)
  return {
    async find(target) {
      const judge = await judgeOf(context, target)
      if (!judge) return undefined
      return {
        receive: (request) => {
          const traced = context.tracing?.receiving(judge.name)
          const parts = { judge, traced, readSoon: reader.readSoon }
          return follow(
            traced,
            () => receive(context, parts, request),
            ({ outcome }) => ({ outcome }),
          )
        },
      }
    },
    sweep: () => sweep(context, reader),
    close: () => reader.close(),
  }
}

async function judgeOf(context: TriggerContext, target: WebhookTarget): Promise<Judge | undefined> {
  if (target.type === 'registration') return judgeOfHook(context, target.hook)
  if (target.type === 'http') {
    const endpoint = context.definitions.endpoint(target.endpoint)
    return endpoint && judgeOfEndpoint(context, endpoint)
  }
  const source = context.definitions.app(target.integration)
  if (!source) return undefined
  const { now } = context
  return {
    target: `app/${target.integration}`,
    name: target.integration,
    verify: (request) =>
      source.verify(request, { secrets: source.appSecrets, now: now(), hmacMatches, textMatches }) === 'ok',
    receive: (request) => source.receive(request),
  }
}

async function judgeOfHook(context: TriggerContext, hook: string): Promise<Judge | undefined> {
  const { store, definitions, findConnection, vault, now } = context
  const { items } = await store.list(registrations, { index: 'hook', equals: hook, limit: 1 })
  const [found] = items
  if (!found?.wanted) return undefined
  const source = definitions.find(found.trigger)?.source
  if (!source)
    throw new AuthFlowError('closed', 'Another version of this server knows the trigger. Try again.')
  if (source.kind !== 'registration') return undefined
  if (found.accountId !== null && source.integration.authSource !== 'LOCAL') {
    // Disconnecting counts from the moment it is written, whoever was told of it.
    const { integration, accountId } = found
    const connection = await findConnection({ integration, accountId })
    if (!isUsable(found, connection)) return undefined
  }
  const secrets = (): readonly string[] => {
    if (source.secret === 'app') return source.appSecrets ?? []
    const { current, previous } = found.secrets
    const usable = [current, (found.previousUntil ?? 0) > now() ? previous : undefined]
    return usable.flatMap((sealed) => (sealed === undefined ? [] : [openSecret(vault, found, sealed)]))
  }
  return {
    target: `registration/${found.id}`,
    name: found.integration,
    verify: (request) => {
      const given = secrets()
      return (
        given.length > 0 &&
        source.verify(request, { secrets: given, now: now(), hmacMatches, textMatches }) === 'ok'
      )
    },
    receive: (request) => source.receive(request),
  }
}

function judgeOfEndpoint({ now }: TriggerContext, endpoint: HttpEndpoint): Judge {
  return {
    target: `http/${endpoint.id}`,
    name: endpoint.id,
    verify: async (request) =>
      (await endpoint.verify(request, { now: now(), hmacMatches, textMatches })) === true,
    receive: (request) => ({ deliveryId: idOf(endpoint, request) ?? '', isIdSigned: endpoint.isIdSigned }),
  }
}

interface Receiving {
  readonly judge: Judge
  readonly traced: Traced | undefined
  readonly readSoon: (id: string) => void
}

async function receive(
  context: TriggerContext,
  { judge, traced, readSoon }: Receiving,
  request: WebhookRequest,
): Promise<WebhookAnswer> {
  const { metrics, log } = context
  const isAuthentic = await Promise.resolve()
    .then(() => judge.verify(request))
    .catch((error: unknown) => {
      log.warn({ err: error, webhook: judge.name }, 'a verifier failed; the request is refused')
      return false
    })
  if (!isAuthentic) {
    metrics.webhookReceived(judge.name, 'refused')
    throw new AuthFlowError('signature_invalid')
  }
  const received = judge.receive(request)
  if (received.answer) return { outcome: 'answered', ...received.answer }
  if (received.isEmpty) return { outcome: 'accepted' }
  const id = await insert(context, { judge, traced }, request, received)
  metrics.webhookReceived(judge.name, id === undefined ? 'duplicate' : 'accepted')
  if (id !== undefined) readSoon(id)
  return { outcome: id === undefined ? 'duplicate' : 'accepted' }
}

/** Stores it once; the document's id, or undefined when it was there. */
async function insert(
  context: TriggerContext,
  { judge, traced }: Omit<Receiving, 'readSoon'>,
  request: WebhookRequest,
  { deliveryId, isIdSigned, tenant }: Received,
): Promise<string | undefined> {
  const { store, vault } = context
  const { target, name: webhook } = judge
  const body = Buffer.from(request.rawBody)
  const byBody = digest('delivery', target, 'body', body.toString('base64'))
  const isNamed = deliveryId !== '' && deliveryId.length <= maxIdLength
  const byId = isNamed ? digest('delivery', target, 'id', deliveryId) : byBody
  const receivedAt = Math.floor(context.now())
  const { headers, query = {} } = request
  const hasQuery = Object.keys(query).length > 0
  const stored: StoredRequest = { headers, body: body.toString('base64'), ...(hasQuery ? { query } : {}) }
  const facts = { target, webhook, deliveryId: isNamed ? deliveryId : byBody, receivedAt, attempts: 0 }
  const trace = traced === undefined ? {} : { traceparent: traced.traceparent }
  const document: Omit<DeliveryDocument, 'version'> = {
    ...facts,
    ...trace,
    id: byId,
    place: 'received',
    dueAt: receivedAt + beginMs,
    tenant: tenant === undefined ? null : tenantKey(target.slice('app/'.length), tenant),
    request: vault.session('delivery', byId).seal(JSON.stringify(stored), 'request'),
  }
  if (isIdSigned || byId === byBody) return (await store.insert(deliveries, document)) ? byId : undefined
  // An id that nobody signed can be changed: the same body under another id is the same delivery.
  const twin = { ...facts, id: byBody, tenant: null, expireAt: receivedAt + context.retention.deliveryIdMs }
  const isNew = await store.transact([insertStep(deliveries, document), insertStep(deliveries, twin)])
  return isNew ? byId : undefined
}

interface Reader {
  readSoon(id: string): void
  read(id: string): Promise<void>
  close(): Promise<void>
}

/** Reads deliveries, a bounded number at a time. */
function createReader(context: TriggerContext): Reader {
  const waiting: string[] = []
  const running = new Set<Promise<void>>()
  let closed = false
  const read = (id: string): Promise<void> =>
    readOnce(context, id).catch((error: unknown) =>
      context.log.warn({ err: error }, 'a delivery could not be read; it will be tried again'),
    )
  const fill = (): void => {
    while (!closed && running.size < atOnce) {
      const id = waiting.shift()
      if (id === undefined) return
      const job = read(id).finally(() => {
        running.delete(job)
        fill()
      })
      running.add(job)
    }
  }
  return {
    read,
    readSoon(id) {
      if (closed || waiting.length >= maxWaiting) return
      waiting.push(id)
      fill()
    },
    async close() {
      closed = true
      await Promise.all(running)
    },
  }
}

async function sweep(context: TriggerContext, reader: Reader): Promise<void> {
  const { store, now, retention } = context
  const query = { index: 'place', equals: 'received', to: Math.floor(now()) + 1, limit: pageSize }
  const { items } = await store.list(deliveries, query)
  for (let at = 0; at < items.length; at += atOnce)
    await Promise.all(items.slice(at, at + atOnce).map(({ id }) => reader.read(id)))
  const old = await store.list(deliveries, { ...query, equals: 'failed' })
  for (const { id, version, receivedAt } of old.items) {
    const set = { expireAt: receivedAt + retention.deliveryIdMs }
    await store.update(deliveries, id, { version }, { set, unset: ['place', 'dueAt', 'request'] })
  }
}

/** Reads one delivery under a claim, and writes down that it was read. */
async function readOnce(context: TriggerContext, id: string): Promise<void> {
  const { store, vault, now, log, metrics, retention } = context
  const found = await store.get(deliveries, id)
  if (found?.place !== 'received' || found.request === undefined) return
  const claim = { set: { dueAt: Math.ceil(now() + claimMs) }, increment: { attempts: 1 } }
  const claimed = await store.updateAndGet(deliveries, id, { version: found.version }, claim)
  if (!claimed) return
  const { version, attempts, receivedAt, webhook = found.target, traceparent } = claimed
  try {
    const text = vault.session('delivery', id).open(found.request, 'request')
    const later = await follow(context.tracing?.reading(webhook, traceparent), () =>
      readDelivery(context, claimed, JSON.parse(text) as StoredRequest),
    )
    if (later !== undefined)
      return void (await store.update(deliveries, id, { version }, { set: { dueAt: later } }))
    const set = { expireAt: receivedAt + retention.deliveryIdMs }
    await store.update(deliveries, id, { version }, { set, unset: ['place', 'dueAt', 'request'] })
    metrics.webhookRead(webhook, now() - receivedAt)
  } catch (error) {
    const isOver = attempts >= maxAttempts || (isAuthFlowError(error) && isHopeless(error))
    const retryAfterMs = isAuthFlowError(error) ? error.details.retryAfterMs : undefined
    const dueAt = isOver
      ? receivedAt + retention.deliveryBodyMs
      : Math.ceil(now() + delayAfter(attempts, retryAfterMs))
    await store.update(
      deliveries,
      id,
      { version },
      { set: { dueAt, ...(isOver ? { place: 'failed' as const } : {}) } },
    )
    log[isOver ? 'error' : 'warn']({ err: error, webhook, attempts }, 'a delivery could not be read')
  }
}

const isHopeless = ({ code }: AuthFlowError): boolean =>
  code === 'event_too_large' || code === 'invalid_input' || code === 'unreadable_ciphertext'

// From a stored delivery to the events of those it is for: the one registration of its URL, the registrations of its
// tenant, or the endpoint.

import type { Auth } from '../../shared/auth.ts'
import type { RegistrationSource, WebhookRequest } from '../integrations/webhook-source.ts'
import type { TriggerContext } from './context.ts'
import { sendEvents } from './dispatch.ts'
import { httpEvent, httpSource, payloadOf } from './http-trigger.ts'
import { paramsOf } from './source-params.ts'
import type { AnyDynamicTrigger } from './registration.ts'
import {
  isUsable,
  registrations,
  type DeliveryDocument,
  type RegistrationDocument,
} from './registration-records.ts'
import { authFor, fetchFor, withAuth } from './source-auth.ts'

const pageSize = 200
/** A registration that another process reads just now is looked at again after this, in ms. */
const busyMs = 1000
/** This process does not have the trigger; another one may. */
const unknownMs = 10_000
const maxPages = 100

/** A request as it is stored, the body in base64. */
export interface StoredRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Absent where there was none. */
  readonly query?: Readonly<Record<string, string>>
}

/** Starts the runs; resolves once they are durable. A number says when to come again. */
export async function readDelivery(
  context: TriggerContext,
  delivery: DeliveryDocument,
  stored: StoredRequest,
): Promise<number | undefined> {
  const { headers, body, query = {} } = stored
  const request = { headers, query, rawBody: Buffer.from(body, 'base64') }
  const slash = delivery.target.indexOf('/')
  const [type, name] = [delivery.target.slice(0, slash), delivery.target.slice(slash + 1)]
  if (type === 'http') return readForEndpoint(context, delivery, { name, request })
  if (type === 'app') return readForTenant(context, delivery, request)
  const found = await context.store.get(registrations, name)
  return found?.wanted ? readForRegistration(context, delivery, { found, request }) : undefined
}

interface Reading {
  readonly found: RegistrationDocument
  readonly request: WebhookRequest
}

async function readForRegistration(
  context: TriggerContext,
  delivery: DeliveryDocument,
  reading: Reading,
): Promise<number | undefined> {
  const { found, request } = reading
  const trigger = context.definitions.find(found.trigger)
  if (!trigger) return Math.ceil(context.now() + unknownMs)
  const { source } = trigger
  if (source.kind === 'poll') return undefined
  if (source.kind === 'registration' && source.readsInOrder)
    return readInOrder(context, { ...trigger, source }, reading)
  const { deliveryId, receivedAt } = delivery
  const result = await source.read(request, {
    params: paramsOf(source, found.params),
    fetch: fetchFor(context, trigger, found.identityId),
    auth: () => authFor(context, found, trigger),
    data: found.applied?.data ?? null,
    progress: null,
  })
  await sendEvents(context, found, trigger, { events: result.events, deliveryId, receivedAt })
  return undefined
}

/** A delivery that only says that there is something: it is fetched from where the last reading ended. */
async function readInOrder(
  context: TriggerContext,
  trigger: AnyDynamicTrigger & { readonly source: RegistrationSource<unknown> },
  { found: { id }, request }: Reading,
): Promise<number | undefined> {
  const { store, leases, now } = context
  const lease = await leases.take(`registration/${id}`)
  if (!lease) return Math.ceil(now() + busyMs)
  try {
    const { fence } = lease
    let found = await store.updateAndGet(
      registrations,
      id,
      { fence: { lessThan: fence } },
      { set: { fence } },
    )
    for (let page = 0; found?.wanted && found.applied && page < maxPages; page += 1) {
      const { source } = trigger
      const { params, progress, applied } = found
      const registration = found
      const result = await withAuth(context, found, trigger, (auth: Auth | undefined) =>
        source.read(request, {
          params: paramsOf(source, params),
          fetch: fetchFor(context, trigger, auth?.identity.id),
          auth: () => Promise.resolve(auth),
          data: applied.data,
          progress,
        }),
      )
      await sendEvents(context, registration, trigger, { events: result.events })
      if (result.progress === undefined && !result.hasMore) return undefined
      found = await store.updateAndGet(
        registrations,
        id,
        { fence },
        { set: { progress: result.progress ?? progress } },
      )
      if (!result.hasMore) return undefined
    }
    return undefined
  } finally {
    await lease.release()
  }
}

/** Every registration of the tenant, whatever integration's account it is; each account gets its own runs. */
async function readForTenant(
  context: TriggerContext,
  delivery: DeliveryDocument,
  request: WebhookRequest,
): Promise<number | undefined> {
  const { store, findConnection } = context
  if (delivery.tenant === null) return undefined
  let cursor: string | undefined
  let later: number | undefined
  do {
    const page = await store.list(registrations, {
      index: 'tenant',
      equals: delivery.tenant,
      limit: pageSize,
      ...(cursor === undefined ? {} : { cursor }),
    })
    for (const found of page.items) {
      const { integration, accountId } = found
      const connection = accountId === null ? undefined : await findConnection({ integration, accountId })
      if (!found.wanted || !isUsable(found, connection)) continue
      later = (await readForRegistration(context, delivery, { found, request })) ?? later
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  return later
}

async function readForEndpoint(
  context: TriggerContext,
  { deliveryId, receivedAt }: DeliveryDocument,
  { name, request }: { name: string; request: WebhookRequest },
): Promise<number | undefined> {
  const endpoint = context.definitions.endpoint(name)
  if (!endpoint) return Math.ceil(context.now() + unknownMs)
  const accountId = endpoint.accountOf?.(request) ?? null
  await context.engine.takeTriggered(
    {
      id: deliveryId,
      name: httpEvent,
      source: httpSource(name),
      timestamp: new Date(receivedAt),
      payload: payloadOf(request),
    },
    { accountId, from: { id: name, metadata: null } },
  )
  return undefined
}

// Webhook endpoints of Stripe accounts, made with the account's key or token. Stripe makes the secret and tells it once.
// Provider facts: docs.stripe.com/api/webhook_endpoints and docs.stripe.com/webhooks/signature, read 2026-11-21.

import { z } from 'zod'
import type { Json } from '../jobs/job.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import { checkEndpoint, type Complainant } from './checked-options.ts'
import type { Integration } from './integration.ts'
import { readAs } from './json-request.ts'
import { failureError, member, retryAfterMs } from './provider-failure.ts'
import { bearerOf, isMissing, isNear, jsonOf, secondsOf } from './webhook-body.ts'
import type {
  EventSpecification,
  ReadResult,
  Received,
  RegistrationSource,
  SourceContext,
  Verdict,
  VerifyContext,
  WebhookRequest,
} from './webhook-source.ts'

const accountParams = z.object({ connect: z.boolean().exactOptional() })

/** Whose events. */
export type StripeAccountParams = {
  /** Those of connected accounts instead of the account's own (default false). */
  connect?: boolean
}

/** Where webhooks of Stripe are made. */
export interface StripeSources {
  /** Webhook endpoints of the account. Needs a key that may write webhook endpoints. */
  readonly account: RegistrationSource<StripeAccountParams>
}

/** What the sources need beside the integration. */
export interface StripeSourceOptions {
  /** Of an integration with credentials from code. */
  readonly apiKey?: string
  /** Another place than `https://api.stripe.com`, for stand-ins and proxies. */
  readonly apiUrl?: string
}

const endpoint = z.object({
  id: z.string(),
  url: z.string(),
  status: z.string(),
  secret: z.string().optional(),
})
const endpoints = z.object({ data: z.array(endpoint), has_more: z.boolean().default(false) })
const hookData = z.object({ id: z.string() })
const eventBody = z.looseObject({
  id: z.string(),
  type: z.string(),
  created: z.number(),
  livemode: z.boolean().optional(),
  api_version: z.string().nullish(),
  account: z.string().optional(),
  request: z.json().optional(),
  data: z.looseObject({ object: z.json(), previous_attributes: z.json().optional() }),
})

const toleranceSeconds = 300
const timeoutMs = 30_000
const maxBytes = 4 * 1024 * 1024
const maxPages = 10

type Call = (method: 'GET' | 'POST' | 'DELETE', path: string, form?: URLSearchParams) => Promise<unknown>

/** The sources of an integration whose accounts have a key or token of Stripe. */
export function stripeSources(integration: Integration, options: StripeSourceOptions = {}): StripeSources {
  const self = { name: 'Stripe', id: integration.id }
  const apiUrl = checkEndpoint(self, 'apiUrl', options.apiUrl ?? 'https://api.stripe.com')
  const callFor = ({ auth, fetch }: SourceContext<unknown>): Call =>
    callOf(self, fetch, { apiUrl, key: bearerOf(self, auth, options.apiKey) })
  const idOf = (data: Json): string => readAs(self, hookData, data).id
  return {
    account: {
      kind: 'registration',
      id: 'stripe.account',
      integration,
      params: accountParams,
      secret: 'provider',
      verify: verifyStripe,
      receive: receiveStripe,
      read: readStripe,
      async create(context) {
        const call = callFor(context)
        const ours = (await listAll(self, call)).filter(({ url }) => url === context.url)
        const form = new URLSearchParams({ url: context.url, description: 'authflow' })
        for (const name of context.events) form.append('enabled_events[]', name)
        if (context.params.connect) form.set('connect', 'true')
        const made = readAs(self, endpoint, await call('POST', '/v1/webhook_endpoints', form))
        if (made.secret === undefined) throw failureError(self, { garbled: true })
        // The secret of one that was there is not told again. It goes once another sends, so that nothing is missed.
        for (const { id } of ours) await remove(call, id)
        return { data: { id: made.id }, secret: made.secret }
      },
      async exists(context) {
        try {
          const reply = await callFor(context)('GET', `/v1/webhook_endpoints/${idOf(context.data)}`)
          const { status, url } = readAs(self, endpoint, reply)
          return status === 'enabled' && url === context.url
        } catch (error) {
          if (isMissing(error)) return false
          throw error
        }
      },
      remove: (context) => remove(callFor(context), idOf(context.data)),
    },
  }
}

function callOf(
  self: Complainant,
  fetch: GuardedFetch,
  { apiUrl, key }: { apiUrl: string; key: string },
): Call {
  return async (method, path, form) => {
    const response = await fetch(apiUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      },
      timeoutMs,
      maxBytes,
      ...(form ? { body: form.toString() } : {}),
    })
    const text = await response.text()
    const body: unknown = parse(text)
    if (response.ok) return body
    const { status, headers } = response
    throw failureError(self, {
      status,
      code: member(body, 'error', 'code'),
      rateLimited: status === 429,
      retryAfterMs: retryAfterMs(headers.get('retry-after')),
    })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function listAll(self: Complainant, call: Call): Promise<z.output<typeof endpoint>[]> {
  const found: z.output<typeof endpoint>[] = []
  for (let page = 0; page < maxPages; page += 1) {
    const last = found.at(-1)
    const after = last ? `&starting_after=${encodeURIComponent(last.id)}` : ''
    const { data, has_more } = readAs(
      self,
      endpoints,
      await call('GET', `/v1/webhook_endpoints?limit=100${after}`),
    )
    found.push(...data)
    if (!has_more || data.length === 0) break
  }
  return found
}

async function remove(call: Call, id: string): Promise<void> {
  try {
    await call('DELETE', `/v1/webhook_endpoints/${encodeURIComponent(id)}`)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

/** Whether a request is Stripe's, and not older than five minutes. */
export function verifyStripe({ headers, rawBody }: WebhookRequest, context: VerifyContext): Verdict {
  const parts = (headers['stripe-signature'] ?? '').split(',').map((part) => part.split('='))
  const at = parts.find(([name]) => name === 't')?.[1]
  const seconds = secondsOf(at)
  const signatures = parts
    .flatMap(([name, value]) => (name === 'v1' && value !== undefined ? [value] : []))
    .slice(0, 10)
  if (at === undefined || seconds === undefined || signatures.length === 0) return 'missing'
  const data = [at, '.', rawBody]
  const matches = context.secrets.some((key) =>
    signatures.some((signature) =>
      context.hmacMatches({ algorithm: 'sha256', key, data, signature, encoding: 'hex' }),
    ),
  )
  if (!matches) return 'mismatch'
  return isNear(seconds, context.now, toleranceSeconds) ? 'ok' : 'stale'
}

function receiveStripe({ rawBody }: WebhookRequest): Received {
  const id = member(jsonOf(rawBody), 'id')
  return { deliveryId: typeof id === 'string' ? id : '', isIdSigned: true }
}

function readStripe({ rawBody }: WebhookRequest): ReadResult {
  const { type, created, livemode, api_version, account, request, data } = eventBody.parse(jsonOf(rawBody))
  const context = {
    livemode: livemode ?? null,
    apiVersion: api_version ?? null,
    account: account ?? null,
    request: (request ?? null) as Json,
    previousAttributes: (data.previous_attributes ?? null) as Json,
  }
  return {
    events: [{ name: type, payload: data.object as Json, timestamp: new Date(created * 1000), context }],
  }
}

const object = z.looseObject({ id: z.string(), object: z.string() })

/** A Stripe object. */
export type StripeObjectPayload = z.output<typeof object>

/** Events of Stripe for `DynamicTrigger`, by Stripe's own names: `events.on('invoice.paid')`. */
export const events = {
  /** Any event by its type; the payload is the object it is about. */
  on: (type: string): EventSpecification<StripeObjectPayload> => ({
    name: type,
    provider: 'stripe',
    title: type,
    schema: object,
  }),
} as const

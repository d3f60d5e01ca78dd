// Webhooks of Airtable bases. A ping says that there is something and no more; what happened is fetched from a cursor.
// They end after seven days unless they are renewed, and their secret is told once, when they are made. Provider facts:
// airtable.com/developers/web/api/webhooks-overview and its pages, read 2026-11-21.

import { z } from 'zod'
import type { Json } from '../jobs/job.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import type { Complainant } from './checked-options.ts'
import type { Integration } from './integration.ts'
import { readAs, requestJson, type JsonReply, type JsonRequest } from './json-request.ts'
import { bearerOf, isMissing } from './webhook-body.ts'
import type {
  EventSpecification,
  Hook,
  HookContext,
  ReadContext,
  ReadResult,
  RegistrationSource,
  SourceContext,
  Verdict,
  VerifyContext,
  WebhookRequest,
} from './webhook-source.ts'

const baseParams = z.object({
  baseId: z.string().regex(/^app[A-Za-z0-9]{1,30}$/),
  /** Only of this table, view or field. */
  tableId: z
    .string()
    .regex(/^(?:tbl|viw|fld)[A-Za-z0-9]{1,30}$/)
    .exactOptional(),
  dataTypes: z
    .array(z.enum(['tableData', 'tableFields', 'tableMetadata']))
    .min(1)
    .exactOptional(),
  changeTypes: z
    .array(z.enum(['add', 'remove', 'update']))
    .min(1)
    .exactOptional(),
  /** Leaving out `publicApi` and `automation` keeps a job from waking itself by what it writes. */
  fromSources: z
    .array(z.string().regex(/^[A-Za-z]{1,40}$/))
    .min(1)
    .exactOptional(),
})

/** A base, and what of it. */
export type AirtableBaseParams = {
  /** `app…`. */
  baseId: string
  /** Only of this table (or view or field) (default all). */
  tableId?: string
  /** (default `tableData`: records) */
  dataTypes?: ('tableData' | 'tableFields' | 'tableMetadata')[]
  /** (default all) */
  changeTypes?: ('add' | 'remove' | 'update')[]
  /** Who made the change, in Airtable's words (default all): `client`, `formSubmission`, `publicApi`, … */
  fromSources?: string[]
}

/** Where webhooks of Airtable are made. */
export interface AirtableSources {
  /** Webhooks of a base. Needs `webhook:manage` and the scope to read what is watched. */
  readonly base: RegistrationSource<AirtableBaseParams>
}

/** What the sources need of the integration. */
export interface AirtableSourceOptions {
  readonly self: Complainant
  readonly integration: Integration
  readonly apiUrl: string
  /** Of an integration with credentials from code. */
  readonly token: string | undefined
}

const created = z.object({
  id: z.string(),
  macSecretBase64: z.string(),
  expirationTime: z.string().nullish(),
})
const refreshed = z.object({ expirationTime: z.string().nullish() })
const listed = z.object({
  webhooks: z.array(
    z.object({
      id: z.string(),
      notificationUrl: z.string().nullish(),
      areNotificationsEnabled: z.boolean().default(true),
      isHookEnabled: z.boolean().default(true),
    }),
  ),
})
const payloads = z.object({
  cursor: z.number(),
  mightHaveMore: z.boolean(),
  payloads: z.array(z.looseObject({ timestamp: z.string().optional() })),
})
const hookData = z.object({ id: z.string() })
const progressData = z.object({ hook: z.string(), cursor: z.number() })

const pageSize = 50

type Call = (path: string, request?: JsonRequest) => Promise<JsonReply>

/** The sources of one integration. */
export function airtableSources(options: AirtableSourceOptions): AirtableSources {
  const { self, integration, apiUrl, token } = options
  const callFor = ({ auth, fetch }: Pick<SourceContext<unknown>, 'auth' | 'fetch'>): Call => {
    const headers = { authorization: `Bearer ${bearerOf(self, auth, token)}` }
    return (path, request = {}) =>
      requestJson(self, fetch, `${apiUrl}/v0/bases/${path}`, { ...request, headers })
  }
  const idOf = (data: Json): string => readAs(self, hookData, data).id
  return {
    base: {
      kind: 'registration',
      id: 'airtable.base',
      integration,
      params: baseParams,
      secret: 'provider',
      readsInOrder: true,
      verify: verifyAirtable,
      // Pings have no id; their body names the webhook and the time.
      receive: () => ({ deliveryId: '', isIdSigned: false }),
      read: (_, context) => readChanges(self, callFor, context),
      create: (context) => create(self, callFor(context), context),
      async renew(context) {
        const id = idOf(context.data)
        const reply = await callFor(context)(`${context.params.baseId}/webhooks/${id}/refresh`, {
          method: 'POST',
        })
        return { data: { id }, ...expiry(readAs(self, refreshed, reply.body).expirationTime) }
      },
      async exists(context) {
        const { webhooks } = await list(self, callFor(context), context.params.baseId)
        const found = webhooks.find(({ id }) => id === idOf(context.data))
        return found !== undefined && found.areNotificationsEnabled && found.isHookEnabled
      },
      remove: (context) => remove(callFor(context), context.params.baseId, idOf(context.data)),
    },
  }
}

async function create(
  self: Complainant,
  call: Call,
  context: HookContext<AirtableBaseParams>,
): Promise<Hook> {
  const { baseId, tableId, dataTypes = ['tableData'], changeTypes, fromSources } = context.params
  // The secret of one that is there is not told again.
  const { webhooks } = await list(self, call, baseId)
  for (const { id, notificationUrl } of webhooks)
    if (notificationUrl === context.url) await remove(call, baseId, id)
  const filters = {
    dataTypes,
    ...(tableId === undefined ? {} : { recordChangeScope: tableId }),
    ...(changeTypes === undefined ? {} : { changeTypes }),
    ...(fromSources === undefined ? {} : { fromSources }),
  }
  const body = { notificationUrl: context.url, specification: { options: { filters } } }
  const reply = await call(`${baseId}/webhooks`, { method: 'POST', body })
  const { id, macSecretBase64, expirationTime } = readAs(self, created, reply.body)
  return { data: { id }, secret: macSecretBase64, ...expiry(expirationTime) }
}

async function list(self: Complainant, call: Call, baseId: string): Promise<z.output<typeof listed>> {
  return readAs(self, listed, (await call(`${baseId}/webhooks`)).body)
}

async function remove(call: Call, baseId: string, id: string): Promise<void> {
  try {
    await call(`${baseId}/webhooks/${encodeURIComponent(id)}`, { method: 'DELETE' })
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

const expiry = (text: string | null | undefined): { expiresAt?: Date } =>
  text && !Number.isNaN(Date.parse(text)) ? { expiresAt: new Date(text) } : {}

/** One page of what happened since the cursor. A webhook that was made anew counts from 1 again. */
async function readChanges(
  self: Complainant,
  callFor: (context: {
    auth: Awaited<ReturnType<ReadContext<unknown>['auth']>>
    fetch: GuardedFetch
  }) => Call,
  context: ReadContext<AirtableBaseParams>,
): Promise<ReadResult> {
  const { id } = readAs(self, hookData, context.data)
  const before = progressData.safeParse(context.progress)
  const cursor = before.success && before.data.hook === id ? before.data.cursor : 1
  const call = callFor({ auth: await context.auth(), fetch: context.fetch })
  const reply = await call(
    `${context.params.baseId}/webhooks/${id}/payloads?cursor=${cursor}&limit=${pageSize}`,
  )
  const page = readAs(self, payloads, reply.body)
  const events = page.payloads.map((payload, index) => ({
    name: 'change',
    id: `${id}/${page.cursor - page.payloads.length + index}`,
    payload: payload as Json,
    ...(payload.timestamp === undefined ? {} : { timestamp: new Date(payload.timestamp) }),
  }))
  return { events, progress: { hook: id, cursor: page.cursor }, hasMore: page.mightHaveMore }
}

const signaturePrefix = 'hmac-sha256='

/** Whether a ping is Airtable's. */
export function verifyAirtable({ headers, rawBody }: WebhookRequest, context: VerifyContext): Verdict {
  const given = headers['x-airtable-content-mac']
  if (given === undefined || !given.startsWith(signaturePrefix)) return 'missing'
  const signature = given.slice(signaturePrefix.length)
  const check = { algorithm: 'sha256', data: [rawBody], signature, encoding: 'hex' } as const
  const matches = (secret: string): boolean =>
    context.hmacMatches({ ...check, key: Buffer.from(secret, 'base64') })
  return context.secrets.some(matches) ? 'ok' : 'mismatch'
}

const change = z.looseObject({
  timestamp: z.string(),
  baseTransactionNumber: z.number(),
  actionMetadata: z.looseObject({ source: z.string() }).optional(),
  changedTablesById: z.record(z.string(), z.looseObject({})).optional(),
  createdTablesById: z.record(z.string(), z.looseObject({})).optional(),
  destroyedTableIds: z.array(z.string()).optional(),
})

/** A transaction in a base: what changed, by table. */
export type AirtableChangePayload = z.output<typeof change>

const onChange: EventSpecification<AirtableChangePayload> = {
  name: 'change',
  provider: 'airtable',
  title: 'Base changed',
  schema: change,
}

/** Events of Airtable for `DynamicTrigger`. */
export const events = {
  /** Something of what the registration watches changed. */
  onChange,
} as const

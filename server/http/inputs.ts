// Shapes of what callers send. Strict objects, every text and list bounded; what the values mean is judged by the
// services behind.

import { z } from 'zod'
import type { Metadata } from '../../shared/auth.ts'
import { flowIdPattern, namePattern } from '../../shared/ids.ts'
import { isLanguageTag } from '../../shared/languages.ts'
import { connectPurposes } from '../connect/connect.ts'
import type { EventFilter, Json } from '../jobs/job.ts'
import { runStates } from '../jobs/run-list.ts'

const accountIdMaxBytes = 256
const scopesMax = 100
const payloadDepthMax = 100
const fieldNamePattern = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/

const name = z.string().regex(namePattern, 'must be letters, digits, ".", "_" or "-", at most 64')
const flowId = z.string().regex(flowIdPattern, 'must be 22 characters of base64url')
const accountId = z
  .string()
  .min(1)
  .max(accountIdMaxBytes)
  .refine((value) => value.isWellFormed() && Buffer.byteLength(value) <= accountIdMaxBytes, {
    message: `must be well-formed and at most ${accountIdMaxBytes} bytes`,
  })
const version = z.int().min(0)
const method = z.enum(['oauth2', 'device', 'clientCredentials', 'apiKey', 'basic'])
const scopes = z.array(z.string().min(1).max(256)).max(scopesMax).readonly()
const cursor = z.string().min(1).max(1024)
const limit = z.int().min(1).max(100)
const recordId = z.string().min(1).max(128)

const values = z
  .record(z.string().regex(fieldNamePattern, 'is not the name of a field'), z.string().max(8192))
  .refine((record) => Object.keys(record).length <= 64, { message: 'has more than 64 fields' })

const payload = z.custom<Json>(isPlainJson, {
  message: `must be JSON, nested at most ${payloadDepthMax} deep`,
})

const locale = z.string().max(64).refine(isLanguageTag, { message: 'must be a language tag such as de-AT' })

const identityId = z.string().min(1).max(256)
/** Size and depth are judged behind; its type is that of what JSON brings. */
const metadata = z.custom<Metadata>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  { message: 'must be a JSON object' },
)

/** Of procedures that take nothing. */
export const noInput = z.void()

/** `integrations.describe`. */
export const describeInput = z.strictObject({ integration: name, locale: locale.exactOptional() })

/** `flows.begin`. */
export const beginInput = z.strictObject({
  flowId,
  integration: name,
  accountId: accountId.exactOptional(),
  configure: z.boolean().exactOptional(),
})

/** `flows.submit`. */
export const submitInput = z.strictObject({ flowId, version, method, values })

/** `flows.options`. */
export const optionsInput = z.strictObject({
  flowId,
  field: z.string().regex(fieldNamePattern, 'is not the name of a field'),
  search: z.string().max(256).exactOptional(),
  cursor: z.string().min(1).max(1024).exactOptional(),
})

/** `flows.watch`. `waitMs` up to 25,000. */
export const watchInput = z.strictObject({
  flows: z
    .array(z.strictObject({ id: flowId, version }))
    .min(1)
    .max(20)
    .readonly(),
  waitMs: z.int().min(0).max(25_000),
})

/** `flows.cancel`. */
export const cancelInput = z.strictObject({ flowId })

/** The public `connections.disconnect`. */
export const ownConnectionInput = z.strictObject({ integration: name })

/** `connectTokens.create`. */
export const connectTokenInput = z.strictObject({
  accountId,
  integrations: z.array(name).min(1).max(100).readonly(),
  origins: z.array(z.string().min(1).max(512)).min(1).max(50).readonly(),
  purpose: z.enum(connectPurposes).exactOptional(),
  returnUrls: z.array(z.string().min(1).max(2048)).max(50).readonly().exactOptional(),
  scopes: scopes.exactOptional(),
  actor: z.string().min(1).max(256).exactOptional(),
  maxFlows: z.int().min(1).max(1000).exactOptional(),
  locale: locale.exactOptional(),
  metadata: metadata.exactOptional(),
})

/** `connectTokens.revoke`. */
export const revokeTokensInput = z.union([
  z.strictObject({ token: z.string().min(1).max(512) }),
  z.strictObject({ accountId }),
])

/** `connectLinks.create`. */
export const connectLinkInput = z.strictObject({
  accountId,
  integration: name,
  returnUrl: z.string().min(1).max(2048),
  purpose: z.enum(['create', 'reconnect']).exactOptional(),
  values: values.exactOptional(),
  scopes: scopes.exactOptional(),
  actor: z.string().min(1).max(256).exactOptional(),
  locale: z.string().min(1).max(64).exactOptional(),
  lifetimeMs: z.int().exactOptional(),
})

const pagePurpose = z.enum(['create', 'reconnect', 'manage'])

/** `connectPages.create`. */
export const connectPageInput = z.strictObject({
  accountId,
  integrations: z.array(name).min(1).max(100).readonly(),
  confirmUrl: z.string().min(1).max(2048),
  returnUrl: z.string().min(1).max(2048),
  purposes: z.array(pagePurpose).min(1).max(3).readonly().exactOptional(),
  actor: z.string().min(1).max(256).exactOptional(),
  locale: z.string().min(1).max(64).exactOptional(),
  metadata: metadata.exactOptional(),
  lifetimeMs: z.int().exactOptional(),
})

/** `connectPages.confirm`. */
export const confirmPageInput = z.strictObject({
  visit: z.string().min(1).max(128),
  accountId,
  actor: z.string().min(1).max(256).exactOptional(),
})

/** What the elements of a connect page ask for a token with; `integrations` is the same again. */
export const pageTokenInput = z.object({ integration: name, purpose: pagePurpose })

/** `connections.confirm`. */
export const confirmInput = z.strictObject({
  flowId: z.string().min(1).max(64),
  accountId,
  actor: z.string().min(1).max(256).exactOptional(),
})

/** `auth.get`. */
export const authInput = z.strictObject({
  id: name,
  accountId,
  rejectedTokenHash: z.string().min(1).max(64).exactOptional(),
  identityId: identityId.exactOptional(),
  scopes: scopes.exactOptional(),
})

/** `connections.list` of the server API. */
export const connectionsInput = z.strictObject({
  accountId: accountId.exactOptional(),
  integration: name.exactOptional(),
  identity: identityId.exactOptional(),
  limit: limit.exactOptional(),
  cursor: cursor.exactOptional(),
})

/** `connections.get` and `connections.disconnect` of the server API. */
export const connectionInput = z.strictObject({ integration: name, accountId })

/** `connections.disconnect` of the server API. */
export const disconnectInput = z.strictObject({
  integration: name,
  accountId,
  forget: z.boolean().exactOptional(),
})

/** `connections.setMetadata`. */
export const metadataInput = z.strictObject({ integration: name, accountId, metadata: metadata.nullable() })

/** `accounts.rename`. */
export const renameAccountInput = z.strictObject({ from: accountId, to: accountId })

/** `integrations.rename`. */
export const renameIntegrationInput = z.strictObject({ from: name, to: name })

/** `audit.list`. `from` and `to` are ISO 8601. */
export const auditInput = z.strictObject({
  accountId: accountId.exactOptional(),
  integration: name.exactOptional(),
  action: z
    .string()
    .regex(/^[a-z_]{1,32}\.[a-z_]{1,32}$/, 'must be an action such as connection.connected')
    .exactOptional(),
  from: z.iso.datetime({ offset: true }).exactOptional(),
  to: z.iso.datetime({ offset: true }).exactOptional(),
  limit: z.int().min(1).max(200).exactOptional(),
  cursor: cursor.exactOptional(),
})

/** `runs.list` of the server API. */
export const runsInput = z.strictObject({
  accountId: accountId.exactOptional(),
  job: name.exactOptional(),
  state: z.enum(runStates).exactOptional(),
  limit: limit.exactOptional(),
  cursor: cursor.exactOptional(),
})

/** The public `runs.list`. */
export const ownRunsInput = z.strictObject({
  job: name.exactOptional(),
  state: z.enum(runStates).exactOptional(),
  limit: limit.exactOptional(),
  cursor: cursor.exactOptional(),
})

/** `runs.get`, `runs.log`, `runs.cancel`, `runs.replay` and `runs.resume`. */
export const runInput = z.strictObject({ id: recordId })

/** `runs.cancelForJob`. */
export const jobRunsInput = z.strictObject({
  job: name,
  accountId: accountId.exactOptional(),
  cursor: cursor.exactOptional(),
})

/** `runs.get`: a page of its tasks. */
export const runPageInput = z.strictObject({
  id: recordId,
  limit: z.int().min(1).max(1000).exactOptional(),
  cursor: cursor.exactOptional(),
})

const eventText = z.string().min(1).max(256)
const event = z.strictObject({
  name: eventText,
  payload,
  context: payload.exactOptional(),
  id: eventText.exactOptional(),
  timestamp: z.iso.datetime({ offset: true }).exactOptional(),
  source: eventText.exactOptional(),
})
const sendOptions = {
  accountId: accountId.exactOptional(),
  deliverAt: z.iso.datetime({ offset: true }).exactOptional(),
  deliverAfter: z.number().min(0).exactOptional(),
}

/** `events.send`. Instants are ISO 8601. */
export const eventInput = z.strictObject({ event, ...sendOptions })

/** `events.sendMany`. */
export const eventsInput = z.strictObject({ events: z.array(event).max(1000).readonly(), ...sendOptions })

const invocation = {
  payload,
  accountId: accountId.exactOptional(),
  idempotencyKey: eventText.exactOptional(),
  context: payload.exactOptional(),
}

/** `jobs.invoke`. */
export const invokeInput = z.strictObject({ job: name, ...invocation })

/** `jobs.batchInvoke`. */
export const batchInvokeInput = z.strictObject({
  job: name,
  items: z.array(z.strictObject(invocation)).max(1000).readonly(),
})

/** `events.get` and `events.cancel`. */
export const eventNameInput = z.strictObject({
  id: eventText,
  accountId: accountId.exactOptional(),
  source: eventText.exactOptional(),
})

const key = z.string().min(1).max(256)
const filter = z.custom<EventFilter>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && isPlainJson(value),
  { message: 'must be a filter' },
)

/** `registrations.get`, `.unregister` and `.rotateSecret`. */
export const registrationInput = z.strictObject({ trigger: name, key })

/** `registrations.register`. What the parameters must be, the source says. */
export const registerInput = z.strictObject({
  trigger: name,
  key,
  params: payload,
  accountId: accountId.optional(),
  filter: filter.optional(),
  metadata: payload.optional(),
})

/** `registrations.list`. */
export const registrationsInput = z.strictObject({
  trigger: name.optional(),
  accountId: accountId.optional(),
  limit: limit.optional(),
  cursor: cursor.optional(),
})

const timing = {
  misfire: z.enum(['last', 'skip', 'all']),
  overlap: z.enum(['skip', 'queue', 'allow']),
  spread: z.int().min(0),
}
const rule = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('cron'),
    cron: z.string().max(200),
    timeZone: z.string().max(64),
    ...timing,
  }),
  z.strictObject({ type: z.literal('interval'), seconds: z.int(), ...timing }),
])

/** `schedules.register`. What times the rule may name is judged behind. */
export const scheduleInput = z.strictObject({
  schedule: name,
  key,
  rule,
  accountId: accountId.optional(),
  metadata: payload.optional(),
})

/** `schedules.unregister`. */
export const scheduleNameInput = z.strictObject({ schedule: name, key })

/** `schedules.list`. */
export const schedulesInput = z.strictObject({
  schedule: name,
  accountId: accountId.optional(),
  limit: limit.optional(),
  cursor: cursor.optional(),
})

/** `store.get`, `store.has` and `store.delete`. */
export const valueNameInput = z.strictObject({ name: key })

/** `store.set`. */
export const valueInput = z.strictObject({ name: key, value: payload })

/** The form of the start. */
export const startInput = z.strictObject({
  token: z.string().max(256),
  flow: flowId,
  mode: z.enum(['popup', 'redirect']),
  locale: z.string().max(64).exactOptional(),
  return_url: z.string().max(2048).exactOptional(),
  scopes: z.string().max(8192).exactOptional(),
})

/** Level by level, so that a deep value cannot exhaust the stack here or in those that walk it later. */
function isPlainJson(value: unknown): boolean {
  if (value === undefined) return false
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > payloadDepthMax) return false
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []))
  }
  return true
}

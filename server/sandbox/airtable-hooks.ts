// Webhooks of the stand-in Airtable: made for a base, ended after seven days, pinged when a record changes, and read from
// a cursor. A ping says nothing but that there is something.

import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'

import type { Courier } from './deliver.ts'
import { json, jsonBody, type Exchange, type Reply, type Route } from './http.ts'
import type { AirtableHookRow, AirtableRecordRow, StateFile } from './state.ts'

/** Airtable's own lifetime of a webhook. */
const airtableHookLifeMs = 7 * 24 * 3_600_000

const maxPage = 50

/** A change of one record. */
export interface AirtableChange {
  readonly kind: 'add' | 'update' | 'remove'
  readonly record: AirtableRecordRow
}

/** Who calls, as far as webhooks are concerned. */
export interface AirtableHookCaller {
  readonly base: string
  readonly scopes: readonly string[]
}

/** What the routes need. */
export interface AirtableHooksOptions {
  readonly state: StateFile
  callerOf(exchange: Exchange): AirtableHookCaller | undefined
}

const input = z.object({
  notificationUrl: z.string().url(),
  specification: z.object({
    options: z.object({
      filters: z.object({
        dataTypes: z.array(z.string()).min(1),
        recordChangeScope: z.string().optional(),
        changeTypes: z.array(z.string()).optional(),
      }),
    }),
  }),
})

const refusal = (status: number, type: string): Reply =>
  json({ error: { type, message: 'The stand-in refused.' } }, status)

const later = (): string => new Date(Date.now() + airtableHookLifeMs).toISOString()

const isAlive = ({ expirationTime }: AirtableHookRow): boolean => Date.parse(expirationTime) > Date.now()

const show = ({ id, url, expirationTime, payloads, enabled }: AirtableHookRow): Record<string, unknown> => ({
  id,
  notificationUrl: url,
  expirationTime,
  cursorForNextPayload: payloads.length + 1,
  areNotificationsEnabled: enabled,
  isHookEnabled: true,
})

/** Addresses of webhooks. */
export function airtableHookRoutes({ state, callerOf }: AirtableHooksOptions): readonly Route[] {
  const rows = (): AirtableHookRow[] => state.data.airtable.hooks
  const asManager =
    (handle: (exchange: Exchange, base: string) => Reply | Promise<Reply>) =>
    (exchange: Exchange): Reply | Promise<Reply> => {
      const caller = callerOf(exchange)
      if (!caller) return refusal(401, 'AUTHENTICATION_REQUIRED')
      const { base = '' } = exchange.params
      const isOwn = base === caller.base && caller.scopes.includes('webhook:manage')
      return isOwn ? handle(exchange, base) : refusal(403, 'INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND')
    }
  const withHook = (handle: (row: AirtableHookRow, exchange: Exchange) => Reply | Promise<Reply>) =>
    asManager((exchange, base) => {
      const row = rows().find(({ id, base: of }) => id === exchange.params['id'] && of === base)
      return row && isAlive(row) ? handle(row, exchange) : refusal(404, 'NOT_FOUND')
    })
  const path = '/v0/bases/:base/webhooks'
  return [
    {
      method: 'GET',
      path,
      handle: asManager((_, base) =>
        json({
          webhooks: rows()
            .filter((row) => row.base === base && isAlive(row))
            .map(show),
        }),
      ),
    },
    { method: 'POST', path, handle: asManager((exchange, base) => create(state, exchange, base)) },
    { method: 'POST', path: `${path}/:id/refresh`, handle: withHook((row) => renew(state, row)) },
    { method: 'DELETE', path: `${path}/:id`, handle: withHook((row) => remove(state, row)) },
    {
      method: 'GET',
      path: `${path}/:id/payloads`,
      handle: withHook((row, exchange) => page(state, row, exchange)),
    },
  ]
}

async function create(state: StateFile, exchange: Exchange, base: string): Promise<Reply> {
  const parsed = input.safeParse(jsonBody(exchange))
  if (!parsed.success) return refusal(422, 'INVALID_REQUEST_BODY')
  const { notificationUrl: url, specification } = parsed.data
  const { changeTypes } = specification.options.filters
  const id = `ach${randomBytes(7).toString('hex')}`
  const secret = randomBytes(32).toString('base64')
  const row = {
    id,
    base,
    url,
    secret,
    expirationTime: later(),
    changeTypes: changeTypes ?? null,
    payloads: [],
    enabled: true,
  }
  state.data.airtable.hooks.push(row)
  await state.save()
  return json({ id, macSecretBase64: secret, expirationTime: row.expirationTime })
}

async function renew(state: StateFile, row: AirtableHookRow): Promise<Reply> {
  row.expirationTime = later()
  await state.save()
  return json({ expirationTime: row.expirationTime })
}

async function remove(state: StateFile, row: AirtableHookRow): Promise<Reply> {
  const { hooks } = state.data.airtable
  hooks.splice(hooks.indexOf(row), 1)
  await state.save()
  return json({})
}

/** Reading prolongs, as at Airtable. */
async function page(state: StateFile, row: AirtableHookRow, { query }: Exchange): Promise<Reply> {
  const from = Math.max(1, Number(query.get('cursor') ?? '1') || 1)
  const size = Math.min(maxPage, Number(query.get('limit') ?? maxPage) || maxPage)
  const payloads = row.payloads.slice(from - 1, from - 1 + size)
  row.expirationTime = later()
  await state.save()
  const cursor = from + payloads.length
  return json({ cursor, mightHaveMore: cursor <= row.payloads.length, payloads, payloadFormat: 'v0' })
}

/** Writes a change down for every webhook that watches the base, and pings. */
export function tellAirtableHooks(
  state: StateFile,
  courier: Courier,
  changes: readonly AirtableChange[],
): void {
  for (const row of state.data.airtable.hooks) {
    const own = changes.filter(
      ({ kind, record }) =>
        record.base === row.base && (row.changeTypes === null || row.changeTypes.includes(kind)),
    )
    if (own.length === 0 || !isAlive(row)) continue
    row.payloads.push(payloadOf(row, own))
    if (row.enabled) ping(courier, row)
  }
}

function payloadOf(
  row: AirtableHookRow,
  changes: readonly AirtableChange[],
): AirtableHookRow['payloads'][number] {
  const tables: Record<string, Record<string, Record<string, unknown>>> = {}
  const members = {
    add: 'createdRecordsById',
    update: 'changedRecordsById',
    remove: 'destroyedRecordIds',
  } as const
  for (const { kind, record } of changes) {
    const table = (tables[record.table] ??= {})
    const member = (table[members[kind]] ??= {})
    member[record.id] = { createdTime: record.createdTime, cellValuesByFieldId: record.fields }
  }
  return {
    timestamp: new Date().toISOString(),
    baseTransactionNumber: row.payloads.length + 1,
    actionMetadata: { source: 'client' },
    changedTablesById: JSON.parse(JSON.stringify(tables)),
  }
}

function ping(courier: Courier, { id, base, url, secret }: AirtableHookRow): void {
  const body = JSON.stringify({ base: { id: base }, webhook: { id }, timestamp: new Date().toISOString() })
  const mac = createHmac('sha256', Buffer.from(secret, 'base64')).update(body).digest('hex')
  const headers = { 'content-type': 'application/json', 'x-airtable-content-mac': `hmac-sha256=${mac}` }
  courier.send({ id: randomUUID(), url, headers, body })
}

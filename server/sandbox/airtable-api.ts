// The web API of the stand-in Airtable below `/v0`: who am I, bases, and records of tables that come into being with their
// first record. Takes OAuth tokens and personal access tokens.

import { createHash, randomBytes } from 'node:crypto'

import { z } from 'zod'

import type { AirtableChange } from './airtable-hooks.ts'
import type { Person } from './consent-page.ts'
import { bearer, json, jsonBody, parameters, type Exchange, type Reply, type Route } from './http.ts'
import type { AuthorizationServer } from './oauth.ts'
import type { AirtableRecordRow, StateFile } from './state.ts'

/** Who can be chosen, each with one base. */
export const airtablePeople = [
  { id: 'ada', name: 'Ada Lovelace', place: 'appAcme0000000001', placeName: 'Acme' },
  { id: 'grace', name: 'Grace Hopper', place: 'appGlobex00000001', placeName: 'Globex' },
] as const satisfies readonly Person[]

/** Personal access tokens by person; the same at every start. */
export const airtableTokens: Readonly<Record<string, string>> = Object.fromEntries(
  airtablePeople.map(({ id }) => {
    const digest = createHash('sha256').update(`stand-in ${id}`).digest('hex')
    return [id, `pat${digest.slice(0, 14)}.${digest}`]
  }),
)

const allScopes = [
  'data.records:read',
  'data.records:write',
  'schema.bases:read',
  'user.email:read',
  'webhook:manage',
]

/** Who calls. */
interface Caller {
  readonly person: string
  readonly base: string
  readonly scopes: readonly string[]
}

/** A call that may do what it asks for. */
interface Call {
  readonly state: StateFile
  readonly exchange: Exchange
  readonly caller: Caller
  /** Tells the webhooks. */
  readonly tell: (changes: readonly AirtableChange[]) => void
}

type Handler = (call: Call) => Reply | Promise<Reply>

const refusal = (status: number, type: string, text: string): Reply =>
  json({ error: { type, message: text } }, status)
const unprocessable = (): Reply => refusal(422, 'INVALID_REQUEST_BODY', 'Could not parse request body')
const missing = (): Reply => json({ error: 'NOT_FOUND' }, 404)

/** Who calls, by OAuth token or personal access token. */
export function airtableCaller(server: AuthorizationServer, exchange: Exchange): Caller | undefined {
  const token = bearer(exchange)
  const owner = airtablePeople.find((person) => airtableTokens[person.id] === token)
  if (owner) return { person: owner.id, base: owner.place, scopes: allScopes }
  const grant = server.authenticate(token)?.grant
  return grant && { person: grant.person, base: grant.place, scopes: grant.scopes }
}

const show = ({ id, createdTime, fields }: AirtableRecordRow): Record<string, unknown> => ({
  id,
  createdTime,
  fields,
})

const inTable = ({ state, exchange: { params } }: Call): AirtableRecordRow[] =>
  state.data.airtable.records.filter((row) => row.base === params['base'] && row.table === params['table'])

const findRow = (call: Call, id: string | undefined): AirtableRecordRow | undefined =>
  inTable(call).find((row) => row.id === id)

function listRecords(call: Call): Reply {
  const values = parameters(call.exchange)
  const rows = inTable(call).slice(0, Number(values.get('maxRecords') ?? 1000))
  const size = Math.min(100, Number(values.get('pageSize') ?? 100) || 100)
  const start = Number(values.get('offset')?.split('/')[1] ?? 0) || 0
  const next = start + size < rows.length ? { offset: `itr/${start + size}` } : {}
  return json({ records: rows.slice(start, start + size).map(show), ...next })
}

const fieldsInput = z.record(z.string(), z.json())
const oneInput = z.object({ fields: fieldsInput })
const createInput = z.object({ records: z.array(oneInput).min(1).max(10) })
const updateInput = z.object({
  records: z
    .array(oneInput.extend({ id: z.string() }))
    .min(1)
    .max(10),
})

function addRow({ state, exchange }: Call, fields: AirtableRecordRow['fields']): AirtableRecordRow {
  const { base = '', table = '' } = exchange.params
  const id = `rec${randomBytes(7).toString('hex')}`
  const row = { id, base, table, fields, createdTime: new Date().toISOString() }
  state.data.airtable.records.push(row)
  return row
}

async function createRecords(call: Call): Promise<Reply> {
  const body = jsonBody(call.exchange)
  const many = createInput.safeParse(body)
  const one = oneInput.safeParse(body)
  if (!many.success && !one.success) return unprocessable()
  const rows = many.success
    ? many.data.records.map(({ fields }) => addRow(call, fields))
    : [addRow(call, one.data?.fields ?? {})]
  const reply = many.success ? { records: rows.map(show) } : rows.map(show)[0]
  await call.state.save()
  call.tell(rows.map((record) => ({ kind: 'add', record })))
  return json(reply)
}

function setFields(
  row: AirtableRecordRow,
  fields: AirtableRecordRow['fields'],
  replace: boolean,
): AirtableRecordRow {
  row.fields = replace ? fields : { ...row.fields, ...fields }
  return row
}

const updateRecords =
  (replace: boolean): Handler =>
  async (call) => {
    const input = updateInput.safeParse(jsonBody(call.exchange))
    if (!input.success) return unprocessable()
    const changes = input.data.records.map(({ id, fields }) => ({ row: findRow(call, id), fields }))
    if (changes.some(({ row }) => !row)) return missing()
    const rows = changes.flatMap(({ row, fields }) => (row ? [setFields(row, fields, replace)] : []))
    await call.state.save()
    call.tell(rows.map((record) => ({ kind: 'update', record })))
    return json({ records: rows.map(show) })
  }

const updateRecord =
  (replace: boolean): Handler =>
  async (call) => {
    const row = findRow(call, call.exchange.params['record'])
    const input = oneInput.safeParse(jsonBody(call.exchange))
    if (!row) return missing()
    if (!input.success) return unprocessable()
    setFields(row, input.data.fields, replace)
    await call.state.save()
    call.tell([{ kind: 'update', record: row }])
    return json(show(row))
  }

function getRecord(call: Call): Reply {
  const row = findRow(call, call.exchange.params['record'])
  return row ? json(show(row)) : missing()
}

/** False when one of them is not there; then none is removed. */
async function remove(call: Call, ids: readonly string[]): Promise<boolean> {
  if (ids.some((id) => !findRow(call, id))) return false
  const { airtable } = call.state.data
  const gone = airtable.records.filter((row) => ids.includes(row.id))
  airtable.records = airtable.records.filter((row) => !ids.includes(row.id))
  await call.state.save()
  call.tell(gone.map((record) => ({ kind: 'remove', record })))
  return true
}

async function deleteRecords(call: Call): Promise<Reply> {
  const { query } = call.exchange
  const ids = [...query.getAll('records[]'), ...query.getAll('records')]
  if (!(await remove(call, ids))) return missing()
  return json({ records: ids.map((id) => ({ id, deleted: true })) })
}

async function deleteRecord(call: Call): Promise<Reply> {
  const id = call.exchange.params['record'] ?? ''
  return (await remove(call, [id])) ? json({ id, deleted: true }) : missing()
}

function whoAmI({ caller: { person, scopes } }: Call): Reply {
  const email = scopes.includes('user.email:read') ? { email: `${person}@stand-in.example` } : {}
  return json({ id: `usr${person}`.padEnd(17, '0'), ...email, scopes })
}

function listBases({ caller }: Call): Reply {
  const name = airtablePeople.find((person) => person.place === caller.base)?.placeName
  return json({ bases: [{ id: caller.base, name, permissionLevel: 'create' }] })
}

/** Addresses of the web API. */
export function airtableApiRoutes(
  server: AuthorizationServer,
  state: StateFile,
  tell: (changes: readonly AirtableChange[]) => void,
): readonly Route[] {
  const needing =
    (scope: string | undefined, handle: Handler) =>
    (exchange: Exchange): Reply | Promise<Reply> => {
      const caller = airtableCaller(server, exchange)
      if (!caller) return refusal(401, 'AUTHENTICATION_REQUIRED', 'Authentication required')
      const { base } = exchange.params
      const allowed = scope === undefined || caller.scopes.includes(scope)
      if (allowed && (base === undefined || base === caller.base))
        return handle({ state, exchange, caller, tell })
      const text = 'Invalid permissions, or the requested model was not found.'
      return refusal(403, 'INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND', text)
    }
  const read = (handle: Handler) => needing('data.records:read', handle)
  const write = (handle: Handler) => needing('data.records:write', handle)
  const table = '/v0/:base/:table'
  const collection = (path: string): Route[] => [
    { method: 'GET', path, handle: read(listRecords) },
    { method: 'POST', path, handle: write(createRecords) },
    { method: 'PATCH', path, handle: write(updateRecords(false)) },
    { method: 'PUT', path, handle: write(updateRecords(true)) },
    { method: 'DELETE', path, handle: write(deleteRecords) },
  ]
  return [
    { method: 'GET', path: '/v0/meta/whoami', handle: needing(undefined, whoAmI) },
    { method: 'GET', path: '/v0/meta/bases', handle: needing('schema.bases:read', listBases) },
    ...collection(table),
    // The SDK writes a slash at the end for lists of records.
    ...collection(`${table}/`),
    { method: 'POST', path: `${table}/listRecords`, handle: read(listRecords) },
    { method: 'GET', path: `${table}/:record`, handle: read(getRecord) },
    { method: 'PATCH', path: `${table}/:record`, handle: write(updateRecord(false)) },
    { method: 'PUT', path: `${table}/:record`, handle: write(updateRecord(true)) },
    { method: 'DELETE', path: `${table}/:record`, handle: write(deleteRecord) },
  ]
}

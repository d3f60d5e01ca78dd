// The stand-in Airtable: one base for each workspace, tables that come into being with their first record. Airtable's
// quirks are kept: PKCE is required, the client proves itself by Basic only, access tokens last an hour, refresh tokens
// rotate and a reused one ends the grant, too many requests answer 429 without saying how long to wait.

import { createHash, randomBytes } from 'node:crypto'

import { z } from 'zod'

import { consentRoutes, viewerPage, type PageStyle, type Person } from './consent-page.ts'
import { bearer, json, jsonBody, parameters, type Exchange, type Reply, type Route } from './http.ts'
import { basicCredentials, createAuthorizationServer, type AuthorizationServer } from './oauth.ts'
import { runStandIn, type Running, type StandIn, type StandInOptions } from './stand-in.ts'
import type { AirtableRecordRow, StateFile } from './state.ts'

/** A record as it stands. */
export type SandboxRecord = AirtableRecordRow

/** The stand-in Airtable. */
export interface SandboxAirtable extends StandIn<{ readonly webUrl: string; readonly apiUrl: string }> {
  /** Personal access tokens by person; the same at every start. */
  readonly personalAccessTokens: Readonly<Record<string, string>>
  /** Base of each person. */
  readonly bases: Readonly<Record<string, string>>
  /** Records of all tables, oldest first. */
  records(): readonly SandboxRecord[]
}

const people = [
  { id: 'ada', name: 'Ada Lovelace', place: 'appAcme0000000001', placeName: 'Acme' },
  { id: 'grace', name: 'Grace Hopper', place: 'appGlobex00000001', placeName: 'Globex' },
] as const satisfies readonly Person[]

const bases: Readonly<Record<string, string>> = Object.fromEntries(
  people.map((person) => [person.id, person.place]),
)

const personalAccessTokens: Readonly<Record<string, string>> = Object.fromEntries(
  people.map(({ id }) => {
    const digest = createHash('sha256').update(`stand-in ${id}`).digest('hex')
    return [id, `pat${digest.slice(0, 14)}.${digest}`]
  }),
)

const allScopes = ['data.records:read', 'data.records:write', 'schema.bases:read', 'user.email:read']

const style: PageStyle = {
  service: 'Airtable',
  placeKind: 'workspace',
  accent: '#0b5d70',
  scopeWords: {
    'data.records:read': 'Read records',
    'data.records:write': 'Create, change and delete records',
    'schema.bases:read': 'See bases and tables',
    'user.email:read': 'See the e-mail address',
  },
}

/** Who calls, by an OAuth token or a personal access token. */
interface Caller {
  readonly person: string
  readonly base: string
  readonly scopes: readonly string[]
}

const failed = (status: number, type: string, text: string): Reply =>
  json({ error: { type, message: text } }, status)

async function tokenEndpoint(server: AuthorizationServer, exchange: Exchange): Promise<Reply> {
  const refuse = (status: number, error: string, text: string): Reply =>
    json({ error, error_description: text }, status)
  if (!exchange.headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
    return refuse(400, 'invalid_request', 'The body must be a form.')
  }
  const basic = basicCredentials(exchange.headers.authorization)
  if (!server.isClient(basic?.id, basic?.secret))
    return refuse(401, 'invalid_client', 'Basic authentication is required.')
  const form = parameters(exchange)
  const outcome =
    form.get('grant_type') === 'refresh_token'
      ? await server.refresh(form.get('refresh_token'))
      : await server.exchange({
          code: form.get('code'),
          redirectUri: form.get('redirect_uri'),
          verifier: form.get('code_verifier'),
        })
  if (!outcome.ok) {
    return refuse(
      400,
      outcome.error === 'redirect_uri_mismatch' ? 'invalid_grant' : outcome.error,
      outcome.description,
    )
  }
  const { access, refresh, grant, expiresInSeconds } = outcome.issued
  return json({
    access_token: access['access'],
    refresh_token: refresh['access'],
    token_type: 'Bearer',
    scope: grant.scopes.join(' '),
    expires_in: expiresInSeconds,
    refresh_expires_in: 60 * 86_400,
  })
}

const fieldsInput = z.record(z.string(), z.json())
const createInput = z.union([
  z.object({
    records: z
      .array(z.object({ fields: fieldsInput }))
      .min(1)
      .max(10),
  }),
  z.object({ fields: fieldsInput }),
])
const updateInput = z.object({
  records: z
    .array(z.object({ id: z.string(), fields: fieldsInput }))
    .min(1)
    .max(10),
})
const oneUpdateInput = z.object({ fields: fieldsInput })

const show = ({ id, createdTime, fields }: AirtableRecordRow): Record<string, unknown> => ({
  id,
  createdTime,
  fields,
})
const unprocessable = (): Reply => failed(422, 'INVALID_REQUEST_BODY', 'Could not parse request body')

function createApi(server: AuthorizationServer, state: StateFile): readonly Route[] {
  const { airtable } = state.data
  const callerOf = (exchange: Exchange): Caller | undefined => {
    const token = bearer(exchange)
    const owner = people.find((person) => personalAccessTokens[person.id] === token)
    if (owner) return { person: owner.id, base: owner.place, scopes: allScopes }
    const grant = server.authenticate(token)?.grant
    return grant && { person: grant.person, base: grant.place, scopes: grant.scopes }
  }

  type Handler = (exchange: Exchange, caller: Caller) => Reply | Promise<Reply>
  const withCaller =
    (scope: string | undefined, handle: Handler) =>
    (exchange: Exchange): Reply | Promise<Reply> => {
      const caller = callerOf(exchange)
      if (!caller) return failed(401, 'AUTHENTICATION_REQUIRED', 'Authentication required')
      const { base } = exchange.params
      const allowed = scope === undefined || caller.scopes.includes(scope)
      if (allowed && (base === undefined || base === caller.base)) return handle(exchange, caller)
      const text = 'Invalid permissions, or the requested model was not found.'
      return failed(403, 'INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND', text)
    }

  const inTable = ({ params }: Exchange): AirtableRecordRow[] =>
    airtable.records.filter((row) => row.base === params['base'] && row.table === params['table'])
  const findRow = (exchange: Exchange, id: string | undefined): AirtableRecordRow | undefined =>
    inTable(exchange).find((row) => row.id === id)
  const missing = (): Reply => json({ error: 'NOT_FOUND' }, 404)

  const list: Handler = (exchange) => {
    const values = parameters(exchange)
    const rows = inTable(exchange).slice(0, Number(values.get('maxRecords') ?? 1000))
    const size = Math.min(100, Number(values.get('pageSize') ?? 100) || 100)
    const start = Number(values.get('offset')?.split('/')[1] ?? 0) || 0
    const next = start + size < rows.length ? { offset: `itr/${start + size}` } : {}
    return json({ records: rows.slice(start, start + size).map(show), ...next })
  }
  const create: Handler = async (exchange) => {
    const input = createInput.safeParse(jsonBody(exchange))
    if (!input.success) return unprocessable()
    const { base = '', table = '' } = exchange.params
    const wanted = 'records' in input.data ? input.data.records : [input.data]
    const rows = wanted.map(({ fields }) => ({
      id: `rec${randomBytes(7).toString('hex')}`,
      base,
      table,
      fields,
      createdTime: new Date().toISOString(),
    }))
    airtable.records.push(...rows)
    await state.save()
    return json('records' in input.data ? { records: rows.map(show) } : show(rows[0] ?? never()))
  }
  const update =
    (replace: boolean): Handler =>
    async (exchange) => {
      const input = updateInput.safeParse(jsonBody(exchange))
      if (!input.success) return unprocessable()
      const changes = input.data.records.map(({ id, fields }) => ({ row: findRow(exchange, id), fields }))
      if (changes.some(({ row }) => !row)) return missing()
      const rows = changes.flatMap(({ row, fields }) => (row ? [setFields(row, fields, replace)] : []))
      await state.save()
      return json({ records: rows.map(show) })
    }
  const updateOne =
    (replace: boolean): Handler =>
    async (exchange) => {
      const row = findRow(exchange, exchange.params['record'])
      const input = oneUpdateInput.safeParse(jsonBody(exchange))
      if (!row) return missing()
      if (!input.success) return unprocessable()
      setFields(row, input.data.fields, replace)
      await state.save()
      return json(show(row))
    }
  const remove = async (exchange: Exchange, ids: readonly string[]): Promise<Reply | undefined> => {
    if (ids.some((id) => !findRow(exchange, id))) return missing()
    airtable.records = airtable.records.filter((row) => !ids.includes(row.id))
    await state.save()
    return undefined
  }

  const table = '/v0/:base/:table'
  const read = 'data.records:read'
  const write = 'data.records:write'
  const identity: Handler = (_exchange, caller) =>
    json({
      id: `usr${caller.person}00000000`.slice(0, 17),
      ...(caller.scopes.includes('user.email:read') ? { email: `${caller.person}@stand-in.example` } : {}),
      scopes: caller.scopes,
    })
  const collection = (path: string): Route[] => [
    { method: 'GET', path, handle: withCaller(read, list) },
    { method: 'POST', path, handle: withCaller(write, create) },
    { method: 'PATCH', path, handle: withCaller(write, update(false)) },
    { method: 'PUT', path, handle: withCaller(write, update(true)) },
    {
      method: 'DELETE',
      path,
      handle: withCaller(write, async (exchange) => {
        const ids = exchange.query.getAll('records[]').concat(exchange.query.getAll('records'))
        return (await remove(exchange, ids)) ?? json({ records: ids.map((id) => ({ id, deleted: true })) })
      }),
    },
  ]
  return [
    { method: 'GET', path: '/v0/meta/whoami', handle: withCaller(undefined, identity) },
    {
      method: 'GET',
      path: '/v0/meta/bases',
      handle: withCaller('schema.bases:read', (_exchange, caller) => {
        const name = people.find((person) => person.place === caller.base)?.placeName
        return json({ bases: [{ id: caller.base, name, permissionLevel: 'create' }] })
      }),
    },
    ...collection(table),
    // The SDK writes a slash at the end for lists of records.
    ...collection(`${table}/`),
    { method: 'POST', path: `${table}/listRecords`, handle: withCaller(read, list) },
    {
      method: 'GET',
      path: `${table}/:record`,
      handle: withCaller(read, (exchange) => {
        const row = findRow(exchange, exchange.params['record'])
        return row ? json(show(row)) : missing()
      }),
    },
    { method: 'PATCH', path: `${table}/:record`, handle: withCaller(write, updateOne(false)) },
    { method: 'PUT', path: `${table}/:record`, handle: withCaller(write, updateOne(true)) },
    {
      method: 'DELETE',
      path: `${table}/:record`,
      handle: withCaller(write, async (exchange) => {
        const id = exchange.params['record'] ?? ''
        return (await remove(exchange, [id])) ?? json({ id, deleted: true })
      }),
    },
  ]
}

function never(): never {
  throw new Error('a list that was checked to have a member has none')
}

function setFields(
  row: AirtableRecordRow,
  fields: AirtableRecordRow['fields'],
  replace: boolean,
): AirtableRecordRow {
  row.fields = replace ? fields : { ...row.fields, ...fields }
  return row
}

/** Starts the stand-in Airtable. */
export async function startAirtable(options: StandInOptions): Promise<Running<SandboxAirtable>> {
  const { state, redirectUris, accessTokenSeconds } = options
  const server = createAuthorizationServer({
    provider: 'airtable',
    state,
    redirectUris,
    pkce: 'required',
    accessTokenSeconds: accessTokenSeconds ?? 3600,
    rotation: 'strict',
    tokenPrefix: (kind) => (kind === 'refresh' ? 'oar' : 'oaa'),
  })
  const records = (): SandboxRecord[] => structuredClone(state.data.airtable.records)
  const viewer = (): Reply => {
    const rows = records()
      .toReversed()
      .map((row) => {
        const place = people.find((person) => person.place === row.base)?.placeName ?? row.base
        const text = Object.entries(row.fields).map(
          ([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
        )
        return {
          head: `${place} · ${row.table}`,
          text: text.join('\n'),
          meta: `${row.id} · ${row.createdTime}`,
        }
      })
    const notes = people.map(({ id, name }) => ({
      label: `Personal access token of ${name}`,
      value: personalAccessTokens[id] ?? '',
    }))
    return viewerPage(style, [{ title: 'Records', empty: 'No record yet.', rows }], notes)
  }
  const { standIn, close } = await runStandIn(options, {
    name: 'Airtable',
    people,
    server,
    routes: [
      { method: 'GET', path: '/', handle: viewer },
      ...consentRoutes({
        path: '/oauth2/v1/authorize',
        server,
        style,
        people: () => people,
        scopes: (query) => ({
          scopes: (query.get('scope') ?? '').split(' ').filter((scope) => scope !== ''),
        }),
      }),
      { method: 'POST', path: '/oauth2/v1/token', handle: (exchange) => tokenEndpoint(server, exchange) },
      ...createApi(server, state),
    ],
    rateLimited: () =>
      json(
        { errors: [{ error: 'RATE_LIMIT_REACHED', message: 'Rate limit exceeded. Please try again later' }] },
        429,
      ),
    notFound: () => json({ error: 'NOT_FOUND' }, 404),
  })
  const endpoints = { webUrl: standIn.url, apiUrl: standIn.url }
  return { standIn: { ...standIn, endpoints, personalAccessTokens, bases, records }, close }
}

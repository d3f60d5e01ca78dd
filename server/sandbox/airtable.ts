// The stand-in Airtable. Airtable's quirks are kept: PKCE is required, the client proves itself by Basic only, access
// tokens last an hour, refresh tokens rotate and a reused one ends the grant, too many requests answer 429 without saying
// how long to wait. Its web API is in airtable-api.ts.

import { airtableApiRoutes, airtableCaller, airtablePeople, airtableTokens } from './airtable-api.ts'
import { airtableHookRoutes, tellAirtableHooks } from './airtable-hooks.ts'
import { consentRoutes, viewerPage, type PageStyle } from './consent-page.ts'
import { createCourier, type SandboxDelivery } from './deliver.ts'
import { json, parameters, type Exchange, type Reply } from './http.ts'
import { AuthorizationServer } from './oauth.ts'
import { basicCredentials } from './oauth-request.ts'
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
  /** Webhooks of all bases with the time they end. */
  hooks(): readonly {
    readonly id: string
    readonly base: string
    readonly url: string
    readonly expirationTime: string
  }[]
  /** Ends webhooks so many ms from now, as time would. */
  expireHooks(inMs: number): Promise<void>
  /** Pings that were sent since the start; the last 1000. */
  deliveries(): readonly SandboxDelivery[]
}

const bases: Readonly<Record<string, string>> = Object.fromEntries(
  airtablePeople.map((person) => [person.id, person.place]),
)

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

async function tokenEndpoint(server: AuthorizationServer, exchange: Exchange): Promise<Reply> {
  const refuse = (status: number, error: string, text: string): Reply =>
    json({ error, error_description: text }, status)
  if (!exchange.headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
    return refuse(400, 'invalid_request', 'The body must be a form.')
  }
  const basic = basicCredentials(exchange.headers.authorization)
  if (!server.isClient(basic?.id, basic?.secret)) {
    return refuse(401, 'invalid_client', 'Basic authentication is required.')
  }
  const form = parameters(exchange)
  const refreshing = form.get('grant_type') === 'refresh_token'
  const code = {
    code: form.get('code'),
    redirectUri: form.get('redirect_uri'),
    verifier: form.get('code_verifier'),
  }
  const outcome = refreshing ? await server.refresh(form.get('refresh_token')) : await server.exchange(code)
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

const showFields = (fields: AirtableRecordRow['fields']): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('\n')

function viewer({ data }: StateFile): Reply {
  const rows = data.airtable.records.toReversed().map((row) => {
    const place = airtablePeople.find((person) => person.place === row.base)?.placeName ?? row.base
    return {
      head: `${place} · ${row.table}`,
      text: showFields(row.fields),
      meta: `${row.id} · ${row.createdTime}`,
    }
  })
  const notes = airtablePeople.map(({ id, name }) => ({
    label: `Personal access token of ${name}`,
    value: airtableTokens[id] ?? '',
  }))
  return viewerPage(style, [{ title: 'Records', empty: 'No record yet.', rows }], { notes })
}

/** Starts the stand-in Airtable. */
export async function startAirtable(options: StandInOptions): Promise<Running<SandboxAirtable>> {
  const { state, redirectUris, accessTokenSeconds } = options
  const server = new AuthorizationServer({
    provider: 'airtable',
    state,
    redirectUris,
    pkce: 'required',
    accessTokenSeconds: accessTokenSeconds ?? 3600,
    rotation: 'strict',
    tokenPrefix: (kind) => (kind === 'refresh' ? 'oar' : 'oaa'),
  })
  const consent = consentRoutes({
    path: '/oauth2/v1/authorize',
    server,
    style,
    people: () => airtablePeople,
    scopes: (query) => ({ scopes: (query.get('scope') ?? '').split(' ').filter((scope) => scope !== '') }),
  })
  const courier = createCourier()
  const tooMany = { error: 'RATE_LIMIT_REACHED', message: 'Rate limit exceeded. Please try again later' }
  const { standIn, close } = await runStandIn(options, {
    name: 'Airtable',
    people: airtablePeople,
    server,
    routes: [
      { method: 'GET', path: '/', handle: () => viewer(state) },
      ...consent,
      { method: 'POST', path: '/oauth2/v1/token', handle: (exchange) => tokenEndpoint(server, exchange) },
      // Before the tables: `bases` is no base.
      ...airtableHookRoutes({ state, callerOf: (exchange) => airtableCaller(server, exchange) }),
      ...airtableApiRoutes(server, state, (changes) => tellAirtableHooks(state, courier, changes)),
    ],
    rateLimited: () => json({ errors: [tooMany] }, 429),
    notFound: () => json({ error: 'NOT_FOUND' }, 404),
  })
  const endpoints = { webUrl: standIn.url, apiUrl: standIn.url }
  const records = (): SandboxRecord[] => structuredClone(state.data.airtable.records)
  const hooks = () =>
    state.data.airtable.hooks.map(({ id, base, url, expirationTime }) => ({ id, base, url, expirationTime }))
  const expireHooks = async (inMs: number): Promise<void> => {
    for (const hook of state.data.airtable.hooks)
      hook.expirationTime = new Date(Date.now() + inMs).toISOString()
    await state.save()
  }
  const views = { records, hooks, expireHooks, deliveries: () => courier.deliveries() }
  return { standIn: { ...standIn, endpoints, personalAccessTokens: airtableTokens, bases, ...views }, close }
}

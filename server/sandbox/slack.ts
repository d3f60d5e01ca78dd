// The stand-in Slack: workspaces, channels, messages. Slack's quirks are kept: errors are HTTP 200 with `ok: false`,
// scopes are separated by commas, tokens say `bot`, and PKCE is refused as for an app that has not opted in.

import { consentRoutes, viewerPage, type PageStyle, type Person } from './consent-page.ts'
import { bearer, json, parameters, type Exchange, type Reply, type Route } from './http.ts'
import {
  basicCredentials,
  createAuthorizationServer,
  type AuthorizationServer,
  type Issued,
  type Refused,
} from './oauth.ts'
import { runStandIn, type Running, type StandIn, type StandInOptions } from './stand-in.ts'
import type { Grant, SlackMessageRow, StateFile } from './state.ts'

/** A message as it arrived. */
export interface SandboxMessage {
  /** Workspace id. */
  readonly team: string
  /** `general`. */
  readonly channelName: string
  readonly channel: string
  readonly ts: string
  readonly text: string
  /** Id of the user or bot user that posted it. */
  readonly user: string
  readonly threadTs: string | null
  readonly clientMessageId: string | null
}

/** The stand-in Slack. */
export interface SandboxSlack extends StandIn<{ readonly webUrl: string; readonly apiUrl: string }> {
  /** Everything that was posted, oldest first. */
  messages(): readonly SandboxMessage[]
}

const people = [
  { id: 'ada', name: 'Ada Lovelace', place: 'T0ACME001', placeName: 'Acme' },
  { id: 'grace', name: 'Grace Hopper', place: 'T0GLOBEX1', placeName: 'Globex' },
] as const satisfies readonly Person[]

const channels = [
  { id: 'C0ACMEGEN', name: 'general', team: 'T0ACME001' },
  { id: 'C0ACMERAN', name: 'random', team: 'T0ACME001' },
  { id: 'C0GLOBGEN', name: 'general', team: 'T0GLOBEX1' },
  { id: 'C0GLOBRAN', name: 'random', team: 'T0GLOBEX1' },
] as const

type Channel = (typeof channels)[number]

const style: PageStyle = {
  service: 'Slack',
  placeKind: 'workspace',
  accent: '#4a2545',
  scopeWords: {
    'chat:write': 'Post messages',
    'chat:write.public': 'Post in channels it has not joined',
    'channels:join': 'Join public channels',
    'channels:read': 'See public channels',
  },
}

const failed = (error: string, more: Record<string, unknown> = {}): Reply =>
  json({ ok: false, error, ...more })

const userIdOf = (grant: Grant): string => `U0${grant.person.toUpperCase()}`
const botIdOf = (grant: Grant): string => `U0BOT${grant.place.slice(-4)}`
const teamName = (team: string): string => people.find((person) => person.place === team)?.placeName ?? team

/** Who calls, as one of the grant's two possible tokens. */
interface Caller {
  readonly grant: Grant
  readonly subject: string
  readonly userId: string
  readonly scopes: readonly string[]
}

function tokenReply(issued: Issued): Reply {
  const { grant, access, refresh, expiresInSeconds } = issued
  const tokenOf = (subject: string): Record<string, unknown> => ({
    access_token: access[subject],
    ...(expiresInSeconds === null ? {} : { refresh_token: refresh[subject], expires_in: expiresInSeconds }),
  })
  const user = { ...tokenOf('user'), token_type: 'user', scope: grant.userScopes.join(',') }
  return json({
    ok: true,
    app_id: 'A0STANDIN',
    authed_user: { id: userIdOf(grant), ...(access['user'] === undefined ? {} : user) },
    ...(access['bot'] === undefined
      ? {}
      : { ...tokenOf('bot'), token_type: 'bot', scope: grant.scopes.join(','), bot_user_id: botIdOf(grant) }),
    team: { id: grant.place, name: teamName(grant.place) },
    enterprise: null,
    is_enterprise_install: false,
  })
}

const errorWords: Record<Refused['error'], string> = {
  invalid_client: 'bad_client_secret',
  invalid_grant: 'invalid_code',
  invalid_request: 'invalid_arguments',
  redirect_uri_mismatch: 'bad_redirect_uri',
}

async function tokenEndpoint(server: AuthorizationServer, exchange: Exchange): Promise<Reply> {
  const form = parameters(exchange)
  const basic = basicCredentials(exchange.headers.authorization)
  if ((basic?.id ?? form.get('client_id')) !== server.client.clientId) return failed('invalid_client_id')
  if (!server.isClient(basic?.id ?? form.get('client_id'), basic?.secret ?? form.get('client_secret'))) {
    return failed('bad_client_secret')
  }
  if (form.get('grant_type') === 'refresh_token') {
    const outcome = await server.refresh(form.get('refresh_token'))
    return outcome.ok ? tokenReply(outcome.issued) : failed('invalid_refresh_token')
  }
  const outcome = await server.exchange({
    code: form.get('code'),
    redirectUri: form.get('redirect_uri'),
    verifier: form.get('code_verifier'),
    subjects: (grant) => [
      ...(grant.scopes.length > 0 ? ['bot'] : []),
      ...(grant.userScopes.length > 0 ? ['user'] : []),
    ],
  })
  return outcome.ok ? tokenReply(outcome.issued) : failed(errorWords[outcome.error])
}

/** The Web API. Every method takes GET and POST, parameters in the query, a form or JSON. */
function createMethods(server: AuthorizationServer, state: StateFile): readonly Route[] {
  const { data } = state
  type Method = (caller: Caller, values: URLSearchParams) => Reply | Promise<Reply>

  const findChannel = (caller: Caller, name: string | null): Channel | undefined =>
    channels.find(
      (one) => one.team === caller.grant.place && (one.id === name || one.name === name?.replace(/^#/, '')),
    )
  const membership = (caller: Caller, channel: Channel): string => `${channel.id}:${caller.userId}`
  const isMember = (caller: Caller, channel: Channel): boolean =>
    data.slack.joined.includes(membership(caller, channel))
  const lacks = (caller: Caller, needed: string): Reply | undefined =>
    caller.scopes.includes(needed)
      ? undefined
      : failed('missing_scope', { needed, provided: caller.scopes.join(',') })
  const show = (caller: Caller, channel: Channel): Record<string, unknown> => ({
    id: channel.id,
    name: channel.name,
    is_channel: true,
    is_private: false,
    is_archived: false,
    is_member: isMember(caller, channel),
  })
  const posted = (row: SlackMessageRow): Reply =>
    json({
      ok: true,
      channel: row.channel,
      ts: row.ts,
      message: { type: 'message', text: row.text, user: row.user, ts: row.ts, team: row.team },
    })

  const methods: Record<string, Method> = {
    'auth.test': ({ grant, subject, userId }) =>
      json({
        ok: true,
        url: `https://${teamName(grant.place).toLowerCase()}.slack.example/`,
        team: teamName(grant.place),
        user: subject === 'bot' ? 'authflow-app' : grant.person,
        team_id: grant.place,
        user_id: userId,
        ...(subject === 'bot' ? { bot_id: 'B0STANDIN' } : {}),
        is_enterprise_install: false,
      }),
    'auth.revoke': async ({ grant }) => {
      await server.revoke(grant)
      return json({ ok: true, revoked: true })
    },
    'conversations.list': (caller, values) => {
      const missing = lacks(caller, 'channels:read')
      if (missing) return missing
      const own = channels.filter((channel) => channel.team === caller.grant.place)
      const start = Number(values.get('cursor') ?? '0') || 0
      const limit = Math.max(1, Number(values.get('limit') ?? '100') || 100)
      const next = start + limit < own.length ? String(start + limit) : ''
      const shown = own.slice(start, start + limit).map((channel) => show(caller, channel))
      return json({ ok: true, channels: shown, response_metadata: { next_cursor: next } })
    },
    'conversations.join': async (caller, values) => {
      const missing = lacks(caller, 'channels:join')
      if (missing) return missing
      const channel = findChannel(caller, values.get('channel'))
      if (!channel) return failed('channel_not_found')
      if (!isMember(caller, channel)) data.slack.joined.push(membership(caller, channel))
      await state.save()
      return json({ ok: true, channel: show(caller, channel) })
    },
    'chat.postMessage': async (caller, values) => {
      const missing = lacks(caller, 'chat:write')
      if (missing) return missing
      const channel = findChannel(caller, values.get('channel'))
      if (!channel) return failed('channel_not_found')
      if (!isMember(caller, channel) && !caller.scopes.includes('chat:write.public'))
        return failed('not_in_channel')
      const text = values.get('text') ?? ''
      if (text === '' && !values.has('blocks') && !values.has('attachments')) return failed('no_text')
      const clientMessageId = values.get('client_msg_id')
      const same = data.slack.messages.find(
        (row) =>
          clientMessageId !== null && row.channel === channel.id && row.clientMessageId === clientMessageId,
      )
      if (same) return posted(same)
      const ts = `${Math.floor(Date.now() / 1000)}.${String(data.slack.messages.length + 1).padStart(6, '0')}`
      const threadTs = values.get('thread_ts')
      const row = {
        team: channel.team,
        channel: channel.id,
        ts,
        text,
        user: caller.userId,
        threadTs,
        clientMessageId,
      }
      data.slack.messages.push(row)
      await state.save()
      return posted(row)
    },
  }

  const call = async (exchange: Exchange): Promise<Reply> => {
    const method = Object.hasOwn(methods, exchange.params['method'] ?? '')
      ? methods[exchange.params['method'] ?? '']
      : undefined
    if (!method) return failed('unknown_method')
    const values = parameters(exchange)
    const token = bearer(exchange) ?? values.get('token') ?? undefined
    if (token === undefined) return failed('not_authed')
    const found = server.authenticate(token)
    if (!found) return failed('invalid_auth')
    const { grant } = found
    const bot = found.token.subject === 'bot'
    const scopes = bot ? grant.scopes : grant.userScopes
    const caller = {
      grant,
      subject: found.token.subject,
      userId: bot ? botIdOf(grant) : userIdOf(grant),
      scopes,
    }
    const reply = await method(caller, values)
    return { ...reply, headers: { ...reply.headers, 'x-oauth-scopes': scopes.join(',') } }
  }
  return [
    { method: 'POST', path: '/api/oauth.v2.access', handle: (exchange) => tokenEndpoint(server, exchange) },
    { method: 'GET', path: '/api/:method', handle: call },
    { method: 'POST', path: '/api/:method', handle: call },
  ]
}

const commas = (value: string | null): string[] => (value ?? '').split(',').filter((scope) => scope !== '')

/** Starts the stand-in Slack. */
export async function startSlack(options: StandInOptions): Promise<Running<SandboxSlack>> {
  const { state, redirectUris, accessTokenSeconds } = options
  const server = createAuthorizationServer({
    provider: 'slack',
    state,
    redirectUris,
    pkce: 'refused',
    accessTokenSeconds: accessTokenSeconds ?? null,
    rotation: 'strict',
    tokenPrefix: (kind, subject) =>
      kind === 'refresh'
        ? 'xoxe-1-'
        : `${accessTokenSeconds === undefined ? '' : 'xoxe.'}xox${subject === 'bot' ? 'b' : 'p'}-`,
  })
  const messages = (): SandboxMessage[] =>
    state.data.slack.messages.map((row) => ({
      ...row,
      channelName: channels.find((channel) => channel.id === row.channel)?.name ?? row.channel,
    }))
  const viewer = (): Reply =>
    viewerPage(style, [
      {
        title: 'Messages',
        empty: 'No message yet.',
        rows: messages()
          .toReversed()
          .map((row) => ({
            head: `${teamName(row.team)} · #${row.channelName}`,
            text: row.text,
            meta: `${row.user} · ${new Date(Number(row.ts) * 1000).toISOString()}`,
          })),
      },
    ])
  const { standIn, close } = await runStandIn(options, {
    name: 'Slack',
    people,
    server,
    routes: [
      { method: 'GET', path: '/', handle: viewer },
      ...consentRoutes({
        path: '/oauth/v2/authorize',
        server,
        style,
        people: () => people,
        scopes: (query) => ({
          scopes: commas(query.get('scope')),
          userScopes: commas(query.get('user_scope')),
        }),
      }),
      ...createMethods(server, state),
    ],
    rateLimited: (seconds) =>
      json({ ok: false, error: 'ratelimited' }, 429, { 'retry-after': String(seconds) }),
    notFound: () => ({ status: 404 }),
  })
  return {
    standIn: { ...standIn, endpoints: { webUrl: standIn.url, apiUrl: `${standIn.url}/api` }, messages },
    close,
  }
}

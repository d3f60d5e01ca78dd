// The Web API of the stand-in Slack: each method takes GET and POST, parameters in the query, a form or JSON, and answers
// 200 with `ok`.

import { bearer, json, parameters, type Exchange, type Reply, type Route } from './http.ts'
import type { AuthorizationServer } from './oauth.ts'
import type { Person } from './consent-page.ts'
import type { Grant, SlackMessageRow, StateFile } from './state.ts'

/** Who can be chosen, each at one workspace. */
export const slackPeople = [
  { id: 'ada', name: 'Ada Lovelace', place: 'T0ACME001', placeName: 'Acme' },
  { id: 'grace', name: 'Grace Hopper', place: 'T0GLOBEX1', placeName: 'Globex' },
] as const satisfies readonly Person[]

/** A channel of a workspace. */
interface Channel {
  readonly id: string
  readonly name: string
  readonly team: string
  /** Only people and apps that were invited see it; the app was. */
  readonly isPrivate?: boolean
}

/** The channels of both workspaces. */
export const slackChannels: readonly Channel[] = [
  { id: 'C0ACMEGEN', name: 'general', team: 'T0ACME001' },
  { id: 'C0ACMERAN', name: 'random', team: 'T0ACME001' },
  { id: 'G0ACMEORD', name: 'orders', team: 'T0ACME001', isPrivate: true },
  { id: 'C0GLOBGEN', name: 'general', team: 'T0GLOBEX1' },
  { id: 'C0GLOBRAN', name: 'random', team: 'T0GLOBEX1' },
]

/** Slack's way of saying no. */
export const slackRefusal = (error: string, more: Record<string, unknown> = {}): Reply =>
  json({ ok: false, error, ...more })

/** Ids that follow from a grant. */
export const slackUserId = (grant: Grant): string => `U0${grant.person.toUpperCase()}`
export const slackBotId = (grant: Grant): string => `U0BOT${grant.place.slice(-4)}`

/** Name of a workspace. */
export const slackTeamName = (team: string): string =>
  slackPeople.find((person) => person.place === team)?.placeName ?? team

/** A call by one of the grant's two possible tokens. */
interface Call {
  readonly state: StateFile
  readonly server: AuthorizationServer
  readonly grant: Grant
  readonly isBot: boolean
  readonly userId: string
  readonly scopes: readonly string[]
  readonly values: URLSearchParams
}

const membership = (call: Call, channel: Channel): string => `${channel.id}:${call.userId}`

const isMember = (call: Call, channel: Channel): boolean =>
  channel.isPrivate === true || call.state.data.slack.joined.includes(membership(call, channel))

/** By id or name, in the caller's workspace only. */
function findChannel({ grant, values }: Call): Channel | undefined {
  const name = values.get('channel')
  const own = slackChannels.filter((channel) => channel.team === grant.place)
  return own.find((channel) => channel.id === name || channel.name === name?.replace(/^#/, ''))
}

const showChannel = (call: Call, channel: Channel): Record<string, unknown> => ({
  id: channel.id,
  name: channel.name,
  is_channel: true,
  is_private: channel.isPrivate === true,
  is_archived: false,
  is_member: isMember(call, channel),
})

const showMessage = (row: SlackMessageRow): Reply =>
  json({
    ok: true,
    channel: row.channel,
    ts: row.ts,
    message: { type: 'message', text: row.text, user: row.user, ts: row.ts, team: row.team },
  })

function testAuth({ grant, isBot, userId }: Call): Reply {
  return json({
    ok: true,
    url: `https://${slackTeamName(grant.place).toLowerCase()}.slack.example/`,
    team: slackTeamName(grant.place),
    user: isBot ? 'authflow-app' : grant.person,
    team_id: grant.place,
    user_id: userId,
    ...(isBot ? { bot_id: 'B0STANDIN' } : {}),
    is_enterprise_install: false,
  })
}

/** A workspace has one bot of the app, whoever installed it: without its token the app is gone from there. */
async function revokeAuth({ server, grant, isBot }: Call): Promise<Reply> {
  await (isBot ? server.revokeAt(grant.place) : server.revoke(grant))
  return json({ ok: true, revoked: true })
}

function listConversations(call: Call): Reply {
  const types = (call.values.get('types') ?? 'public_channel').split(',')
  if (types.includes('private_channel') && !call.scopes.includes('groups:read'))
    return slackRefusal('missing_scope', { needed: 'groups:read', provided: call.scopes.join(',') })
  const own = slackChannels.filter(
    ({ team, isPrivate }) =>
      team === call.grant.place && types.includes(isPrivate ? 'private_channel' : 'public_channel'),
  )
  const start = Number(call.values.get('cursor') ?? '0') || 0
  const limit = Math.max(1, Number(call.values.get('limit') ?? '100') || 100)
  const next = start + limit < own.length ? String(start + limit) : ''
  const channels = own.slice(start, start + limit).map((channel) => showChannel(call, channel))
  return json({ ok: true, channels, response_metadata: { next_cursor: next } })
}

function showConversation(call: Call): Reply {
  const channel = findChannel(call)
  const seen = channel && channel.id === call.values.get('channel')
  if (!seen || (channel.isPrivate && !call.scopes.includes('groups:read')))
    return slackRefusal('channel_not_found')
  return json({ ok: true, channel: showChannel(call, channel) })
}

async function joinConversation(call: Call): Promise<Reply> {
  const channel = findChannel(call)
  // Joining takes ids only.
  if (!channel || channel.id !== call.values.get('channel')) return slackRefusal('channel_not_found')
  if (!isMember(call, channel)) call.state.data.slack.joined.push(membership(call, channel))
  await call.state.save()
  return json({ ok: true, channel: showChannel(call, channel) })
}

async function postMessage(call: Call): Promise<Reply> {
  const { state, values, scopes, userId } = call
  const { messages } = state.data.slack
  const channel = findChannel(call)
  if (!channel) return slackRefusal('channel_not_found')
  if (!isMember(call, channel) && !scopes.includes('chat:write.public')) return slackRefusal('not_in_channel')
  const text = values.get('text') ?? ''
  if (text === '' && !values.has('blocks') && !values.has('attachments')) return slackRefusal('no_text')
  const clientMessageId = values.get('client_msg_id')
  const isSame = (row: SlackMessageRow): boolean =>
    row.channel === channel.id && row.clientMessageId === clientMessageId
  const same = clientMessageId === null ? undefined : messages.find(isSame)
  if (same) return showMessage(same)
  const ts = `${Math.floor(Date.now() / 1000)}.${String(messages.length + 1).padStart(6, '0')}`
  const threadTs = values.get('thread_ts')
  const row = { team: channel.team, channel: channel.id, ts, text, user: userId, threadTs, clientMessageId }
  messages.push(row)
  await state.save()
  return showMessage(row)
}

interface Method {
  readonly scope?: string
  handle(call: Call): Reply | Promise<Reply>
}

const methods = new Map<string, Method>([
  ['auth.test', { handle: testAuth }],
  ['auth.revoke', { handle: revokeAuth }],
  ['conversations.list', { scope: 'channels:read', handle: listConversations }],
  ['conversations.info', { scope: 'channels:read', handle: showConversation }],
  ['conversations.join', { scope: 'channels:join', handle: joinConversation }],
  ['chat.postMessage', { scope: 'chat:write', handle: postMessage }],
])

/** Addresses of the Web API. */
export function slackApiRoutes(server: AuthorizationServer, state: StateFile): readonly Route[] {
  const handle = async (exchange: Exchange): Promise<Reply> => {
    const method = methods.get(exchange.params['method'] ?? '')
    if (!method) return slackRefusal('unknown_method')
    const values = parameters(exchange)
    const token = bearer(exchange) ?? values.get('token') ?? undefined
    if (token === undefined) return slackRefusal('not_authed')
    const found = server.authenticate(token)
    if (!found) return slackRefusal('invalid_auth')
    const { grant } = found
    const isBot = found.token.subject === 'bot'
    const scopes = isBot ? grant.scopes : grant.userScopes
    if (method.scope !== undefined && !scopes.includes(method.scope)) {
      return slackRefusal('missing_scope', { needed: method.scope, provided: scopes.join(',') })
    }
    const userId = isBot ? slackBotId(grant) : slackUserId(grant)
    const reply = await method.handle({ state, server, grant, isBot, userId, scopes, values })
    return { ...reply, headers: { ...reply.headers, 'x-oauth-scopes': scopes.join(',') } }
  }
  return [
    { method: 'GET', path: '/api/:method', handle },
    { method: 'POST', path: '/api/:method', handle },
  ]
}

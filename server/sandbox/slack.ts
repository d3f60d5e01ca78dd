// The stand-in Slack. Slack's quirks are kept: errors are HTTP 200 with `ok: false`, scopes are separated by commas,
// tokens say `bot`, and PKCE is refused as for an app that has not opted in. Its Web API is in slack-api.ts.

import { AuthFlowError } from '../../shared/errors.ts'
import { consentRoutes, viewerPage, type PageStyle } from './consent-page.ts'
import { createCourier, type SandboxDelivery } from './deliver.ts'
import { json, parameters, type Exchange, type Reply } from './http.ts'
import { AuthorizationServer, type Issued, type Refused } from './oauth.ts'
import { basicCredentials } from './oauth-request.ts'
import {
  slackApiRoutes,
  slackBotId,
  slackChannels,
  slackPeople,
  slackRefusal,
  slackTeamName,
  slackUserId,
} from './slack-api.ts'
import { challenge, sendSlackEvent, type SandboxSlackEvent, type SlackSubscription } from './slack-events.ts'
import { runStandIn, type Running, type StandIn, type StandInOptions } from './stand-in.ts'
import type { StateFile } from './state.ts'

/** A message as it arrived. */
export interface SandboxMessage {
  /** Workspace id. */
  readonly team: string
  /** `general`. */
  readonly channelName: string
  /** Id of the channel. */
  readonly channel: string
  /** Id of the message in its channel. */
  readonly ts: string
  /** As it was posted. */
  readonly text: string
  /** Id of the user or bot user that posted it. */
  readonly user: string
  /** The message it answers to. */
  readonly threadTs: string | null
  /** `client_msg_id`, by which repeats are told. */
  readonly clientMessageId: string | null
}

/** The stand-in Slack. */
export interface SandboxSlack extends StandIn<{ readonly webUrl: string; readonly apiUrl: string }> {
  /** Everything that was posted, oldest first. */
  messages(): readonly SandboxMessage[]
  /**
   * Enters the address of the app's events and the secret they are signed with, as a person does in the app's settings.
   * False when the address does not answer Slack's challenge; nothing is entered then.
   */
  subscribe(subscription: SlackSubscription): Promise<boolean>
  /**
   * Lets something happen in a workspace; the app is told. The id of the delivery.
   *
   * @throws {@link AuthFlowError} `not_supported` before {@link SandboxSlack.subscribe}
   */
  happen(event: SandboxSlackEvent): string
  /** Webhook requests that were sent since the start; the last 1000. */
  deliveries(): readonly SandboxDelivery[]
  /** Sends one again as it was. Throws `not_found`. */
  redeliver(id: string): Promise<SandboxDelivery>
}

const style: PageStyle = {
  service: 'Slack',
  placeKind: 'workspace',
  accent: '#4a2545',
  scopeWords: {
    'chat:write': 'Post messages',
    'chat:write.public': 'Post in channels it has not joined',
    'channels:join': 'Join public channels',
    'channels:read': 'See public channels',
    'groups:read': 'See private channels it was added to',
  },
}

function tokenReply(issued: Issued): Reply {
  const { grant, access, refresh, expiresInSeconds } = issued
  const tokenOf = (subject: string): Record<string, unknown> => ({
    access_token: access[subject],
    ...(expiresInSeconds === null ? {} : { refresh_token: refresh[subject], expires_in: expiresInSeconds }),
  })
  const user = { ...tokenOf('user'), token_type: 'user', scope: grant.userScopes.join(',') }
  const bot = {
    ...tokenOf('bot'),
    token_type: 'bot',
    scope: grant.scopes.join(','),
    bot_user_id: slackBotId(grant),
  }
  return json({
    ok: true,
    app_id: 'A0STANDIN',
    authed_user: { id: slackUserId(grant), ...(access['user'] === undefined ? {} : user) },
    ...(access['bot'] === undefined ? {} : bot),
    team: { id: grant.place, name: slackTeamName(grant.place) },
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
  const clientId = basic?.id ?? form.get('client_id')
  if (clientId !== server.client.clientId) return slackRefusal('invalid_client_id')
  if (!server.isClient(clientId, basic?.secret ?? form.get('client_secret')))
    return slackRefusal('bad_client_secret')
  if (form.get('grant_type') === 'refresh_token') {
    const outcome = await server.refresh(form.get('refresh_token'))
    return outcome.ok ? tokenReply(outcome.issued) : slackRefusal('invalid_refresh_token')
  }
  const outcome = await server.exchange({
    code: form.get('code'),
    redirectUri: form.get('redirect_uri'),
    verifier: form.get('code_verifier'),
    subjects: ({ scopes, userScopes }) => [
      ...(scopes.length > 0 ? ['bot'] : []),
      ...(userScopes.length > 0 ? ['user'] : []),
    ],
  })
  return outcome.ok ? tokenReply(outcome.issued) : slackRefusal(errorWords[outcome.error])
}

const messagesOf = (state: StateFile): SandboxMessage[] =>
  state.data.slack.messages.map((row) => ({
    ...row,
    channelName: slackChannels.find((channel) => channel.id === row.channel)?.name ?? row.channel,
  }))

function viewer(state: StateFile): Reply {
  const rows = messagesOf(state)
    .toReversed()
    .map((row) => ({
      head: `${slackTeamName(row.team)} · #${row.channelName}`,
      text: row.text,
      meta: `${row.user} · ${new Date(Number(row.ts) * 1000).toISOString()}`,
    }))
  return viewerPage(style, [{ title: 'Messages', empty: 'No message yet.', rows }])
}

/** The app's events; the subscription is entered anew after every start. */
function eventsOf(): Pick<SandboxSlack, 'subscribe' | 'happen' | 'deliveries' | 'redeliver'> {
  const courier = createCourier()
  let subscription: SlackSubscription | undefined
  return {
    async subscribe(given) {
      const answers = await challenge(given)
      if (answers) subscription = given
      return answers
    },
    happen(event) {
      if (subscription) return sendSlackEvent(courier, subscription, event)
      throw new AuthFlowError('not_supported', 'The app has no address for events: call `subscribe` first.')
    },
    deliveries: () => courier.deliveries(),
    redeliver: (id) => courier.redeliver(id),
  }
}

const commas = (value: string | null): string[] => (value ?? '').split(',').filter((scope) => scope !== '')

/** Starts the stand-in Slack. */
export async function startSlack(options: StandInOptions): Promise<Running<SandboxSlack>> {
  const { state, redirectUris, accessTokenSeconds } = options
  const rotating = accessTokenSeconds === undefined ? '' : 'xoxe.'
  const server = new AuthorizationServer({
    provider: 'slack',
    state,
    redirectUris,
    pkce: 'refused',
    accessTokenSeconds: accessTokenSeconds ?? null,
    rotation: 'strict',
    tokenPrefix: (kind, subject) =>
      kind === 'refresh' ? 'xoxe-1-' : `${rotating}xox${subject === 'bot' ? 'b' : 'p'}-`,
  })
  const consent = consentRoutes({
    path: '/oauth/v2/authorize',
    server,
    style,
    people: () => slackPeople,
    scopes: (query) => ({ scopes: commas(query.get('scope')), userScopes: commas(query.get('user_scope')) }),
  })
  const { standIn, close } = await runStandIn(options, {
    name: 'Slack',
    people: slackPeople,
    server,
    routes: [
      { method: 'GET', path: '/', handle: () => viewer(state) },
      ...consent,
      { method: 'POST', path: '/api/oauth.v2.access', handle: (exchange) => tokenEndpoint(server, exchange) },
      ...slackApiRoutes(server, state),
    ],
    rateLimited: (seconds) =>
      json({ ok: false, error: 'ratelimited' }, 429, { 'retry-after': String(seconds) }),
    notFound: () => ({ status: 404 }),
  })
  const endpoints = { webUrl: standIn.url, apiUrl: `${standIn.url}/api` }
  return { standIn: { ...standIn, endpoints, messages: () => messagesOf(state), ...eventsOf() }, close }
}

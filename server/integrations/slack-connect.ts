// Slack's side of connecting: endpoints, scopes in words, the OAuth method with Slack's quirks, and what its refusals
// mean. Acting in a workspace is in slack.ts. Provider facts: docs.slack.dev/authentication/installing-with-oauth, read
// 2026-11-21.

import { z } from 'zod'
import { isAuthFlowError } from '../../shared/errors.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import {
  checkEndpoint,
  checkOAuthApp,
  optionError,
  type Complainant,
  type OAuthAppOptions,
} from './checked-options.ts'
import { methodLabels, scopeTexts } from './field-texts.ts'
import type { Configuration, ConnectDefinition, Identified, OAuth2Method } from './integration.ts'
import { checkingCredentials, readAs, requestJson } from './json-request.ts'
import { failureError, member, retryAfterMs, type ProviderFailure } from './provider-failure.ts'

/** Where Slack is; for stand-ins and proxies. */
export interface SlackEndpoints {
  /** Host of the consent page (default `https://slack.com`). */
  readonly webUrl?: string
  /** Base of the Web API (default `https://slack.com/api`). */
  readonly apiUrl?: string
}

/** The host's Slack app. */
export interface SlackAppOptions extends OAuthAppOptions {
  /** Asked for on behalf of the person, not of the app. Without bot scopes the connection acts as the person. */
  readonly userScopes?: readonly string[]
}

const scopeLabels: Record<string, string> = {
  'channels:history': 'Read messages in public channels it has joined',
  'channels:join': 'Join public channels',
  'channels:manage': 'Create and manage public channels',
  'channels:read': 'See public channels',
  'chat:write': 'Post messages',
  'chat:write.customize': 'Post messages under another name',
  'chat:write.public': 'Post in public channels without joining them',
  'files:write': 'Upload files',
  'groups:read': 'See private channels it was added to',
  'im:write': 'Start direct messages',
  'reactions:write': 'Add reactions',
  'team:read': 'See the workspace’s name and domain',
  'users:read': 'See people in the workspace',
  'users:read.email': 'See people’s e-mail addresses',
}

/** Where Slack is, the overridden places checked. */
export function slackEndpoints(
  self: Complainant,
  { webUrl, apiUrl }: SlackEndpoints = {},
): { webUrl: string; apiUrl: string } {
  return {
    webUrl: checkEndpoint(self, 'webUrl', webUrl ?? 'https://slack.com'),
    apiUrl: checkEndpoint(self, 'apiUrl', apiUrl ?? 'https://slack.com/api'),
  }
}

/** How accounts connect to Slack. Throws `missing_option` and `invalid_option`. */
export function slackConnect(
  self: Complainant,
  oauth: SlackAppOptions | undefined,
  { webUrl, apiUrl, configure }: { webUrl: string; apiUrl: string; configure?: Configuration | undefined },
): ConnectDefinition {
  if (!oauth)
    throw optionError('missing_option', self, { option: 'oauth', what: 'is needed with `connect: true`.' })
  const userScopes = oauth.userScopes ?? []
  const client = checkOAuthApp(self, oauth)
  checkOAuthApp(self, { ...oauth, scopes: userScopes })
  if (client.scopes.length + userScopes.length === 0) {
    throw optionError('invalid_option', self, {
      option: 'oauth.scopes',
      what: 'must ask for at least one scope.',
    })
  }
  const method: OAuth2Method = {
    id: 'oauth2',
    label: 'Sign in with Slack',
    labels: methodLabels('signIn', 'Slack'),
    client,
    authorizationUrl: () => `${webUrl}/oauth/v2/authorize`,
    tokenUrl: () => `${apiUrl}/oauth.v2.access`,
    scopeSeparator: ',',
    scopeLabels,
    scopeLocales: scopeTexts(scopeLabels),
    pkce: {
      off: 'Turning PKCE on makes a Slack app a public client for good: its secret is no longer accepted.',
    },
    clientAuth: 'post',
    ...(userScopes.length > 0 ? { authorizationParams: { user_scope: userScopes.join(',') } } : {}),
    rotation: 'strict',
    // The bot of a workspace is one, whoever installed the app there.
    grantScope: 'identity',
    normaliseTokenResponse,
    identify: ({ accessToken }, { fetch }) => identify(self, fetch, apiUrl, accessToken),
    revoke: ({ accessToken }, { fetch }) => revoke(self, fetch, apiUrl, accessToken),
  }
  if (!configure) return { methods: [method] }
  if (![...client.scopes, ...userScopes].includes('channels:read')) {
    throw optionError('invalid_option', self, {
      option: 'oauth.scopes',
      what: 'must have `channels:read` where the account is to choose a channel.',
    })
  }
  return { methods: [method], configure }
}

/** What Slack says in the place of RFC 6749's error codes. */
const tokenErrors: Record<string, string> = {
  invalid_client_id: 'invalid_client',
  bad_client_secret: 'invalid_client',
  bad_redirect_uri: 'invalid_redirect_uri',
  invalid_code: 'invalid_grant',
  code_already_used: 'invalid_grant',
  invalid_refresh_token: 'invalid_grant',
  token_revoked: 'invalid_grant',
  token_expired: 'invalid_grant',
  account_inactive: 'invalid_grant',
}

/** HTTP 200 with `ok: false` is an error; a token of a person alone is one level down; scopes have commas. */
async function normaliseTokenResponse(response: Response): Promise<Response> {
  const body: unknown = await response.clone().json()
  if (member(body, 'ok') !== true) {
    const code = member(body, 'error')
    if (typeof code !== 'string') return response
    const status = troubles.has(code) ? 503 : code === 'ratelimited' ? 429 : 400
    return Response.json({ error: tokenErrors[code] ?? code }, { status })
  }
  const grant = member(body, 'access_token') === undefined ? member(body, 'authed_user') : body
  const scope = member(grant, 'scope')
  return Response.json({
    access_token: member(grant, 'access_token'),
    token_type: 'bearer',
    refresh_token: member(grant, 'refresh_token'),
    expires_in: member(grant, 'expires_in'),
    ...(typeof scope === 'string' ? { scope: scope.replaceAll(',', ' ') } : {}),
  })
}

const authTest = z.object({
  team: z.string().nullish(),
  user: z.string().nullish(),
  team_id: z.string().nullish(),
  user_id: z.string(),
  bot_id: z.string().nullish(),
  enterprise_id: z.string().nullish(),
})

async function callSlack(
  self: Complainant,
  fetch: GuardedFetch,
  url: string,
  token: string,
): Promise<unknown> {
  const headers = { authorization: `Bearer ${token}` }
  const { body } = await requestJson(self, fetch, url, { method: 'POST', headers })
  if (member(body, 'ok') === true) return body
  throw failureError(self, slackFailure(body))
}

/** A bot is the workspace; a person is that person in it. Grid installations have no one workspace. */
async function identify(
  self: Complainant,
  fetch: GuardedFetch,
  apiUrl: string,
  token: string,
): Promise<Identified> {
  const body = await checkingCredentials(self, () => callSlack(self, fetch, `${apiUrl}/auth.test`, token))
  const { team, user, team_id, user_id, bot_id, enterprise_id } = readAs(self, authTest, body)
  const place = [enterprise_id, team_id].filter(Boolean).join(':')
  if (place === '') throw failureError(self, { garbled: true })
  return {
    identity: {
      id: bot_id ? place : `${place}:${user_id}`,
      label: user ?? user_id,
      ...(team ? { place: `workspace ${team}` } : {}),
    },
    fields: {
      userId: user_id,
      ...(team_id ? { teamId: team_id } : {}),
      ...(enterprise_id ? { enterpriseId: enterprise_id } : {}),
      ...(bot_id ? { botId: bot_id } : {}),
    },
  }
}

async function revoke(self: Complainant, fetch: GuardedFetch, apiUrl: string, token: string): Promise<void> {
  try {
    await callSlack(self, fetch, `${apiUrl}/auth.revoke`, token)
  } catch (error) {
    // A token that Slack does not know any more is what was wanted.
    if (!isAuthFlowError(error) || error.details.status !== 401) throw error
  }
}

const rejectedTokens = new Set([
  'invalid_auth',
  'not_authed',
  'token_revoked',
  'token_expired',
  'account_inactive',
])
const troubles = new Set([
  'internal_error',
  'fatal_error',
  'service_unavailable',
  'request_timeout',
  'team_added_to_org',
])

/** The facts of an answer with `ok: false`. Slack sends those with status 200; the status here is the one that fits. */
export function slackFailure(data: unknown): ProviderFailure {
  const code = member(data, 'error')
  if (typeof code !== 'string' || !/^[a-z0-9_]{1,64}$/.test(code)) return { status: 200, garbled: true }
  if (code === 'ratelimited' || code === 'rate_limited') {
    return {
      status: 429,
      code,
      rateLimited: true,
      retryAfterMs: retryAfterMs(member(data, 'response_metadata', 'retryAfter')),
    }
  }
  if (code === 'missing_scope') {
    const needed = member(data, 'needed')
    return { status: 403, code, missingScopes: typeof needed === 'string' ? needed.split(',') : ['unknown'] }
  }
  if (rejectedTokens.has(code)) return { status: 401, code }
  return { status: troubles.has(code) ? 503 : 400, code }
}

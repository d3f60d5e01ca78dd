// GitHub's side of connecting: endpoints, scopes in words, the OAuth method with GitHub's quirks, and personal access
// tokens. Acting as the account is in github.ts. Provider facts: docs.github.com/apps/oauth-apps/building-oauth-apps and
// /rest/apps/oauth-applications, read 2026-11-21.

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
import { defineFields, type FieldMeta } from './field-set.ts'
import { fieldTexts, methodLabels, scopeTexts } from './field-texts.ts'
import type {
  ConnectDefinition,
  Identified,
  KeyMethod,
  OAuth2Method,
  OAuthClientOptions,
} from './integration.ts'
import { checkingCredentials, readAs, requestJson } from './json-request.ts'
import { member } from './provider-failure.ts'

/** Where GitHub is: for an Enterprise server, a stand-in or a proxy. */
export interface GithubEndpoints {
  /** Host of the consent page and the token endpoint (default `https://github.com`). */
  readonly webUrl?: string
  /** Base of the REST API (default `https://api.github.com`; of an Enterprise server `https://host/api/v3`). */
  readonly apiUrl?: string
}

/** The endpoints in use. */
export interface GithubAddresses {
  readonly webUrl: string
  readonly apiUrl: string
}

/** Where GitHub is, the overridden places checked. Throws `invalid_option`. */
export function githubEndpoints(
  self: Complainant,
  { webUrl, apiUrl }: GithubEndpoints = {},
): GithubAddresses {
  return {
    webUrl: checkEndpoint(self, 'webUrl', webUrl ?? 'https://github.com'),
    apiUrl: checkEndpoint(self, 'apiUrl', apiUrl ?? 'https://api.github.com'),
  }
}

const scopeLabels: Record<string, string> = {
  'admin:org_hook': 'Manage webhooks of organisations',
  'admin:repo_hook': 'Manage webhooks of repositories',
  gist: 'Create gists',
  notifications: 'Read notifications',
  public_repo: 'Read and write public repositories',
  'read:org': 'See organisations and teams',
  'read:user': 'Read the profile',
  repo: 'Read and write private and public repositories',
  'repo:status': 'Read and write commit statuses',
  user: 'Read and write the profile',
  'user:email': 'Read e-mail addresses',
  workflow: 'Change workflow files',
}

/** How accounts connect to GitHub. Throws `missing_option` and `invalid_option`. */
export function githubConnect(
  self: Complainant,
  options: { readonly oauth?: OAuthAppOptions; readonly personalAccessToken?: boolean },
  addresses: GithubAddresses,
): ConnectDefinition {
  const { oauth, personalAccessToken = false } = options
  if (!oauth && !personalAccessToken) {
    const what = 'is needed with `connect: true`, or `personalAccessToken: true`.'
    throw optionError('missing_option', self, { option: 'oauth', what })
  }
  return {
    methods: [
      ...(oauth ? [oauthMethod(self, checkOAuthApp(self, oauth), addresses)] : []),
      ...(personalAccessToken ? [tokenMethod(self, addresses)] : []),
    ],
  }
}

function oauthMethod(
  self: Complainant,
  client: OAuthClientOptions,
  { webUrl, apiUrl }: GithubAddresses,
): OAuth2Method {
  return {
    id: 'oauth2',
    label: 'Sign in with GitHub',
    labels: methodLabels('signIn', 'GitHub'),
    client,
    authorizationUrl: () => `${webUrl}/login/oauth/authorize`,
    tokenUrl: () => `${webUrl}/login/oauth/access_token`,
    scopeSeparator: ' ',
    scopeLabels,
    scopeLocales: scopeTexts(scopeLabels),
    pkce: 'S256',
    clientAuth: 'post',
    rotation: 'strict',
    normaliseTokenResponse,
    identify: ({ accessToken }, { fetch }) => identify(self, { fetch, apiUrl }, accessToken),
    revoke: ({ accessToken }, { fetch, client: app }) =>
      revoke(self, { fetch, apiUrl, client: app }, accessToken),
  }
}

const tokenFields = z.object({
  apiKey: z
    .string()
    .regex(/^(?:ghp_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{22,251})$/)
    .meta({
      title: 'Personal access token',
      locales: fieldTexts('githubToken'),
      placeholder: 'github_pat_…',
      secret: true,
      normalise: ['trim'],
      patternMessage: 'A personal access token begins with github_pat_ or ghp_.',
      autocomplete: 'off',
      helpUrl: 'https://github.com/settings/personal-access-tokens',
    } satisfies FieldMeta),
})

function tokenMethod(self: Complainant, { apiUrl }: GithubAddresses): KeyMethod {
  return {
    id: 'apiKey',
    label: 'Personal access token',
    labels: methodLabels('personalToken', 'GitHub'),
    fields: defineFields(tokenFields),
    verify: ({ fetch, fields }) => identify(self, { fetch, apiUrl }, fields['apiKey'] ?? '', 'apiKey'),
  }
}

/** Errors come with status 200, answers as a form unless JSON was asked for, granted scopes with commas. */
async function normaliseTokenResponse(response: Response): Promise<Response> {
  const text = await response.clone().text()
  const isForm = response.headers.get('content-type')?.includes('x-www-form-urlencoded') ?? false
  const body: unknown = isForm ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text)
  const error = member(body, 'error')
  if (typeof error === 'string')
    return Response.json({ error }, { status: response.ok ? 400 : response.status })
  const scope = member(body, 'scope')
  return Response.json(
    {
      ...(typeof body === 'object' ? body : {}),
      ...(typeof scope === 'string' ? { scope: scope.replaceAll(',', ' ') } : {}),
    },
    { status: response.status },
  )
}

const userReply = z.object({ id: z.number(), login: z.string() })

/** The user of a token. Its scopes are in a header; fine-grained tokens have none. */
async function identify(
  self: Complainant,
  { fetch, apiUrl }: { fetch: GuardedFetch; apiUrl: string },
  token: string,
  field?: string,
): Promise<Identified> {
  const headers = { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json' }
  const reply = await checkingCredentials(
    self,
    () => requestJson(self, fetch, `${apiUrl}/user`, { headers }),
    field,
  )
  const { id, login } = readAs(self, userReply, reply.body)
  const scopes = reply.headers.get('x-oauth-scopes')
  return {
    identity: { id: String(id), label: login },
    fields: { login },
    ...(scopes === null ? {} : { scopes: scopes.split(/[\s,]+/).filter((scope) => scope !== '') }),
  }
}

/** Removes the app from the user's account. */
async function revoke(
  self: Complainant,
  { fetch, apiUrl, client }: { fetch: GuardedFetch; apiUrl: string; client: OAuthClientOptions },
  token: string,
): Promise<void> {
  const { clientId, clientSecret } = client
  const authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`
  const url = `${apiUrl}/applications/${encodeURIComponent(clientId)}/grant`
  try {
    await requestJson(self, fetch, url, {
      method: 'DELETE',
      headers: { authorization },
      body: { access_token: token },
    })
  } catch (error) {
    // GitHub answers so for a token that is no more; a wrong secret would have failed at the exchange.
    if (!isAuthFlowError(error) || (error.details.status !== 404 && error.details.status !== 422)) throw error
  }
}

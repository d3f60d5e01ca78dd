// The stand-in GitHub. GitHub's quirks are kept: token answers are form-encoded unless JSON is asked for, errors of the
// token endpoint are HTTP 200, granted scopes are separated by commas. Its REST API is in github-api.ts.

import { AuthFlowError } from '../../shared/errors.ts'
import { consentRoutes, viewerPage, type PageStyle } from './consent-page.ts'
import {
  firstGithubIssues,
  githubApiPrefix,
  githubApiRoutes,
  githubPeople,
  githubRepositories,
  openGithubIssue,
  type GithubApiOptions,
} from './github-api.ts'
import { createCourier, type Courier, type SandboxDelivery } from './deliver.ts'
import { githubHookRoutes, tellGithubHooks } from './github-hooks.ts'
import { githubMessage } from './github-reply.ts'
import { bearer, json, parameters, redirect, type Exchange, type Reply, type Route } from './http.ts'
import { AuthorizationServer, type Refused } from './oauth.ts'
import { basicCredentials } from './oauth-request.ts'
import { runStandIn, type Running, type StandIn, type StandInOptions } from './stand-in.ts'
import type { GithubCommentRow, GithubHookRow, GithubIssueRow, StateFile } from './state.ts'

/** An issue as it stands. */
export type SandboxIssue = GithubIssueRow
/** A comment as it arrived. */
export type SandboxComment = GithubCommentRow

/** A webhook as somebody made it, its secret left out. */
export type SandboxHook = Omit<GithubHookRow, 'secret'>

/** The stand-in GitHub. */
export interface SandboxGithub extends StandIn<{ readonly webUrl: string; readonly apiUrl: string }> {
  /** Issues of all repositories, the one each repository starts with first. */
  issues(): readonly SandboxIssue[]
  /** Everything that was commented, oldest first. */
  comments(): readonly SandboxComment[]
  /**
   * Opens an issue as a person would on the page, and tells the webhooks.
   *
   * @throws {@link AuthFlowError} `not_found` for a repository that the person does not see
   */
  openIssue(issue: { repo: string; title: string; body?: string; author: string }): Promise<SandboxIssue>
  /** Webhooks of all repositories and organisations. */
  hooks(): readonly SandboxHook[]
  /** Removes a webhook, as its administrator would on the page. False when there is none. */
  removeHook(id: number): Promise<boolean>
  /** Webhook requests that were sent since the start; the last 1000. */
  deliveries(): readonly SandboxDelivery[]
  /** Sends one again as it was. Throws `not_found`. */
  redeliver(id: string): Promise<SandboxDelivery>
}

const style: PageStyle = {
  service: 'GitHub',
  placeKind: 'organisation',
  accent: '#1f2933',
  scopeWords: {
    repo: 'Read and write private and public repositories',
    public_repo: 'Read and write public repositories',
    'read:user': 'Read the profile',
    'user:email': 'Read e-mail addresses',
  },
}

const errorWords: Record<Refused['error'], string> = {
  invalid_client: 'incorrect_client_credentials',
  invalid_grant: 'bad_verification_code',
  invalid_request: 'invalid_request',
  redirect_uri_mismatch: 'redirect_uri_mismatch',
}

/** JSON when it is asked for, else a form; errors too, always with status 200. */
function tokenReply(exchange: Exchange, values: Readonly<Record<string, string>>): Reply {
  if (exchange.headers.accept?.includes('application/json')) return json(values)
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
  return { status: 200, headers, body: new URLSearchParams(values).toString() }
}

async function tokenEndpoint(server: AuthorizationServer, exchange: Exchange): Promise<Reply> {
  const form = parameters(exchange)
  const basic = basicCredentials(exchange.headers.authorization)
  const refuse = (error: string): Reply =>
    tokenReply(exchange, {
      error,
      error_description: 'The stand-in refused the request.',
      error_uri: 'about:blank',
    })
  if (!server.isClient(basic?.id ?? form.get('client_id'), basic?.secret ?? form.get('client_secret'))) {
    return refuse('incorrect_client_credentials')
  }
  const refreshing = form.get('grant_type') === 'refresh_token'
  const code = {
    code: form.get('code'),
    redirectUri: form.get('redirect_uri'),
    verifier: form.get('code_verifier'),
  }
  const outcome = refreshing ? await server.refresh(form.get('refresh_token')) : await server.exchange(code)
  if (!outcome.ok) return refuse(refreshing ? 'bad_refresh_token' : errorWords[outcome.error])
  const { access, refresh, grant, expiresInSeconds } = outcome.issued
  const expiry = { refresh_token: refresh['access'] ?? '', expires_in: String(expiresInSeconds) }
  return tokenReply(exchange, {
    access_token: access['access'] ?? '',
    scope: grant.scopes.join(','),
    token_type: 'bearer',
    ...(expiresInSeconds === null ? {} : expiry),
  })
}

function viewer({ data }: StateFile): Reply {
  const comments = data.github.comments.toReversed().map((row) => ({
    head: `${row.repo} #${row.issue}`,
    text: row.body,
    meta: `${row.author} · ${row.createdAt}`,
  }))
  const issues = data.github.issues.toReversed().map((row) => ({
    head: `${row.repo} #${row.number}`,
    text: row.title,
    meta: row.author,
  }))
  const form = { action: '/issues', label: 'New issue', button: 'Open issue', people: githubPeople }
  const sections = [
    { title: 'Comments', empty: 'No comment yet.', rows: comments },
    { title: 'Issues', empty: 'No issue yet.', rows: issues },
  ]
  return viewerPage(style, sections, { form })
}

function rateLimited(seconds: number): Reply {
  const reset = String(Math.ceil(Date.now() / 1000) + seconds)
  const reply = githubMessage(403, 'API rate limit exceeded')
  return { ...reply, headers: { ...reply.headers, 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset } }
}

const parts = (value: string | null): string[] => (value ?? '').split(/[ ,]+/).filter((scope) => scope !== '')

const consentAt = (server: AuthorizationServer): readonly Route[] =>
  consentRoutes({
    path: '/login/oauth/authorize',
    server,
    style,
    people: () => githubPeople,
    scopes: (query) => ({ scopes: parts(query.get('scope')) }),
  })

/** Starts the stand-in GitHub. */
export async function startGithub(options: StandInOptions): Promise<Running<SandboxGithub>> {
  const { state, redirectUris, accessTokenSeconds } = options
  const { github } = state.data
  if (github.issues.length === 0) github.issues.push(...firstGithubIssues())
  const server = new AuthorizationServer({
    provider: 'github',
    state,
    redirectUris,
    pkce: 'optional',
    accessTokenSeconds: accessTokenSeconds ?? null,
    rotation: 'strict',
    tokenPrefix: (kind) => (kind === 'refresh' ? 'ghr_' : 'gho_'),
  })
  let origin = ''
  const courier = createCourier()
  const api: GithubApiOptions = {
    server,
    state,
    origin: () => origin,
    tell: (happening) => tellGithubHooks(state, courier, happening),
  }
  const { standIn, close } = await runStandIn(options, {
    name: 'GitHub',
    people: githubPeople,
    server,
    routes: [
      { method: 'GET', path: '/', handle: () => viewer(state) },
      { method: 'POST', path: '/issues', handle: (exchange) => openByForm(api, exchange) },
      ...consentAt(server),
      {
        method: 'POST',
        path: '/login/oauth/access_token',
        handle: (exchange) => tokenEndpoint(server, exchange),
      },
      ...hookRoutes(api, courier),
      ...githubApiRoutes(api),
    ],
    rateLimited,
    notFound: () => githubMessage(404, 'Not Found'),
  })
  origin = standIn.url
  const endpoints = { webUrl: origin, apiUrl: origin + githubApiPrefix }
  return { standIn: { ...standIn, endpoints, ...viewsOf(api, courier) }, close }
}

/** The form on the viewer's page: an issue in the repository of the person's organisation. */
async function openByForm(api: GithubApiOptions, exchange: Exchange): Promise<Reply> {
  const form = parameters(exchange)
  const author = form.get('person') ?? ''
  const place = githubPeople.find(({ id }) => id === author)?.place
  const repo = githubRepositories.find((name) => name.split('/')[0] === place) ?? ''
  const title = (form.get('text') ?? '').trim().slice(0, 200)
  const issue = title === '' ? undefined : await openGithubIssue(api, { repo, title, body: '', author })
  return issue ? redirect('/') : githubMessage(422, 'Validation Failed')
}

/** What a test or the demo sees and does beside the API. */
function viewsOf(api: GithubApiOptions, courier: Courier) {
  const { state } = api
  const { github } = state.data
  return {
    issues: () => structuredClone(github.issues),
    comments: () => structuredClone(github.comments),
    async openIssue(given: { repo: string; title: string; body?: string; author: string }) {
      const issue = await openGithubIssue(api, { body: '', ...given })
      if (!issue) throw new AuthFlowError('not_found', 'The person does not see this repository.')
      return issue
    },
    hooks: () =>
      github.hooks.map(({ id, place, url, events, active, grantId }) => ({
        id,
        place,
        url,
        active,
        grantId,
        events: [...events],
      })),
    async removeHook(id: number) {
      const at = github.hooks.findIndex((hook) => hook.id === id)
      if (at < 0) return false
      github.hooks.splice(at, 1)
      await state.save()
      return true
    },
    deliveries: () => courier.deliveries(),
    redeliver: (id: string) => courier.redeliver(id),
  }
}

function hookRoutes({ server, state, origin }: GithubApiOptions, courier: Courier): readonly Route[] {
  return githubHookRoutes({
    state,
    courier,
    origin,
    prefix: githubApiPrefix,
    repositories: githubRepositories,
    authenticate: (exchange) => server.authenticate(bearer(exchange))?.grant,
  })
}

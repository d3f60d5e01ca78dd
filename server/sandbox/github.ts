// The stand-in GitHub: users, repositories, issues, comments. GitHub's quirks are kept: token answers are form-encoded
// unless JSON is asked for, errors of the token endpoint are HTTP 200, granted scopes are separated by commas, a
// repository that one may not see is 404.

import { z } from 'zod'

import { consentRoutes, viewerPage, type PageStyle, type Person } from './consent-page.ts'
import { bearer, json, jsonBody, parameters, type Exchange, type Reply, type Route } from './http.ts'
import {
  basicCredentials,
  createAuthorizationServer,
  type AuthorizationServer,
  type Refused,
} from './oauth.ts'
import { runStandIn, type Running, type StandIn, type StandInOptions } from './stand-in.ts'
import type { Grant, GithubCommentRow, GithubIssueRow, StateFile } from './state.ts'

/** An issue as it stands. */
export type SandboxIssue = GithubIssueRow
/** A comment as it arrived. */
export type SandboxComment = GithubCommentRow

/** The stand-in GitHub. */
export interface SandboxGithub extends StandIn<{ readonly webUrl: string; readonly apiUrl: string }> {
  /** Issues of all repositories, the one each repository starts with first. */
  issues(): readonly SandboxIssue[]
  /** Everything that was commented, oldest first. */
  comments(): readonly SandboxComment[]
}

const people = [
  { id: 'ada', name: 'Ada Lovelace', place: 'acme', placeName: 'acme' },
  { id: 'grace', name: 'Grace Hopper', place: 'globex', placeName: 'globex' },
] as const satisfies readonly Person[]

const userIds: Readonly<Record<string, number>> = { ada: 1815, grace: 1906 }

/** Each organisation has one private repository with one issue. */
const repositories = ['acme/website', 'globex/reports'] as const

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

const apiPrefix = '/api/v3'

const firstIssues: readonly GithubIssueRow[] = repositories.map((repo) => ({
  repo,
  number: 1,
  title: 'Welcome',
  body: 'The issue that every repository starts with.',
  author: repo.startsWith('acme') ? 'ada' : 'grace',
  createdAt: '2026-01-01T00:00:00Z',
}))

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
  const outcome = refreshing
    ? await server.refresh(form.get('refresh_token'))
    : await server.exchange({
        code: form.get('code'),
        redirectUri: form.get('redirect_uri'),
        verifier: form.get('code_verifier'),
      })
  if (!outcome.ok) return refuse(refreshing ? 'bad_refresh_token' : errorWords[outcome.error])
  const { access, refresh, grant, expiresInSeconds } = outcome.issued
  return tokenReply(exchange, {
    access_token: access['access'] ?? '',
    scope: grant.scopes.join(','),
    token_type: 'bearer',
    ...(expiresInSeconds === null
      ? {}
      : { refresh_token: refresh['access'] ?? '', expires_in: String(expiresInSeconds) }),
  })
}

const message = (status: number, text: string, more: Record<string, unknown> = {}): Reply =>
  json(
    { message: text, documentation_url: 'https://docs.github.com/rest', status: String(status), ...more },
    status,
  )

const showUser = (login: string): Record<string, unknown> => ({
  login,
  id: userIds[login] ?? 0,
  type: 'User',
  name: people.find((person) => person.id === login)?.name ?? login,
})

const issueInput = z.object({ title: z.string().min(1), body: z.string().nullish() })
const commentInput = z.object({ body: z.string().min(1) })
const grantInput = z.object({ access_token: z.string() })

const invalid = (resource: string, field: string): Reply =>
  message(422, 'Validation Failed', { errors: [{ resource, field, code: 'missing_field' }] })

/** The REST API below `/api/v3`, as on a GitHub Enterprise server. */
function createApi(server: AuthorizationServer, state: StateFile, origin: () => string): readonly Route[] {
  const { github } = state.data
  const showIssue = (issue: GithubIssueRow): Record<string, unknown> => ({
    id: repositories.findIndex((repo) => repo === issue.repo) * 1000 + issue.number,
    number: issue.number,
    title: issue.title,
    body: issue.body,
    state: 'open',
    user: showUser(issue.author),
    comments: github.comments.filter((one) => one.repo === issue.repo && one.issue === issue.number).length,
    html_url: `${origin()}/${issue.repo}/issues/${issue.number}`,
    created_at: issue.createdAt,
  })
  const showRepository = (repo: string): Record<string, unknown> => {
    const [owner, name] = repo.split('/')
    const id = repositories.findIndex((one) => one === repo) + 1
    return {
      id,
      name,
      full_name: repo,
      private: true,
      default_branch: 'main',
      owner: { login: owner, id: id + 100 },
      html_url: `${origin()}/${repo}`,
    }
  }
  const showComment = (comment: GithubCommentRow): Record<string, unknown> => ({
    id: comment.id,
    body: comment.body,
    user: showUser(comment.author),
    html_url: `${origin()}/${comment.repo}/issues/${comment.issue}#issuecomment-${comment.id}`,
    created_at: comment.createdAt,
  })

  type Handler = (grant: Grant, exchange: Exchange, repo: string) => Reply | Promise<Reply>
  const withUser =
    (handle: Handler) =>
    async (exchange: Exchange): Promise<Reply> => {
      const found = server.authenticate(bearer(exchange))
      if (!found) return message(401, 'Bad credentials')
      const { grant } = found
      const { owner, repo } = exchange.params
      const name = `${owner}/${repo}`
      const allowed = owner === undefined || (owner === grant.place && grant.scopes.includes('repo'))
      const known = owner === undefined || repositories.some((one) => one === name)
      const reply = allowed && known ? await handle(grant, exchange, name) : message(404, 'Not Found')
      const headers = {
        'x-oauth-scopes': grant.scopes.join(', '),
        'x-ratelimit-limit': '5000',
        'x-ratelimit-remaining': '4999',
      }
      return { ...reply, headers: { ...headers, ...reply.headers } }
    }
  const findIssue = (repo: string, exchange: Exchange): GithubIssueRow | undefined =>
    github.issues.find((issue) => issue.repo === repo && String(issue.number) === exchange.params['number'])
  const now = (): string => new Date().toISOString()

  const base = `${apiPrefix}/repos/:owner/:repo`
  return [
    { method: 'GET', path: `${apiPrefix}/user`, handle: withUser((grant) => json(showUser(grant.person))) },
    {
      method: 'GET',
      path: `${apiPrefix}/user/repos`,
      handle: withUser((grant) =>
        json(repositories.filter((repo) => repo.startsWith(`${grant.place}/`)).map(showRepository)),
      ),
    },
    { method: 'GET', path: base, handle: withUser((_grant, _exchange, repo) => json(showRepository(repo))) },
    {
      method: 'GET',
      path: `${base}/issues`,
      handle: withUser((_grant, _exchange, repo) =>
        json(github.issues.filter((one) => one.repo === repo).map(showIssue)),
      ),
    },
    {
      method: 'POST',
      path: `${base}/issues`,
      handle: withUser(async (grant, exchange, repo) => {
        const input = issueInput.safeParse(jsonBody(exchange))
        if (!input.success) return invalid('Issue', 'title')
        const number = github.issues.filter((one) => one.repo === repo).length + 1
        const { title, body } = input.data
        const issue = { repo, number, title, body: body ?? '', author: grant.person, createdAt: now() }
        github.issues.push(issue)
        await state.save()
        return json(showIssue(issue), 201)
      }),
    },
    {
      method: 'GET',
      path: `${base}/issues/:number`,
      handle: withUser((_grant, exchange, repo) => {
        const issue = findIssue(repo, exchange)
        return issue ? json(showIssue(issue)) : message(404, 'Not Found')
      }),
    },
    {
      method: 'GET',
      path: `${base}/issues/:number/comments`,
      handle: withUser((_grant, exchange, repo) => {
        const issue = findIssue(repo, exchange)
        if (!issue) return message(404, 'Not Found')
        return json(
          github.comments.filter((one) => one.repo === repo && one.issue === issue.number).map(showComment),
        )
      }),
    },
    {
      method: 'POST',
      path: `${base}/issues/:number/comments`,
      handle: withUser(async (grant, exchange, repo) => {
        const issue = findIssue(repo, exchange)
        if (!issue) return message(404, 'Not Found')
        const input = commentInput.safeParse(jsonBody(exchange))
        if (!input.success) return invalid('IssueComment', 'body')
        const id = github.comments.length + 1
        const comment = {
          id,
          repo,
          issue: issue.number,
          body: input.data.body,
          author: grant.person,
          createdAt: now(),
        }
        github.comments.push(comment)
        await state.save()
        return json(showComment(comment), 201)
      }),
    },
    {
      method: 'DELETE',
      path: `${apiPrefix}/applications/:clientId/grant`,
      async handle(exchange) {
        const basic = basicCredentials(exchange.headers.authorization)
        if (exchange.params['clientId'] !== basic?.id || !server.isClient(basic?.id, basic?.secret))
          return message(404, 'Not Found')
        const input = grantInput.safeParse(jsonBody(exchange))
        const found = input.success ? server.authenticate(input.data.access_token) : undefined
        if (!found) return message(422, 'Validation Failed')
        await server.revoke(found.grant)
        return { status: 204 }
      },
    },
  ]
}

const parts = (value: string | null): string[] => (value ?? '').split(/[ ,]+/).filter((scope) => scope !== '')

/** Starts the stand-in GitHub. */
export async function startGithub(options: StandInOptions): Promise<Running<SandboxGithub>> {
  const { state, redirectUris, accessTokenSeconds } = options
  if (state.data.github.issues.length === 0)
    state.data.github.issues.push(...firstIssues.map((issue) => ({ ...issue })))
  const server = createAuthorizationServer({
    provider: 'github',
    state,
    redirectUris,
    pkce: 'optional',
    accessTokenSeconds: accessTokenSeconds ?? null,
    rotation: 'strict',
    tokenPrefix: (kind) => (kind === 'refresh' ? 'ghr_' : 'gho_'),
  })
  let origin = ''
  const comments = (): SandboxComment[] => structuredClone(state.data.github.comments)
  const viewer = (): Reply =>
    viewerPage(style, [
      {
        title: 'Comments',
        empty: 'No comment yet.',
        rows: comments()
          .toReversed()
          .map((row) => ({
            head: `${row.repo} #${row.issue}`,
            text: row.body,
            meta: `${row.author} · ${row.createdAt}`,
          })),
      },
      {
        title: 'Issues',
        empty: 'No issue yet.',
        rows: state.data.github.issues.map((row) => ({
          head: `${row.repo} #${row.number}`,
          text: row.title,
          meta: row.author,
        })),
      },
    ])
  const { standIn, close } = await runStandIn(options, {
    name: 'GitHub',
    people,
    server,
    routes: [
      { method: 'GET', path: '/', handle: viewer },
      ...consentRoutes({
        path: '/login/oauth/authorize',
        server,
        style,
        people: () => people,
        scopes: (query) => ({ scopes: parts(query.get('scope')) }),
      }),
      {
        method: 'POST',
        path: '/login/oauth/access_token',
        handle: (exchange) => tokenEndpoint(server, exchange),
      },
      ...createApi(server, state, () => origin),
    ],
    rateLimited(seconds) {
      const reset = String(Math.ceil(Date.now() / 1000) + seconds)
      const reply = message(403, 'API rate limit exceeded')
      return {
        ...reply,
        headers: { ...reply.headers, 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset },
      }
    },
    notFound: () => message(404, 'Not Found'),
  })
  origin = standIn.url
  const issues = (): SandboxIssue[] => structuredClone(state.data.github.issues)
  const endpoints = { webUrl: standIn.url, apiUrl: standIn.url + apiPrefix }
  return { standIn: { ...standIn, endpoints, issues, comments }, close }
}

// The REST API of the stand-in GitHub below `/api/v3`, as on an Enterprise server: users, repositories, issues, comments.
// A repository that one may not see is 404.

import { z } from 'zod'

import type { Person } from './consent-page.ts'
import type { GithubHappening } from './github-hooks.ts'
import { githubMessage } from './github-reply.ts'
import { bearer, json, jsonBody, type Exchange, type Reply, type Route } from './http.ts'
import type { AuthorizationServer } from './oauth.ts'
import { basicCredentials } from './oauth-request.ts'
import type { GithubCommentRow, GithubIssueRow, Grant, StateFile } from './state.ts'

/** Where the API begins. */
export const githubApiPrefix = '/api/v3'

/** Who can be chosen, each a member of one organisation. */
export const githubPeople = [
  { id: 'ada', name: 'Ada Lovelace', place: 'acme', placeName: 'acme' },
  { id: 'grace', name: 'Grace Hopper', place: 'globex', placeName: 'globex' },
] as const satisfies readonly Person[]

const userIds: Readonly<Record<string, number>> = { ada: 1815, grace: 1906 }

/** Each organisation has one private repository with one issue. */
export const githubRepositories: readonly string[] = ['acme/website', 'globex/reports']

/** The issues that there are at the beginning. */
export const firstGithubIssues = (): GithubIssueRow[] =>
  githubRepositories.map((repo) => ({
    repo,
    number: 1,
    title: 'Welcome',
    body: 'The issue that every repository starts with.',
    author: repo.startsWith('acme') ? 'ada' : 'grace',
    createdAt: '2026-01-01T00:00:00Z',
  }))

const notFound = (): Reply => githubMessage(404, 'Not Found')

const invalid = (resource: string, field: string): Reply =>
  githubMessage(422, 'Validation Failed', { errors: [{ resource, field, code: 'missing_field' }] })

/** A call of a user, to a repository that the user may see. */
interface Call {
  readonly state: StateFile
  readonly origin: string
  readonly grant: Grant
  readonly exchange: Exchange
  /** `acme/website`. */
  readonly repo: string
  /** Tells the webhooks. */
  readonly tell: (happening: GithubHappening) => void
}

const showUser = (login: string): Record<string, unknown> => ({
  login,
  id: userIds[login] ?? 0,
  type: 'User',
  name: githubPeople.find((person) => person.id === login)?.name ?? login,
})

const commentsOn = ({ data }: StateFile, issue: GithubIssueRow): GithubCommentRow[] =>
  data.github.comments.filter((one) => one.repo === issue.repo && one.issue === issue.number)

const showIssue = (
  { state, origin }: Pick<Call, 'state' | 'origin'>,
  issue: GithubIssueRow,
): Record<string, unknown> => ({
  id: githubRepositories.indexOf(issue.repo) * 1000 + issue.number,
  number: issue.number,
  title: issue.title,
  body: issue.body,
  state: 'open',
  user: showUser(issue.author),
  comments: commentsOn(state, issue).length,
  html_url: `${origin}/${issue.repo}/issues/${issue.number}`,
  created_at: issue.createdAt,
})

const showComment = ({ origin }: Call, comment: GithubCommentRow): Record<string, unknown> => ({
  id: comment.id,
  body: comment.body,
  user: showUser(comment.author),
  html_url: `${origin}/${comment.repo}/issues/${comment.issue}#issuecomment-${comment.id}`,
  created_at: comment.createdAt,
})

const issuesOf = ({ state, repo }: Call): GithubIssueRow[] =>
  state.data.github.issues.filter((issue) => issue.repo === repo)

const findIssue = (call: Call): GithubIssueRow | undefined =>
  issuesOf(call).find((issue) => String(issue.number) === call.exchange.params['number'])

function showRepository({ origin }: Pick<Call, 'origin'>, repo: string): Record<string, unknown> {
  const id = githubRepositories.indexOf(repo) + 1
  const facts = { id, name: repo.split('/')[1], full_name: repo, private: true, default_branch: 'main' }
  return { ...facts, owner: { login: repo.split('/')[0], id: id + 100 }, html_url: `${origin}/${repo}` }
}

function listRepositories(call: Call): Reply {
  const { place, scopes } = call.grant
  const own = githubRepositories.filter((repo) => scopes.includes('repo') && repo.startsWith(`${place}/`))
  return json(own.map((repo) => showRepository(call, repo)))
}

const issueInput = z.object({ title: z.string().min(1), body: z.string().nullish() })

/** Writes the issue down and tells the webhooks. */
async function openIssue(call: Omit<Call, 'exchange' | 'grant'>, issue: GithubIssueRow): Promise<void> {
  call.state.data.github.issues.push(issue)
  await call.state.save()
  const about = { repository: showRepository(call, call.repo), sender: showUser(issue.author) }
  const payload = { action: 'opened', issue: showIssue(call, issue), ...about }
  call.tell({ event: 'issues', repo: call.repo, payload })
}

async function createIssue(call: Call): Promise<Reply> {
  const input = issueInput.safeParse(jsonBody(call.exchange))
  if (!input.success) return invalid('Issue', 'title')
  const { title, body } = input.data
  const facts = { repo: call.repo, number: issuesOf(call).length + 1, author: call.grant.person }
  const issue = { ...facts, title, body: body ?? '', createdAt: new Date().toISOString() }
  await openIssue(call, issue)
  return json(showIssue(call, issue), 201)
}

function getIssue(call: Call): Reply {
  const issue = findIssue(call)
  return issue ? json(showIssue(call, issue)) : notFound()
}

function listComments(call: Call): Reply {
  const issue = findIssue(call)
  return issue ? json(commentsOn(call.state, issue).map((one) => showComment(call, one))) : notFound()
}

const commentInput = z.object({ body: z.string().min(1) })

async function createComment(call: Call): Promise<Reply> {
  const issue = findIssue(call)
  if (!issue) return notFound()
  const input = commentInput.safeParse(jsonBody(call.exchange))
  if (!input.success) return invalid('IssueComment', 'body')
  const { comments } = call.state.data.github
  const place = { id: comments.length + 1, repo: call.repo, issue: issue.number }
  const comment = {
    ...place,
    body: input.data.body,
    author: call.grant.person,
    createdAt: new Date().toISOString(),
  }
  comments.push(comment)
  await call.state.save()
  const about = { repository: showRepository(call, call.repo), sender: showUser(comment.author) }
  const payload = {
    action: 'created',
    issue: showIssue(call, issue),
    comment: showComment(call, comment),
    ...about,
  }
  call.tell({ event: 'issue_comment', repo: call.repo, payload })
  return json(showComment(call, comment), 201)
}

const grantInput = z.object({ access_token: z.string() })

/** Removes the app from an account, for the app's own credentials. */
async function deleteGrant(server: AuthorizationServer, exchange: Exchange): Promise<Reply> {
  const basic = basicCredentials(exchange.headers.authorization)
  if (exchange.params['clientId'] !== basic?.id || !server.isClient(basic?.id, basic?.secret))
    return notFound()
  const input = grantInput.safeParse(jsonBody(exchange))
  const found = input.success ? server.authenticate(input.data.access_token) : undefined
  if (!found) return githubMessage(422, 'Validation Failed')
  await server.revoke(found.grant)
  return { status: 204 }
}

/** What the REST API works on; `origin` is known once the server listens. */
export interface GithubApiOptions {
  readonly server: AuthorizationServer
  readonly state: StateFile
  readonly origin: () => string
  readonly tell: (happening: GithubHappening) => void
}

/** Opens an issue as a person would on the page. False for a person that the repository is not open to. */
export async function openGithubIssue(
  { state, origin, tell }: GithubApiOptions,
  { repo, title, body, author }: { repo: string; title: string; body: string; author: string },
): Promise<GithubIssueRow | undefined> {
  const person = githubPeople.find(({ id }) => id === author)
  if (!person || !githubRepositories.includes(repo) || !repo.startsWith(`${person.place}/`)) return undefined
  const number = state.data.github.issues.filter((issue) => issue.repo === repo).length + 1
  const issue = { repo, number, title, body, author, createdAt: new Date().toISOString() }
  await openIssue({ state, origin: origin(), repo, tell }, issue)
  return issue
}

/** Addresses of the REST API. */
export function githubApiRoutes({ server, state, origin, tell }: GithubApiOptions): readonly Route[] {
  const asUser =
    (handle: (call: Call) => Reply | Promise<Reply>) =>
    async (exchange: Exchange): Promise<Reply> => {
      const grant = server.authenticate(bearer(exchange))?.grant
      if (!grant) return githubMessage(401, 'Bad credentials')
      const { owner, repo: name } = exchange.params
      const repo = `${owner}/${name}`
      const sees = owner === grant.place && grant.scopes.includes('repo') && githubRepositories.includes(repo)
      const call = { state, origin: origin(), grant, exchange, repo, tell }
      const reply = owner === undefined || sees ? await handle(call) : notFound()
      const limits = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '4999' }
      return { ...reply, headers: { 'x-oauth-scopes': grant.scopes.join(', '), ...limits, ...reply.headers } }
    }
  const repository = `${githubApiPrefix}/repos/:owner/:repo`
  const listIssues = (call: Call): Reply => json(issuesOf(call).map((issue) => showIssue(call, issue)))
  return [
    {
      method: 'GET',
      path: `${githubApiPrefix}/user`,
      handle: asUser(({ grant }) => json(showUser(grant.person))),
    },
    { method: 'GET', path: `${githubApiPrefix}/user/repos`, handle: asUser(listRepositories) },
    { method: 'GET', path: repository, handle: asUser((call) => json(showRepository(call, call.repo))) },
    { method: 'GET', path: `${repository}/issues`, handle: asUser(listIssues) },
    { method: 'POST', path: `${repository}/issues`, handle: asUser(createIssue) },
    { method: 'GET', path: `${repository}/issues/:number`, handle: asUser(getIssue) },
    { method: 'GET', path: `${repository}/issues/:number/comments`, handle: asUser(listComments) },
    { method: 'POST', path: `${repository}/issues/:number/comments`, handle: asUser(createComment) },
    {
      method: 'DELETE',
      path: `${githubApiPrefix}/applications/:clientId/grant`,
      handle: (exchange) => deleteGrant(server, exchange),
    },
  ]
}

// GitHub: acting as an account with the official @octokit/rest. How accounts connect is in github-connect.ts. Provider
// facts: docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api and /rest/issues, read 2026-11-21.

import type { Octokit } from '@octokit/rest'
import { z } from 'zod'
import type { ApiKeyAuth, OAuth2Auth } from '../../shared/auth.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import type { IO, TaskOptions } from '../jobs/job.ts'
import { checkAuthSource, checkCredential, checkId, type OAuthAppOptions } from './checked-options.ts'
import { githubConnect, githubEndpoints, type GithubEndpoints } from './github-connect.ts'
import { githubSources, type GithubSources } from './github-sources.ts'
import { readAs } from './json-request.ts'
import { githubLimits } from './github-limits.ts'
import { failureError, member, retryAfterMs, type ProviderFailure } from './provider-failure.ts'
import { ProviderIntegration } from './provider-integration.ts'
import { loadPeer } from './sdk-peer.ts'

export type { GithubEndpoints } from './github-connect.ts'
export { events } from './github-events.ts'
export type {
  GithubCreatePayload,
  GithubIssueCommentPayload,
  GithubIssuesPayload,
  GithubPullRequestPayload,
  GithubPullRequestReviewPayload,
  GithubPushPayload,
  GithubRepositoryPayload,
  GithubStarPayload,
} from './github-events.ts'
export type { GithubOrgParams, GithubRepoParams, GithubSources } from './github-sources.ts'

/** Options of {@link Github}: `token` for the product's own account, or `connect` for its customers'. */
export interface GithubOptions<Id extends string = string> {
  /** The host's own name for this integration: `github-customers`. */
  readonly id: Id
  /** A personal access token: runs of any account use it. */
  readonly token?: string | undefined
  /** Lets accounts connect. */
  readonly connect?: boolean
  /** The host's OAuth app. Needed with `connect` unless personal access tokens are enough. */
  readonly oauth?: OAuthAppOptions
  /** Lets accounts connect with a personal access token typed into the form (default false). */
  readonly personalAccessToken?: boolean
  /** Another place than github.com: an Enterprise server, a stand-in or a proxy. */
  readonly endpoints?: GithubEndpoints
}

/** A repository by its names. */
export type GithubRepoName = {
  /** Login of the user or organisation. */
  readonly owner: string
  /** Name without the owner. */
  readonly repo: string
}

/** An issue, by GitHub's own names. */
export type GithubIssue = {
  /** Unique at GitHub. */
  id: number
  /** Unique in its repository; what people write as `#1`. */
  number: number
  /** Plain text. */
  title: string
  /** Markdown; null when there is none. */
  body: string | null
  /** `open` or `closed`. */
  state: string
  /** Page for people. */
  html_url: string
  /** Who opened it; null for a deleted account. */
  user: { login: string } | null
  /** How many there are. */
  comments: number
  /** ISO 8601. */
  created_at: string
}

/** A comment on an issue or pull request. */
export type GithubComment = {
  /** Unique at GitHub. */
  id: number
  /** Markdown. */
  body: string
  /** Page for people. */
  html_url: string
  /** Who wrote it; null for a deleted account. */
  user: { login: string } | null
  /** ISO 8601. */
  created_at: string
}

/** A repository. */
export type GithubRepo = {
  /** Unique at GitHub; stays when the repository is renamed. */
  id: number
  /** `owner/repo`. */
  full_name: string
  /** True when only members see it. */
  private: boolean
  /** `main`. */
  default_branch: string
  /** Page for people. */
  html_url: string
}

const name = 'GitHub'

const user = z.object({ login: z.string() }).nullable()
const issueReply = z.object({
  id: z.number(),
  number: z.number(),
  title: z.string(),
  body: z
    .string()
    .nullish()
    .transform((body) => body ?? null),
  state: z.string(),
  html_url: z.string(),
  user,
  comments: z.number(),
  created_at: z.string(),
})
const commentReply = z.object({
  id: z.number(),
  body: z.string().default(''),
  html_url: z.string(),
  user,
  created_at: z.string(),
})
const repoReply = z.object({
  id: z.number(),
  full_name: z.string(),
  private: z.boolean(),
  default_branch: z.string(),
  html_url: z.string(),
})

/** GitHub in the name of a user. */
export class Github<const Id extends string = string> extends ProviderIntegration<
  Id,
  OAuth2Auth | ApiKeyAuth,
  Octokit
> {
  /** Where webhooks come from: `github.sources.repo`. For `DynamicTrigger`. */
  readonly sources: GithubSources
  readonly #options: GithubOptions<Id>
  readonly #apiUrl: string

  /**
   * @throws {@link AuthFlowError} `missing_option` naming the option and the id, also for a credential that is given but
   *   undefined; `invalid_option`
   */
  constructor(options: GithubOptions<Id>) {
    const self = { name, id: options.id }
    checkId(self)
    const local = Object.hasOwn(options, 'token')
    if (local) checkCredential(self, 'token', options.token)
    const authSource = checkAuthSource(self, { connect: options.connect, local, localOption: 'token' })
    const addresses = githubEndpoints(self, options.endpoints)
    const connect = options.connect ? githubConnect(self, options, addresses) : undefined
    const endpoints = options.endpoints ? [addresses.webUrl, addresses.apiUrl] : []
    super({ id: options.id, provider: 'github', name, authSource, connect, endpoints, limits: githubLimits })
    this.#options = options
    this.#apiUrl = addresses.apiUrl
    const { apiUrl } = addresses
    this.sources = githubSources({ self, integration: this, apiUrl, token: options.token })
  }

  override cloneForRun(io: IO, connectionKey: string, auth?: OAuth2Auth | ApiKeyAuth): Github<Id> {
    return new Github(this.#options).bindTo(this, io, connectionKey, auth)
  }

  override async createClient(auth?: OAuth2Auth | ApiKeyAuth): Promise<Octokit> {
    const given = auth && (auth.type === 'oauth2' ? auth.accessToken : auth.apiKey)
    const token = this.#options.token ?? given
    if (token === undefined) throw this.notConnected()
    const sdk = await loadPeer('@octokit/rest', () => import('@octokit/rest'))
    const ignore = (): void => undefined
    return new sdk.Octokit({
      auth: token,
      baseUrl: this.#apiUrl,
      // This package has no retry and no throttling plugin: tasks retry.
      request: { fetch: (url: string, init?: RequestInit) => this.sdkFetch(url, init) },
      log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    })
  }

  /** Tasks on issues; the same ones as the methods of the class with longer names. */
  get issues() {
    return {
      create: this.createIssue.bind(this),
      createComment: this.createIssueComment.bind(this),
      get: this.getIssue.bind(this),
    }
  }

  /** Tasks on repositories. */
  get repos() {
    return { get: this.getRepo.bind(this) }
  }

  /** Comments on an issue or pull request. GitHub takes no idempotency key: a lost answer may leave two comments. */
  createIssueComment(
    key: string,
    params: GithubRepoName & { readonly issue_number: number; readonly body: string },
    options: TaskOptions = {},
  ): Promise<GithubComment> {
    return this.runTask(
      key,
      async (client, { signal }) => {
        const { data } = await client.rest.issues.createComment({ ...params, request: { signal } })
        return readAs(this.self, commentReply, data)
      },
      { name: 'Comment on issue', params, ...options },
    )
  }

  /** Opens an issue. GitHub takes no idempotency key: a lost answer may leave two issues. */
  createIssue(
    key: string,
    params: GithubRepoName & {
      readonly title: string
      readonly body?: string
      readonly labels?: string[]
      readonly assignees?: string[]
    },
    options: TaskOptions = {},
  ): Promise<GithubIssue> {
    return this.runTask(
      key,
      async (client, { signal }) => {
        const { data } = await client.rest.issues.create({ ...params, request: { signal } })
        return readAs(this.self, issueReply, data)
      },
      { name: 'Create issue', params, ...options },
    )
  }

  /** Reads an issue or pull request. */
  getIssue(
    key: string,
    params: GithubRepoName & { readonly issue_number: number },
    options: TaskOptions = {},
  ): Promise<GithubIssue> {
    return this.runTask(
      key,
      async (client, { signal }) => {
        const { data } = await client.rest.issues.get({ ...params, request: { signal } })
        return readAs(this.self, issueReply, data)
      },
      { name: 'Get issue', params, ...options },
    )
  }

  /** Reads a repository. */
  getRepo(key: string, params: GithubRepoName, options: TaskOptions = {}): Promise<GithubRepo> {
    return this.runTask(
      key,
      async (client, { signal }) => {
        const { data } = await client.rest.repos.get({ ...params, request: { signal } })
        return readAs(this.self, repoReply, data)
      },
      { name: 'Get repository', params, ...options },
    )
  }

  protected override explain(error: unknown): unknown {
    const inner = member(error, 'cause')
    if (isAuthFlowError(inner)) return inner
    const failure = failureOf(error)
    return failure === undefined ? error : failureError(this.self, failure)
  }
}

/** The facts of Octokit's `HttpError`; undefined for anything else. */
function failureOf(error: unknown): ProviderFailure | undefined {
  const status = member(error, 'status')
  if (member(error, 'name') !== 'HttpError' || typeof status !== 'number') return undefined
  if (member(error, 'response') === undefined) return {}
  const header = (key: string): unknown => member(error, 'response', 'headers', key)
  const wait =
    retryAfterMs(header('retry-after')) ??
    untilReset(header('x-ratelimit-remaining'), header('x-ratelimit-reset'))
  // GitHub refuses by 403 as often as by 429; which limit it was is told by the headers.
  if (status === 429 || (status === 403 && wait !== undefined))
    return { status, rateLimited: true, retryAfterMs: wait }
  const missingScopes =
    status === 403 ? lacking(header('x-accepted-oauth-scopes'), header('x-oauth-scopes')) : []
  const [first] = [member(error, 'response', 'data', 'errors')].flat()
  return { status, code: member(first, 'code'), missingScopes }
}

function untilReset(remaining: unknown, reset: unknown): number | undefined {
  if (remaining !== '0' || typeof reset !== 'string' || !/^\d{1,12}$/.test(reset)) return undefined
  return Math.max(0, Number(reset) * 1000 - Date.now())
}

/** Any one of the accepted scopes is enough. */
function lacking(accepted: unknown, granted: unknown): string[] {
  const list = (value: unknown): string[] =>
    typeof value === 'string' ? value.split(/[\s,]+/).filter((scope) => scope !== '') : []
  const wanted = list(accepted)
  return list(granted).some((scope) => wanted.includes(scope)) ? [] : wanted
}

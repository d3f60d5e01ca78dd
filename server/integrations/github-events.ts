// GitHub's webhook events as triggers ask for them. Payloads carry far more than the members named here; all of it stays.
// Provider facts: docs.github.com/webhooks/webhook-events-and-payloads, read 2026-11-21.

import { z } from 'zod'
import type { EventFilter, PayloadSchema } from '../jobs/job.ts'
import type { EventSpecification } from './webhook-source.ts'

const user = z.looseObject({ id: z.number(), login: z.string() })

const repository = z.looseObject({
  id: z.number(),
  name: z.string(),
  full_name: z.string(),
  private: z.boolean(),
  html_url: z.string(),
  owner: z.looseObject({ login: z.string() }),
})

const label = z.looseObject({ name: z.string() })

const issue = z.looseObject({
  id: z.number(),
  number: z.number(),
  title: z.string(),
  body: z.string().nullish(),
  state: z.string().nullish(),
  html_url: z.string(),
  user: user.nullish(),
  labels: z.array(label).nullish(),
})

const about = { action: z.string(), repository, sender: user }

const issues = z.looseObject({ ...about, issue })
const issueComment = z.looseObject({
  ...about,
  issue,
  comment: z.looseObject({ id: z.number(), body: z.string(), html_url: z.string(), user: user.nullish() }),
})
const star = z.looseObject({ ...about, starred_at: z.string().nullish() })
const newRepository = z.looseObject(about)
const create = z.looseObject({
  ref: z.string(),
  ref_type: z.enum(['branch', 'tag']),
  repository,
  sender: user,
})
const push = z.looseObject({
  ref: z.string(),
  before: z.string(),
  after: z.string(),
  created: z.boolean(),
  deleted: z.boolean(),
  forced: z.boolean(),
  repository: z.looseObject({ id: z.number(), name: z.string(), full_name: z.string() }),
  commits: z.array(z.looseObject({ id: z.string(), message: z.string() })),
})
const pullRequest = z.looseObject({
  id: z.number(),
  number: z.number(),
  title: z.string(),
  body: z.string().nullish(),
  state: z.string(),
  html_url: z.string(),
  user: user.nullish(),
})
const pullRequestEvent = z.looseObject({ ...about, number: z.number(), pull_request: pullRequest })
const review = z.looseObject({
  ...about,
  pull_request: pullRequest,
  review: z.looseObject({
    id: z.number(),
    state: z.string(),
    body: z.string().nullish(),
    html_url: z.string(),
  }),
})

/** An issue and what was done to it. */
export type GithubIssuesPayload = z.output<typeof issues>
/** A comment on an issue or pull request. */
export type GithubIssueCommentPayload = z.output<typeof issueComment>
/** A star given or taken back. */
export type GithubStarPayload = z.output<typeof star>
/** A repository and what was done to it. */
export type GithubRepositoryPayload = z.output<typeof newRepository>
/** A branch or tag that was made. */
export type GithubCreatePayload = z.output<typeof create>
/** Commits that were pushed. */
export type GithubPushPayload = z.output<typeof push>
/** A pull request and what was done to it. */
export type GithubPullRequestPayload = z.output<typeof pullRequestEvent>
/** A review of a pull request. */
export type GithubPullRequestReviewPayload = z.output<typeof review>

interface Description<Payload> {
  readonly title: string
  readonly filter?: EventFilter
  readonly schema: PayloadSchema<Payload>
}

const on = <Payload>(name: string, description: Description<Payload>): EventSpecification<Payload> => ({
  name,
  provider: 'github',
  ...description,
})

const action = (...names: string[]): EventFilter => ({ action: names })

/** Events of GitHub for `DynamicTrigger`. */
export const events = {
  /** Anything that is done to an issue. */
  onIssue: on('issues', { title: 'Issue', schema: issues }),
  /** An issue was opened. */
  onIssueOpened: on('issues', { title: 'Issue opened', schema: issues, filter: action('opened') }),
  /** Somebody was assigned to an issue. */
  onIssueAssigned: on('issues', { title: 'Issue assigned', schema: issues, filter: action('assigned') }),
  /** A comment on an issue or pull request was made, edited or deleted. */
  onIssueComment: on('issue_comment', { title: 'Issue comment', schema: issueComment }),
  /** A star was given or taken back. */
  onStar: on('star', { title: 'Star', schema: star }),
  /** A star was given. */
  onNewStar: on('star', { title: 'New star', schema: star, filter: action('created') }),
  /** A repository was made; for organisations. */
  onNewRepository: on('repository', {
    title: 'New repository',
    schema: newRepository,
    filter: action('created'),
  }),
  /** A branch or tag was made. */
  onNewBranchOrTag: on('create', { title: 'New branch or tag', schema: create }),
  /** A branch was made. */
  onNewBranch: on('create', { title: 'New branch', schema: create, filter: { ref_type: ['branch'] } }),
  /** Commits or tags were pushed. */
  onPush: on('push', { title: 'Push', schema: push }),
  /** Anything that is done to a pull request. */
  onPullRequest: on('pull_request', { title: 'Pull request', schema: pullRequestEvent }),
  /** A review was submitted, edited or dismissed. */
  onPullRequestReview: on('pull_request_review', { title: 'Pull request review', schema: review }),
} as const

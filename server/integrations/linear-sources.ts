// Webhooks of Linear workspaces and teams, made as the account, each with a secret of its own. The signature covers the
// body, which has the time in it. Provider facts: linear.app/developers/webhooks, read 2026-11-21.

import { z } from 'zod'
import type { Auth } from '../../shared/auth.ts'
import type { EventFilter, Json } from '../jobs/job.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import { checkEndpoint, type Complainant } from './checked-options.ts'
import type { Integration } from './integration.ts'
import { readAs, requestJson } from './json-request.ts'
import { failureError, member } from './provider-failure.ts'
import { bearerOf, jsonOf } from './webhook-body.ts'
import type {
  EventSpecification,
  HookContext,
  RegistrationSource,
  SourceContext,
  Verdict,
  VerifyContext,
  WebhookRequest,
} from './webhook-source.ts'

const teamParams = z.object({
  teamId: z
    .string()
    .regex(/^[\w-]{1,64}$/)
    .exactOptional(),
})

/** Whose events. */
export type LinearTeamParams = {
  /** Of this team (default: of all public teams). */
  teamId?: string
}

/** Where webhooks of Linear are made. */
export interface LinearSources {
  /** Webhooks of a team or of all public ones. Needs an administrator of the workspace. */
  readonly team: RegistrationSource<LinearTeamParams>
}

/** What the sources need beside the integration. */
export interface LinearSourceOptions {
  /** Of an integration with credentials from code. */
  readonly apiKey?: string
  /** Another place than `https://api.linear.app`, for stand-ins and proxies. */
  readonly apiUrl?: string
}

const webhook = z.object({ id: z.string(), url: z.string().nullish(), enabled: z.boolean().default(true) })
const listed = webhook.extend({
  allPublicTeams: z.boolean().default(false),
  team: z.object({ id: z.string(), key: z.string().nullish() }).nullish(),
})
const listReply = z.object({
  webhooks: z.object({
    nodes: z.array(listed),
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullish() }),
  }),
})
const createReply = z.object({ webhookCreate: z.object({ success: z.boolean(), webhook }) })
const updateReply = z.object({ webhookUpdate: z.object({ success: z.boolean(), webhook }) })
const hookData = z.object({ id: z.string() })

const listQuery =
  'query ($after: String) { webhooks(first: 250, after: $after) { nodes { id url enabled allPublicTeams team { id key } } pageInfo { hasNextPage endCursor } } }'
/** Pages of a workspace's webhooks that are looked through. */
const maxPages = 10
const toleranceMs = 60_000

type Query = (query: string, variables?: { readonly [name: string]: Json }) => Promise<unknown>

/** The sources of an integration whose accounts have a key or token of Linear. */
export function linearSources(integration: Integration, options: LinearSourceOptions = {}): LinearSources {
  const self = { name: 'Linear', id: integration.id }
  const url = `${checkEndpoint(self, 'apiUrl', options.apiUrl ?? 'https://api.linear.app')}/graphql`
  const queryFor = ({ auth, fetch }: SourceContext<unknown>): Query =>
    queryAt(self, fetch, { url, authorization: authorization(self, auth, options.apiKey) })
  const idOf = (data: Json): string => readAs(self, hookData, data).id
  return {
    team: {
      kind: 'registration',
      id: 'linear.team',
      integration,
      params: teamParams,
      secret: 'own',
      verify: verifyLinear,
      receive: ({ headers }) => ({ deliveryId: headers['linear-delivery'] ?? '', isIdSigned: false }),
      read: ({ rawBody }) => {
        const payload = jsonOf(rawBody)
        return { events: [{ name: String(member(payload, 'type') ?? ''), payload }] }
      },
      async create(context) {
        const query = queryFor(context)
        const ours = (await list(self, query)).filter((one) => one.url === context.url)
        const there = ours.find((one) => isOf(one, context.params))
        // No change moves a webhook to another team, and Linear may refuse a second one for the same URL.
        for (const { id } of ours) if (id !== there?.id) await remove(query, id)
        return {
          data: { id: await (there ? change(self, query, context, there.id) : create(self, query, context)) },
        }
      },
      async exists(context) {
        const found = (await list(self, queryFor(context))).find(({ id }) => id === idOf(context.data))
        return found !== undefined && found.enabled && found.url === context.url
      },
      async remove(context) {
        const query = queryFor(context)
        const id = idOf(context.data)
        if ((await list(self, query)).some((one) => one.id === id)) await remove(query, id)
      },
    },
  }
}

/** The webhooks that the account may see. */
async function list(self: Complainant, query: Query): Promise<z.output<typeof listed>[]> {
  const found: z.output<typeof listed>[] = []
  let after: string | null = null
  for (let page = 0; page < maxPages; page += 1) {
    const { webhooks }: z.output<typeof listReply> = readAs(
      self,
      listReply,
      await query(listQuery, { after }),
    )
    found.push(...webhooks.nodes)
    after = webhooks.pageInfo.endCursor ?? null
    if (!webhooks.pageInfo.hasNextPage || after === null) break
  }
  return found
}

/** True when a webhook is for what the parameters name; teams go by their id or their key. */
const isOf = ({ team, allPublicTeams }: z.output<typeof listed>, { teamId }: LinearTeamParams): boolean =>
  teamId === undefined ? allPublicTeams : team?.id === teamId || team?.key === teamId

async function remove(query: Query, id: string): Promise<void> {
  await query('mutation ($id: String!) { webhookDelete(id: $id) { success } }', { id })
}

function queryAt(
  self: Complainant,
  fetch: GuardedFetch,
  place: { readonly url: string; readonly authorization: string },
): Query {
  const headers = { authorization: place.authorization }
  return async (query, variables = {}) => {
    const { body } = await requestJson(self, fetch, place.url, { headers, body: { query, variables } })
    const [error] = [member(body, 'errors')].flat()
    if (error === undefined) return member(body, 'data')
    const code = member(error, 'extensions', 'code')
    const status = code === 'AUTHENTICATION_ERROR' ? 401 : 400
    throw failureError(self, { status, code, rateLimited: code === 'RATELIMITED' })
  }
}

/** Keys of people are sent bare, tokens of apps as bearers. */
function authorization(self: Complainant, auth: Auth | undefined, own: string | undefined): string {
  const token = bearerOf(self, auth, own)
  return auth?.type === 'oauth2' ? `Bearer ${token}` : token
}

async function create(
  self: Complainant,
  query: Query,
  context: HookContext<LinearTeamParams>,
): Promise<string> {
  const { params, url, secret, events: resourceTypes } = context
  const whose = params.teamId === undefined ? { allPublicTeams: true } : { teamId: params.teamId }
  const input = { url, secret, resourceTypes: [...resourceTypes], label: 'authflow', ...whose }
  const mutation =
    'mutation ($input: WebhookCreateInput!) { webhookCreate(input: $input) { success webhook { id url enabled } } }'
  return readAs(self, createReply, await query(mutation, { input })).webhookCreate.webhook.id
}

async function change(
  self: Complainant,
  query: Query,
  context: HookContext<LinearTeamParams>,
  id: string,
): Promise<string> {
  const { url, secret, events: resourceTypes } = context
  const input = { url, secret, resourceTypes: [...resourceTypes], enabled: true }
  const mutation =
    'mutation ($id: String!, $input: WebhookUpdateInput!) { webhookUpdate(id: $id, input: $input) { success webhook { id url enabled } } }'
  return readAs(self, updateReply, await query(mutation, { id, input })).webhookUpdate.webhook.id
}

/** Whether a request is Linear's, and not older than a minute. */
export function verifyLinear({ headers, rawBody }: WebhookRequest, context: VerifyContext): Verdict {
  const signature = headers['linear-signature']
  if (signature === undefined) return 'missing'
  const check = { algorithm: 'sha256', data: [rawBody], signature, encoding: 'hex' } as const
  if (!context.secrets.some((key) => context.hmacMatches({ ...check, key }))) return 'mismatch'
  let at: unknown
  try {
    at = member(jsonOf(rawBody), 'webhookTimestamp')
  } catch {
    return 'stale'
  }
  return typeof at === 'number' && Math.abs(context.now - at) <= toleranceMs ? 'ok' : 'stale'
}

const payload = z.looseObject({
  action: z.string(),
  type: z.string(),
  data: z.looseObject({ id: z.string() }),
  url: z.string().nullish(),
  organizationId: z.string().optional(),
})

/** What was done to something of Linear. */
export type LinearPayload = z.output<typeof payload>

const on = (type: string, action?: 'create' | 'update' | 'remove'): EventSpecification<LinearPayload> => {
  const filter: EventFilter | undefined = action === undefined ? undefined : { action: [action] }
  return {
    name: type,
    provider: 'linear',
    title: action === undefined ? type : `${type}: ${action}`,
    schema: payload,
    ...(filter ? { filter } : {}),
  }
}

const three = (type: string) => ({
  any: on(type),
  created: on(type, 'create'),
  updated: on(type, 'update'),
  removed: on(type, 'remove'),
})

const issue = three('Issue')
const comment = three('Comment')
const project = three('Project')

/** Events of Linear for `DynamicTrigger`. */
export const events = {
  /** Anything that is done to an issue. */
  onIssue: issue.any,
  /** An issue was made. */
  onIssueCreated: issue.created,
  /** An issue changed. */
  onIssueUpdated: issue.updated,
  /** An issue was deleted. */
  onIssueRemoved: issue.removed,
  /** Anything that is done to a comment. */
  onComment: comment.any,
  /** A comment was made. */
  onCommentCreated: comment.created,
  /** A comment changed. */
  onCommentUpdated: comment.updated,
  /** A comment was deleted. */
  onCommentRemoved: comment.removed,
  /** Anything that is done to a project. */
  onProject: project.any,
  /** A project was made. */
  onProjectCreated: project.created,
  /** A project changed. */
  onProjectUpdated: project.updated,
  /** A project was deleted. */
  onProjectRemoved: project.removed,
  /** Anything that is done to another kind of thing, by Linear's name for it: `Cycle`, `IssueLabel`, `Reaction`, … */
  on: (type: string): EventSpecification<LinearPayload> => on(type),
} as const

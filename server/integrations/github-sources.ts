// Webhooks of repositories and organisations, made as the account. Each has its own secret; the signature covers the
// body and nothing else, so the delivery's id is not proven. Provider facts: docs.github.com/rest/repos/webhooks,
// /rest/orgs/webhooks and /webhooks/using-webhooks/validating-webhook-deliveries, read 2026-11-21.

import { z } from 'zod'
import type { Auth } from '../../shared/auth.ts'
import type { Complainant } from './checked-options.ts'
import type { Integration } from './integration.ts'
import { readAs, requestJson, type JsonReply, type JsonRequest } from './json-request.ts'
import { failureError } from './provider-failure.ts'
import { bearerOf, isMissing, jsonOf } from './webhook-body.ts'
import type {
  Hook,
  HookContext,
  Received,
  RegistrationSource,
  SourceContext,
  SourceEvent,
  Verdict,
  VerifyContext,
  WebhookRequest,
} from './webhook-source.ts'

const loginPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,38}$/
const repoPattern = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/

const repoParams = z.object({ owner: z.string().regex(loginPattern), repo: z.string().regex(repoPattern) })
const orgParams = z.object({ org: z.string().regex(loginPattern) })

/** A repository by its names. */
export type GithubRepoParams = z.output<typeof repoParams>
/** An organisation by its name. */
export type GithubOrgParams = z.output<typeof orgParams>

/** Where webhooks of GitHub are made. */
export interface GithubSources {
  /** Webhooks of a repository. Needs `admin:repo_hook` (or `repo`) and an administrator of the repository. */
  readonly repo: RegistrationSource<GithubRepoParams>
  /** Webhooks of an organisation, for all of its repositories. Needs `admin:org_hook` and an owner. */
  readonly org: RegistrationSource<GithubOrgParams>
}

/** What the sources need of the integration. */
export interface GithubSourceOptions {
  readonly self: Complainant
  readonly integration: Integration
  readonly apiUrl: string
  /** Of an integration with credentials from code. */
  readonly token: string | undefined
}

/** The sources of one integration. */
export function githubSources(options: GithubSourceOptions): GithubSources {
  return {
    repo: sourceOf(options, {
      id: 'github.repo',
      params: repoParams,
      scopes: ['admin:repo_hook', 'repo'],
      path: ({ owner, repo }: GithubRepoParams) =>
        `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(repo)}/hooks`,
    }),
    org: sourceOf(options, {
      id: 'github.org',
      params: orgParams,
      scopes: ['admin:org_hook'],
      path: ({ org }: GithubOrgParams) => `/orgs/${encodeURIComponent(org)}/hooks`,
    }),
  }
}

interface Place<Params> {
  readonly id: string
  readonly params: z.ZodType<Params>
  /** Any one of them is enough. */
  readonly scopes: readonly string[]
  path(params: Params): string
}

const hookReply = z.object({
  id: z.number(),
  active: z.boolean().default(true),
  config: z.object({ url: z.string().optional() }).default({}),
})
const hooksReply = z.array(hookReply)
const hookData = z.object({ id: z.number() })

const perPage = 100
/** GitHub allows 20 of one event at a place; more pages than this are not ours to look through. */
const maxPages = 10

type Call = (path: string, request?: JsonRequest) => Promise<JsonReply>

function sourceOf<Params>(options: GithubSourceOptions, place: Place<Params>): RegistrationSource<Params> {
  const { self } = options
  const callFor = (context: SourceContext<Params>): Call => callOf(options, place, context)
  const change = async (call: Call, path: string, context: HookContext<Params>): Promise<Hook> => {
    const reply = await call(path, { method: 'PATCH', body: wanted(context) })
    return { data: { id: readAs(self, hookReply, reply.body).id } }
  }
  return {
    kind: 'registration',
    id: place.id,
    integration: options.integration,
    params: place.params,
    secret: 'own',
    verify: verifyGithub,
    receive: receiveGithub,
    read: (request) => ({ events: [eventOf(request)] }),
    async create(context) {
      const call = callFor(context)
      const path = place.path(context.params)
      const there = await findByUrl(self, call, { path, url: context.url })
      if (there !== undefined) return change(call, `${path}/${there}`, context)
      const reply = await call(path, { method: 'POST', body: { name: 'web', ...wanted(context) } })
      return { data: { id: readAs(self, hookReply, reply.body).id } }
    },
    // Other parameters are another place: what is there is removed and made anew.
    async exists(context) {
      const { id } = readAs(self, hookData, context.data)
      try {
        const reply = await callFor(context)(`${place.path(context.params)}/${id}`)
        const { active, config } = readAs(self, hookReply, reply.body)
        return active && config.url === context.url
      } catch (error) {
        if (isMissing(error)) return false
        throw error
      }
    },
    async remove(context) {
      const { id } = readAs(self, hookData, context.data)
      try {
        await callFor(context)(`${place.path(context.params)}/${id}`, { method: 'DELETE' })
      } catch (error) {
        if (!isMissing(error)) throw error
      }
    },
  }
}

function callOf<Params>(
  { self, apiUrl, token }: GithubSourceOptions,
  place: Place<Params>,
  { auth, fetch }: SourceContext<Params>,
): Call {
  assertScopes(self, place.scopes, auth)
  const bearer = bearerOf(self, auth, token)
  const headers = { authorization: `Bearer ${bearer}`, accept: 'application/vnd.github+json' }
  return (path, request = {}) => requestJson(self, fetch, apiUrl + path, { ...request, headers })
}

/** GitHub answers 404 where a scope is missing, which says nothing to whoever reads it. */
function assertScopes(self: Complainant, needed: readonly string[], auth: Auth | undefined): void {
  if (auth?.type !== 'oauth2' || auth.scopes.length === 0) return
  if (needed.some((scope) => auth.scopes.includes(scope))) return
  throw failureError(self, { status: 403, missingScopes: needed.slice(0, 1) })
}

const wanted = <Params>({ url, secret, events }: HookContext<Params>): Record<string, unknown> => ({
  active: true,
  events,
  config: { url, secret, content_type: 'json', insecure_ssl: '0' },
})

/** What an earlier try may have left: GitHub would refuse or double it. */
async function findByUrl(
  self: Complainant,
  call: Call,
  { path, url }: { path: string; url: string },
): Promise<number | undefined> {
  for (let page = 1; page <= maxPages; page += 1) {
    const reply = await call(`${path}?per_page=${perPage}&page=${page}`)
    const hooks = readAs(self, hooksReply, reply.body)
    const found = hooks.find(({ config }) => config.url === url)
    if (found || hooks.length < perPage) return found?.id
  }
  return undefined
}

const signaturePrefix = 'sha256='

/** Whether a request is GitHub's. */
export function verifyGithub({ headers, rawBody }: WebhookRequest, context: VerifyContext): Verdict {
  const given = headers['x-hub-signature-256']
  if (given === undefined || !given.startsWith(signaturePrefix)) return 'missing'
  const signature = given.slice(signaturePrefix.length)
  const check = { algorithm: 'sha256', data: [rawBody], signature, encoding: 'hex' } as const
  return context.secrets.some((key) => context.hmacMatches({ ...check, key })) ? 'ok' : 'mismatch'
}

function receiveGithub({ headers }: WebhookRequest): Received {
  const deliveryId = headers['x-github-delivery'] ?? ''
  return { deliveryId, isIdSigned: false, ...(headers['x-github-event'] === 'ping' ? { isEmpty: true } : {}) }
}

const contextHeaders = ['x-github-delivery', 'x-github-hook-id', 'x-github-hook-installation-target-type']

function eventOf({ headers, rawBody }: WebhookRequest): SourceEvent {
  const shown = contextHeaders.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]]))
  return {
    name: headers['x-github-event'] ?? '',
    payload: jsonOf(rawBody),
    context: Object.fromEntries(shown) as Record<string, string>,
  }
}

// Webhooks of the stand-in GitHub: the REST API to make, read, change and remove them, and what is sent when something
// happens. A person who may not administer a place gets 404, as at GitHub.

import { createHmac, randomInt, randomUUID } from 'node:crypto'
import { z } from 'zod'

import type { Courier } from './deliver.ts'
import { githubMessage } from './github-reply.ts'
import { json, jsonBody, type Exchange, type Reply, type Route } from './http.ts'
import type { GithubHookRow, Grant, StateFile } from './state.ts'

/** Something that happened in a repository. */
export interface GithubHappening {
  /** `issues`. */
  readonly event: string
  /** `acme/website`. */
  readonly repo: string
  readonly payload: Readonly<Record<string, unknown>>
}

const scopesFor = { repos: ['admin:repo_hook', 'repo'], orgs: ['admin:org_hook'] } as const

const config = z.object({
  url: z.string().url().optional(),
  secret: z.string().optional(),
  content_type: z.string().optional(),
})
const hookInput = z.object({
  active: z.boolean().default(true),
  events: z.array(z.string()).default(['push']),
  config,
})

const notFound = (): Reply => githubMessage(404, 'Not Found')

const show = (
  origin: string,
  { id, place, url, events, active }: GithubHookRow,
): Record<string, unknown> => ({
  type: place.startsWith('orgs/') ? 'Organization' : 'Repository',
  id,
  name: 'web',
  active,
  events,
  config: { url, content_type: 'json', insecure_ssl: '0', secret: '********' },
  url: `${origin}/${place}/hooks/${id}`,
})

/** What the routes need. */
export interface GithubHooksOptions {
  readonly state: StateFile
  readonly courier: Courier
  readonly origin: () => string
  readonly prefix: string
  readonly repositories: readonly string[]
  /** The grant of the caller. */
  authenticate(exchange: Exchange): Grant | undefined
}

/** A call of somebody who may administer the place. */
interface Call {
  readonly options: GithubHooksOptions
  /** `repos/acme/website`. */
  readonly place: string
  readonly exchange: Exchange
  readonly grant: Grant
}

/** Addresses of webhooks. */
export function githubHookRoutes(options: GithubHooksOptions): readonly Route[] {
  return (['repos', 'orgs'] as const).flatMap((kind): Route[] => {
    const path = `${options.prefix}/${kind === 'repos' ? 'repos/:owner/:repo' : 'orgs/:org'}/hooks`
    const route = (
      method: Route['method'],
      end: string,
      work: (call: Call) => Reply | Promise<Reply>,
    ): Route => ({
      method,
      path: path + end,
      handle: (exchange) => asAdmin(options, kind, exchange, work),
    })
    return [
      route('GET', '', list),
      route('POST', '', create),
      route('GET', '/:id', read),
      route('PATCH', '/:id', change),
      route('DELETE', '/:id', remove),
    ]
  })
}

function asAdmin(
  options: GithubHooksOptions,
  kind: 'repos' | 'orgs',
  exchange: Exchange,
  work: (call: Call) => Reply | Promise<Reply>,
): Reply | Promise<Reply> {
  const grant = options.authenticate(exchange)
  if (!grant) return githubMessage(401, 'Bad credentials')
  const { owner, repo, org } = exchange.params
  const name = kind === 'repos' ? `${owner}/${repo}` : String(org)
  const isThere = kind === 'repos' ? options.repositories.includes(name) : name === grant.place
  const mayAdmin = scopesFor[kind].some((scope) => grant.scopes.includes(scope))
  if (!isThere || !mayAdmin || name.split('/')[0] !== grant.place) return notFound()
  return work({ options, place: `${kind}/${name}`, exchange, grant })
}

const rowsOf = ({ options }: Call): GithubHookRow[] => options.state.data.github.hooks

const find = (call: Call): GithubHookRow | undefined =>
  rowsOf(call).find((row) => row.place === call.place && String(row.id) === call.exchange.params['id'])

function list(call: Call): Reply {
  const { place, exchange, options } = call
  const size = Number(exchange.query.get('per_page') ?? '30')
  const from = (Number(exchange.query.get('page') ?? '1') - 1) * size
  const own = rowsOf(call).filter((row) => row.place === place)
  return json(own.slice(from, from + size).map((row) => show(options.origin(), row)))
}

function read(call: Call): Reply {
  const row = find(call)
  return row ? json(show(call.options.origin(), row)) : notFound()
}

async function create(call: Call): Promise<Reply> {
  const { place, grant, options } = call
  const { state, courier, origin } = options
  const input = hookInput.safeParse(jsonBody(call.exchange))
  if (!input.success || input.data.config.url === undefined) return githubMessage(422, 'Validation Failed')
  const { url, secret = '' } = input.data.config
  if (rowsOf(call).some((row) => row.place === place && row.url === url)) {
    const errors = [{ message: 'Hook already exists on this repository' }]
    return githubMessage(422, 'Validation Failed', { errors })
  }
  const { events, active } = input.data
  const row = { id: randomInt(1e9), place, url, secret, events, active, grantId: grant.id }
  rowsOf(call).push(row)
  await state.save()
  deliver(courier, row, 'ping', { zen: 'Design for failure.', hook_id: row.id, hook: show(origin(), row) })
  return json(show(origin(), row), 201)
}

async function change(call: Call): Promise<Reply> {
  const row = find(call)
  if (!row) return notFound()
  const input = hookInput.partial().safeParse(jsonBody(call.exchange))
  if (!input.success) return githubMessage(422, 'Validation Failed')
  const { active = row.active, events = row.events, config: given = {} } = input.data
  Object.assign(row, { active, events, url: given.url ?? row.url, secret: given.secret ?? row.secret })
  await call.options.state.save()
  return json(show(call.options.origin(), row))
}

async function remove(call: Call): Promise<Reply> {
  const row = find(call)
  if (!row) return notFound()
  rowsOf(call).splice(rowsOf(call).indexOf(row), 1)
  await call.options.state.save()
  return { status: 204 }
}

/** Tells every active webhook of the repository and of its organisation that wants the event. */
export function tellGithubHooks(
  state: StateFile,
  courier: Courier,
  { event, repo, payload }: GithubHappening,
): void {
  const places = [`repos/${repo}`, `orgs/${repo.split('/')[0]}`]
  for (const row of state.data.github.hooks) {
    const isWanted = row.events.includes(event) || row.events.includes('*')
    if (row.active && places.includes(row.place) && isWanted) deliver(courier, row, event, payload)
  }
}

function deliver(
  courier: Courier,
  { id, url, secret }: GithubHookRow,
  event: string,
  payload: Readonly<Record<string, unknown>>,
): void {
  const body = JSON.stringify(payload)
  const delivery = randomUUID()
  courier.send({
    id: delivery,
    url,
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'GitHub-Hookshot/sandbox',
      'x-github-delivery': delivery,
      'x-github-event': event,
      'x-github-hook-id': String(id),
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
  })
}

// D3: operators of databases and names of prototypes, in every input of both routers, of the start, of the callback, and
// of the addresses below which nothing proves who sends.
// Nothing fails as a bug would, no prototype changes, and on MongoDB no operator of theirs reaches the database.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import type { AnyTRPCProcedure, AnyTRPCRouter } from '@trpc/server'
import { MongoClient, type Document } from 'mongodb'
import { z } from 'zod'
import { printFigure } from '../../scripts/figure.ts'
import { createFlowId } from '../../shared/ids.ts'
import { backends, isLong, type Backend } from '../connect/fixtures/backends.ts'
import { apiRouter } from './api-router.ts'
import { connectRouter } from './connect-router.ts'
import { jsonInputs, evilNames, evilTexts, marker, type Sample } from './fixtures/injections.ts'
import { defineOpenJobs, openAddresses, type OpenAddresses } from './fixtures/open-addresses.ts'
import { pageOrigin, secretKeys, startTestServer, type TestServer } from './fixtures/test-server.ts'
import { startWireSpy, type WireSpy } from './fixtures/wire-spy.ts'

const numRuns = isLong ? 10_000 : 150

/** What a command may tell of a filter or a document that somebody's input became a part of. */
function violationsOf(command: Document): string[] {
  const name = Object.keys(command)[0] ?? ''
  const filters: unknown[] = [command['filter'], command['query'], command['pipeline']]
  const documents: unknown[] = [...listOf(command['documents'])]
  for (const each of [...listOf(command['updates']), ...listOf(command['deletes'])]) {
    filters.push(memberOf(each, 'q'))
    documents.push(memberOf(memberOf(each, 'u'), '$set'))
  }
  documents.push(memberOf(command['update'], '$set'))
  const found: string[] = []
  // As an operand the marker would be in a filter; nothing of ours looks it up as a value.
  if (filters.some((filter) => JSON.stringify(filter ?? null).includes(marker))) found.push(`${name}: filter`)
  if (documents.some((document) => hasOperatorKey(document))) found.push(`${name}: document`)
  return found
}

/** The spy would tell. */
async function seeMarker({ spy, violations }: Scene): Promise<void> {
  const client = await MongoClient.connect(spy?.url ?? '')
  await client
    .db()
    .collection('connections')
    .findOne({ accountId: { $ne: marker } })
  await client.close()
  assert.deepEqual(violations.splice(0), ['find: filter'])
  const document = { _id: '1', list: [{ $set: 1 }] }
  assert.deepEqual(violationsOf({ insert: 'x', documents: [document] }), ['insert: document'])
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

function hasOperatorKey(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasOperatorKey)
  if (typeof value !== 'object' || value === null || value.constructor !== Object) return false
  return Object.entries(value).some(([name, inner]) => name.startsWith('$') || hasOperatorKey(inner))
}

const prototypes = [Object.prototype, Array.prototype, Function.prototype, String.prototype]
const snapshot = (): string =>
  JSON.stringify(prototypes.map((prototype) => Reflect.ownKeys(prototype).map(String)))

interface Scene {
  readonly server: TestServer
  readonly storeUrl: string | undefined
  readonly spy: WireSpy | undefined
  readonly violations: string[]
  readonly open: OpenAddresses
}

async function openScene(backend: Backend): Promise<Scene> {
  const storeUrl = backend.open()
  const violations: string[] = []
  const spy = storeUrl
    ? await startWireSpy(storeUrl, (command) => violations.push(...violationsOf(command)))
    : undefined
  const store = spy ? { store: spy.url } : {}
  // Nobody loads the script of the pages here: any file will do.
  const connectPages = { origins: [pageOrigin], script: new URL(import.meta.url) }
  const options = { ...store, rateLimits: false as const, worker: true, connectPages }
  const server = await startTestServer({ options })
  const jobs = defineOpenJobs(server.client)
  await server.client.start()
  const open = await openAddresses(server, { ...jobs, count: isLong ? 100 : 10 })
  return { server, storeUrl, spy, violations, open }
}

function injections(backend: Backend): void {
  const opening = openScene(backend)
  const clean = snapshot()
  const counts = { requests: 0, statuses: new Map<number, number>() }
  after(async () => {
    const { server, spy, storeUrl, violations } = await opening
    await server.close()
    await spy?.close()
    await backend.drop(storeUrl)
    const figure = (name: string, value: number | string): void =>
      printFigure({ requirement: 'D3', name: `${name} with ${backend.name}`, value })
    figure('requests', counts.requests)
    figure('answers with status 500', counts.statuses.get(500) ?? 0)
    if (spy)
      figure(
        'filters and documents with an operator of an input',
        `${violations.length} of ${spy.commands} commands`,
      )
  })
  const send = async (url: string, init: RequestInit): Promise<number> => {
    // A kept connection may be closed by the server in the moment in which it is used again.
    const ask = (): Promise<Response> => fetch(url, { redirect: 'manual', ...init })
    const answer = await ask().catch(ask)
    const text = await answer.text()
    counts.requests += 1
    counts.statuses.set(answer.status, (counts.statuses.get(answer.status) ?? 0) + 1)
    assert.notEqual(answer.status, 500, text.slice(0, 300))
    return answer.status
  }
  const judge = async (): Promise<void> => {
    const { violations, server } = await opening
    assert.equal(snapshot(), clean, 'a prototype was changed')
    assert.deepEqual(violations, [])
    assert.deepEqual(
      server.log.lines.filter((line) => line.startsWith('error ')),
      [],
    )
  }

  if (backend.name === 'mongodb') it('is seen where it gets through', async () => seeMarker(await opening))

  for (const [path, procedure] of proceduresOf(connectRouter)) {
    it(`connect ${path}`, async () => {
      const { server } = await opening
      const samples = await samplesOf(server)
      const purposes = ['create', 'reconnect', 'manage', 'runs'] as const
      const tokens = await Promise.all(purposes.map((purpose) => server.token(purpose)))
      const reached = new Set<number>()
      const inputs = jsonInputs(membersOf(procedure), samples)
      await fc.assert(
        fc.asyncProperty(inputs, fc.constantFrom(...tokens), async (body, token) => {
          const headers = {
            authorization: `Bearer ${token}`,
            origin: pageOrigin,
            'content-type': 'application/json',
          }
          reached.add(await send(`${server.url}/connect/trpc/${path}`, { method: 'POST', headers, body }))
        }),
        { numRuns, endOnFailure: true },
      )
      assert.ok(reached.size > 0)
      await judge()
    })
  }

  for (const [path, procedure] of proceduresOf(apiRouter)) {
    it(`api ${path}`, async () => {
      const { server } = await opening
      const inputs = jsonInputs(membersOf(procedure), await samplesOf(server))
      const reached = new Set<number>()
      await fc.assert(
        fc.asyncProperty(inputs, fc.constantFrom(...Object.values(secretKeys)), async (body, key) => {
          const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
          reached.add(await send(`${server.url}/api/trpc/${path}`, { method: 'POST', headers, body }))
        }),
        { numRuns, endOnFailure: true },
      )
      assert.ok(
        [...reached].some((status) => status !== 401 && status !== 403),
        'the input itself was judged',
      )
      await judge()
    })
  }

  const pairs = fc.array(
    fc.tuple(
      fc.constantFrom(
        ...evilNames,
        'state',
        'code',
        'iss',
        'error',
        'token',
        'flow',
        'mode',
        'scopes',
        'returnUrl',
        'locale',
      ),
      fc.oneof(fc.constantFrom(...evilTexts), fc.string()),
    ),
    { maxLength: 6 },
  )
  const encoded = pairs.map((list) =>
    list.map((pair) => pair.map((text) => encodeURIComponent(text.toWellFormed())).join('=')).join('&'),
  )
  const place = fc.constantFrom('slack-customers', 'airtable-customers', ...evilNames.map(encodeURIComponent))

  it('start', async () => {
    const { server } = await opening
    const token = await server.token()
    await fc.assert(
      fc.asyncProperty(encoded, fc.boolean(), async (form, authentic) => {
        const body = authentic ? `token=${token}&flow=${createFlowId()}&mode=popup&${form}` : form
        const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: pageOrigin }
        await send(`${server.url}/connect/start`, { method: 'POST', headers, body })
      }),
      { numRuns, endOnFailure: true },
    )
    await judge()
  })

  it('callback', async () => {
    const { server } = await opening
    await fc.assert(
      fc.asyncProperty(encoded, place, fc.boolean(), async (query, integration, posted) => {
        const url = `${server.url}/callback/${integration}`
        const headers = { cookie: `authflow-${createFlowId()}=${marker}; __proto__=x; constructor=y` }
        if (!posted) return void (await send(`${url}?${query}`, { headers }))
        const form = { ...headers, 'content-type': 'application/x-www-form-urlencoded' }
        await send(url, { method: 'POST', headers: form, body: query })
      }),
      { numRuns, endOnFailure: true },
    )
    await judge()
  })

  it('webhooks and links', async () => {
    const { server, open } = await opening
    const samples = await samplesOf(server)
    const { endpoint, waits, links, page, pageLink } = open
    const reached = new Set<string>()
    const places = fc.constantFrom<readonly [string, readonly string[], ...string[]]>(
      ['POST', ['challenge', 'event', 'id'], endpoint, ...waits],
      ['POST', ['type', 'team_id', 'base'], ...['', 'app/', 'http/', 'run/'].flatMap(webhooksBelow(server))],
      ['GET', [], ...links, pageLink, `${page.page}/enter`, page.ticket, page.page],
      ['POST', [], ...links],
      ['POST', ['integration', 'purpose'], `${page.page}/token`],
    )
    const requests = places.chain(([method, members, ...urls]) =>
      fc.record({
        method: fc.constant(method),
        url: fc.constantFrom(...urls),
        body: members.length > 0 ? jsonInputs(members, { ...samples, purpose: 'create' }) : encoded,
        query: encoded,
        evil: fc
          .constantFrom(...evilNames, ...evilTexts)
          .map((text) => encodeURIComponent(text.toWellFormed())),
      }),
    )
    await fc.assert(
      fc.asyncProperty(requests, async ({ method, url, body, query, evil }) => {
        const headers = {
          'content-type': body.includes('"') ? 'application/json' : 'application/x-www-form-urlencoded',
          'webhook-id': evil,
          'x-slack-signature': evil,
          origin: new URL(server.url).origin,
          cookie: `${open.cookie}; authflow-page-${evil}=${marker}; __proto__=x`,
        }
        const init = method === 'GET' ? { method, headers } : { method, headers, body }
        const target = `${url}${url.includes('?') ? '&' : '?'}${query}`
        const status = await send(target, init)
        if (status < 400) reached.add(url.replace(/\/[\w-]{43,}(?=\/|$)/, '').slice(server.url.length))
      }),
      { numRuns: numRuns * 5, endOnFailure: true },
    )
    for (const way of [
      '/webhooks/http/open',
      '/webhooks/run',
      '/connect/link',
      '/connect/page',
      '/connect/page/token',
    ])
      assert.ok(reached.has(way), `${way} took something: ${[...reached].join(' ')}`)
    await judge()
  })
}

/** Addresses of nobody, and those of an app whose signatures are wrong. */
const webhooksBelow =
  ({ url }: TestServer) =>
  (kind: string): string[] =>
    ['slack-customers', ...evilNames.map(encodeURIComponent)].map((name) => `${url}/webhooks/${kind}${name}`)

const proceduresOf = (router: AnyTRPCRouter): [string, AnyTRPCProcedure][] =>
  Object.entries<AnyTRPCProcedure>(router._def.procedures)

/** Names of the members of an input, also where there is none. */
function membersOf(procedure: AnyTRPCProcedure): readonly string[] {
  const [schema] = listOf(memberOf(procedure._def, 'inputs'))
  if (!(schema instanceof z.ZodType)) return []
  const { properties } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return Object.keys(properties ?? {})
}

/** Values by the name of a member that let a call get as far as it can. */
async function samplesOf(server: TestServer): Promise<Readonly<Record<string, Sample>>> {
  const integration = 'slack-customers'
  const flowId = createFlowId()
  const headers = {
    authorization: `Bearer ${await server.token()}`,
    origin: pageOrigin,
    'content-type': 'application/json',
  }
  const body = JSON.stringify({ flowId, integration })
  await fetch(`${server.url}/connect/trpc/flows.begin`, { method: 'POST', headers, body })
  return {
    integration,
    id: integration,
    integrations: [integration],
    origins: [pageOrigin],
    purpose: 'create',
    accountId: 'ada',
    from: 'ada',
    to: 'grace',
    flowId,
    flows: [{ id: flowId, version: 1 }],
    version: 1,
    waitMs: 0,
    method: 'oauth2',
    values: { apiKey: 'key' },
    metadata: { plan: 'pro' },
    limit: 10,
    event: { name: 'order.created', payload: { nested: { list: [1, 'two'] } } },
    returnUrls: ['https://app.example.com/done'],
    returnUrl: 'https://app.example.com/done',
    scopes: ['chat:write'],
  }
}

describe('D3: injection', { timeout: 3_500_000 }, () => {
  for (const backend of backends) {
    describe(`with ${backend.name}`, { skip: backend.skip }, () => injections(backend))
  }
})

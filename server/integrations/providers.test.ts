// A4 and more: what must hold of every provider, built in or declared; and each declared one through the whole way, from
// the form to the end of the grant.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { createFlowId } from '../../shared/ids.ts'
import { comeBack, mint, openWorkbench, start, type Workbench } from '../connect/fixtures/workbench.ts'
import { createDirectIO, createTestFetch, oauthOf } from './fixtures/acting.ts'
import { makeGoogle, providerCases, type ProviderCase } from './fixtures/provider-cases.ts'
import { startWorld, type World } from './fixtures/world.ts'
import { Airtable } from './airtable.ts'
import { languages } from './field-texts.ts'
import { Github } from './github.ts'
import type { Integration, Method } from './integration.ts'
import { Shopify } from './shopify.ts'
import { Slack } from './slack.ts'

const oauth = { clientId: 'client-1', clientSecret: 'secret-1', scopes: ['a', 'b'] }
const options = (id: string) => ({ id, connect: true, oauth }) as const
const declared = Object.entries({ ...providerCases, google: { make: makeGoogle } }).map(
  ([name, { make }]) => [name, make(options(name))] as const,
)
const builtIn: readonly (readonly [string, Integration])[] = [
  ['airtable', new Airtable(options('airtable'))],
  ['github', new Github({ ...options('github'), personalAccessToken: true })],
  ['shopify', new Shopify(options('shopify'))],
  ['slack', new Slack(options('slack'))],
]

/** Values that each form accepts. */
const typed: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  salesforce: { domain: 'login.salesforce.com' },
  zendesk: { subdomain: 'acme' },
  shopify: { shop: 'acme.myshopify.com' },
}

function urlsOf(method: Method, fields: Readonly<Record<string, string>>): (string | undefined)[] {
  if ('verify' in method) return []
  const own = method.id === 'oauth2' ? [method.authorizationUrl(fields), method.oidc?.jwksUrl(fields)] : []
  const device = method.id === 'device' ? [method.deviceAuthorizationUrl(fields)] : []
  return [
    ...own,
    ...device,
    method.tokenUrl(fields),
    method.refreshUrl?.(fields),
    method.revocationUrl?.(fields),
  ]
}

describe('A4: every provider', () => {
  it('says what each of its scopes allows in every language that forms are in', () => {
    for (const [name, { connect }] of [...declared, ...builtIn]) {
      for (const method of connect?.methods ?? []) {
        if (!('scopeLabels' in method)) continue
        const scopes = Object.keys(method.scopeLabels).sort()
        for (const language of Object.keys(languages)) {
          const words: Readonly<Record<string, string>> = method.scopeLocales?.[language] ?? {}
          assert.deepEqual(Object.keys(words).sort(), scopes, `${name} in ${language}`)
        }
      }
    }
  })

  it('has a case here, and its file is named after it', () => {
    const files = readdirSync(join(import.meta.dirname, 'providers')).map((name) => name.replace(/\.ts$/, ''))
    assert.deepEqual(declared.map(([name]) => name).sort(), files.sort())
    for (const [name, { metadata }] of declared) assert.equal(metadata.id, name)
    printFigure({
      requirement: 'A4',
      name: 'provider definitions checked',
      value: declared.length + builtIn.length,
    })
  })

  for (const [name, { connect, metadata }] of [...declared, ...builtIn]) {
    it(`${name} keeps PKCE on or says why not, and talks to https hosts alone`, () => {
      assert.ok(connect && connect.methods.length > 0 && metadata.name !== '')
      const ids = connect.methods.map(({ id }) => id)
      assert.equal(new Set(ids).size, ids.length)
      for (const method of connect.methods) {
        assert.ok(method.label !== '')
        const fields = typed[name] ?? {}
        for (const url of urlsOf(method, fields)) {
          if (url === undefined) continue
          assert.equal(new URL(url).protocol, 'https:', url)
          assert.doesNotMatch(url, /undefined|\{/)
        }
        if (method.id === 'oauth2' && method.pkce !== 'S256') assert.match(method.pkce.off, /^.{40,200}$/)
        if (method.id === 'oauth2' && method.oidc) assert.ok(method.issuer, 'an ID token without an issuer')
        if ('verify' in method) assert.ok(method.fields.form.some(({ secret }) => secret))
        for (const { schema } of method.fields?.form ?? []) {
          if (schema.pattern !== undefined) assert.match(schema.pattern, /^\^.*\$$/)
        }
      }
    })
  }
})

describe('every declared provider', () => {
  const fetch = createTestFetch()
  let world: World
  let bench: Workbench
  const integrations = new Map(declared)
  before(async () => {
    world = await startWorld()
    bench = await openWorkbench([...integrations.values()], undefined, { aroundFetch: world.around })
    for (const integration of integrations.values()) integration.useFetch?.(world.around(fetch))
  })
  after(async () => {
    await bench.close()
    await fetch.close()
    await world.close()
  })
  let accounts = 0
  let accountId = ''
  beforeEach(() => {
    accountId = `acct-${(accounts += 1)}`
    world.asked.length = 0
  })

  /** From the click to the end of the flow. */
  async function connect(name: string, story: ProviderCase) {
    const { token, tokens = {}, api, ends } = story
    const ending = ends === undefined ? {} : { [ends]: { body: '' } }
    world.plan = {
      ...ending,
      ...api,
      ...(token === undefined ? {} : { [`POST ${token}`]: { body: tokens } }),
    }
    const caller = await mint(bench.connect, { integrations: [name], accountId })
    const begun = await bench.connect.begin(caller, { flowId: createFlowId(), integration: name })
    const submission = {
      flowId: begun.id,
      version: begun.version,
      method: story.method,
      values: story.values ?? {},
    }
    const submitted = await bench.connect.submit(caller, submission)
    if (story.method !== 'oauth2') return { location: undefined, view: submitted }
    assert.equal(submitted.stage, 'authorize', JSON.stringify(submitted.errors))
    const browser = await start(bench.connect, caller, begun.id)
    const location = new URL(browser.location)
    const params = new URLSearchParams({ code: 'code-1', state: location.searchParams.get('state') ?? '' })
    const outcome = await comeBack(bench.connect, browser, { integration: name, params })
    return { location, view: outcome }
  }

  const find = (name: string) => bench.connect.findConnection({ integration: name, accountId })

  for (const [name, story] of Object.entries(providerCases)) {
    it(`${name} connects, says who it is, acts, and is ended`, async () => {
      const { location } = await connect(name, story)
      if (story.authorize && location) {
        const [address, parameters] = story.authorize
        assert.equal(location.origin + location.pathname, address)
        const expected = { scope: 'a b', client_id: 'client-1', response_type: 'code', ...parameters }
        for (const [key, value] of Object.entries(expected))
          assert.equal(location.searchParams.get(key), value, key)
        const { pkce } = oauthOf(integrations.get(name) ?? assert.fail())
        assert.equal(location.searchParams.get('code_challenge_method'), pkce === 'S256' ? 'S256' : null)
      }
      if (story.token !== undefined) {
        const sent = world.asked.filter(({ at }) => at === `POST ${story.token}`)
        assert.equal(sent.length, 1)
        const { body = '', headers = {} } = sent[0]?.request ?? {}
        const proof = body + Buffer.from(String(headers['authorization']).slice(6), 'base64').toString()
        assert.match(proof, /client-1/)
        assert.match(proof, /secret-1/)
        assert.match(body, /code-1/)
      }
      const connection = (await find(name)) ?? assert.fail(JSON.stringify(world.asked.map(({ at }) => at)))
      const { id, ...identity } = connection.identity
      const { id: expectedId, ...expectedIdentity } = story.identity
      assert.deepEqual(identity, expectedIdentity)
      if (expectedId !== '') assert.equal(id, expectedId)
      assert.deepEqual(connection.fields, story.fields ?? {})
      if (story.method === 'oauth2') assert.deepEqual(connection.scopes, story.scopes ?? ['a', 'b'])
      await acts(name, story)
      world.asked.length = 0
      await bench.connect.disconnect({ integration: name, accountId }, 'test')
      if (story.ends === undefined) return
      const ended = () => world.asked.some(({ at }) => at === story.ends)
      for (let looks = 0; looks < 500 && !ended(); looks += 1)
        await new Promise((done) => setTimeout(done, 10))
      assert.ok(ended(), JSON.stringify(world.asked.map(({ at }) => at)))
    })
  }

  /** A run’s call goes to the API with the account’s credentials. */
  async function acts(name: string, { call }: ProviderCase): Promise<void> {
    const [at, headers] = call
    const auth = await bench.connect.getAuth({ id: name, accountId })
    const made = integrations.get(name) ?? assert.fail()
    const clone = made.cloneForRun(createDirectIO(), name, auth)
    assert.ok('runTask' in clone && typeof clone.runTask === 'function')
    await assert.rejects(
      clone.runTask('call', async (api: { request(path: string): Promise<unknown> }) => api.request('/x')),
      { details: { integration: name, status: 404 } },
    )
    const sent = world.asked.at(-1)
    assert.equal(sent?.at, at)
    for (const [header, value] of Object.entries(headers)) assert.equal(sent?.request.headers[header], value)
    await assert.rejects(
      clone.runTask('call', async (api: { request(path: string): Promise<unknown> }) =>
        api.request('.evil.example/'),
      ),
      { code: 'invalid_input' },
    )
  }

  for (const [name, story] of Object.entries(providerCases)) {
    it(`${name} connects nobody when its API refuses or answers something else`, async () => {
      for (const reply of [{ status: 401 }, { body: {} }, { body: '<html>' }, { body: [] }]) {
        const api = Object.fromEntries(Object.keys(story.api).map((at) => [at, reply]))
        // Whose key it is OpenAI does not say: any answer that is none of a refusal is a yes.
        if (name === 'openai' && !('status' in reply)) continue
        await connect(name, { ...story, api })
        assert.equal(await find(name), undefined, JSON.stringify(reply))
      }
    })
  }
})

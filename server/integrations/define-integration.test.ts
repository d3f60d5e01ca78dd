import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { z } from 'zod'
import type { ApiKeyAuth, BasicAuth, OAuth2Auth } from '../../shared/auth.ts'
import { isAuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { defineFields, defineIntegration } from './define-integration.ts'
import { createDirectIO, createTestFetch, keyOf, oauthOf } from './fixtures/acting.ts'
import type { AuthOf } from './integration.ts'

const code = (error: unknown): ErrorCode | undefined => (isAuthFlowError(error) ? error.code : undefined)

/** A provider of the test's own: knows one token and keeps to-dos. */
interface Provider {
  readonly url: string
  readonly todos: string[]
  /** Status of the next answer. */
  next: { status: number; headers?: Record<string, string> } | undefined
  readonly server: Server
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

async function startProvider(): Promise<Provider> {
  const todos: string[] = []
  const server = createServer((request, response) => {
    void readText(request).then((body) => {
      const fault = provider.next
      provider.next = undefined
      const known = request.headers.authorization === 'Bearer key-of-ada'
      if (fault) response.writeHead(fault.status, fault.headers).end('{"secret":"planted"}')
      else if (!known) response.writeHead(401).end('{}')
      else if (request.url === '/me') response.end('{"id":7,"name":"Ada"}')
      else
        response
          .writeHead(201)
          .end(
            JSON.stringify({ id: todos.push(z.object({ text: z.string() }).parse(JSON.parse(body)).text) }),
          )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const provider: Provider = { url: `http://127.0.0.1:${port}`, todos, next: undefined, server }
  return provider
}

const user = z.object({ id: z.number(), name: z.string() })

interface TodosClient {
  post(path: string, body: unknown): Promise<{ body: unknown }>
}

/** As the README shows it, at a provider whose address is known only now. */
const defineTodos = (url: string) =>
  defineIntegration({
    provider: 'todos',
    name: 'Todos',
    methods: {
      apiKey: {
        verify: async ({ fields, request }) => {
          const { body } = await request(`${url}/me`, {
            headers: { authorization: `Bearer ${fields['apiKey']}` },
          })
          const { id, name } = user.parse(body)
          return { identity: { id: String(id), label: name } }
        },
      },
    },
    client: (auth, { request }): TodosClient => ({
      post: (path, body) =>
        request(url + path, { body, headers: { authorization: `Bearer ${auth.apiKey}` } }),
    }),
    tasks: {
      add: async (todos: TodosClient, params: { text: string }, task) => {
        const { body } = await todos.post('/todos', { ...params, key: task.idempotencyKey })
        return z.object({ id: z.number() }).parse(body)
      },
    },
  })

const authOf = (apiKey: string): ApiKeyAuth => ({
  type: 'apiKey',
  apiKey,
  connectionId: 'connection-1',
  fields: {},
  scopes: [],
  expiresAt: null,
  identity: { id: '7', label: 'Ada' },
  tokenHash: 'hash',
})

describe('defineIntegration', () => {
  const fetch = createTestFetch()
  let provider: Provider
  before(async () => {
    provider = await startProvider()
  })
  after(async () => {
    provider.server.close()
    await fetch.close()
  })

  const create = () => {
    const todos = defineTodos(provider.url)({ id: 'todos-customers', connect: true })
    todos.useFetch(fetch)
    return todos
  }

  it('makes an integration with a typed id, typed auth and typed tasks', async () => {
    const todos = create()
    const id: 'todos-customers' = todos.id
    const auth: AuthOf<typeof todos> = authOf('key-of-ada')
    const io = createDirectIO()
    const added: { id: number } = await todos.cloneForRun(io, 'todos', auth).add('first', { text: 'milk' })
    assert.deepEqual([id, added, provider.todos], ['todos-customers', { id: 1 }, ['milk']])
    assert.deepEqual([todos.metadata, todos.authSource], [{ id: 'todos', name: 'Todos' }, 'HOSTED'])
    const { options } = io.tasks[0] ?? assert.fail('no task')
    assert.deepEqual(
      [options?.name, options?.params, options?.connectionKey, options?.retry?.limit],
      ['add', { text: 'milk' }, 'todos', 8],
    )
  })

  it('has a form with one secret field, and puts a refusal at it', async () => {
    const method = keyOf(create())
    assert.deepEqual(
      method.fields.form.map(({ name, secret, required }) => [name, secret, required]),
      [['apiKey', true, true]],
    )
    assert.deepEqual((await method.verify({ fetch, fields: { apiKey: 'key-of-ada' } })).identity, {
      id: '7',
      label: 'Ada',
    })
    await assert.rejects(method.verify({ fetch, fields: { apiKey: 'planted' } }), (error) => {
      return (
        isAuthFlowError(error) &&
        error.code === 'credentials_rejected' &&
        error.details.fields?.[0]?.field === 'apiKey'
      )
    })
  })

  it('explains refusals as the built-in integrations do', async () => {
    const io = createDirectIO()
    const todos = create().cloneForRun(io, 'todos', authOf('key-of-ada'))
    const refusedWith = async (status: number, headers = {}) => {
      provider.next = { status, headers }
      const error: unknown = await todos
        .add(`task-${status}`, { text: 'x' })
        .catch((reason: unknown) => reason)
      if (!isAuthFlowError(error)) return assert.fail(String(error))
      assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /planted/)
      return [error.code, error.details.status, io.tasks.at(-1)?.verdict !== undefined]
    }
    assert.deepEqual(await refusedWith(429, { 'retry-after': '5' }), ['rate_limited', 429, true])
    assert.deepEqual(await refusedWith(503), ['provider_unavailable', 503, false])
    assert.deepEqual(await refusedWith(401), ['provider_rejected', 401, false])
    assert.deepEqual(await refusedWith(422), ['provider_rejected', 422, true])
  })

  it('takes facts of an SDK’s own errors', async () => {
    class QuotaError extends Error {}
    const quota = defineIntegration({
      provider: 'quota',
      name: 'Quota',
      methods: { apiKey: { verify: async () => ({ identity: { id: '1', label: '1' } }) } },
      client: () => ({}),
      tasks: {
        fail: async (): Promise<void> => {
          throw new QuotaError('over')
        },
      },
      failureOf: (error) =>
        error instanceof QuotaError ? { status: 429, rateLimited: true, retryAfterMs: 1500 } : undefined,
    })({ id: 'quota', token: 'x' })
    const io = createDirectIO()
    await assert.rejects(quota.cloneForRun(io, 'quota').fail('fail', {}), (error) => {
      return isAuthFlowError(error) && error.code === 'rate_limited' && error.details.retryAfterMs === 1500
    })
  })

  it('acts with the product’s own token', async () => {
    const todos = defineTodos(provider.url)({ id: 'todos-own', token: 'key-of-ada' })
    todos.useFetch(fetch)
    assert.equal(todos.authSource, 'LOCAL')
    await todos.cloneForRun(createDirectIO(), 'todos').add('first', { text: 'own' })
    assert.equal(provider.todos.at(-1), 'own')
  })

  it('fills in what an OAuth provider leaves open', () => {
    const define = defineIntegration({
      provider: 'acme',
      name: 'Acme',
      methods: {
        oauth2: {
          fields: defineFields(z.object({ host: z.string().meta({ title: 'Host' }) })),
          authorizationUrl: ({ host }) => `https://${host}/authorize`,
          tokenUrl: 'https://acme.example/token',
          identify: async () => ({ identity: { id: '1', label: 'one' } }),
        },
        basic: { label: 'Password', verify: async () => ({ identity: { id: '1', label: 'one' } }) },
      },
      client: (auth) => ({ secret: auth.type === 'oauth2' ? auth.accessToken : auth.password }),
      tasks: {},
    })
    const acme = define({
      id: 'acme',
      connect: true,
      oauth: { clientId: 'id', clientSecret: 'secret', scopes: ['a'] },
    })
    const typed: AuthOf<typeof acme> extends OAuth2Auth | BasicAuth ? true : false = true
    const method = oauthOf(acme)
    assert.equal(typed, true)
    assert.deepEqual(
      [method.label, method.pkce, method.clientAuth, method.scopeSeparator, method.rotation],
      ['Sign in with Acme', 'S256', 'basic', ' ', 'strict'],
    )
    assert.deepEqual(
      [method.authorizationUrl({ host: 'a.example' }), method.tokenUrl({})],
      ['https://a.example/authorize', 'https://acme.example/token'],
    )
    assert.deepEqual(
      keyOf(acme).fields.form.map(({ name }) => name),
      ['username', 'password'],
    )
    assert.deepEqual(
      define({ id: 'acme', connect: true }).connect?.methods.map(({ id }) => id),
      ['basic'],
    )
  })

  it('refuses definitions and options that cannot work, and names them', () => {
    const option = (run: () => unknown): string | undefined => {
      try {
        run()
      } catch (error) {
        if (isAuthFlowError(error)) return `${error.code} ${error.details.option}`
      }
      return undefined
    }
    const methods = { apiKey: { verify: async () => ({ identity: { id: '1', label: '1' } }) } }
    const base = { provider: 'x', name: 'X', methods, client: () => ({}), tasks: {} }
    assert.equal(
      option(() => defineIntegration({ ...base, provider: 'no spaces' })),
      'invalid_option provider',
    )
    assert.equal(
      option(() => defineIntegration({ ...base, methods: {} })),
      'invalid_option methods',
    )
    assert.equal(
      option(() => defineIntegration({ ...base, tasks: { runTask: async () => undefined } })),
      'invalid_option tasks.runTask',
    )
    const create = defineIntegration(base)
    assert.equal(
      option(() => create({ id: 'x', token: process.env['AUTHFLOW_TEST_UNSET'] })),
      'missing_option token',
    )
    assert.equal(
      option(() => create({ id: 'x' })),
      'missing_option token',
    )
    assert.equal(
      option(() => create({ id: 'x', connect: true, token: 'y' })),
      'invalid_option token',
    )
    const onlyOAuth = defineIntegration({
      ...base,
      methods: {
        oauth2: {
          authorizationUrl: 'https://x.example',
          tokenUrl: 'https://x.example',
          identify: methods.apiKey.verify,
        },
      },
    })
    assert.equal(
      option(() => onlyOAuth({ id: 'x', connect: true })),
      'missing_option oauth',
    )
  })

  it('asks for credentials before it acts', async () => {
    await assert.rejects(create().createClient(), (error) => code(error) === 'not_connected')
  })
})

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import type { OAuth2Method } from '../integrations/integration.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { exchangeCode } from './exchange.ts'
import { oauthMethod } from './fixtures/methods.ts'
import { startTokenServer, type RecordedRequest } from './fixtures/token-server.ts'

const server = await startTokenServer()
const fetch = createGuardedFetch({ allowLoopback: true })
const redirectUri = 'https://connect.example.com/callback/things'

after(async () => {
  await fetch.close()
  await server.close()
})

beforeEach(() => {
  server.requests.length = 0
  server.reply = () => ({ body: { access_token: 'at-1', token_type: 'Bearer' } })
})

const exchange = (changes: Partial<OAuth2Method> = {}, codeVerifier?: string) =>
  exchangeCode(
    { method: oauthMethod(server.origin, changes), fields: {}, fetch },
    {
      params: new URLSearchParams({ code: 'the-code', state: 'the-state', iss: 'https://provider.example' }),
      redirectUri,
      ...(codeVerifier === undefined ? {} : { codeVerifier }),
    },
  )

const onlyRequest = (): RecordedRequest => {
  const [request, ...others] = server.requests
  assert.ok(request && others.length === 0)
  return request
}

describe('exchangeCode', () => {
  it('sends exactly the fields of RFC 6749 and 7636', async () => {
    await exchange({}, 'the-verifier-of-at-least-forty-three-characters')
    const request = onlyRequest()
    assert.equal(request.method, 'POST')
    assert.equal(request.path, '/token')
    assert.equal(request.headers['content-type'], 'application/x-www-form-urlencoded;charset=UTF-8')
    assert.equal(request.headers['accept'], 'application/json')
    assert.equal(request.headers['authorization'], undefined)
    assert.deepEqual(Object.fromEntries(request.form), {
      grant_type: 'authorization_code',
      code: 'the-code',
      redirect_uri: redirectUri,
      code_verifier: 'the-verifier-of-at-least-forty-three-characters',
      client_id: 'client-1',
      client_secret: 'secret-1',
    })
  })

  it('sends no verifier where PKCE is off, and the method’s own parameters', async () => {
    await exchange({ tokenParams: { audience: 'api', grant_type: 'password' } })
    const { form } = onlyRequest()
    assert.equal(form.has('code_verifier'), false)
    assert.equal(form.get('audience'), 'api')
    assert.deepEqual(form.getAll('grant_type'), ['authorization_code'])
  })

  it('proves the client by Basic with form encoding, and by raw Basic without', async () => {
    const client = { clientId: 'id ü', clientSecret: 's-e_c.r+et/=é', scopes: [] }
    await exchange({ client, clientAuth: 'basic' })
    const formEncoded = 'id+%C3%BC:s%2De%5Fc%2Er%2Bet%2F%3D%C3%A9'
    assert.equal(
      onlyRequest().headers['authorization'],
      `Basic ${Buffer.from(formEncoded).toString('base64')}`,
    )
    assert.equal(onlyRequest().form.has('client_secret'), false)

    server.requests.length = 0
    await exchange({ client, clientAuth: 'basicRaw' })
    const raw = Buffer.from('id ü:s-e_c.r+et/=é', 'utf8').toString('base64')
    assert.equal(onlyRequest().headers['authorization'], `Basic ${raw}`)
    assert.equal(onlyRequest().form.has('client_secret'), false)
    assert.equal(onlyRequest().form.has('client_id'), false)
  })

  it('proves the client in the body, or names it only', async () => {
    const client = { clientId: 'id', clientSecret: 's-e_c.r+et/=é', scopes: [] }
    await exchange({ client, clientAuth: 'post' })
    assert.equal(onlyRequest().form.get('client_secret'), 's-e_c.r+et/=é')
    server.requests.length = 0
    await exchange({ client, clientAuth: 'none' })
    assert.equal(onlyRequest().form.get('client_id'), 'id')
    assert.equal(onlyRequest().form.has('client_secret'), false)
    assert.equal(onlyRequest().headers['authorization'], undefined)
  })

  it('asks the endpoint that the fields name', async () => {
    const method = oauthMethod(server.origin, { tokenUrl: ({ shop }) => `${server.origin}/${shop}/token` })
    const params = new URLSearchParams({ code: 'c' })
    await exchangeCode({ method, fields: { shop: 'acme' }, fetch }, { params, redirectUri })
    assert.equal(onlyRequest().path, '/acme/token')
  })

  it('refuses a callback with two codes, none, or the answer of another grant before any request', async () => {
    const endpoint = { method: oauthMethod(server.origin), fields: {}, fetch }
    const hybrid = ['id_token=x', 'token=x', 'response=x', 'access_token=x', 'access_token='].flatMap(
      (more) => [`code=a&${more}`, more],
    )
    for (const query of ['code=a&code=b', 'state=x', 'code=', ...hybrid]) {
      const refused = exchangeCode(endpoint, { params: new URLSearchParams(query), redirectUri })
      await assert.rejects(refused, { code: 'provider_reply_invalid' }, query)
    }
    assert.equal(server.requests.length, 0)
  })

  it('ends with its signal', async () => {
    server.reply = () => ({ afterMs: 300 })
    const signal = AbortSignal.timeout(30)
    const method = oauthMethod(server.origin)
    const params = new URLSearchParams({ code: 'c' })
    await assert.rejects(exchangeCode({ method, fields: {}, fetch, signal }, { params, redirectUri }), {
      name: 'TimeoutError',
    })
  })

  it('does not follow redirects and does not reach hosts that the guard refuses', async () => {
    server.reply = () => ({ status: 307, headers: { location: `${server.origin}/elsewhere` } })
    await assert.rejects(exchange(), { code: 'provider_reply_invalid' })
    const followed = server.requests.filter(({ path }) => path === '/elsewhere')
    assert.equal(followed.length, 0)
    await assert.rejects(exchange({ tokenUrl: () => 'http://169.254.169.254/token' }), {
      code: 'blocked_host',
    })
    await assert.rejects(exchange({ tokenUrl: () => 'http://provider.example/token' }), {
      code: 'blocked_host',
    })
    const strict = createGuardedFetch()
    const method = oauthMethod(server.origin, { tokenUrl: () => `${server.origin}/never` })
    const endpoint = { method, fields: {}, fetch: strict }
    const params = new URLSearchParams({ code: 'c' })
    await assert.rejects(exchangeCode(endpoint, { params, redirectUri }), { code: 'blocked_host' })
    await strict.close()
    const own = server.requests.filter(({ path }) => path === '/never')
    assert.equal(own.length, 0)
  })
})

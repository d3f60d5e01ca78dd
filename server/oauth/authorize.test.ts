import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { authorizationUrl, createPkce, redirectUriOf } from './authorize.ts'
import { oauthMethod } from './fixtures/methods.ts'

const request = {
  fields: {},
  scopes: ['read', 'write'],
  state: 'the-state',
  redirectUri: 'https://connect.example.com/callback/things',
}

describe('authorizationUrl', () => {
  it('holds exactly the parameters of the protocol', () => {
    const method = oauthMethod('https://provider.example')
    const url = authorizationUrl({ ...request, method, codeChallenge: 'the-challenge' })
    assert.equal(url.origin + url.pathname, 'https://provider.example/authorize')
    assert.deepEqual(Object.fromEntries(url.searchParams), {
      response_type: 'code',
      client_id: 'client-1',
      redirect_uri: 'https://connect.example.com/callback/things',
      state: 'the-state',
      scope: 'read write',
      code_challenge: 'the-challenge',
      code_challenge_method: 'S256',
    })
  })

  it('separates scopes as the provider does, and leaves the parameter out when there are none', () => {
    const method = oauthMethod('https://provider.example', { scopeSeparator: ',' })
    assert.equal(authorizationUrl({ ...request, method }).searchParams.get('scope'), 'read,write')
    assert.equal(authorizationUrl({ ...request, method, scopes: [] }).searchParams.has('scope'), false)
  })

  it('refuses fields that make no URL', () => {
    const method = oauthMethod('https://provider.example', {
      authorizationUrl: ({ shop }) => `https://${shop}.example/authorize`,
    })
    for (const shop of ['xn--e1a0', 'a b', '%']) {
      assert.throws(() => authorizationUrl({ ...request, method, fields: { shop } }), {
        code: 'blocked_host',
      })
    }
  })

  it('names the services that the token is for', () => {
    const resource = ['https://a.example/x', 'https://b.example']
    const method = oauthMethod('https://provider.example', { resource })
    assert.deepEqual(authorizationUrl({ ...request, method }).searchParams.getAll('resource'), resource)
  })

  it('sends no challenge where PKCE is off', async () => {
    const method = oauthMethod('https://provider.example', { pkce: { off: 'makes the app public' } })
    assert.equal(await createPkce(method), undefined)
    assert.equal(authorizationUrl({ ...request, method }).searchParams.has('code_challenge'), false)
  })

  it('keeps the parameters of the endpoint and of the method, but never lets them replace its own', () => {
    const method = oauthMethod('https://provider.example', {
      authorizationUrl: ({ shop }) => `https://${shop}/oauth?version=2&state=fixed`,
      authorizationParams: {
        access_type: 'offline',
        redirect_uri: 'https://evil.example',
        response_type: 'token',
      },
    })
    const url = authorizationUrl({ ...request, method, fields: { shop: 'acme.example' } })
    assert.equal(url.host, 'acme.example')
    assert.equal(url.searchParams.get('version'), '2')
    assert.equal(url.searchParams.get('access_type'), 'offline')
    assert.deepEqual(url.searchParams.getAll('state'), ['the-state'])
    assert.deepEqual(url.searchParams.getAll('redirect_uri'), [request.redirectUri])
    assert.deepEqual(url.searchParams.getAll('response_type'), ['code'])
  })
})

describe('createPkce', () => {
  it('makes a fresh verifier and its S256 challenge', async () => {
    const method = oauthMethod('https://provider.example')
    const [first, second] = [await createPkce(method), await createPkce(method)]
    assert.ok(first && second)
    assert.match(first.verifier, /^[A-Za-z0-9_-]{43,128}$/)
    assert.equal(first.challenge, createHash('sha256').update(first.verifier).digest('base64url'))
    assert.notEqual(first.verifier, second.verifier)
  })
})

describe('redirectUriOf', () => {
  it('is built from the base URL, with its path and without a double slash', () => {
    assert.equal(redirectUriOf(new URL('https://a.example'), 'x'), 'https://a.example/callback/x')
    assert.equal(redirectUriOf(new URL('https://a.example/auth/'), 'x'), 'https://a.example/auth/callback/x')
    assert.equal(
      redirectUriOf(new URL('https://a.example:8443/auth?q#f'), 'x'),
      'https://a.example:8443/auth/callback/x',
    )
  })
})

// The ID token of a code exchange: everything about it must hold, or there is no connection.

import assert from 'node:assert/strict'
import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { after, beforeEach, describe, it } from 'node:test'
import type { OAuth2Method } from '../integrations/integration.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { authorizationUrl, createPkce, nonceOf } from './authorize.ts'
import { exchangeCode } from './exchange.ts'
import { apps, fullMethod, startFullOidc } from './fixtures/full-oidc.ts'
import { oauthMethod } from './fixtures/methods.ts'
import { startTokenServer, type PlannedReply } from './fixtures/token-server.ts'
import { visit } from './fixtures/visitor.ts'

const server = await startTokenServer()
const fetch = createGuardedFetch({ allowLoopback: true })
const issuer = 'https://provider.example'
const state = 'the-state-of-this-flow'
const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 })

after(async () => {
  await fetch.close()
  await server.close()
})

const jwkOf = (key: KeyObject) => ({ ...key.export({ format: 'jwk' }), kid: 'k-1', use: 'sig', alg: 'RS256' })

interface Minted {
  readonly header?: object
  readonly claims?: object
  readonly key?: KeyObject
}

function mint({ header = {}, claims = {}, key = own.privateKey }: Minted = {}): string {
  const now = Math.floor(Date.now() / 1000)
  const whole = {
    iss: issuer,
    aud: 'client-1',
    sub: 'ada',
    iat: now,
    exp: now + 300,
    nonce: nonceOf(state),
    ...claims,
  }
  const parts = [{ alg: 'RS256', kid: 'k-1', ...header }, whole]
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${createSign('sha256').update(text).sign(key).toString('base64url')}`
}

let jwksRequests = 0
/** Answers with the ID token, and with the keys. */
function serve(idToken: unknown, jwks: PlannedReply = { body: { keys: [jwkOf(own.publicKey)] } }): void {
  server.reply = ({ path }) => {
    if (path !== '/jwks') return { body: { access_token: 'at', token_type: 'bearer', id_token: idToken } }
    jwksRequests += 1
    return jwks
  }
}

const exchange = (changes: Partial<OAuth2Method> = {}, params = { code: 'c', state }) => {
  const oidc = { jwksUrl: () => `${server.origin}/jwks` }
  const method = oauthMethod(server.origin, { issuer: () => issuer, oidc, ...changes })
  const redirectUri = 'https://a.example/callback'
  return exchangeCode({ method, fields: {}, fetch }, { params: new URLSearchParams(params), redirectUri })
}

beforeEach(() => {
  jwksRequests = 0
})

describe('an ID token', () => {
  it('that holds is handed on as claims', async () => {
    serve(mint({ claims: { email: 'ada@example.com' } }))
    const { idClaims } = await exchange()
    assert.deepEqual([idClaims?.['sub'], idClaims?.['email']], ['ada', 'ada@example.com'])
    assert.equal(jwksRequests, 1)
  })

  it('may be a minute off, be for several clients of which this is the one, and have no key id', async () => {
    const now = Math.floor(Date.now() / 1000)
    serve(
      mint({
        claims: { exp: now - 30, iat: now - 600, aud: ['client-1', 'other'], azp: 'client-1' },
        header: { kid: undefined },
      }),
    )
    assert.equal((await exchange()).idClaims?.['sub'], 'ada')
  })

  const now = Math.floor(Date.now() / 1000)
  const faults: Readonly<Record<string, string | undefined | number>> = {
    'is not there': undefined,
    'is no text': 7,
    'is no token': 'not.a.token',
    'has another issuer': mint({ claims: { iss: 'https://evil.example' } }),
    'has no issuer': mint({ claims: { iss: undefined } }),
    'is for another client': mint({ claims: { aud: 'client-2' } }),
    'is for several clients and names none as its own': mint({ claims: { aud: ['client-1', 'client-2'] } }),
    'was asked for by another client': mint({ claims: { aud: ['client-1', 'client-2'], azp: 'client-2' } }),
    'is over': mint({ claims: { exp: now - 120 } }),
    'never ends': mint({ claims: { exp: undefined } }),
    'is from the future': mint({ claims: { nbf: now + 600 } }),
    'has no subject': mint({ claims: { sub: undefined } }),
    'has the nonce of another flow': mint({ claims: { nonce: nonceOf('another-state') } }),
    'has an empty nonce': mint({ claims: { nonce: '' } }),
    'has no nonce': mint({ claims: { nonce: undefined } }),
    'is signed by somebody else': mint({ key: foreign.privateKey }),
    'names a key that is not there': mint({ header: { kid: 'k-2' } }),
    'is not signed': `${mint({ header: { alg: 'none' } })
      .split('.')
      .slice(0, 2)
      .join('.')}.`,
    'is signed with the public key as a secret': mint({ header: { alg: 'HS256' } }),
    'has a signature cut short': mint().slice(0, -8),
    'was changed after it was signed': mint().replace(
      /\.[^.]+\./,
      `.${mint({ claims: { sub: 'eve' } }).split('.')[1]}.`,
    ),
  }
  for (const [fault, idToken] of Object.entries(faults)) {
    it(`that ${fault} makes no connection`, async () => {
      serve(idToken)
      await assert.rejects(exchange(), { code: 'provider_reply_invalid' })
    })
  }

  it('whose keys can’t be had makes no connection', async () => {
    serve(mint(), { status: 503 })
    await assert.rejects(exchange(), { code: 'provider_reply_invalid' })
    serve(mint(), { body: { keys: 'none' } })
    await assert.rejects(exchange(), { code: 'provider_reply_invalid' })
    serve(mint(), { body: { keys: [{ ...jwkOf(own.publicKey), n: '!' }] } })
    await assert.rejects(exchange(), { code: 'provider_reply_invalid' })
    serve(mint())
    const inside = { jwksUrl: () => 'http://169.254.169.254/jwks' }
    await assert.rejects(exchange({ oidc: inside }), { code: 'blocked_host' })
  })

  it('takes no algorithm but those named', async () => {
    serve(mint())
    const oidc = { jwksUrl: () => `${server.origin}/jwks`, algorithms: ['ES256'] as const }
    await assert.rejects(exchange({ oidc }), { code: 'provider_reply_invalid' })
    assert.equal(jwksRequests, 0)
  })

  it('is not so much as looked at where the method does not say OpenID Connect', async () => {
    serve('not.a.token')
    const { oidc: _, ...plain } = oauthMethod(server.origin)
    const params = new URLSearchParams({ code: 'c' })
    const redirectUri = 'https://a.example/callback'
    const tokens = await exchangeCode({ method: plain, fields: {}, fetch }, { params, redirectUri })
    assert.deepEqual(tokens, { accessToken: 'at' })
  })
})

describe('OpenID Connect', () => {
  it('asks for openid and a nonce that follows from the state', () => {
    const oidc = { jwksUrl: () => `${server.origin}/jwks` }
    const method = oauthMethod(server.origin, { oidc })
    const request = { method, fields: {}, scopes: ['read'], state, redirectUri: 'https://a.example/callback' }
    const { searchParams } = authorizationUrl(request)
    assert.equal(searchParams.get('scope'), 'openid read')
    assert.equal(searchParams.get('nonce'), nonceOf(state))
    assert.notEqual(nonceOf(state), nonceOf(`${state}x`))
  })

  it('works with a certified provider', async () => {
    const redirectUri = 'http://localhost:3000/callback/op'
    const op = await startFullOidc([redirectUri])
    const method = fullMethod(op.origin, {
      client: { ...apps.signer, privateKey: op.signingKey, scopes: ['openid'] },
      clientAuth: 'privateKeyJwt',
      oidc: { jwksUrl: () => `${op.origin}/jwks` },
    })
    const pkce = await createPkce(method)
    const request = {
      method,
      fields: {},
      scopes: ['openid'],
      state,
      redirectUri,
      codeChallenge: pkce?.challenge ?? '',
    }
    const { searchParams: params } = await visit(authorizationUrl(request).href, redirectUri)
    const codeVerifier = pkce?.verifier ?? ''
    const { idClaims } = await exchangeCode(
      { method, fields: {}, fetch },
      { params, redirectUri, codeVerifier },
    )
    assert.equal(idClaims?.['sub'], 'ada')
    const other = await visit(authorizationUrl({ ...request, state: 'another' }).href, redirectUri)
    other.searchParams.set('state', state)
    const stolen = { params: other.searchParams, redirectUri, codeVerifier }
    await assert.rejects(exchangeCode({ method, fields: {}, fetch }, stolen), {
      code: 'provider_reply_invalid',
    })
    await op.close()
  })
})

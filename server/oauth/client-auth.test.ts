// A9: the very bytes by which a client proves itself.

import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, verify, type KeyObject } from 'node:crypto'
import { after, beforeEach, describe, it } from 'node:test'
import type { OAuth2Method } from '../integrations/integration.ts'
import { printFigure } from '../../scripts/figure.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { oauthMethod } from './fixtures/methods.ts'
import { startTokenServer, type RecordedRequest } from './fixtures/token-server.ts'
import { refreshTokens } from './refresh.ts'
import { revokeGrant } from './revoke.ts'

const server = await startTokenServer()
const fetch = createGuardedFetch({ allowLoopback: true })
after(async () => {
  await fetch.close()
  await server.close()
})
beforeEach(() => {
  server.requests.length = 0
  server.reply = () => ({ body: { access_token: 'at', token_type: 'bearer' } })
})

const issuer = 'https://provider.example/tenant'
const client = { clientId: 'id:ü 1', clientSecret: 's-e_c.r+et/=é', scopes: [] }

/** The one request that a refresh with the method sends. */
async function sent(changes: Partial<OAuth2Method>): Promise<RecordedRequest> {
  const method = oauthMethod(server.origin, { client, issuer: () => issuer, ...changes })
  await refreshTokens({ method, fields: {}, fetch }, 'rt/1+2')
  const [request, ...others] = server.requests
  assert.ok(request && others.length === 0)
  return request
}

const grant = 'refresh_token=rt%2F1%2B2&grant_type=refresh_token'
const formType = 'application/x-www-form-urlencoded;charset=UTF-8'

describe('A9 clientAuth', () => {
  it('basic: form-encodes id and secret before Base64', async () => {
    const { headers, body } = await sent({ clientAuth: 'basic' })
    assert.equal(body, grant)
    assert.equal(headers['content-type'], formType)
    const encoded = 'id%3A%C3%BC+1:s%2De%5Fc%2Er%2Bet%2F%3D%C3%A9'
    assert.equal(headers['authorization'], `Basic ${Buffer.from(encoded, 'latin1').toString('base64')}`)
  })

  it('basicRaw: Base64 of the UTF-8 as it is', async () => {
    const { headers, body } = await sent({ clientAuth: 'basicRaw' })
    assert.equal(body, grant)
    assert.equal(headers['authorization'], 'Basic aWQ6w7wgMTpzLWVfYy5yK2V0Lz3DqQ==')
  })

  it('post: both in the body', async () => {
    const { headers, body } = await sent({ clientAuth: 'post' })
    assert.equal(headers['authorization'], undefined)
    const proof = 'client_id=id%3A%C3%BC+1&client_secret=s-e_c.r%2Bet%2F%3D%C3%A9'
    assert.equal(body, `refresh_token=rt%2F1%2B2&grant_type=refresh_token&${proof}`)
  })

  it('none: the id alone', async () => {
    const { headers, body } = await sent({ clientAuth: 'none' })
    assert.equal(headers['authorization'], undefined)
    assert.equal(body, `${grant}&client_id=id%3A%C3%BC+1`)
  })

  it('JSON: the same members, with the proof in the body or in the header', async () => {
    const resource = ['https://api.example/a', 'https://api.example/b']
    const posted = await sent({ clientAuth: 'post', requestBody: 'json', resource })
    assert.equal(posted.headers['content-type'], 'application/json')
    assert.equal(
      posted.body,
      '{"resource":["https://api.example/a","https://api.example/b"],"refresh_token":"rt/1+2",' +
        '"grant_type":"refresh_token","client_id":"id:ü 1","client_secret":"s-e_c.r+et/=é"}',
    )
    server.requests.length = 0
    const basic = await sent({ clientAuth: 'basicRaw', requestBody: 'json' })
    assert.equal(basic.body, '{"refresh_token":"rt/1+2","grant_type":"refresh_token"}')
    assert.match(String(basic.headers['authorization']), /^Basic /)
  })

  it('proves itself the same way when it ends a grant', async () => {
    const revocationUrl = (): string => `${server.origin}/revoke`
    const method = oauthMethod(server.origin, {
      client,
      clientAuth: 'post',
      requestBody: 'json',
      revocationUrl,
    })
    await revokeGrant({ method, fields: {}, fetch }, { accessToken: 'at', refreshToken: 'rt' })
    assert.deepEqual(JSON.parse(server.requests[0]?.body ?? ''), {
      token_type_hint: 'refresh_token',
      token: 'rt',
      client_id: client.clientId,
      client_secret: client.clientSecret,
    })
  })
})

const keys = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  Ed25519: generateKeyPairSync('ed25519').privateKey,
}

const pemOf = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }).toString()

describe('A9 every way', () => {
  it('sends another proof than every other, and none the secret where it must not be', async () => {
    const privateKey = { pem: pemOf(keys.ES256) }
    const ways = ['basic', 'basicRaw', 'post', 'privateKeyJwt', 'none'] as const
    const proofs = new Set<string>()
    for (const requestBody of ['form', 'json'] as const) {
      for (const clientAuth of ways) {
        server.requests.length = 0
        const { headers, body } = await sent({ clientAuth, requestBody, client: { ...client, privateKey } })
        const whole = `${headers['content-type']} ${headers['authorization']} ${body}`
        proofs.add(whole)
        const decoded = decodeURIComponent(body.replaceAll('+', ' ')) + body
        assert.equal(decoded.includes(client.clientSecret), clientAuth === 'post', clientAuth)
      }
    }
    assert.equal(proofs.size, 10)
    printFigure({
      requirement: 'A9',
      name: 'ways to prove a client, each with bytes of its own',
      value: proofs.size,
    })
  })
})

describe('A9 privateKeyJwt', () => {
  for (const [algorithm, key] of Object.entries(keys)) {
    it(`signs with ${algorithm} for the issuer alone, freshly each time`, async () => {
      const privateKey = { pem: pemOf(key), keyId: 'k-1' }
      const changes = {
        clientAuth: 'privateKeyJwt',
        client: { ...client, clientSecret: '', privateKey },
      } as const
      const { headers, form } = await sent(changes)
      assert.equal(headers['authorization'], undefined)
      assert.equal(form.has('client_secret'), false)
      assert.equal(
        form.get('client_assertion_type'),
        'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      )
      const assertion = form.get('client_assertion') ?? ''
      const [header = '', payload = '', signature = ''] = assertion.split('.')
      const { alg, kid } = JSON.parse(Buffer.from(header, 'base64url').toString())
      assert.deepEqual([alg, kid], [algorithm, 'k-1'])
      const { aud, iss, sub, exp, iat } = JSON.parse(Buffer.from(payload, 'base64url').toString())
      assert.deepEqual({ aud, iss, sub }, { aud: issuer, iss: client.clientId, sub: client.clientId })
      assert.ok(exp - iat <= 60)
      const hash = algorithm === 'Ed25519' ? null : `sha${algorithm.slice(-3)}`
      const publicKey = { key: createPublicKey(key), dsaEncoding: 'ieee-p1363' } as const
      const bytes = Buffer.from(`${header}.${payload}`)
      assert.ok(verify(hash, bytes, publicKey, Buffer.from(signature, 'base64url')))
      server.requests.length = 0
      assert.notEqual((await sent(changes)).form.get('client_assertion'), assertion)
    })
  }

  it('is refused before any request without a key, or with one that is none, which is not quoted', async () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----'
    const x25519 = pemOf(generateKeyPairSync('x25519').privateKey)
    for (const privateKey of [undefined, { pem }, { pem: 'planted' }, { pem: x25519 }]) {
      const app = { ...client, ...(privateKey ? { privateKey } : {}) }
      await assert.rejects(sent({ clientAuth: 'privateKeyJwt', client: app }), (error: Error) => {
        assert.equal('code' in error && error.code, 'client_misconfigured')
        assert.doesNotMatch(`${error.stack}${String(error.cause)}`, /planted/)
        return true
      })
    }
    assert.equal(server.requests.length, 0)
  })
})

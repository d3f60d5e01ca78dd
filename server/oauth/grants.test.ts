// A13: grants and proofs beyond the plain code flow, against a certified authorization server.

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import type {
  ClientCredentialsMethod,
  DeviceMethod,
  OAuth2Method,
  TokenSet,
} from '../integrations/integration.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { createPkce } from './authorize.ts'
import { requestClientToken } from './client-credentials.ts'
import { pollDeviceCode, requestDeviceCode } from './device.ts'
import { exchangeCode } from './exchange.ts'
import { apps, fullMethod, profileOf, resource, startFullOidc, typeCode } from './fixtures/full-oidc.ts'
import { visit } from './fixtures/visitor.ts'
import { judgeIssuer } from './issuer.ts'
import { authorizationLocation } from './pushed-authorization.ts'
import { refreshTokens } from './refresh.ts'
import { revokeGrant } from './revoke.ts'

const redirectUri = 'http://localhost:3000/callback/op'
const server = await startFullOidc([redirectUri])
const fetch = createGuardedFetch({ allowLoopback: true })
after(async () => {
  await fetch.close()
  await server.close()
})
beforeEach(() => {
  server.requests.length = 0
})

/** The whole code flow with a method, as the connect service does it. */
async function connect(method: OAuth2Method): Promise<{ readonly location: URL; readonly tokens: TokenSet }> {
  const endpoint = { method, fields: {}, fetch }
  const pkce = await createPkce(method)
  assert.ok(pkce)
  const location = await authorizationLocation(endpoint, {
    scopes: method.client.scopes,
    state: 'state-1',
    redirectUri,
    codeChallenge: pkce.challenge,
  })
  const { searchParams: params } = await visit(location.href, redirectUri)
  judgeIssuer(method, {}, params)
  return {
    location,
    tokens: await exchangeCode(endpoint, { params, redirectUri, codeVerifier: pkce.verifier }),
  }
}

const claimsOf = (jwt: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString())

describe('A13 pushed authorization requests', () => {
  const pushedAuthorizationUrl = (): string => `${server.origin}/request`

  it('go to the server first; the browser carries a reference and nothing else', async () => {
    const { location, tokens } = await connect(fullMethod(server.origin, { pushedAuthorizationUrl }))
    assert.deepEqual([...location.searchParams.keys()].sort(), ['client_id', 'request_uri'])
    assert.match(location.searchParams.get('request_uri') ?? '', /^urn:ietf:params:oauth:request_uri:/)
    assert.ok(tokens.refreshToken)
    const [pushed] = server.requests
    assert.equal(pushed?.path, '/request')
    assert.equal(pushed?.params['code_challenge_method'], 'S256')
    assert.equal(pushed?.params['redirect_uri'], redirectUri)
  })

  it('are what this client must send: without them the server refuses it', async () => {
    await assert.rejects(connect(fullMethod(server.origin)))
  })

  it('tell a wrong secret and a wrong address from each other', async () => {
    const client = { ...apps.pusher, clientSecret: 'wrong', scopes: [] }
    await assert.rejects(connect(fullMethod(server.origin, { pushedAuthorizationUrl, client })), {
      code: 'client_misconfigured',
    })
    const method = fullMethod(server.origin, { pushedAuthorizationUrl })
    const request = { scopes: [], state: 's', redirectUri: 'https://elsewhere.example/' }
    await assert.rejects(authorizationLocation({ method, fields: {}, fetch }, request), {
      code: 'provider_rejected',
      details: { status: 400, providerCode: 'invalid_request' },
    })
  })
})

describe('A13 privateKeyJwt', () => {
  const signer = () =>
    fullMethod(server.origin, {
      client: { ...apps.signer, privateKey: server.signingKey, scopes: ['openid', 'things'] },
      clientAuth: 'privateKeyJwt',
    })

  it('proves the client at exchange, refresh and revocation', async () => {
    const method = signer()
    const { tokens } = await connect(method)
    const endpoint = { method, fields: {}, fetch }
    const second = await refreshTokens(endpoint, tokens.refreshToken ?? '')
    await revokeGrant(endpoint, second)
    await assert.rejects(refreshTokens(endpoint, second.refreshToken), { code: 'needs_reauth' })
  })

  it('is refused when it was made for another server', async () => {
    const endpoint = { method: { ...signer(), issuer: () => 'https://other.example' }, fields: {}, fetch }
    await assert.rejects(refreshTokens(endpoint, 'rt'), { code: 'client_misconfigured' })
  })
})

describe('A13 resource', () => {
  it('is asked for in the authorization and the token request, and the token is for it alone', async () => {
    const method = fullMethod(server.origin, {
      client: { ...apps.signer, privateKey: server.signingKey, scopes: ['openid', 'things'] },
      clientAuth: 'privateKeyJwt',
      resource: [resource],
    })
    const { location, tokens } = await connect(method)
    assert.deepEqual(location.searchParams.getAll('resource'), [resource])
    assert.equal(claimsOf(tokens.accessToken)['aud'], resource)
    const refreshed = await refreshTokens({ method, fields: {}, fetch }, tokens.refreshToken ?? '')
    assert.equal(claimsOf(refreshed.accessToken)['aud'], resource)
  })
})

describe('A13 client credentials', () => {
  const method = (changes: Partial<ClientCredentialsMethod> = {}): ClientCredentialsMethod => ({
    ...profileOf(server.origin),
    id: 'clientCredentials',
    label: 'Client credentials',
    fields: { form: [], parse: (values) => ({ values, errors: [] }) },
    rotation: 'none',
    scopes: ['things'],
    ...changes,
  })

  it('give a token for the app that the account made, and no refresh token', async () => {
    const tokens = await requestClientToken({ method: method(), fields: apps.service, fetch })
    assert.equal(tokens.refreshToken, undefined)
    assert.ok(tokens.expiresAt && tokens.expiresAt > Date.now())
    assert.deepEqual(
      server.requests.map(({ client }) => client),
      ['service'],
    )
    const bound = await requestClientToken({
      method: method({ resource: [resource] }),
      fields: apps.service,
      fetch,
    })
    assert.equal(claimsOf(bound.accessToken)['aud'], resource)
  })

  it('are the account’s to mend when they are refused', async () => {
    const fields = { ...apps.service, clientSecret: 'wrong' }
    await assert.rejects(requestClientToken({ method: method(), fields, fetch }), {
      code: 'credentials_rejected',
      details: { status: 401, providerCode: 'invalid_client' },
    })
  })
})

describe('A13 device codes', () => {
  const method = (): DeviceMethod => ({
    ...profileOf(server.origin),
    id: 'device',
    label: 'On another device',
    clientAuth: 'none',
    client: { ...apps.device, scopes: ['openid', 'offline_access', 'things'] },
    deviceAuthorizationUrl: () => `${server.origin}/device/auth`,
  })

  it('are pending until the user has typed them, and then give tokens once', async () => {
    const endpoint = { method: method(), fields: {}, fetch }
    const grant = await requestDeviceCode(endpoint, ['openid', 'things'])
    assert.equal(grant.verificationUrl, `${server.origin}/device`)
    assert.equal(new URL(grant.verificationUrlComplete ?? '').searchParams.get('user_code'), grant.userCode)
    assert.equal(grant.intervalMs, 5_000)
    assert.equal(grant.lifetimeMs, 600_000)
    assert.deepEqual(await pollDeviceCode(endpoint, grant.deviceCode), { state: 'pending' })
    await typeCode(server, grant.userCode, 'confirm')
    const outcome = await pollDeviceCode(endpoint, grant.deviceCode)
    assert.ok(outcome.state === 'granted' && outcome.tokens.refreshToken)
    assert.ok((await refreshTokens(endpoint, outcome.tokens.refreshToken)).accessToken)
    await assert.rejects(pollDeviceCode(endpoint, grant.deviceCode), { code: 'provider_rejected' })
  })

  it('end when the user says no', async () => {
    const endpoint = { method: method(), fields: {}, fetch }
    const { deviceCode, userCode } = await requestDeviceCode(endpoint, ['openid'])
    await typeCode(server, userCode, 'abort')
    assert.deepEqual(await pollDeviceCode(endpoint, deviceCode), { state: 'denied' })
  })
})

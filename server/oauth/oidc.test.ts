// The OAuth client against a certified authorization server.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { authorizationUrl, createPkce } from './authorize.ts'
import { exchangeCode } from './exchange.ts'
import { oidcMethod, startOidc } from './fixtures/oidc.ts'
import { visit } from './fixtures/visitor.ts'
import { refreshTokens } from './refresh.ts'
import { revokeGrant } from './revoke.ts'

const redirectUri = 'http://localhost:3000/callback/oidc'
const server = await startOidc([redirectUri])
const fetch = createGuardedFetch({ allowLoopback: true })
const method = oidcMethod(server.origin)
const endpoint = { method, fields: {}, fetch }

after(async () => {
  await fetch.close()
  await server.close()
})

async function authorize(): Promise<{ params: URLSearchParams; verifier: string }> {
  const pkce = await createPkce(method)
  assert.ok(pkce)
  const { verifier, challenge: codeChallenge } = pkce
  const url = authorizationUrl({
    method,
    fields: {},
    scopes: ['openid', 'things'],
    state: 's-1',
    redirectUri,
    codeChallenge,
  })
  const { searchParams } = await visit(url.href, redirectUri)
  return { params: searchParams, verifier }
}

describe('the OAuth client at oidc-provider', () => {
  it('gets tokens that work, refreshes them with rotation, and revokes them', async () => {
    const { params, verifier } = await authorize()
    assert.equal(params.get('state'), 's-1')
    assert.equal(params.get('iss'), server.origin)
    const first = await exchangeCode(endpoint, { params, redirectUri, codeVerifier: verifier })
    assert.equal((await method.identify(first, { fetch, fields: {} })).identity.id, 'ada')
    assert.deepEqual(first.scopes, ['openid', 'things'])
    assert.ok(first.refreshToken && first.expiresAt && first.expiresAt > Date.now())

    const second = await refreshTokens(endpoint, first.refreshToken)
    assert.notEqual(second.refreshToken, first.refreshToken)
    await revokeGrant(endpoint, second)
    await assert.rejects(refreshTokens(endpoint, second.refreshToken), { code: 'needs_reauth' })
  })

  it('is refused without the right verifier, for a used code and with another redirect URI', async () => {
    const wrong = await authorize()
    const other = 'a-verifier-that-was-never-sent-to-anyone-before'
    await assert.rejects(exchangeCode(endpoint, { params: wrong.params, redirectUri, codeVerifier: other }), {
      code: 'token_exchange_failed',
      details: { status: 400, providerCode: 'invalid_grant' },
    })
    const moved = await authorize()
    const elsewhere = `${redirectUri}/`
    await assert.rejects(
      exchangeCode(endpoint, { params: moved.params, redirectUri: elsewhere, codeVerifier: moved.verifier }),
      { code: 'token_exchange_failed' },
    )
    const used = await authorize()
    const once = { params: used.params, redirectUri, codeVerifier: used.verifier }
    await exchangeCode(endpoint, once)
    await assert.rejects(exchangeCode(endpoint, once), { code: 'token_exchange_failed' })
  })

  it('tells a wrong client secret from a wrong grant', async () => {
    const client = { ...method.client, clientSecret: 'wrong' }
    const misconfigured = { ...endpoint, method: oidcMethod(server.origin, { client }) }
    await assert.rejects(refreshTokens(misconfigured, 'rt'), { code: 'client_misconfigured' })
    await assert.rejects(refreshTokens(endpoint, 'rt'), { code: 'needs_reauth' })
  })
})

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import type { OAuth2Method, TokenSet } from '../integrations/integration.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { oauthMethod } from './fixtures/methods.ts'
import { startTokenServer } from './fixtures/token-server.ts'
import { canRevoke, revokeGrant } from './revoke.ts'

const server = await startTokenServer()
const fetch = createGuardedFetch({ allowLoopback: true })

after(async () => {
  await fetch.close()
  await server.close()
})
beforeEach(() => {
  server.requests.length = 0
  server.reply = () => ({})
})

const revocationUrl = (): string => `${server.origin}/revoke`
const revoke = (tokens: TokenSet, changes: Partial<OAuth2Method> = { revocationUrl }) =>
  revokeGrant({ method: oauthMethod(server.origin, changes), fields: {}, fetch }, tokens)

describe('A12 revokeGrant', () => {
  it('revokes the refresh token by RFC 7009, which ends the grant', async () => {
    await revoke({ accessToken: 'at', refreshToken: 'rt' })
    assert.equal(server.requests.length, 1)
    assert.equal(server.requests[0]?.path, '/revoke')
    assert.deepEqual(Object.fromEntries(server.requests[0]?.form ?? []), {
      token: 'rt',
      token_type_hint: 'refresh_token',
      client_id: 'client-1',
      client_secret: 'secret-1',
    })
  })

  it('revokes the access token where that is all there is', async () => {
    await revoke({ accessToken: 'at' })
    assert.equal(server.requests[0]?.form.get('token'), 'at')
    assert.equal(server.requests[0]?.form.get('token_type_hint'), 'access_token')
  })

  it('prefers the provider’s own way and does nothing where there is none', async () => {
    const seen: TokenSet[] = []
    await revoke({ accessToken: 'at' }, { revocationUrl, revoke: async (tokens) => void seen.push(tokens) })
    await revoke({ accessToken: 'at' }, {})
    assert.deepEqual(seen, [{ accessToken: 'at' }])
    assert.equal(server.requests.length, 0)
    assert.equal(canRevoke(oauthMethod('https://a.example')), false)
    assert.equal(canRevoke(oauthMethod('https://a.example', { revocationUrl })), true)
  })

  it('says whether trying again makes sense', async () => {
    server.reply = () => ({ status: 503, headers: { 'retry-after': '2' } })
    await assert.rejects(revoke({ accessToken: 'at' }), {
      code: 'provider_unavailable',
      details: { status: 503, retryAfterMs: 2_000 },
    })
    server.reply = () => ({ status: 401, body: { error: 'invalid_client' } })
    await assert.rejects(revoke({ accessToken: 'at' }), { code: 'client_misconfigured' })
    server.reply = () => ({ status: 400, body: { error: 'unsupported_token_type' } })
    await assert.rejects(revoke({ accessToken: 'at' }), { code: 'provider_rejected' })
    server.reply = () => ({ status: 401, body: '' })
    await assert.rejects(revoke({ accessToken: 'at' }), { code: 'client_misconfigured' })
  })

  it('takes a grant that is gone for ended, also where the provider calls that an error', async () => {
    for (const error of ['invalid_token', 'invalid_grant']) {
      server.reply = () => ({ status: 400, body: { error } })
      await revoke({ accessToken: 'at' })
    }
  })
})

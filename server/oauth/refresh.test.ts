import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import type { OAuth2Method } from '../integrations/integration.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { oauthMethod } from './fixtures/methods.ts'
import { startTokenServer } from './fixtures/token-server.ts'
import { refreshTokens } from './refresh.ts'

const server = await startTokenServer()
const fetch = createGuardedFetch({ allowLoopback: true })

after(async () => {
  await fetch.close()
  await server.close()
})
beforeEach(() => {
  server.requests.length = 0
})

const refresh = (changes: Partial<OAuth2Method> = {}) =>
  refreshTokens({ method: oauthMethod(server.origin, changes), fields: {}, fetch }, 'rt-old')

describe('refreshTokens', () => {
  it('sends exactly the fields of RFC 6749 and the method’s own parameters', async () => {
    server.reply = () => ({ body: { access_token: 'at-2', token_type: 'bearer' } })
    await refresh({ refreshParams: { scope: 'read', refresh_token: 'other' }, tokenParams: { not: 'here' } })
    const [request, ...others] = server.requests
    assert.equal(others.length, 0)
    assert.equal(request?.method, 'POST')
    assert.equal(request?.path, '/token')
    assert.deepEqual([...(request?.form ?? [])].sort(), [
      ['client_id', 'client-1'],
      ['client_secret', 'secret-1'],
      ['grant_type', 'refresh_token'],
      ['refresh_token', 'rt-old'],
      ['scope', 'read'],
    ])
  })

  it('takes a new refresh token, and keeps the old one when none comes back', async () => {
    server.reply = () => ({ body: { access_token: 'at-2', token_type: 'bearer', refresh_token: 'rt-new' } })
    assert.equal((await refresh()).refreshToken, 'rt-new')
    for (const nothing of [{}, { refresh_token: null }, { refresh_token: '' }]) {
      server.reply = () => ({ body: { access_token: 'at-2', token_type: 'bearer', ...nothing } })
      assert.equal((await refresh()).refreshToken, 'rt-old')
    }
  })

  it('is transient when the provider is down, cuts the line or answers garbage with 500', async () => {
    server.reply = () => ({ hangUp: true })
    await assert.rejects(refresh(), { code: 'provider_unavailable', retryable: true })
    server.reply = () => ({ status: 500, body: '<html>' })
    await assert.rejects(refresh(), { code: 'provider_unavailable' })
    await assert.rejects(refresh({ tokenUrl: () => 'http://127.0.0.1:9/token' }), { code: 'blocked_host' })
    const closed = await startTokenServer()
    await closed.close()
    await assert.rejects(refresh({ tokenUrl: () => `${closed.origin}/token` }), {
      code: 'provider_unavailable',
    })
  })

  it('takes no more than a token answer needs', async () => {
    server.reply = () => ({ body: 'x'.repeat(300_000) })
    await assert.rejects(refresh(), { code: 'provider_reply_invalid' })
  })
})

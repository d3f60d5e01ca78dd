import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { OAuth2Method } from '../integrations/integration.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { oauthMethod } from './fixtures/methods.ts'
import { lifetimeOf, readTokenResponse, scopesOf } from './token-response.ts'
import type { GrantKind } from './token-error.ts'

const fetch = createGuardedFetch()

const read = (
  response: Response,
  changes: Partial<OAuth2Method> = {},
  kind: GrantKind = 'authorization_code',
) =>
  readTokenResponse(
    kind,
    { method: oauthMethod('https://provider.example', changes), fields: {}, fetch },
    response,
  )

const token = (members: Record<string, unknown>, init: ResponseInit = {}): Response =>
  Response.json({ access_token: 'at-1', token_type: 'bearer', ...members }, init)

describe('readTokenResponse', () => {
  it('reads an answer as RFC 6749 has it', async () => {
    const before = Date.now()
    const tokens = await read(token({ refresh_token: 'rt-1', expires_in: 3600, scope: 'read write' }))
    const { expiresAt = 0, ...rest } = tokens
    assert.deepEqual(rest, { accessToken: 'at-1', refreshToken: 'rt-1', scopes: ['read', 'write'] })
    assert.ok(expiresAt >= before + 3_600_000 && expiresAt <= Date.now() + 3_600_000)
  })

  it('reads what providers send in its place', async () => {
    const bare = { accessToken: 'at-1' }
    assert.deepEqual(await read(Response.json({ access_token: 'at-1' })), bare)
    assert.deepEqual(await read(token({ token_type: 'Bearer' }, { status: 201 })), bare)
    assert.deepEqual(
      await read(token({ token_type: '', refresh_token: null, scope: null, expires_in: null })),
      bare,
    )
    assert.deepEqual(await read(token({ refresh_token: '', error: null, error_description: null })), bare)
    const form = new Response('access_token=at-1&scope=read%2Cwrite&token_type=bearer', {
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    })
    assert.deepEqual(await read(form), { ...bare, scopes: ['read', 'write'] })
    const html = new Response('{"access_token":"at-1"}', { headers: { 'content-type': 'text/html' } })
    assert.deepEqual(await read(html), bare)
  })

  it('drops an id token unread', async () => {
    assert.deepEqual(await read(token({ id_token: 'not.a.jwt' })), { accessToken: 'at-1' })
  })

  it('makes no grant of an answer without a usable token', async () => {
    const useless: Response[] = [
      Response.json({}),
      Response.json({ access_token: null, token_type: 'bearer' }),
      Response.json({ access_token: '', token_type: 'bearer' }),
      Response.json({ access_token: { token: 'x' } }),
      Response.json({ ok: true, authed_user: { access_token: 'nested' } }),
      Response.json([{ access_token: 'at-1' }]),
      Response.json('at-1'),
      new Response(''),
      new Response('<html>Welcome</html>', { headers: { 'content-type': 'text/html' } }),
      token({ token_type: 'mac' }),
      token({ token_type: 'dpop' }),
    ]
    for (const response of useless) await assert.rejects(read(response), { code: 'provider_reply_invalid' })
  })

  it('takes an error in a 200 for an error, with its code', async () => {
    await assert.rejects(read(Response.json({ error: 'bad_verification_code', error_description: 'x' })), {
      code: 'token_exchange_failed',
      details: { status: 200, providerCode: 'bad_verification_code' },
    })
  })

  it('tells terminal, transient and configuration errors apart', async () => {
    const refused = (error: string, status: number) =>
      read(Response.json({ error }, { status }), {}, 'refresh_token')
    await assert.rejects(refused('invalid_grant', 400), {
      code: 'needs_reauth',
      details: { status: 400, providerCode: 'invalid_grant', reason: 'invalid_grant' },
    })
    await assert.rejects(refused('invalid_grant', 403), { code: 'needs_reauth' })
    await assert.rejects(refused('invalid_client', 401), { code: 'client_misconfigured' })
    await assert.rejects(refused('unauthorized_client', 400), { code: 'client_misconfigured' })
    await assert.rejects(refused('temporarily_unavailable', 400), {
      code: 'provider_unavailable',
      retryable: true,
    })
    await assert.rejects(refused('invalid_grant', 503), { code: 'provider_unavailable' })
    await assert.rejects(refused('something_else', 400), { code: 'provider_rejected' })
    await assert.rejects(read(new Response('nope', { status: 403 }), {}, 'refresh_token'), {
      code: 'provider_rejected',
    })
  })

  it('keeps the wait that the provider asks for', async () => {
    const seconds = new Response('', { status: 429, headers: { 'retry-after': '7' } })
    await assert.rejects(read(seconds), {
      code: 'provider_unavailable',
      details: { status: 429, retryAfterMs: 7_000 },
    })
    const date = new Date(Date.now() + 60_000).toUTCString()
    const dated = new Response('', { status: 503, headers: { 'retry-after': date } })
    await assert.rejects(read(dated), (error: { details: { retryAfterMs: number } }) => {
      assert.ok(error.details.retryAfterMs > 55_000 && error.details.retryAfterMs <= 60_000)
      return true
    })
    const garbage = new Response('', { status: 429, headers: { 'retry-after': 'soon' } })
    await assert.rejects(read(garbage), { details: { status: 429 } })
  })

  it('tells nothing of the body but a plain error code', async () => {
    const leaky = Response.json(
      { error: 'token at-secret is <b>bad</b>', hint: 'at-secret' },
      { status: 400 },
    )
    await assert.rejects(read(leaky), (error: Error & { details: unknown }) => {
      assert.equal(
        JSON.stringify([error.message, error.details, String(error.cause)]).includes('at-secret'),
        false,
      )
      return true
    })
  })

  it('runs the provider’s own normaliser first, for errors too', async () => {
    const normaliseTokenResponse: OAuth2Method['normaliseTokenResponse'] = async (response) => {
      const body = (await response.json()) as { ok: boolean; error?: string; team?: { token: string } }
      if (!body.ok)
        return Response.json(
          { error: body.error === 'token_revoked' ? 'invalid_grant' : body.error },
          { status: 400 },
        )
      return Response.json({ access_token: body.team?.token, token_type: 'bearer' })
    }
    const nested = Response.json({ ok: true, team: { token: 'xoxb-1' } })
    assert.deepEqual(await read(nested, { normaliseTokenResponse }), { accessToken: 'xoxb-1' })
    const revoked = Response.json({ ok: false, error: 'token_revoked' })
    await assert.rejects(read(revoked, { normaliseTokenResponse }, 'refresh_token'), { code: 'needs_reauth' })
    const odd = new Response('not json')
    await assert.rejects(read(odd, { normaliseTokenResponse }), { code: 'provider_reply_invalid' })
    const down = new Response('<html>', { status: 502 })
    await assert.rejects(read(down, { normaliseTokenResponse }), { code: 'provider_unavailable' })
  })
})

describe('scopesOf', () => {
  it('reads commas, spaces and lists, and nothing as unknown', () => {
    assert.deepEqual(scopesOf('read,write'), ['read', 'write'])
    assert.deepEqual(scopesOf(' read  write, read'), ['read', 'write'])
    assert.deepEqual(scopesOf(['read', 7, 'write']), ['read', 'write'])
    assert.deepEqual(scopesOf(''), [])
    assert.equal(scopesOf(null), undefined)
    assert.equal(scopesOf(undefined), undefined)
    assert.equal(scopesOf(7), undefined)
  })
})

describe('lifetimeOf', () => {
  it('takes positive seconds, also as text, and everything else as no end by the clock', () => {
    assert.equal(lifetimeOf(3600), 3600)
    assert.equal(lifetimeOf('3600'), 3600)
    assert.equal(lifetimeOf(0.5), 0.5)
    for (const none of [
      null,
      undefined,
      0,
      '0',
      -1,
      '-5',
      1e12,
      Number.NaN,
      Infinity,
      '',
      'soon',
      {},
      true,
    ]) {
      assert.equal(lifetimeOf(none), undefined)
    }
  })
})

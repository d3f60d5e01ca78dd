import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AuthorizationServer } from './oauth.ts'
import { basicCredentials } from './oauth-request.ts'
import { openState } from './state.ts'

const redirectUri = 'http://localhost/callback'

/** A server whose clock stands still until it is moved. */
function createServer(rotation: 'strict' | 'grace' = 'strict') {
  const clock = { now: 1_000_000 }
  const server = new AuthorizationServer({
    provider: 'tested',
    state: openState(undefined),
    redirectUris: [redirectUri],
    pkce: 'optional',
    accessTokenSeconds: 3600,
    rotation,
    tokenPrefix: (kind) => `${kind}-`,
    now: () => clock.now,
  })
  const open = () => {
    const query = new URLSearchParams({ client_id: server.client.clientId, redirect_uri: redirectUri })
    const request = server.open(query, { scopes: ['a'] })
    return 'id' in request ? request : assert.fail('was refused')
  }
  const code = async (): Promise<string> =>
    (await server.decide(open(), { id: 'ada', place: 'acme' })) ?? assert.fail('no code')
  const exchange = (value: string) => server.exchange({ code: value, redirectUri, verifier: null })
  return { clock, server, open, code, exchange }
}

describe('AuthorizationServer', () => {
  it('takes a code for a minute', async () => {
    const { clock, code, exchange } = createServer()
    const [early, late] = [await code(), await code()]
    clock.now += 59_999
    assert.equal((await exchange(early)).ok, true)
    clock.now += 1
    assert.deepEqual(await exchange(late), {
      ok: false,
      error: 'invalid_grant',
      description: 'code has expired',
    })
  })

  it('waits ten minutes for the person, and takes one decision', async () => {
    const { clock, server, open } = createServer()
    const [kept, old] = [open(), open()]
    assert.equal(await server.decide(kept, undefined), undefined)
    assert.equal(server.find(kept.id), undefined)
    clock.now += 10 * 60_000
    assert.equal(server.find(old.id), undefined)
  })

  it('takes an access token to the second', async () => {
    const { clock, server, code, exchange } = createServer()
    const outcome = await exchange(await code())
    const token = outcome.ok ? outcome.issued.access['access'] : assert.fail('no token')
    clock.now += 3_599_999
    assert.equal(server.authenticate(token)?.grant.person, 'ada')
    clock.now += 1
    assert.equal(server.authenticate(token), undefined)
  })

  it('takes no refresh token for an access token, and none of the other kind', async () => {
    const { server, code, exchange } = createServer()
    const outcome = await exchange(await code())
    const { access, refresh } = outcome.ok ? outcome.issued : assert.fail('no tokens')
    assert.equal(server.authenticate(refresh['access']), undefined)
    assert.equal((await server.refresh(access['access'] ?? '')).ok, false)
    assert.equal((await server.refresh(null)).ok, false)
  })

  it('gives codes to the exact redirect URI and verifier only, which spends nothing', async () => {
    const { server, code, exchange } = createServer()
    const value = await code()
    const other = await server.exchange({ code: value, redirectUri: `${redirectUri}/`, verifier: null })
    assert.equal(other.ok ? '' : other.error, 'redirect_uri_mismatch')
    assert.equal((await exchange(value)).ok, true)
  })
})

describe('basicCredentials', () => {
  const header = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

  it('decodes both halves as RFC 6749 section 2.3.1 says', () => {
    assert.deepEqual(basicCredentials(header('id:secret')), { id: 'id', secret: 'secret' })
    assert.deepEqual(basicCredentials(header('a%3Ab:c:d')), { id: 'a:b', secret: 'c:d' })
  })

  it('finds none where there are none', () => {
    for (const value of [undefined, '', 'Bearer x', 'Basic', 'Basic !!', header('nocolon'), header('%:x')]) {
      assert.equal(basicCredentials(value), undefined)
    }
  })
})

// A8: how far a client's secret and a token request may go: to one https host, for 10 s, for 256 KB, and never on.

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import type { DeviceMethod, OAuth2Method } from '../integrations/integration.ts'
import { createGuardedFetch, type GuardedFetch, type GuardedRequest } from '../net/guarded-fetch.ts'
import { requestClientToken } from './client-credentials.ts'
import { pollDeviceCode, requestDeviceCode } from './device.ts'
import { exchangeCode } from './exchange.ts'
import { oauthMethod } from './fixtures/methods.ts'
import { startTokenServer, type PlannedReply } from './fixtures/token-server.ts'
import { authorizationLocation } from './pushed-authorization.ts'
import { refreshTokens } from './refresh.ts'
import { revokeGrant } from './revoke.ts'

const server = await startTokenServer()
/** Where redirects lead to; it must never hear of anything. */
const elsewhere = await startTokenServer()
const guarded = createGuardedFetch({ allowLoopback: true })
after(async () => {
  await guarded.close()
  await server.close()
  await elsewhere.close()
})
beforeEach(() => {
  server.requests.length = 0
})

const secret = 'planted-s-e_c.r+et/='
const app = { clientId: 'client-1', clientSecret: secret, scopes: [] }
const redirectUri = 'https://a.example/callback'

/** Every kind of request that carries the secret. */
function requests(origin: string, fetch: GuardedFetch): Readonly<Record<string, () => Promise<unknown>>> {
  const method: OAuth2Method = oauthMethod(origin, {
    client: app,
    pushedAuthorizationUrl: () => `${origin}/par`,
    revocationUrl: () => `${origin}/revoke`,
  })
  const endpoint = { method, fields: {}, fetch }
  const device: DeviceMethod = { ...method, id: 'device', deviceAuthorizationUrl: () => `${origin}/device` }
  const service = {
    ...method,
    id: 'clientCredentials',
    fields: { form: [], parse: () => ({ values: {}, errors: [] }) },
    scopes: [],
  } as const
  const fields = { clientId: 'client-1', clientSecret: secret }
  return {
    exchange: () => exchangeCode(endpoint, { params: new URLSearchParams({ code: 'c' }), redirectUri }),
    refresh: () => refreshTokens(endpoint, 'rt'),
    push: () => authorizationLocation(endpoint, { scopes: [], state: 's', redirectUri }),
    revoke: () => revokeGrant(endpoint, { accessToken: 'at' }),
    'device code': () => requestDeviceCode({ ...endpoint, method: device }, []),
    'device token': () => pollDeviceCode({ ...endpoint, method: device }, 'dc'),
    'client token': () => requestClientToken({ method: service, fields, fetch }),
  }
}

/** Answers each request with the reply; gives the codes, which must all be one. */
async function codesOf(
  reply: PlannedReply,
  origin = server.origin,
  fetch: GuardedFetch = guarded,
): Promise<string[]> {
  server.reply = () => reply
  const codes = Object.entries(requests(origin, fetch)).map(async ([name, send]) => {
    const error: unknown = await send().catch((reason: unknown) => reason)
    assert.ok(error instanceof Error && 'code' in error, `${name} succeeded`)
    assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /planted/)
    return String(error.code)
  })
  return [...new Set(await Promise.all(codes))]
}

describe('A8 token transport', () => {
  it('follows no redirect of any kind, so the secret is seen at no other host', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const headers = { location: `${elsewhere.origin}/steal` }
      assert.deepEqual(await codesOf({ status, headers, body: '' }), ['provider_reply_invalid'])
    }
    assert.ok(server.requests.length >= 35)
    assert.equal(elsewhere.requests.length, 0)
    printFigure({
      requirement: 'A8',
      name: 'other hosts that saw the secret',
      value: elsewhere.requests.length,
    })
  })

  it('takes 256 KB and no more', async () => {
    const body = { access_token: 'at', token_type: 'bearer', pad: 'x'.repeat(2_000_000) }
    assert.deepEqual(await codesOf({ body }), ['provider_reply_invalid'])
    server.reply = () => ({ body: { access_token: 'at', token_type: 'bearer', pad: 'x'.repeat(250_000) } })
    assert.deepEqual(
      await refreshTokens({ method: oauthMethod(server.origin), fields: {}, fetch: guarded }, 'rt'),
      {
        accessToken: 'at',
        refreshToken: 'rt',
      },
    )
  })

  it('asks the guard for 10 s and 256 KB each time, and gives up when they are over', async () => {
    const bounds: (number | undefined)[] = []
    // The bounds that are asked for are recorded; the wait itself is cut short.
    const impatient: GuardedFetch = (url, init: GuardedRequest = {}) => {
      bounds.push(init.timeoutMs, init.maxBytes)
      return guarded(url, { ...init, timeoutMs: 200 })
    }
    assert.deepEqual(await codesOf({ afterMs: 2_000 }, server.origin, impatient), ['provider_unavailable'])
    assert.deepEqual([...new Set(bounds)], [10_000, 262_144])
    assert.equal(bounds.length, 14)
  })

  it('is transient when the line is cut', async () => {
    assert.deepEqual(await codesOf({ hangUp: true }), ['provider_unavailable'])
  })

  it('goes to public https hosts only', async () => {
    for (const origin of [
      'http://provider.example',
      'http://169.254.169.254',
      'https://10.0.0.1',
      'ftp://a.example',
    ]) {
      assert.deepEqual(await codesOf({}, origin), ['blocked_host'], origin)
    }
    const strict = createGuardedFetch()
    assert.deepEqual(await codesOf({}, server.origin, strict), ['blocked_host'])
    await strict.close()
    assert.equal(server.requests.length, 0)
  })
})

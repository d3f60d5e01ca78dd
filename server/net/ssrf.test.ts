// D1: no request that the server makes on somebody's behalf reaches the inside of its network, whatever address it was
// given: not for tokens, not for identities, not for webhooks, and not through an official SDK.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { z } from 'zod'
import { printFigure } from '../../scripts/figure.ts'
import type { Auth } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError, isErrorCode } from '../../shared/errors.ts'
import { sendWebhook } from '../connect/webhook-endpoints.ts'
import { Airtable } from '../integrations/airtable.ts'
import { defineFields } from '../integrations/field-set.ts'
import { Github } from '../integrations/github.ts'
import type { TokenSet } from '../integrations/integration.ts'
import { requestJson } from '../integrations/json-request.ts'
import { Shopify } from '../integrations/shopify.ts'
import { Slack } from '../integrations/slack.ts'
import { requestClientToken } from '../oauth/client-credentials.ts'
import { requestDeviceCode } from '../oauth/device.ts'
import { exchangeCode } from '../oauth/exchange.ts'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import { authorizationLocation } from '../oauth/pushed-authorization.ts'
import { refreshTokens } from '../oauth/refresh.ts'
import { revokeGrant } from '../oauth/revoke.ts'
import { readTokenResponse } from '../oauth/token-response.ts'
import { listen } from '../oauth/fixtures/listen.ts'
import { startCanary } from './fixtures/canary.ts'
import { startDns } from './fixtures/dns-stand-in.ts'
import { privateHosts } from './fixtures/private-hosts.ts'
import { createGuardedFetch, type GuardedFetch } from './guarded-fetch.ts'

const canary = await startCanary()
const strict = createGuardedFetch()
const loose = createGuardedFetch({ allowLoopback: true })
after(async () => {
  await strict.close()
  await loose.close()
  await canary.close()
})

const publicOrigin = 'https://provider.example.com'
const fields = {}
const tokens: TokenSet = { accessToken: 'at', refreshToken: 'rt' }
const auth: Auth = {
  type: 'oauth2',
  accessToken: 'at',
  connectionId: 'conn_1',
  fields: { shop: 'acme.myshopify.com' },
  scopes: [],
  expiresAt: null,
  identity: { id: 'a', label: 'A' },
  tokenHash: 'hash',
}
const client = { clientId: 'id', clientSecret: 'secret', scopes: ['read'] }
const appFields = defineFields(
  z.object({
    clientId: z.string().meta({ title: 'Id' }),
    clientSecret: z.string().meta({ title: 'Secret', secret: true }),
  }),
)
const formMethod = {
  label: 'Connect',
  client,
  scopes: ['read'],
  scopeSeparator: ' ',
  scopeLabels: {},
  clientAuth: 'post',
  rotation: 'none',
  identify: async () => ({ identity: { id: 'a', label: 'A' } }),
} as const

/** All but its signature is as it should be: that is looked at last, with the keys. */
function idToken(nonce: string): string {
  const seconds = Math.floor(Date.now() / 1000)
  const claims = {
    iss: publicOrigin,
    aud: 'client-1',
    sub: 'a',
    iat: seconds,
    exp: seconds + 600,
    nonce,
  }
  const parts = [{ alg: 'RS256', kid: 'k1' }, claims].map((part) => JSON.stringify(part))
  return [...parts, 'x'.repeat(256)].map((part) => Buffer.from(part).toString('base64url')).join('.')
}

/** Everything that the server sends to an address which somebody may have a say in. */
const requests: Readonly<Record<string, (url: string, fetch: GuardedFetch) => Promise<unknown>>> = {
  'the exchange of a code': (url, fetch) =>
    exchangeCode(
      { method: oauthMethod(publicOrigin, { tokenUrl: () => url }), fields, fetch },
      {
        params: new URLSearchParams({ code: 'code', state: 'state' }),
        redirectUri: `${publicOrigin}/callback`,
        codeVerifier: 'v'.repeat(43),
      },
    ),
  'a refresh': (url, fetch) =>
    refreshTokens({ method: oauthMethod(publicOrigin, { tokenUrl: () => url }), fields, fetch }, 'rt'),
  'a revocation': (url, fetch) =>
    revokeGrant({ method: oauthMethod(publicOrigin, { revocationUrl: () => url }), fields, fetch }, tokens),
  'a question who somebody is': (url, fetch) => requestJson({ name: 'Provider', id: 'provider' }, fetch, url),
  'a pushed authorization': (url, fetch) =>
    authorizationLocation(
      { method: oauthMethod(publicOrigin, { pushedAuthorizationUrl: () => url }), fields, fetch },
      {
        state: 'state',
        redirectUri: `${publicOrigin}/callback`,
        scopes: ['read'],
        codeChallenge: 'c'.repeat(43),
      },
    ),
  'a token for an app of the account': (url, fetch) =>
    requestClientToken({
      method: { ...formMethod, id: 'clientCredentials', fields: appFields, tokenUrl: () => url },
      fields: { clientId: 'id', clientSecret: 'secret' },
      fetch,
    }),
  'a device code': (url, fetch) =>
    requestDeviceCode(
      {
        method: { ...formMethod, id: 'device', tokenUrl: () => url, deviceAuthorizationUrl: () => url },
        fields,
        fetch,
      },
      ['read'],
    ),
  'a pushed authorization at a server that the user chose': (url, fetch) =>
    authorizationLocation(
      {
        method: oauthMethod(publicOrigin, {
          fields: defineFields(z.object({ server: z.string().meta({ title: 'Server' }) })),
          appAt: () => client,
          pushedAuthorizationUrl: ({ server = '' }) => server,
        }),
        fields: { server: url },
        fetch,
      },
      {
        state: 'state',
        redirectUri: `${publicOrigin}/callback`,
        scopes: ['read'],
        codeChallenge: 'c'.repeat(43),
      },
    ),
  'the keys of an ID token': (url, fetch) =>
    readTokenResponse(
      'authorization_code',
      { method: oauthMethod(publicOrigin, { oidc: { jwksUrl: () => url } }), fields, fetch },
      Response.json({ access_token: 'at', token_type: 'bearer', id_token: idToken('nonce') }),
      'nonce',
    ),
  'a message to the host': async (url, fetch) => {
    const endpoint = { id: 'host', url, sign: () => 'v1,signature' }
    const outcome = await sendWebhook(fetch, endpoint, { id: 'msg_1', body: '{}', now: Date.now() })
    // It is tried again later, so that nothing is thrown.
    if (outcome.state === 'refused' && isErrorCode(outcome.code)) throw new AuthFlowError(outcome.code)
    return outcome
  },
  'the registration of a webhook': async (url, fetch) => {
    const github = new Github({ id: 'github', token: 'token', endpoints: { apiUrl: url } })
    return github.sources.repo.create({
      params: { owner: 'ada', repo: 'loom' },
      auth,
      fetch,
      url: `${publicOrigin}/webhooks/1`,
      events: ['issues'],
      secret: 'secret',
      data: undefined,
    })
  },
}

const refused = async (pending: Promise<unknown>): Promise<void> => {
  const error: unknown = await pending.then(
    () => assert.fail('it went through'),
    (reason: unknown) => reason,
  )
  assert.ok(isAuthFlowError(error), String(error))
  // The address of a provider is also an option, and may be refused as one.
  assert.ok(error.code === 'blocked_host' || error.code === 'invalid_option', error.code)
}

describe('D1: an address inside of the network', () => {
  for (const [name, send] of Object.entries(requests)) {
    it(`is not reached by ${name}, in ${privateHosts.length} spellings`, async () => {
      for (const host of privateHosts) {
        await refused(send(`https://${host}:${canary.port}/path`, strict))
        await refused(send(`http://${host}:${canary.port}/path`, strict))
      }
      assert.equal(canary.connections, 0)
    })
  }

  it('is not reached by a name that is rebound to it after it was looked at', async () => {
    const rebind = async (inside: string, send: (typeof requests)[string]): Promise<void> => {
      // An address of a range that was given back: public by its look, and nobody is there.
      const dns = await startDns([['3ffe::1'], [inside]])
      const fetch = createGuardedFetch({ resolve: dns.resolve, connectTimeoutMs: 60 })
      const url = `https://rebound.example.com:${canary.port}/path`
      await assert.rejects(send(url, fetch), { code: 'provider_unavailable' })
      assert.equal(dns.questions, 1, 'what was judged is what was connected to')
      await refused(send(url, fetch))
      assert.equal(dns.questions, 2)
      await fetch.close()
      await dns.close()
    }
    // All at once: each waits for its time limit.
    const insides = ['::1', '::ffff:127.0.0.1', 'fd00::1', 'fe80::1']
    await Promise.all(
      insides.flatMap((inside) => Object.values(requests).map((send) => rebind(inside, send))),
    )
    assert.equal(canary.connections, 0)
  })

  it('is not reached by a name that leads inside and outside', async () => {
    const dns = await startDns([['3ffe::1', '::1']])
    const fetch = createGuardedFetch({ resolve: dns.resolve })
    for (const send of Object.values(requests))
      await refused(send(`https://both.example.com:${canary.port}/`, fetch))
    await fetch.close()
    await dns.close()
    assert.equal(canary.connections, 0)
  })

  it('is not reached by a redirect', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const provider = await listen(() => (_request, response) => {
        response.writeHead(status, { location: `http://127.0.0.1:${canary.port}/inside` }).end()
      })
      for (const send of Object.values(requests)) {
        await assert.rejects(send(`${provider.origin}/path`, loose), { code: 'provider_reply_invalid' })
      }
      await provider.close()
    }
    assert.equal(canary.connections, 0)
    const counts = `${privateHosts.length} spellings, 4 rebound names and 5 redirects, ${Object.keys(requests).length} requests each`
    printFigure({
      requirement: 'D1',
      name: `connections to the inside (${counts})`,
      value: canary.connections,
    })
  })
})

/** A call of each SDK's own client, made by the integration for the given address. */
const sdks: Readonly<Record<string, (url: string, fetch: GuardedFetch) => Promise<unknown>>> = {
  '@slack/web-api': async (url, fetch) => {
    const slack = new Slack({ id: 'slack', token: 'xoxb-1', endpoints: { webUrl: url, apiUrl: url } })
    slack.useFetch(fetch)
    return (await slack.createClient()).auth.test()
  },
  '@octokit/rest': async (url, fetch) => {
    const github = new Github({ id: 'github', token: 'token', endpoints: { webUrl: url, apiUrl: url } })
    github.useFetch(fetch)
    return (await github.createClient()).users.getAuthenticated()
  },
  '@octokit/rest with an absolute address': async (url, fetch) => {
    const github = new Github({ id: 'github', token: 'token' })
    github.useFetch(fetch)
    return (await github.createClient()).request(`GET ${url}/user`)
  },
  airtable: async (url, fetch) => {
    const airtable = new Airtable({ id: 'airtable', token: 'token', endpoints: { webUrl: url, apiUrl: url } })
    airtable.useFetch(fetch)
    return (await airtable.createClient()).base('app1').table('Table').select().firstPage()
  },
  'airtable with a request of its own': async (url, fetch) => {
    const airtable = new Airtable({ id: 'airtable', token: 'token', endpoints: { webUrl: url, apiUrl: url } })
    airtable.useFetch(fetch)
    return (await airtable.createClient()).base('app1').makeRequest({ method: 'GET', path: '/Table' })
  },
  '@shopify/admin-api-client': async (url, fetch) => {
    const shopify = new Shopify({
      id: 'shopify',
      shop: 'acme.myshopify.com',
      accessToken: 'token',
      endpoints: { origin: url },
    })
    shopify.useFetch(fetch)
    const { errors } = await (await shopify.createClient()).request('{ shop { name } }')
    throw errors === undefined ? new TypeError('it went through') : new Error(errors.message ?? 'refused')
  },
}

describe('D1: an official SDK', () => {
  for (const [name, call] of Object.entries(sdks)) {
    it(`${name} goes through the guarded fetch`, async () => {
      let asked = 0
      const fetch: GuardedFetch = (url, init) => {
        asked += 1
        return strict(url, init)
      }
      for (const host of [
        '127.0.0.1',
        'localhost',
        '[::1]',
        '169.254.169.254',
        '[::ffff:127.0.0.1]',
        '0x7f.1',
      ]) {
        const before = asked
        await assert.rejects(
          call(`https://${host}:${canary.port}`, fetch),
          (error: unknown) => !(error instanceof TypeError),
        )
        assert.equal(asked, before + 1, 'asked once, not around it and not again')
      }
      const dns = await startDns([['::1']])
      const rebound = createGuardedFetch({ resolve: dns.resolve })
      await assert.rejects(call(`https://inside.example.com:${canary.port}`, rebound))
      assert.equal(dns.questions, 1)
      await rebound.close()
      await dns.close()
      assert.equal(canary.connections, 0)
    })
  }
})

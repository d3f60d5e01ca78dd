// What single declared providers do that the others don't.

import assert from 'node:assert/strict'
import { createSign, generateKeyPairSync } from 'node:crypto'
import { after, before, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../scripts/case-counts.ts'
import { createFlowId } from '../../shared/ids.ts'
import { comeBack, mint, openWorkbench, start, type Workbench } from '../connect/fixtures/workbench.ts'
import { defineProvider } from './define-provider.ts'
import { createDirectIO, createTestFetch, oauthOf } from './fixtures/acting.ts'
import { startWorld, type World } from './fixtures/world.ts'
import { rewritingScopes } from './granted-scopes.ts'
import { google } from './providers/google.ts'
import { microsoft, microsoftOf } from './providers/microsoft.ts'
import { salesforce } from './providers/salesforce.ts'
import { stripe } from './providers/stripe.ts'
import { zendesk } from './providers/zendesk.ts'

const oauth = { clientId: 'client-1', clientSecret: 'secret-1', scopes: ['email', 'openid'] }
const made = {
  google: google({ id: 'google', connect: true, oauth }),
  microsoft: microsoft({ id: 'microsoft', connect: true, oauth, methods: ['device'] }),
  salesforce: salesforce({ id: 'salesforce', connect: true, oauth }),
  stripe: stripe({ id: 'stripe', connect: true }),
  zendesk: zendesk({ id: 'zendesk', connect: true, oauth }),
}

let world: World
let bench: Workbench
before(async () => {
  world = await startWorld()
  bench = await openWorkbench(Object.values(made), undefined, { aroundFetch: world.around })
})
after(async () => {
  await bench.close()
  await world.close()
})
beforeEach(() => {
  world.asked.length = 0
})

async function toSubmitted(integration: string, method: 'oauth2' | 'apiKey' | 'device', values = {}) {
  const caller = await mint(bench.connect, { integrations: [integration] })
  const { id: flowId, version } = await bench.connect.begin(caller, { flowId: createFlowId(), integration })
  return { caller, view: await bench.connect.submit(caller, { flowId, version, method, values }) }
}

/** A code flow; `answer` makes the token answer from the authorization request. */
async function byCode(integration: string, answer: (asked: URLSearchParams) => object, values = {}) {
  const { caller, view } = await toSubmitted(integration, 'oauth2', values)
  const browser = await start(bench.connect, caller, view.id)
  const { searchParams: asked } = new URL(browser.location)
  const token = `POST ${new URL(oauthOf(made[integration as 'google']).tokenUrl({ domain: 'login.salesforce.com' })).href.slice(8)}`
  world.plan = { ...world.plan, [token]: { body: answer(asked) } }
  const params = new URLSearchParams({ code: 'c', state: asked.get('state') ?? '' })
  return comeBack(bench.connect, browser, { integration, params })
}

describe('google', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'g', alg: 'RS256', use: 'sig' }
  const idToken = (claims: object): string => {
    const now = Math.floor(Date.now() / 1000)
    const all = {
      iss: 'https://accounts.google.com',
      aud: 'client-1',
      iat: now,
      exp: now + 60,
      sub: '10769150350006150715113082367',
      ...claims,
    }
    const parts = [{ alg: 'RS256', kid: 'g' }, all]
    const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    return `${text}.${createSign('sha256').update(text).sign(privateKey, 'base64url')}`
  }
  const answer = (claims: object) => ({
    access_token: 'at',
    token_type: 'Bearer',
    expires_in: 3599,
    refresh_token: '1//rt',
    scope: 'openid https://www.googleapis.com/auth/userinfo.email',
    id_token: idToken(claims),
  })

  it('takes the identity from the signed ID token, and scopes by the names they were asked for', async () => {
    world.plan = { 'GET www.googleapis.com/oauth2/v3/certs': { body: { keys: [jwk] } } }
    const forged = await byCode('google', () => answer({ email: 'eve@x.example', nonce: 'another' }))
    assert.equal(forged.errorCode, 'provider_reply_invalid')
    const outcome = await byCode('google', (asked) => {
      assert.equal(asked.get('access_type'), 'offline')
      return answer({ email: 'ada@x.example', hd: 'x.example', nonce: asked.get('nonce') })
    })
    assert.equal(outcome.result, 'done')
    const connection = await bench.connect.getConnection({ integration: 'google', accountId: 'acct-1' })
    assert.deepEqual(connection.identity, {
      id: '10769150350006150715113082367',
      label: 'ada@x.example',
      place: 'x.example',
    })
    assert.deepEqual(connection.scopes, ['openid', 'https://www.googleapis.com/auth/userinfo.email', 'email'])
    assert.equal(
      world.asked.some(({ at }) => at.includes('userinfo')),
      false,
    )
  })
})

describe('microsoft', () => {
  it('connects by a device code without the app’s secret', async () => {
    world.plan = {
      'POST login.microsoftonline.com/common/oauth2/v2.0/devicecode': {
        body: {
          device_code: 'dc',
          user_code: 'ABCD1234',
          verification_uri: 'https://microsoft.com/devicelogin',
          interval: 0.05,
          expires_in: 900,
        },
      },
      'POST login.microsoftonline.com/common/oauth2/v2.0/token': {
        body: {
          access_token: 'at',
          token_type: 'Bearer',
          expires_in: 3599,
          scope: 'User.Read',
          refresh_token: 'rt',
        },
      },
      'GET graph.microsoft.com/v1.0/me': { body: { id: 'm1', mail: 'ada@x.example' } },
    }
    const { caller, view } = await toSubmitted('microsoft', 'device')
    assert.equal(view.device?.userCode, 'ABCD1234')
    let seen = view
    while (seen.stage === 'verify') {
      const flows = [{ id: seen.id, version: seen.version }]
      const [next] = await bench.connect.watch(caller, { flows, waitMs: 5_000 }, new AbortController().signal)
      seen = next ?? seen
    }
    assert.deepEqual(seen.connection?.scopes, ['User.Read', 'offline_access'])
    assert.equal(
      world.asked.some(({ request }) => request.body.includes('secret-1')),
      false,
    )
  })

  it('takes a tenant that is one', () => {
    const tenants = ['organizations', '72f988bf-86f1-41af-91ab-2d7cd011db47', 'contoso.onmicrosoft.com']
    for (const tenant of tenants) {
      const { connect } = microsoftOf(tenant)({ id: 'm', connect: true, oauth })
      assert.equal(connect?.methods.length, 1)
    }
    for (const tenant of ['', 'a/b', '..', 'contoso.com/evil', 'evil.example?', '@evil.example', 'x']) {
      assert.throws(() => microsoftOf(tenant), { code: 'invalid_option' }, tenant)
    }
  })
})

describe('stripe', () => {
  it('takes a restricted key where the host has no app', async () => {
    world.plan = { 'GET api.stripe.com/v1/account': { body: { id: 'acct_9', email: 'ada@x.example' } } }
    const wrong = await toSubmitted('stripe', 'apiKey', { apiKey: 'pk_live_1' })
    assert.deepEqual(
      wrong.view.errors.map(({ field, reason }) => [field, reason]),
      [['apiKey', 'pattern']],
    )
    const { view } = await toSubmitted('stripe', 'apiKey', { apiKey: ' rk_live_planted ' })
    assert.deepEqual(view.connection?.identity, { id: 'acct_9', label: 'ada@x.example' })
  })
})

describe('salesforce', () => {
  it('sends the token to no instance but one of its own', async () => {
    const hostile = [
      'https://evil.example',
      'https://salesforce.com.evil.example',
      'https://evil.example/acme.my.salesforce.com',
      'https://acme.my.salesforce.com@evil.example',
      'https://acme.my.salesforce.com:8443',
      'http://acme.my.salesforce.com',
      'https://evilsalesforce.com',
      '',
      null,
    ]
    for (const instance_url of hostile) {
      const outcome = await byCode('salesforce', () => ({ access_token: 'at-planted', instance_url }))
      assert.deepEqual(
        [outcome.result, outcome.errorCode],
        ['failed', 'provider_reply_invalid'],
        String(instance_url),
      )
    }
    const seen = world.asked.filter(
      ({ at, request }) =>
        /planted/.test(JSON.stringify(request)) &&
        !at.startsWith('POST login.salesforce.com/services/oauth2/revoke'),
    )
    assert.deepEqual(seen, [], 'and what was issued is given up')
  })
})

describe('hosts that are typed', () => {
  const cases = [
    [made.salesforce, 'domain', '.salesforce.com'],
    [made.zendesk, 'subdomain', '.zendesk.com'],
  ] as const
  for (const [integration, field, suffix] of cases) {
    it(`of ${integration.id} stay below ${suffix}, whatever is typed`, () => {
      const method = oauthOf(integration)
      const part = fc.oneof(
        fc.constantFrom(
          'acme',
          'evil.example',
          '@',
          ':',
          '/',
          '\\',
          '#',
          '?',
          '..',
          '%2e',
          '%00',
          '\n',
          suffix,
          'https://',
          '.my',
          'xn--e1a',
          '①',
          '。',
        ),
        fc.string({ maxLength: 8 }),
      )
      let accepted = 0
      fc.assert(
        fc.property(
          fc.array(part, { maxLength: 6 }).map((parts) => parts.join('')),
          (value) => {
            const outcome = method.fields?.parse({ [field]: value })
            if (!outcome || outcome.errors.length > 0) return
            accepted += 1
            for (const url of [method.authorizationUrl(outcome.values), method.tokenUrl(outcome.values)]) {
              const { protocol, hostname, port, username, password } = new URL(url)
              assert.deepEqual([protocol, port, username, password], ['https:', '', '', ''])
              assert.ok(hostname.endsWith(suffix) && hostname.length > suffix.length, hostname)
            }
          },
        ),
        { numRuns: casesOf(10_000) },
      )
      assert.ok(accepted > 0, 'nothing was ever accepted')
    })
  }
})

describe('defineProvider', () => {
  const acme = defineProvider({
    provider: 'acme',
    name: 'Acme',
    apiUrl: 'https://api.acme.example/v1',
    methods: { apiKey: { verify: async () => ({ identity: { id: '1', label: 'one' } }) } },
    headers: { 'x-version': '1' },
    authorize: ({ apiKey }) => ({ 'x-key': apiKey }),
  })({ id: 'acme', token: 'key-1' })

  it('sends credentials as the definition says, and never off its API', async () => {
    const fetch = createTestFetch()
    acme.useFetch(world.around(fetch))
    world.plan = { 'POST api.acme.example/v1/things': { body: { id: 7 } } }
    const io = createDirectIO()
    const body = await acme.cloneForRun(io, 'acme').runTask('make', async (api) => {
      const reply = await api.request('/things', { body: { name: 'x' }, headers: { 'x-key': 'overridden' } })
      return { status: reply.status }
    })
    assert.deepEqual(body, { status: 200 })
    const { headers } = world.asked.at(-1)?.request ?? assert.fail()
    assert.deepEqual(
      [headers['x-key'], headers['x-version'], headers['authorization']],
      ['key-1', '1', undefined],
    )
    const before = world.asked.length
    for (const path of ['', 'things', '@evil.example/', '.evil.example/', ':8443/', '\\evil']) {
      const call = acme.cloneForRun(io, 'acme').runTask('bad', async (api) => void (await api.request(path)))
      await assert.rejects(call, { code: 'invalid_input' }, path)
    }
    assert.equal(world.asked.length, before)
    await fetch.close()
  })
})

describe('rewritingScopes', () => {
  const upper = rewritingScopes((scopes) => scopes.map((scope) => scope.toUpperCase()))
  it('changes the scopes and nothing else', async () => {
    const answer = { access_token: 'at', scope: 'a b', n: 1 }
    const changed = await upper(Response.json(answer, { status: 201, headers: { 'retry-after': '1' } }))
    assert.deepEqual(await changed.json(), { ...answer, scope: 'A B' })
    assert.deepEqual([changed.status, changed.headers.get('retry-after')], [201, '1'])
    for (const other of ['<html>', '[]', 'null', '{"scope":7}', '{}', '']) {
      const response = new Response(other)
      assert.equal(await (await upper(response)).text(), other)
    }
  })
})

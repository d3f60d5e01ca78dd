import assert from 'node:assert/strict'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { isAuthFlowError } from '../../shared/errors.ts'
import { withEnvironment } from '../fixtures/with-environment.ts'
import { startSandbox, type Sandbox, type SandboxOptions } from './sandbox.ts'

const redirectUri = 'http://localhost:3000/callback/x'
const verifier = randomBytes(32).toString('base64url')
const challenge = createHash('sha256').update(verifier).digest('base64url')

type Values = Record<string, string>

interface Answer {
  readonly status: number
  readonly type: string | null
  readonly body: Record<string, unknown>
}

async function read(response: Response): Promise<Answer> {
  const text = await response.text()
  const type = response.headers.get('content-type')
  const value: unknown = type?.includes('json')
    ? JSON.parse(text)
    : Object.fromEntries(new URLSearchParams(text))
  return {
    status: response.status,
    type,
    body: typeof value === 'object' && value !== null ? { ...value } : {},
  }
}

const post = async (url: string, form: Values, headers: Values = {}): Promise<Answer> =>
  read(await fetch(url, { method: 'POST', body: new URLSearchParams(form), headers }))

function authorization(url: string, clientId: string, more: Values = {}): string {
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    state: 's1',
    response_type: 'code',
    ...more,
  })
  return `${url}?${query}`
}

const basic = (id: string, secret: string): Values => ({
  authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
})

const text = (value: unknown): string =>
  typeof value === 'string' ? value : assert.fail(`not text: ${String(value)}`)

/** Each provider's whole way from the authorization URL to tokens, as its own documentation says. */
const ways = {
  slack: {
    authorize: (sandbox: Sandbox, more: Values = {}) =>
      authorization(`${sandbox.slack.url}/oauth/v2/authorize`, sandbox.slack.client.clientId, {
        scope: 'chat:write,channels:join,channels:read',
        ...more,
      }),
    exchange: (sandbox: Sandbox, code: string, more: Values = {}) => {
      const { clientId, clientSecret } = sandbox.slack.client
      const form = {
        client_id: clientId,
        client_secret: clientSecret,
        code,
        redirect_uri: redirectUri,
        ...more,
      }
      return post(`${sandbox.slack.url}/api/oauth.v2.access`, form)
    },
  },
  github: {
    authorize: (sandbox: Sandbox, more: Values = {}) =>
      authorization(`${sandbox.github.url}/login/oauth/authorize`, sandbox.github.client.clientId, {
        scope: 'repo user:email',
        ...more,
      }),
    exchange: (sandbox: Sandbox, code: string, more: Values = {}) => {
      const { clientId, clientSecret } = sandbox.github.client
      const form = {
        client_id: clientId,
        client_secret: clientSecret,
        code,
        redirect_uri: redirectUri,
        ...more,
      }
      return post(`${sandbox.github.url}/login/oauth/access_token`, form, { accept: 'application/json' })
    },
  },
  airtable: {
    authorize: (sandbox: Sandbox, more: Values = {}) =>
      authorization(`${sandbox.airtable.url}/oauth2/v1/authorize`, sandbox.airtable.client.clientId, {
        scope: 'data.records:read data.records:write',
        code_challenge: challenge,
        code_challenge_method: 'S256',
        ...more,
      }),
    exchange: (sandbox: Sandbox, code: string, more: Values = {}) => {
      const { clientId, clientSecret } = sandbox.airtable.client
      const form = {
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        code_verifier: verifier,
        ...more,
      }
      return post(`${sandbox.airtable.url}/oauth2/v1/token`, form, basic(clientId, clientSecret))
    },
  },
  shopify: {
    authorize: (sandbox: Sandbox, more: Values = {}) =>
      authorization(
        `${sandbox.shopify.url}/acme.myshopify.com/admin/oauth/authorize`,
        sandbox.shopify.client.clientId,
        {
          scope: 'write_products',
          ...more,
        },
      ),
    exchange: (sandbox: Sandbox, code: string, more: Values = {}) => {
      const { clientId, clientSecret } = sandbox.shopify.client
      const form = { client_id: clientId, client_secret: clientSecret, code, expiring: '1', ...more }
      return post(`${sandbox.shopify.url}/acme.myshopify.com/admin/oauth/access_token`, form)
    },
  },
} as const

type Name = keyof typeof ways
const providers: readonly Name[] = ['slack', 'github', 'airtable', 'shopify']

/** The code that a person's consent gives. */
async function codeFor(sandbox: Sandbox, name: Name, more: Values = {}, person = 'ada'): Promise<string> {
  const callback = await sandbox[name].consent(ways[name].authorize(sandbox, more), { person })
  return callback.searchParams.get('code') ?? assert.fail(callback.search)
}

async function tokensFor(sandbox: Sandbox, name: Name, person = 'ada'): Promise<Answer> {
  return ways[name].exchange(sandbox, await codeFor(sandbox, name, {}, person))
}

/** Asks the provider who the token belongs to; true when it is accepted. */
async function works(sandbox: Sandbox, name: Name, token: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}` }
  if (name === 'slack')
    return (await post(`${sandbox.slack.endpoints.apiUrl}/auth.test`, {}, headers)).body['ok'] === true
  if (name === 'github')
    return (await fetch(`${sandbox.github.endpoints.apiUrl}/user`, { headers })).status === 200
  if (name === 'airtable')
    return (await fetch(`${sandbox.airtable.url}/v0/meta/whoami`, { headers })).status === 200
  const response = await fetch(`${sandbox.shopify.url}/acme.myshopify.com/admin/api/2026-10/graphql.json`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-shopify-access-token': token },
    body: JSON.stringify({ query: '{ shop { name } }' }),
  })
  return response.status === 200
}

const refused = (answer: Answer): boolean =>
  answer.body['access_token'] === undefined && typeof answer.body['error'] === 'string'

describe('startSandbox', () => {
  let sandbox: Sandbox
  before(async () => {
    sandbox = await startSandbox({ redirectUris: [redirectUri, 'http://localhost:3000/callback/y'] })
  })
  after(() => sandbox.close())
  beforeEach(() => {
    for (const name of providers) sandbox[name].faults.clear()
  })

  for (const name of providers) {
    describe(name, () => {
      it('gives tokens for a code and takes them', async () => {
        const answer = await tokensFor(sandbox, name)
        assert.equal(answer.status, 200)
        assert.equal(await works(sandbox, name, text(answer.body['access_token'])), true)
        assert.equal(await works(sandbox, name, 'made-up'), false)
      })

      it('echoes the state, with the code and with a refusal', async () => {
        const odd = 'a b&c=d/é'
        const callback = await sandbox[name].consent(ways[name].authorize(sandbox, { state: odd }))
        assert.equal(callback.searchParams.get('state'), odd)
        const denied = await sandbox[name].consent(ways[name].authorize(sandbox, { state: odd }), {
          decision: 'deny',
        })
        assert.equal(denied.searchParams.get('state'), odd)
        assert.equal(denied.searchParams.get('error'), 'access_denied')
        assert.equal(denied.searchParams.has('code'), false)
      })

      it('spends a code once; the second try ends the tokens of the first', async () => {
        const code = await codeFor(sandbox, name)
        const first = await ways[name].exchange(sandbox, code)
        assert.equal(await works(sandbox, name, text(first.body['access_token'])), true)
        assert.ok(refused(await ways[name].exchange(sandbox, code)))
        assert.equal(await works(sandbox, name, text(first.body['access_token'])), false)
      })

      it('shows no question for an unknown client or a redirect URI that differs in one character', async () => {
        for (const more of [
          { client_id: 'other' },
          { redirect_uri: `${redirectUri}/` },
          { redirect_uri: 'https://evil.example/' },
        ]) {
          const response = await fetch(ways[name].authorize(sandbox, more), { redirect: 'manual' })
          assert.equal(response.status, 400)
          assert.doesNotMatch(await response.text(), /<form/)
        }
      })

      it('refuses a wrong client secret', async () => {
        const code = await codeFor(sandbox, name)
        if (name === 'airtable') {
          const form = {
            grant_type: 'authorization_code',
            code,
            redirect_uri: redirectUri,
            code_verifier: verifier,
          }
          const url = `${sandbox.airtable.url}/oauth2/v1/token`
          const { clientId, clientSecret } = sandbox.airtable.client
          assert.equal((await post(url, form, basic(clientId, 'wrong'))).status, 401)
          // Basic is the only way: the same credentials in the body do not count.
          assert.equal(
            (await post(url, { ...form, client_id: clientId, client_secret: clientSecret })).status,
            401,
          )
        } else {
          assert.ok(refused(await ways[name].exchange(sandbox, code, { client_secret: 'wrong' })))
        }
        assert.equal(refused(await ways[name].exchange(sandbox, code)), false)
      })

      it('ends all grants on demand', async () => {
        const place = name === 'shopify' ? 'ada' : 'grace'
        const answer = await tokensFor(sandbox, name, place)
        assert.equal(await works(sandbox, name, text(answer.body['access_token'])), true)
        await sandbox[name].revokeGrants()
        assert.equal(await works(sandbox, name, text(answer.body['access_token'])), false)
      })

      it('does what faults say, in their order, and counts requests', async () => {
        const token = text((await tokensFor(sandbox, name)).body['access_token'])
        const before = Object.values(sandbox[name].counts()).reduce((sum, count) => sum + count, 0)
        sandbox[name].faults.next({ status: 503 })
        sandbox[name].faults.next({ lost: true })
        assert.equal(await works(sandbox, name, token), false)
        await assert.rejects(works(sandbox, name, token))
        assert.equal(await works(sandbox, name, token), true)
        assert.equal(
          Object.values(sandbox[name].counts()).reduce((sum, count) => sum + count, 0),
          before + 3,
        )
      })

      it('answers late, never, or with garbage on demand', async () => {
        const { url, faults } = sandbox[name]
        faults.next({ slowMs: 60 }, { path: '/' })
        const began = performance.now()
        await (await fetch(`${url}/`)).text()
        assert.ok(performance.now() - began >= 55)
        faults.next({ hang: true }, { path: '/' })
        await assert.rejects(fetch(`${url}/`, { signal: AbortSignal.timeout(80) }), { name: 'TimeoutError' })
        faults.next({ garbage: true }, { path: '/' })
        await assert.rejects(
          fetch(`${url}/`).then((response) => response.json()),
          SyntaxError,
        )
      })

      it('labels its pages as a stand-in and keeps scripts of others out', async () => {
        for (const url of [ways[name].authorize(sandbox), sandbox[name].url]) {
          const response = await fetch(url)
          assert.match(await response.text(), /Stand-in /)
          assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/)
        }
      })
    })
  }

  describe('slack quirks', () => {
    it('answers errors with 200 and ok: false, and scopes with commas', async () => {
      const answer = await ways.slack.exchange(sandbox, 'nonsense')
      assert.deepEqual([answer.status, answer.body], [200, { ok: false, error: 'invalid_code' }])
      const { body } = await tokensFor(sandbox, 'slack')
      assert.deepEqual([body['scope'], body['token_type']], ['chat:write,channels:join,channels:read', 'bot'])
      assert.equal(body['expires_in'], undefined)
    })

    it('puts a user token at authed_user', async () => {
      const code = await codeFor(sandbox, 'slack', { scope: '', user_scope: 'chat:write' })
      const { body } = await ways.slack.exchange(sandbox, code)
      assert.equal(body['access_token'], undefined)
      const user = body['authed_user']
      assert.ok(typeof user === 'object' && user !== null && 'access_token' in user)
      assert.match(text(user.access_token), /^xoxp-/)
    })

    it('refuses PKCE, as for an app that has not opted in', async () => {
      const callback = await sandbox.slack.consent(
        ways.slack.authorize(sandbox, { code_challenge: challenge, code_challenge_method: 'S256' }),
      )
      assert.equal(callback.searchParams.get('error'), 'invalid_request')
    })

    it('wants membership before a message, and takes a client_msg_id once', async () => {
      await sandbox.slack.revokeGrants()
      const token = text((await tokensFor(sandbox, 'slack', 'grace')).body['access_token'])
      const call = (method: string, form: Values) =>
        post(`${sandbox.slack.endpoints.apiUrl}/${method}`, form, { authorization: `Bearer ${token}` })
      const message = { channel: '#general', text: 'hello <b>you</b>', client_msg_id: 'one' }
      assert.equal((await call('chat.postMessage', message)).body['error'], 'not_in_channel')
      assert.equal(
        (await call('chat.postMessage', { ...message, channel: 'C0ACMEGEN' })).body['error'],
        'channel_not_found',
      )
      assert.equal((await call('conversations.join', { channel: 'C0GLOBGEN' })).body['ok'], true)
      const first = await call('chat.postMessage', message)
      const second = await call('chat.postMessage', message)
      assert.equal(first.body['ts'], second.body['ts'])
      assert.deepEqual(
        sandbox.slack.messages().map((row) => [row.channelName, row.text]),
        [['general', message.text]],
      )
      const page = await (await fetch(sandbox.slack.url)).text()
      assert.match(page, /hello &lt;b&gt;you&lt;\/b&gt;/)
    })
  })

  describe('github quirks', () => {
    it('answers the token request as a form unless JSON is asked for; errors are 200', async () => {
      const { clientId, clientSecret } = sandbox.github.client
      const form = {
        client_id: clientId,
        client_secret: clientSecret,
        code: await codeFor(sandbox, 'github'),
        redirect_uri: redirectUri,
      }
      const answer = await post(`${sandbox.github.url}/login/oauth/access_token`, form)
      assert.match(answer.type ?? '', /x-www-form-urlencoded/)
      assert.equal(answer.body['scope'], 'repo,user:email')
      assert.equal(await works(sandbox, 'github', text(answer.body['access_token'])), true)
      const again = await ways.github.exchange(sandbox, 'nonsense')
      assert.deepEqual([again.status, again.body['error']], [200, 'bad_verification_code'])
    })

    it('checks PKCE when it was begun', async () => {
      const more = { code_challenge: challenge, code_challenge_method: 'S256' }
      assert.ok(refused(await ways.github.exchange(sandbox, await codeFor(sandbox, 'github', more))))
      const code = await codeFor(sandbox, 'github', more)
      assert.equal(refused(await ways.github.exchange(sandbox, code, { code_verifier: verifier })), false)
    })

    it('hides repositories of others and ends a grant for Basic credentials', async () => {
      const token = text((await tokensFor(sandbox, 'github', 'grace')).body['access_token'])
      const { apiUrl } = sandbox.github.endpoints
      const headers = { authorization: `token ${token}` }
      assert.equal((await fetch(`${apiUrl}/repos/acme/website`, { headers })).status, 404)
      assert.equal((await fetch(`${apiUrl}/repos/globex/reports`, { headers })).status, 200)
      const { clientId, clientSecret } = sandbox.github.client
      const end = (secret: string) =>
        fetch(`${apiUrl}/applications/${clientId}/grant`, {
          method: 'DELETE',
          headers: { ...basic(clientId, secret), 'content-type': 'application/json' },
          body: JSON.stringify({ access_token: token }),
        })
      assert.equal((await end('wrong')).status, 404)
      assert.equal((await end(clientSecret)).status, 204)
      assert.equal(await works(sandbox, 'github', token), false)
    })
  })

  describe('airtable quirks', () => {
    it('requires PKCE and checks the verifier', async () => {
      const without = await sandbox.airtable.consent(
        authorization(`${sandbox.airtable.url}/oauth2/v1/authorize`, sandbox.airtable.client.clientId),
      )
      assert.equal(without.searchParams.get('error'), 'invalid_request')
      const code = await codeFor(sandbox, 'airtable')
      assert.equal(
        (await ways.airtable.exchange(sandbox, code, { code_verifier: 'x'.repeat(43) })).body['error'],
        'invalid_grant',
      )
    })

    it('rotates refresh tokens; a reused one ends the grant', async () => {
      const first = (await tokensFor(sandbox, 'airtable')).body
      assert.equal(first['expires_in'], 3600)
      const { clientId, clientSecret } = sandbox.airtable.client
      const refresh = (token: unknown) =>
        post(
          `${sandbox.airtable.url}/oauth2/v1/token`,
          { grant_type: 'refresh_token', refresh_token: text(token) },
          basic(clientId, clientSecret),
        )
      const second = (await refresh(first['refresh_token'])).body
      assert.notEqual(second['refresh_token'], first['refresh_token'])
      assert.equal(await works(sandbox, 'airtable', text(first['access_token'])), false)
      assert.equal(await works(sandbox, 'airtable', text(second['access_token'])), true)
      assert.equal((await refresh(first['refresh_token'])).body['error'], 'invalid_grant')
      assert.equal(await works(sandbox, 'airtable', text(second['access_token'])), false)
      assert.equal((await refresh(second['refresh_token'])).status, 400)
    })

    it('takes personal access tokens of both people', async () => {
      for (const token of Object.values(sandbox.airtable.personalAccessTokens)) {
        assert.match(token, /^pat[A-Za-z0-9]{14}\.[0-9a-f]{64}$/)
        assert.equal(await works(sandbox, 'airtable', token), true)
      }
    })

    it('ends access tokens early on demand', async () => {
      const { body } = await tokensFor(sandbox, 'airtable')
      await sandbox.airtable.expireTokens()
      assert.equal(await works(sandbox, 'airtable', text(body['access_token'])), false)
      const { clientId, clientSecret } = sandbox.airtable.client
      const form = { grant_type: 'refresh_token', refresh_token: text(body['refresh_token']) }
      assert.equal(
        (await post(`${sandbox.airtable.url}/oauth2/v1/token`, form, basic(clientId, clientSecret))).status,
        200,
      )
    })
  })

  describe('shopify quirks', () => {
    it('signs the callback with the app’s secret and names the shop', async () => {
      const callback = await sandbox.shopify.consent(ways.shopify.authorize(sandbox))
      const params = new URLSearchParams(callback.search)
      const hmac = params.get('hmac')
      params.delete('hmac')
      params.sort()
      assert.equal(params.get('shop'), 'acme.myshopify.com')
      assert.equal(
        hmac,
        createHmac('sha256', sandbox.shopify.client.clientSecret).update(params.toString()).digest('hex'),
      )
    })

    it('expires tokens only when asked, and keeps an old refresh token until its successor is used', async () => {
      const plain = await ways.shopify.exchange(sandbox, await codeFor(sandbox, 'shopify'), { expiring: '0' })
      assert.equal(plain.body['refresh_token'], undefined)
      const first = (await tokensFor(sandbox, 'shopify')).body
      assert.equal(first['expires_in'], 3600)
      const { clientId, clientSecret } = sandbox.shopify.client
      const refresh = async (token: unknown) =>
        (
          await post(`${sandbox.shopify.url}/acme.myshopify.com/admin/oauth/access_token`, {
            grant_type: 'refresh_token',
            client_id: clientId,
            client_secret: clientSecret,
            refresh_token: text(token),
          })
        ).body
      const lost = await refresh(first['refresh_token'])
      const second = await refresh(first['refresh_token'])
      assert.notEqual(second['refresh_token'], lost['refresh_token'])
      const third = await refresh(second['refresh_token'])
      assert.equal(await works(sandbox, 'shopify', text(third['access_token'])), true)
      assert.equal((await refresh(first['refresh_token']))['error'], 'invalid_grant')
    })

    it('knows its shops and keeps tokens to the shop they are for', async () => {
      const unknown = ways.shopify.authorize(sandbox).replace('acme.', 'nobody.')
      assert.equal((await fetch(unknown)).status, 404)
      const token = text((await tokensFor(sandbox, 'shopify')).body['access_token'])
      const elsewhere = await fetch(
        `${sandbox.shopify.url}/globex.myshopify.com/admin/api/2026-10/graphql.json`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-shopify-access-token': token },
          body: JSON.stringify({ query: '{ shop { name } }' }),
        },
      )
      assert.equal(elsewhere.status, 401)
    })
  })
})

describe('startSandbox options', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sandbox-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const option = (error: unknown): string | undefined =>
    isAuthFlowError(error) ? error.details.option : undefined
  const options: SandboxOptions = { redirectUris: [redirectUri] }

  it('keeps apps, grants, tokens and what arrived over a restart, tokens only as hashes', async () => {
    const stateFile = join(folder, 'state.json')
    const first = await startSandbox({ ...options, stateFile })
    const tokens = new Map<Name, string>()
    for (const name of providers) tokens.set(name, text((await tokensFor(first, name)).body['access_token']))
    const { client } = first.slack
    // Not closed before the second reads: what was answered is in the file, as after a kill.
    const content = await readFile(stateFile, 'utf8')
    const copy = join(folder, 'copy.json')
    await writeFile(copy, content)
    const second = await startSandbox({ ...options, stateFile: copy })
    try {
      assert.deepEqual(second.slack.client, client)
      for (const [name, token] of tokens) {
        assert.equal(await works(second, name, token), true)
        assert.equal(content.includes(token), false)
      }
    } finally {
      await Promise.all([first.close(), second.close()])
    }
  })

  it('shortens the lifetime of tokens', async () => {
    const sandbox = await startSandbox({ ...options, accessTokenLifetimeSeconds: { slack: 1, airtable: 1 } })
    try {
      const slack = (await tokensFor(sandbox, 'slack')).body
      assert.equal(slack['expires_in'], 1)
      assert.match(text(slack['refresh_token']), /^xoxe-1-/)
      assert.equal((await tokensFor(sandbox, 'shopify')).body['expires_in'], 3600)
      await new Promise((resolve) => setTimeout(resolve, 1050))
      assert.equal(await works(sandbox, 'slack', text(slack['access_token'])), false)
    } finally {
      await sandbox.close()
    }
  })

  it('sends Cross-Origin-Opener-Policy when told to', async () => {
    const sandbox = await startSandbox({ ...options, crossOriginOpenerPolicy: true })
    try {
      for (const name of providers) {
        const response = await fetch(ways[name].authorize(sandbox))
        assert.equal(response.headers.get('cross-origin-opener-policy'), 'same-origin')
      }
    } finally {
      await sandbox.close()
    }
  })

  it('names the port that is taken and leaves nothing running', async () => {
    const blocker = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => blocker.once('listening', resolve))
    const address = blocker.address()
    const port = typeof address === 'object' && address ? address.port : 0
    await assert.rejects(startSandbox({ ...options, ports: { github: port } }), (error: unknown) => {
      return (
        isAuthFlowError(error) &&
        error.code === 'port_in_use' &&
        error.message.includes(`GitHub`) &&
        error.message.includes(String(port))
      )
    })
    blocker.close()
  })

  it('refuses production, public addresses, relative callbacks and foreign state files', async () => {
    const broken = join(folder, 'broken.json')
    await writeFile(broken, '{"version":1}')
    await assert.rejects(
      startSandbox({ ...options, host: '0.0.0.0' }),
      (error: unknown) => option(error) === 'host',
    )
    await assert.rejects(
      startSandbox({ redirectUris: ['/callback'] }),
      (error: unknown) => option(error) === 'redirectUris',
    )
    await assert.rejects(
      startSandbox({ ...options, stateFile: broken }),
      (error: unknown) => option(error) === 'stateFile',
    )
    await withEnvironment({ NODE_ENV: 'production' }, () =>
      assert.rejects(startSandbox(options), (error: unknown) => option(error) === 'NODE_ENV'),
    )
  })
})

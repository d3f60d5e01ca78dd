import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { isAuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { revokeGrant } from '../oauth/revoke.ts'
import { refreshTokens } from '../oauth/refresh.ts'
import { startSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import {
  connectAt,
  createDirectIO,
  createTestFetch,
  oauthOf,
  redirectUri,
  type Connected,
} from './fixtures/acting.ts'
import { Slack, type SlackOptions } from './slack.ts'

const scopes = ['chat:write', 'channels:join', 'channels:read']

const code = (error: unknown): ErrorCode | undefined => (isAuthFlowError(error) ? error.code : undefined)

describe('Slack', () => {
  const fetch = createTestFetch()
  let sandbox: Sandbox
  let slack: Slack<'slack-customers'>
  let ada: Connected
  before(async () => {
    sandbox = await startSandbox({ redirectUris: [redirectUri] })
    const { client, endpoints } = sandbox.slack
    slack = new Slack({ id: 'slack-customers', connect: true, oauth: { ...client, scopes }, endpoints })
    slack.useFetch(fetch)
    ada = await connectAt(slack, sandbox.slack, { fetch })
  })
  beforeEach(() => sandbox.slack.faults.clear())
  after(async () => {
    await sandbox.close()
    await fetch.close()
  })

  const acting = (io = createDirectIO(), auth = ada.auth) => slack.cloneForRun(io, 'slack', auth)
  const calls = (method: string): number => sandbox.slack.counts()[`POST /api/${method}`] ?? 0

  describe('connecting', () => {
    it('knows the workspace, the scopes and that the token does not expire', () => {
      assert.deepEqual(ada.auth.identity, { id: 'T0ACME001', label: 'authflow-app', place: 'workspace Acme' })
      assert.deepEqual(ada.auth.scopes, scopes)
      assert.equal(ada.auth.expiresAt, null)
      assert.equal(ada.auth.fields['teamId'], 'T0ACME001')
    })

    it('asks with commas and without PKCE, and says why', () => {
      const method = oauthOf(slack)
      assert.equal(method.scopeSeparator, ',')
      assert.ok(typeof method.pkce === 'object' && method.pkce.off.length > 20)
    })

    it('acts as the person where only user scopes are asked for', async () => {
      const { client, endpoints } = sandbox.slack
      const oauth = { ...client, scopes: [], userScopes: ['chat:write', 'channels:read'] }
      const personal = new Slack({ id: 'slack-people', connect: true, oauth, endpoints })
      const { auth, tokens } = await connectAt(personal, sandbox.slack, { fetch, person: 'grace' })
      assert.match(tokens.accessToken, /^xoxp-/)
      assert.deepEqual(auth.scopes, ['chat:write', 'channels:read'])
      assert.deepEqual(auth.identity, { id: 'T0GLOBEX1:U0GRACE', label: 'grace', place: 'workspace Globex' })
    })

    it('refreshes rotated tokens, and takes a dead refresh token for the end of the grant', async () => {
      const rotating = await startSandbox({
        redirectUris: [redirectUri],
        accessTokenLifetimeSeconds: { slack: 60 },
      })
      try {
        const { client, endpoints } = rotating.slack
        const own = new Slack({
          id: 'slack-rotating',
          connect: true,
          oauth: { ...client, scopes },
          endpoints,
        })
        const { tokens } = await connectAt(own, rotating.slack, { fetch })
        assert.ok((tokens.expiresAt ?? 0) > Date.now())
        const endpoint = { method: oauthOf(own), fields: {}, fetch }
        const next = await refreshTokens(endpoint, tokens.refreshToken ?? '')
        assert.notEqual(next.refreshToken, tokens.refreshToken)
        await assert.rejects(
          refreshTokens(endpoint, tokens.refreshToken ?? ''),
          (error) => code(error) === 'needs_reauth',
        )
      } finally {
        await rotating.close()
      }
    })

    it('takes a wrong secret for the host’s mistake', async () => {
      const { client, endpoints } = sandbox.slack
      const oauth = { ...client, clientSecret: 'wrong', scopes }
      const wrong = new Slack({ id: 'slack-wrong', connect: true, oauth, endpoints })
      await assert.rejects(
        connectAt(wrong, sandbox.slack, { fetch }),
        (error) => code(error) === 'client_misconfigured',
      )
    })

    it('revokes, and takes a token that is gone for revoked', async () => {
      const { tokens } = await connectAt(slack, sandbox.slack, { fetch, person: 'grace' })
      const endpoint = { method: oauthOf(slack), fields: {}, fetch }
      await revokeGrant(endpoint, tokens)
      await assert.rejects(
        oauthOf(slack).identify(tokens, { fetch, fields: {} }),
        (error) => code(error) === 'credentials_rejected',
      )
      await revokeGrant(endpoint, tokens)
    })
  })

  describe('postMessage', () => {
    it('joins the channel when Slack says that it must, and posts', async () => {
      const io = createDirectIO('key-join')
      const posted = await acting(io).postMessage('notify', { channel: '#general', text: 'hello' })
      assert.equal(posted.channel, 'C0ACMEGEN')
      assert.deepEqual(posted.message, { text: 'hello', user: 'U0BOTE001' })
      assert.equal(calls('conversations.join'), 1)
      const [message] = sandbox.slack.messages()
      assert.equal(message?.ts, posted.ts)
      assert.match(
        message?.clientMessageId ?? '',
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/,
      )
    })

    it('posts to the channel that the account chose, where none is named', async () => {
      const auth = { ...ada.auth, fields: { ...ada.auth.fields, channel: 'C0ACMERAN' } }
      const posted = await acting(createDirectIO('key-chosen'), auth).postMessage('notify', { text: 'there' })
      assert.equal(posted.channel, 'C0ACMERAN')
      await assert.rejects(
        acting(createDirectIO('key-none')).postMessage('notify', { text: 'nowhere' }),
        (error) => code(error) === 'invalid_input',
      )
    })

    it('is one message however often it is repeated with one idempotency key', async () => {
      const io = createDirectIO('key-repeat')
      const before = sandbox.slack.messages().length
      sandbox.slack.faults.next({ lost: true }, { path: '/api/chat.postMessage' })
      const message = { channel: 'C0ACMEGEN', text: 'once' }
      await assert.rejects(
        acting(io).postMessage('notify', message),
        (error) => code(error) === 'provider_unavailable',
      )
      await acting(io).postMessage('notify', message)
      assert.equal(sandbox.slack.messages().length, before + 1)
    })

    it('names the task, shows what is posted and never the token, and retries as the original did', async () => {
      const io = createDirectIO('key-params')
      await acting(io).postMessage('notify', { channel: 'C0ACMEGEN', text: 'x' }, { name: 'Tell them' })
      assert.deepEqual(io.tasks, [
        {
          key: 'notify',
          options: {
            retry: { limit: 8, factor: 1.8, minTimeoutInMs: 500, maxTimeoutInMs: 30_000, randomize: true },
            connectionKey: 'slack',
            name: 'Tell them',
            params: { channel: 'C0ACMEGEN', text: 'x' },
          },
        },
      ])
    })
  })

  it('joins and lists channels, page by page', async () => {
    const own = acting()
    const joined = await own.joinConversation('join', { channel: 'C0ACMERAN' })
    assert.deepEqual([joined.name, joined.is_member], ['random', true])
    const first = await own.listConversations('list-1', { limit: 1 })
    assert.deepEqual(
      first.channels.map((channel) => channel.name),
      ['general'],
    )
    const second = await own.listConversations('list-2', { limit: 1, cursor: first.nextCursor ?? '' })
    assert.deepEqual([second.channels.map((channel) => channel.name), second.nextCursor], [['random'], null])
  })

  it('makes one client for all tasks of an execution, with the SDK’s own type', async () => {
    const own = acting()
    const seen = new Set<object>()
    const team = await own.runTask('team', async (client) => {
      seen.add(client)
      return (await client.auth.test()).team ?? ''
    })
    await own.runTask('again', async (client) => void seen.add(client))
    assert.deepEqual([team, seen.size], ['Acme', 1])
  })

  it('gives a client outside of jobs, and runs no tasks there', async () => {
    const client = await slack.createClient(ada.auth)
    assert.equal((await client.auth.test()).team, 'Acme')
    assert.throws(
      () => slack.postMessage('x', { channel: 'C0ACMEGEN', text: 'x' }),
      (error) => code(error) === 'not_supported',
    )
    await assert.rejects(slack.createClient(), (error) => code(error) === 'not_connected')
  })

  describe('when Slack refuses', () => {
    const post = async (io = createDirectIO('key-refused')) => {
      const error: unknown = await acting(io)
        .postMessage('notify', { channel: 'C0ACMEGEN', text: 'x' })
        .then(
          () => assert.fail('posted'),
          (reason: unknown) => reason,
        )
      return {
        error: isAuthFlowError(error) ? error : assert.fail(String(error)),
        verdict: io.tasks[0]?.verdict,
      }
    }

    it('waits as long as Retry-After says', async () => {
      sandbox.slack.faults.next({ rateLimitSeconds: 7 })
      const { error, verdict } = await post()
      assert.deepEqual([error.code, error.details.retryAfterMs], ['rate_limited', 7000])
      assert.ok(
        verdict && 'retryAt' in verdict && Math.abs(verdict.retryAt.getTime() - Date.now() - 7000) < 500,
      )
    })

    it('waits half a minute when it does not say how long', async () => {
      sandbox.slack.faults.next({ status: 429 })
      assert.equal((await post()).error.details.retryAfterMs, 30_000)
    })

    it('does not retry what can only fail again', async () => {
      const io = createDirectIO()
      await assert.rejects(
        acting(io).postMessage('notify', { channel: 'C0NOWHERE', text: 'x' }),
        (error) =>
          isAuthFlowError(error) &&
          error.code === 'provider_rejected' &&
          error.details.providerCode === 'channel_not_found',
      )
      assert.deepEqual(io.tasks[0]?.verdict, { skipRetrying: true })
    })

    it('names a missing scope', async () => {
      const { client, endpoints } = sandbox.slack
      const narrow = new Slack({
        id: 'slack-narrow',
        connect: true,
        oauth: { ...client, scopes: ['channels:read'] },
        endpoints,
      })
      narrow.useFetch(fetch)
      const { auth } = await connectAt(narrow, sandbox.slack, { fetch, person: 'grace' })
      const io = createDirectIO()
      await assert.rejects(
        narrow.cloneForRun(io, 'slack', auth).postMessage('notify', { channel: 'C0GLOBGEN', text: 'x' }),
        (error) =>
          isAuthFlowError(error) &&
          error.code === 'insufficient_scope' &&
          error.details.missingScopes?.[0] === 'chat:write',
      )
      assert.deepEqual(io.tasks[0]?.verdict, { skipRetrying: true })
    })

    it('leaves a refused token to the engine, with status 401', async () => {
      const io = createDirectIO()
      const dead = { ...ada.auth, accessToken: 'xoxb-dead' }
      await assert.rejects(
        acting(io, dead).postMessage('notify', { channel: 'C0ACMEGEN', text: 'x' }),
        (error) =>
          isAuthFlowError(error) && error.code === 'provider_rejected' && error.details.status === 401,
      )
      assert.equal(io.tasks[0]?.verdict, undefined)
    })

    it('takes failures and garbage as they are, and lets them be retried', async () => {
      const before = calls('chat.postMessage')
      sandbox.slack.faults.next({ status: 503 })
      sandbox.slack.faults.next({ garbage: true })
      const failed = await post()
      const garbled = await post()
      assert.deepEqual([failed.error.code, failed.verdict], ['provider_unavailable', undefined])
      assert.deepEqual([garbled.error.code, garbled.verdict], ['provider_reply_invalid', undefined])
      // One request each: the SDK's own ten retries are off.
      assert.equal(calls('chat.postMessage'), before + 2)
    })

    it('asks the caller’s own onError first, with the SDK’s error', async () => {
      const io = createDirectIO()
      const later = new Date(0)
      const fail = acting(io).runTask(
        'own',
        async (client) => void (await client.chat.postMessage({ channel: 'C0NOWHERE', text: 'x' })),
        {},
        (error) =>
          error instanceof Error && error.constructor.name === 'WebAPIPlatformError'
            ? { retryAt: later }
            : undefined,
      )
      await assert.rejects(fail)
      assert.deepEqual(io.tasks[0]?.verdict, { retryAt: later })
    })

    it('says nothing of what was sent or answered', async () => {
      const dead = { ...ada.auth, accessToken: 'xoxb-planted-token' }
      const error: unknown = await acting(createDirectIO(), dead)
        .postMessage('notify', { channel: 'C0ACMEGEN', text: 'planted text' })
        .catch((reason: unknown) => reason)
      assert.ok(error instanceof Error)
      const shown = `${error.stack}${JSON.stringify(error)}${String(error.cause)}`
      assert.doesNotMatch(shown, /planted/)
    })
  })
})

describe('new Slack()', () => {
  const app = { clientId: 'id', clientSecret: 'secret', scopes }
  const refusal = (options: SlackOptions): [ErrorCode, string | undefined, string | undefined] => {
    try {
      new Slack(options)
    } catch (error) {
      if (isAuthFlowError(error)) return [error.code, error.details.option, error.details.integration]
    }
    return assert.fail('was accepted')
  }

  it('keeps the id as a literal and tells where credentials come from', () => {
    const hosted = new Slack({ id: 'slack-customers', connect: true, oauth: app })
    const id: 'slack-customers' = hosted.id
    assert.deepEqual(
      [id, hosted.authSource, hosted.metadata],
      ['slack-customers', 'HOSTED', { id: 'slack', name: 'Slack' }],
    )
    assert.deepEqual(hosted.endpointOverrides, [])
    const local = new Slack({ id: 'slack-own', token: 'xoxb-1' })
    assert.deepEqual([local.authSource, 'connect' in local], ['LOCAL', false])
  })

  it('names a credential that is given but undefined, and the integration', () => {
    const unset = process.env['AUTHFLOW_TEST_UNSET']
    assert.deepEqual(refusal({ id: 's', token: unset }), ['missing_option', 'token', 's'])
    assert.deepEqual(refusal({ id: 's', connect: true, oauth: { ...app, clientId: unset } }), [
      'missing_option',
      'oauth.clientId',
      's',
    ])
    assert.deepEqual(refusal({ id: 's', connect: true, oauth: { ...app, clientSecret: '' } }), [
      'missing_option',
      'oauth.clientSecret',
      's',
    ])
    assert.throws(
      () => new Slack({ id: 'slack-customers', token: unset }),
      /Slack \(slack-customers\).*`token`/,
    )
  })

  it('refuses what cannot work', () => {
    assert.deepEqual(refusal({ id: 's' }), ['missing_option', 'token', 's'])
    assert.deepEqual(refusal({ id: 's', connect: true }), ['missing_option', 'oauth', 's'])
    assert.deepEqual(refusal({ id: 's', connect: true, oauth: app, token: 'x' }), [
      'invalid_option',
      'token',
      's',
    ])
    assert.deepEqual(refusal({ id: 's', token: 'xoxb-1\n' }), ['invalid_option', 'token', 's'])
    assert.deepEqual(refusal({ id: 's', connect: true, oauth: { ...app, scopes: ['a,b'] } }), [
      'invalid_option',
      'oauth.scopes',
      's',
    ])
    assert.deepEqual(refusal({ id: 's', connect: true, oauth: { ...app, scopes: [] } }), [
      'invalid_option',
      'oauth.scopes',
      's',
    ])
    for (const id of ['', '-a', 'a b', 'a/b', 'x'.repeat(65)]) {
      assert.deepEqual(refusal({ id, token: 'x' }).slice(0, 2), ['invalid_option', 'id'])
    }
    for (const apiUrl of ['slack.com', 'file:///x', 'https://u:p@x.example', 'https://x.example/?a']) {
      assert.deepEqual(refusal({ id: 's', token: 'x', endpoints: { apiUrl } }), [
        'invalid_option',
        'endpoints.apiUrl',
        's',
      ])
    }
  })

  it('lists overridden endpoints', () => {
    const endpoints = { webUrl: 'http://127.0.0.1:1/', apiUrl: 'http://127.0.0.1:1/api' }
    const slack = new Slack({ id: 's', token: 'x', endpoints })
    assert.deepEqual(slack.endpointOverrides, ['http://127.0.0.1:1', 'http://127.0.0.1:1/api'])
  })
})

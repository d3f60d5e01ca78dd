// One refresh for any number of callers, and what its failures do to a connection.

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import type { Auth } from '../../shared/auth.ts'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import { oidcMethod, startOidc } from '../oauth/fixtures/oidc.ts'
import { connectionIdOf } from './connection-id.ts'
import { apiKeyMethod, startKeyServer } from './fixtures/key-server.ts'
import { startRotating, rotatingMethod } from './fixtures/rotating.ts'
import {
  auditOf,
  connectByOAuth,
  connectDirectly,
  integrationOf,
  mint,
  openWorkbench,
  redirectUri,
} from './fixtures/workbench.ts'
import type { ConnectionRecord } from './records.ts'
import { connectionSet } from './sets.ts'
import { createFlowId } from '../../shared/ids.ts'

const oidc = await startOidc([redirectUri('oidc')])
const provider = await startRotating()
const keyServer = await startKeyServer()
const forever = oauthMethod(provider.origin, {
  identify: async () => ({ identity: { id: 'ada', label: 'Ada' } }),
})
const bench = await openWorkbench([
  integrationOf('oidc', [oidcMethod(oidc.origin)]),
  integrationOf('rotating', [rotatingMethod(provider)]),
  integrationOf('forever', [forever]),
  integrationOf('keys', [apiKeyMethod(keyServer)]),
])
const other = await bench.another()
const { connect, store } = bench
after(async () => {
  await bench.close()
  await oidc.close()
  await provider.close()
  await keyServer.close()
})

let integration = 'rotating'
let accountId = ''
let accounts = 0
beforeEach(() => {
  integration = 'rotating'
  accountId = `acct-${(accounts += 1)}`
  Object.assign(provider, {
    grace: false,
    lifetime: 3600,
    beforeReply: undefined,
    refusal: undefined,
    person: accountId,
  })
  provider.requests.length = 0
  bench.changes.length = 0
  bench.logged.length = 0
})

const id = (): string => connectionIdOf(integration, accountId)
const change = (set: Partial<Omit<ConnectionRecord, 'id' | 'version'>>) =>
  store.update(connectionSet, id(), {}, { set })
const expire = () => change({ expiresAt: store.now() - 1 })
/** Still valid for a moment, and long due. */
const age = () => change({ expiresAt: store.now() + 5_000, issuedAt: store.now() - 3_600_000 })
const record = async (): Promise<ConnectionRecord> => {
  const found = await store.get(connectionSet, id())
  assert.ok(found)
  return found
}
const getAuth = (more: { rejectedTokenHash?: string; scopes?: string[] } = {}): Promise<Auth> =>
  connect.getAuth({ id: integration, accountId, ...more })
const token = async (more: Parameters<typeof getAuth>[0] = {}): Promise<string> => {
  const auth = await getAuth(more)
  assert.ok(auth.type === 'oauth2')
  return auth.accessToken
}
const refreshes = async (work: () => Promise<unknown>): Promise<number> => {
  const before = provider.refreshes
  await work()
  return provider.refreshes - before
}
const gate = (): { readonly open: () => void; readonly passed: Promise<void> } => {
  let open = (): void => undefined
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, passed }
}

describe('one refresh', () => {
  it('serves 100 callers in two processes of a certified server with strict rotation, again and again', async () => {
    integration = 'oidc'
    await connectByOAuth(connect, { integration, accountId })
    const seen = new Set<string>()
    for (let round = 0; round < 5; round += 1) {
      oidc.tokenRequests.refresh_token = 0
      await expire()
      const callers = Array.from({ length: 100 }, (_, at) => (at % 2 ? connect : other.connect))
      const auths = await Promise.all(
        callers.map((service) => service.getAuth({ id: integration, accountId })),
      )
      const tokens = new Set(auths.map((auth) => (auth.type === 'oauth2' ? auth.accessToken : '')))
      assert.equal(oidc.tokenRequests.refresh_token, 1)
      assert.equal(tokens.size, 1)
      for (const accessToken of tokens) {
        assert.equal(seen.has(accessToken), false)
        seen.add(accessToken)
        const headers = { authorization: `Bearer ${accessToken}` }
        assert.equal((await fetch(`${oidc.origin}/me`, { headers })).status, 200)
      }
    }
    assert.equal((await record()).state, 'active')
  })

  it('writes what it is about to do before it asks, and the result before anybody gets it', async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    const before = await record()
    let during: ConnectionRecord | undefined
    provider.beforeReply = async () => {
      during = await record()
      return undefined
    }
    const fresh = await token()
    assert.ok(during?.refresh && during.refreshOpen)
    assert.deepEqual([during.refresh.attempt, during.refreshStartedAt], [1, during.refresh.startedAt])
    assert.ok(during.refresh.fence > before.credFence)
    const saved = await record()
    assert.deepEqual([saved.refresh, saved.refreshOpen, saved.credFence], [null, false, during.refresh.fence])
    assert.match(fresh, /-2$/)
    assert.notDeepEqual(saved.secrets, before.secrets)
  })

  it('happens shortly before the end, and not while there is time', async () => {
    provider.lifetime = 1000
    await connectDirectly(connect, { integration, accountId })
    assert.equal(await refreshes(() => token()), 0)
    await change({ expiresAt: store.now() + 130_000 })
    assert.equal(
      await refreshes(() => token()),
      0,
      'a tenth of the lifetime, spread by a fifth, is at most 120 s',
    )
    await change({ expiresAt: store.now() + 99_000, issuedAt: store.now() - 901_000 })
    assert.equal(await refreshes(() => token()), 1)
  })

  it('never comes by the clock for a token that does not expire', async () => {
    provider.lifetime = null
    await connectDirectly(connect, { integration, accountId })
    assert.equal((await getAuth()).expiresAt, null)
    await change({ issuedAt: 1 })
    assert.equal(await refreshes(() => token()), 0)
  })

  it('is forced once by the hash of a token that the provider refused', async () => {
    await connectDirectly(connect, { integration, accountId })
    const { tokenHash } = await getAuth()
    const both = [connect, other.connect]
    const forced = () =>
      Promise.all(
        both.map((service) => service.getAuth({ id: integration, accountId, rejectedTokenHash: tokenHash })),
      )
    assert.equal(await refreshes(forced), 1)
    assert.equal(await refreshes(forced), 0, 'the hash is not that of the current token any more')
    assert.notEqual((await getAuth()).tokenHash, tokenHash)
  })

  it('keeps the old refresh token when none comes back, and takes new scopes', async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    provider.beforeReply = () => ({
      body: { access_token: 'at-canary-bare', token_type: 'bearer', scope: 'read' },
    })
    const before = (await record()).secrets['refreshToken']
    const auth = await getAuth()
    assert.deepEqual([auth.scopes, auth.expiresAt], [['read'], null])
    assert.notEqual((await record()).secrets['refreshToken'], before, 'sealed anew')
    await expire()
    provider.grace = true
    provider.beforeReply = undefined
    await token()
    const sent = provider.requests.filter(({ form }) => form.has('refresh_token'))
    assert.equal(sent[0]?.form.get('refresh_token'), sent[1]?.form.get('refresh_token'))
  })
})

describe('a refresh that fails', () => {
  it('for a moment: serves the token while it is valid, waits longer each time, and recovers', async () => {
    await connectDirectly(connect, { integration, accountId })
    const old = await token()
    await age()
    provider.refusal = { status: 503 }
    assert.equal(await token(), old)
    const { refreshRetryAt, refreshFailures } = await record()
    assert.equal(refreshFailures, 1)
    assert.ok(refreshRetryAt && refreshRetryAt > store.now())
    assert.equal(await refreshes(() => Promise.all([token(), token()])), 0, 'not before its time')

    await expire()
    await assert.rejects(token(), (error: { code: string; details: { retryAfterMs: number } }) => {
      assert.equal(error.code, 'refresh_failed')
      assert.ok(error.details.retryAfterMs > 0 && error.details.retryAfterMs <= 2_000)
      return true
    })
    let before = 0
    for (let failures = 2; failures <= 4; failures += 1) {
      await change({ refreshRetryAt: null })
      await assert.rejects(token(), { code: 'refresh_failed', retryable: true })
      const waits = ((await record()).refreshRetryAt ?? 0) - store.now()
      assert.ok(waits > before / 2, `${waits} after ${before}`)
      before = waits
    }
    provider.refusal = undefined
    await change({ refreshRetryAt: null })
    assert.match(await token(), /-2$/)
    assert.equal((await record()).refreshFailures, 0)
    assert.equal((await connect.getConnection({ integration, accountId })).state, 'active')
  })

  it('with Retry-After: asks no earlier than that', async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    provider.refusal = { status: 429, headers: { 'retry-after': '77' } }
    await assert.rejects(token(), { code: 'refresh_failed' })
    const waits = ((await record()).refreshRetryAt ?? 0) - store.now()
    assert.ok(waits > 76_000 && waits <= 77_000)
    provider.refusal = undefined
    assert.equal(await refreshes(() => assert.rejects(token(), { code: 'refresh_failed' })), 0)
  })

  it('for good: marks the connection once, says why, and tells the host', async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    provider.refusal = { status: 403, body: { error: 'invalid_grant' } }
    const errors = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        (at % 2 ? connect : other.connect).getAuth({ id: integration, accountId }).then(
          () => 'ok',
          (error: { code: string; details: object }) => JSON.stringify([error.code, error.details]),
        ),
      ),
    )
    const expected = ['needs_reauth', { integration, accountId, reason: 'invalid_grant' }]
    assert.deepEqual([...new Set(errors)], [JSON.stringify(expected)])
    const told = [...bench.changes, ...other.changes].filter(({ type }) => type === 'needs_reauth')
    assert.equal(told.length, 1)
    assert.deepEqual(
      [told[0]?.connection.state, told[0]?.connection.reason],
      ['needs_reauth', 'invalid_grant'],
    )
    const items = await auditOf(store, accountId)
    assert.deepEqual(items.map(({ action, actor, reason }) => [action, actor, reason]).slice(1), [
      ['connection.needs_reauth', 'authflow', 'invalid_grant'],
    ])
    assert.equal(await refreshes(() => assert.rejects(token(), { code: 'needs_reauth' })), 0)
  })

  it('for good after an answer that got lost: says that the outcome was unknown', async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    provider.beforeReply = () => ({ hangUp: true })
    await assert.rejects(token(), { code: 'refresh_failed' })
    assert.equal((await record()).refreshUnsure, true)
    provider.beforeReply = undefined
    await change({ refreshRetryAt: null })
    await assert.rejects(token(), {
      code: 'needs_reauth',
      details: { integration, accountId, reason: 'refresh_outcome_unknown' },
    })
  })

  it('because of the host’s own client: leaves the connection as it is', async () => {
    await connectDirectly(connect, { integration, accountId })
    const old = await token()
    await age()
    provider.refusal = { status: 401, body: { error: 'invalid_client' } }
    assert.equal(await token(), old)
    await change({ expiresAt: store.now() - 1, refreshRetryAt: null })
    await assert.rejects(token(), { code: 'client_misconfigured' })
    assert.equal(await refreshes(() => assert.rejects(token(), { code: 'refresh_failed' })), 0)
    assert.equal((await record()).state, 'active')
    assert.equal((await record()).refreshUnsure, false)
  })

  it('without a reason, time after time: gives up in the end', async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    provider.refusal = { status: 400, body: { error: 'mystery' } }
    for (let failures = 1; failures < 10; failures += 1) {
      await change({ refreshRetryAt: null })
      await assert.rejects(token(), { code: 'refresh_failed' })
    }
    await change({ refreshRetryAt: null })
    await assert.rejects(token(), {
      code: 'needs_reauth',
      details: { integration, accountId, reason: 'refresh_rejected' },
    })
  })

  it('is of no use where there is no refresh token: the end is the end', async () => {
    integration = 'forever'
    provider.reply = ((original) => (request) => {
      provider.reply = original
      return { body: { access_token: 'at-once', token_type: 'bearer', expires_in: request.path.length } }
    })(provider.reply)
    await connectDirectly(connect, { integration, accountId })
    assert.equal(await token(), 'at-once')
    await expire()
    await assert.rejects(token(), {
      code: 'needs_reauth',
      details: { integration, accountId, reason: 'expired' },
    })
  })
})

describe('a refresh that something comes between', () => {
  it('does not bring a disconnected connection back, and its new grant is ended', async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    const [asked, answer] = [gate(), gate()]
    provider.beforeReply = async () => {
      asked.open()
      await answer.passed
      return undefined
    }
    const waiting = assert.rejects(token(), { code: 'not_connected' })
    await asked.passed
    await connect.disconnect({ integration, accountId }, 'web')
    answer.open()
    await waiting
    assert.deepEqual((await record()).secrets, {})
    assert.equal((await record()).state, 'disconnected')
    const revoked = (): string[] => {
      const sent = provider.requests.filter(({ path }) => path === '/revoke')
      return sent.map(({ form }) => form.get('token')?.replace(/^.*-/, '') ?? '').sort()
    }
    for (let tries = 0; tries < 100 && revoked().length < 2; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.deepEqual(revoked(), ['1', '2'], 'the token it had, and the one that came too late')
  })

  it('does not overwrite a reconnect', async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    const [asked, answer] = [gate(), gate()]
    provider.beforeReply = async () => {
      asked.open()
      await answer.passed
      return undefined
    }
    const waiting = token()
    await asked.passed
    assert.equal(
      (await connectDirectly(other.connect, { integration, accountId, purpose: 'reconnect' })).result,
      'done',
    )
    const after = await record()
    answer.open()
    const given = await waiting
    assert.match(given, /-1$/, 'the reconnect’s token, of its first generation')
    assert.deepEqual((await record()).secrets, after.secrets)
  })

  it('does not mark a connection whose credential is a newer one than the refused', async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    const [asked, answer] = [gate(), gate()]
    provider.beforeReply = async () => {
      asked.open()
      await answer.passed
      return { status: 400, body: { error: 'invalid_grant' } }
    }
    const waiting = token()
    await asked.passed
    await connectDirectly(other.connect, { integration, accountId, purpose: 'reconnect' })
    answer.open()
    assert.match(await waiting, /-1$/)
    assert.equal((await record()).state, 'active')
  })

  it('is told apart by its fence when two hold it for theirs', async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    const [asked, answer] = [gate(), gate()]
    provider.grace = true
    provider.beforeReply = async (count) => {
      if (count === first) {
        asked.open()
        await answer.passed
      }
      return undefined
    }
    const first = provider.refreshes + 1
    const slow = token()
    await asked.passed
    // Another process takes the lease over, as it may once this one has been silent for too long.
    await store.takeFence(`credential:${id()}`)
    await change({ refresh: null, refreshOpen: false, refreshStartedAt: null })
    const quick = await other.connect.getAuth({ id: integration, accountId })
    assert.ok(quick.type === 'oauth2')
    answer.open()
    assert.equal(await slow, quick.accessToken, 'the later writer came first, so its token counts')
    assert.equal(await token(), quick.accessToken)
  })

  /** This service has asked and waits for the answer; the lease was taken over; then the other one does as it likes. */
  const takenOver = async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    const [asked, answer] = [gate(), gate()]
    const first = provider.refreshes + 1
    const slow = { first, answer, held: undefined as ReturnType<typeof gate> | undefined, outcome: '' }
    const secondAsked = gate()
    provider.beforeReply = async (count) => {
      if (count === first) {
        asked.open()
        await answer.passed
      } else {
        secondAsked.open()
        await slow.held?.passed
      }
      return undefined
    }
    const waiting = token().then((text) => (slow.outcome = text))
    await asked.passed
    await store.takeFence(`credential:${id()}`)
    await change({ refresh: null, refreshOpen: false, refreshStartedAt: null })
    return { slow, waiting, secondAsked }
  }

  it('keeps the intent of a later holder when it saves late', async () => {
    provider.grace = true
    const { slow, waiting, secondAsked } = await takenOver()
    slow.held = gate()
    const quick = other.connect.getAuth({ id: integration, accountId })
    await secondAsked.passed
    const intent = (await record()).refresh
    slow.answer.open()
    await waiting
    const between = await record()
    assert.ok(intent && between.credFence < intent.fence, 'the late one was saved')
    assert.deepEqual([between.refresh, between.refreshOpen], [intent, true], 'the other call is still known')
    slow.held.open()
    const auth = await quick
    assert.ok(auth.type === 'oauth2')
    assert.ok(provider.isCurrent(auth.accessToken))
    assert.deepEqual([(await record()).refreshOpen, (await record()).credFence], [false, intent.fence])
    assert.equal(await token(), auth.accessToken)
  })

  it('brings a connection back that was given up too early, and says so', async () => {
    const { slow, waiting } = await takenOver()
    const given = other.connect.getAuth({ id: integration, accountId })
    await assert.rejects(given, { code: 'needs_reauth' })
    assert.equal((await record()).state, 'needs_reauth')
    slow.answer.open()
    assert.match(await waiting, /-2$/)
    assert.deepEqual([(await record()).state, (await record()).reason], ['active', null])
    const items = await auditOf(store, accountId)
    assert.deepEqual(
      items.map(({ action }) => action),
      ['connection.connected', 'connection.needs_reauth', 'connection.recovered'],
    )
    assert.equal(bench.changes.at(-1)?.type, 'connected')
  })
})

describe('Connect.getAuth', () => {
  it('says what is missing', async () => {
    await assert.rejects(connect.getAuth({ id: 'nothing', accountId }), { code: 'unknown_integration' })
    await assert.rejects(getAuth(), { code: 'not_connected', details: { integration, accountId } })
    await connectDirectly(connect, { integration, accountId })
    await getAuth({ scopes: ['read'] })
    await assert.rejects(getAuth({ scopes: ['read', 'admin'] }), {
      code: 'insufficient_scope',
      details: { integration, accountId, missingScopes: ['admin'], scopes: ['read', 'write', 'admin'] },
    })
  })

  it('asks the provider about a refused key before it gives it up', async () => {
    integration = 'keys'
    keyServer.keys.set('key-canary-9', 'ada')
    const caller = await mint(connect, { integrations: [integration], accountId })
    const flow = await connect.begin(caller, { flowId: createFlowId(), integration })
    const values = { region: 'eu', apiKey: 'key-canary-9' }
    await connect.submit(caller, { flowId: flow.id, version: 1, method: 'apiKey', values })
    const { tokenHash: rejectedTokenHash } = await getAuth()

    assert.equal(
      (await getAuth({ rejectedTokenHash })).tokenHash,
      rejectedTokenHash,
      'the provider still takes it',
    )
    const answer = keyServer.reply
    keyServer.reply = () => ({ status: 500 })
    await assert.rejects(getAuth({ rejectedTokenHash }), { code: 'refresh_failed', retryable: true })
    keyServer.reply = answer
    keyServer.keys.delete('key-canary-9')
    assert.equal((await getAuth({ rejectedTokenHash: 'another' })).tokenHash, rejectedTokenHash)
    const asked = keyServer.requests.length
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => getAuth({ rejectedTokenHash })))
    assert.equal(keyServer.requests.length - asked, 1)
    for (const result of results)
      assert.equal(result.status === 'rejected' && result.reason.code, 'needs_reauth')
  })

  it('leaves no access or refresh token in the database, the logs or what the host is told', async () => {
    await connectDirectly(connect, { integration, accountId })
    await expire()
    const plaintext = await token()
    const raw = await bench.rawBytes()
    assert.ok(raw.includes(accountId), 'the canary would be seen')
    assert.match(plaintext, /^at-canary/)
    for (const canary of ['at-canary', 'rt-canary', 'key-canary'])
      assert.equal(raw.includes(canary), false, canary)
    const told = JSON.stringify([bench.changes, other.changes, bench.logged, other.logged])
    assert.equal(/-canary-/.test(told), false)
  })
})

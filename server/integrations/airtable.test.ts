import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { isAuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { withEnvironment } from '../fixtures/with-environment.ts'
import { refreshTokens } from '../oauth/refresh.ts'
import { startSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import { Airtable, type AirtableOptions } from './airtable.ts'
import {
  connectAt,
  createDirectIO,
  createTestFetch,
  keyOf,
  oauthOf,
  redirectUri,
  type Connected,
} from './fixtures/acting.ts'

const code = (error: unknown): ErrorCode | undefined => (isAuthFlowError(error) ? error.code : undefined)
const baseId = 'appAcme0000000001'
const tablePath = `/v0/${baseId}/Orders`

type Order = { Name: string; Amount: number }

describe('Airtable', () => {
  const fetch = createTestFetch()
  let sandbox: Sandbox
  let airtable: Airtable<'airtable-customers'>
  let ada: Connected
  before(async () => {
    sandbox = await startSandbox({ redirectUris: [redirectUri] })
    const { client, endpoints } = sandbox.airtable
    const oauth = { ...client, scopes: ['data.records:read', 'data.records:write'] }
    airtable = new Airtable({ id: 'airtable-customers', connect: true, oauth, endpoints })
    airtable.useFetch(fetch)
    ada = await connectAt(airtable, sandbox.airtable, { fetch })
  })
  beforeEach(() => sandbox.airtable.faults.clear())
  after(async () => {
    await sandbox.close()
    await fetch.close()
  })

  const acting = (io = createDirectIO(), auth = ada.auth) => airtable.cloneForRun(io, 'airtable', auth)
  const orders = (io = createDirectIO(), auth = ada.auth) =>
    acting(io, auth).base(baseId).table<Order>('Orders')

  describe('connecting', () => {
    it('knows the user and when the token ends', () => {
      assert.deepEqual(ada.auth.identity, { id: 'usrada00000000000', label: 'usrada00000000000' })
      assert.deepEqual(ada.auth.scopes, ['data.records:read', 'data.records:write'])
      const lifetime = Date.parse(ada.auth.expiresAt ?? '') - Date.now()
      assert.ok(lifetime > 3_590_000 && lifetime <= 3_600_000)
    })

    it('requires PKCE, proves itself by Basic and rotates strictly', async () => {
      const { pkce, clientAuth, rotation } = oauthOf(airtable)
      assert.deepEqual([pkce, clientAuth, rotation], ['S256', 'basic', 'strict'])
      const { tokens } = await connectAt(airtable, sandbox.airtable, { fetch, person: 'grace' })
      const endpoint = { method: oauthOf(airtable), fields: {}, fetch }
      const next = await refreshTokens(endpoint, tokens.refreshToken ?? '')
      await assert.rejects(
        refreshTokens(endpoint, tokens.refreshToken ?? ''),
        (error) => code(error) === 'needs_reauth',
      )
      await assert.rejects(
        refreshTokens(endpoint, next.refreshToken),
        (error) => code(error) === 'needs_reauth',
      )
    })

    it('shows the e-mail address where the scope allows it', async () => {
      const { client, endpoints } = sandbox.airtable
      const oauth = { ...client, scopes: ['user.email:read'] }
      const own = new Airtable({ id: 'airtable-email', connect: true, oauth, endpoints })
      assert.equal(
        (await connectAt(own, sandbox.airtable, { fetch })).auth.identity.label,
        'ada@stand-in.example',
      )
    })

    it('checks a personal access token with Airtable before it is kept, and says at the field when it is refused', async () => {
      const method = keyOf(airtable)
      const token = sandbox.airtable.personalAccessTokens['grace'] ?? ''
      const { values, errors } = method.fields.parse({ apiKey: ` ${token}\n` })
      assert.deepEqual([values, errors], [{ apiKey: token }, []])
      assert.equal((await method.verify({ fetch, fields: values })).identity.label, 'grace@stand-in.example')
      const wrong = `pat${'A'.repeat(14)}.${'0'.repeat(64)}`
      await assert.rejects(method.verify({ fetch, fields: { apiKey: wrong } }), (error) => {
        if (!isAuthFlowError(error) || error.code !== 'credentials_rejected') return false
        const [field] = error.details.fields ?? []
        return field?.field === 'apiKey' && field.reason === 'rejected' && !field.message.includes(wrong)
      })
      assert.deepEqual(
        method.fields.parse({ apiKey: 'key1234567890' }).errors.map(({ reason }) => reason),
        ['pattern'],
      )
      sandbox.airtable.faults.next({ status: 503 })
      await assert.rejects(
        method.verify({ fetch, fields: values }),
        (error) => code(error) === 'provider_unavailable',
      )
    })
  })

  describe('tasks', () => {
    it('creates, reads, changes and deletes records through the SDK', async () => {
      const io = createDirectIO()
      const table = orders(io)
      const [first, second] = await table.createRecords('create', [
        { fields: { Name: 'One', Amount: 1 } },
        { fields: { Name: 'Two', Amount: 2 } },
      ])
      assert.ok(first && second)
      assert.deepEqual(await table.getRecord('get', first.id), {
        id: first.id,
        fields: { Name: 'One', Amount: 1 },
      })
      const changed = await table.updateRecords('update', [{ id: second.id, fields: { Amount: 22 } }])
      assert.deepEqual(changed, [{ id: second.id, fields: { Name: 'Two', Amount: 22 } }])
      const name: string | undefined = changed[0]?.fields.Name
      assert.equal(name, 'Two')
      assert.deepEqual(await table.deleteRecords('delete', [first.id]), [{ id: first.id }])
      assert.deepEqual(
        (await table.getRecords('list')).map(({ id }) => id),
        [second.id],
      )
      assert.deepEqual(io.tasks[0]?.options?.params, {
        base: baseId,
        table: 'Orders',
        input: [{ fields: { Name: 'One', Amount: 1 } }, { fields: { Name: 'Two', Amount: 2 } }],
      })
      assert.equal(
        io.tasks.every(({ options }) => options?.connectionKey === 'airtable'),
        true,
      )
    })

    it('reads all pages, and only so many records as asked for', async () => {
      const table = acting().base(baseId).table('Pages & more')
      for (const round of [1, 2, 3]) {
        await table.createRecords(
          `fill-${round}`,
          Array.from({ length: 5 }, (_, index) => ({ fields: { Row: round * 10 + index } })),
        )
      }
      const all = await table.getRecords('all', {
        pageSize: 4,
        fields: ['Row'],
        sort: [{ field: 'Row', direction: 'asc' }],
      })
      assert.deepEqual(
        all.map(({ fields }) => fields['Row']),
        [10, 11, 12, 13, 14, 20, 21, 22, 23, 24, 30, 31, 32, 33, 34],
      )
      assert.equal((await table.getRecords('some', { maxRecords: 3 })).length, 3)
      const counts = sandbox.airtable.counts()
      assert.equal(counts[`GET /v0/${baseId}/Pages%20%26%20more`], 5)
    })

    it('takes at most ten records at once', async () => {
      const io = createDirectIO()
      for (const size of [0, 11]) {
        const records = Array.from({ length: size }, () => ({ fields: { Name: 'x' } }))
        await assert.rejects(
          orders(io).createRecords(`c${size}`, records),
          (error) => code(error) === 'invalid_input',
        )
      }
      assert.deepEqual(io.tasks[0]?.verdict, { skipRetrying: true })
    })

    it('acts with a personal access token as well, and gives the SDK to tasks of one’s own', async () => {
      const apiKey = sandbox.airtable.personalAccessTokens['ada'] ?? ''
      const own = airtable.cloneForRun(createDirectIO(), 'airtable', { ...ada.auth, type: 'apiKey', apiKey })
      const id = await own.runTask('own', async (client) => {
        const record = await client.base(baseId)('Orders').create({ Name: 'Own' })
        return record.id
      })
      assert.match(id, /^rec/)
    })
  })

  describe('when Airtable refuses', () => {
    const ask = async (auth = ada.auth) => {
      const io = createDirectIO()
      const error: unknown = await orders(io, auth)
        .getRecords('list')
        .then(
          () => assert.fail('answered'),
          (reason: unknown) => reason,
        )
      return {
        error: isAuthFlowError(error) ? error : assert.fail(String(error)),
        verdict: io.tasks[0]?.verdict,
      }
    }

    it('waits 30 seconds after too many requests, and does not try by itself', async () => {
      const before = sandbox.airtable.counts()[`GET ${tablePath}`] ?? 0
      sandbox.airtable.faults.next({ rateLimitSeconds: 0 })
      const { error, verdict } = await ask()
      assert.deepEqual([error.code, error.details.retryAfterMs], ['rate_limited', 30_000])
      assert.ok(
        verdict && 'retryAt' in verdict && Math.abs(verdict.retryAt.getTime() - Date.now() - 30_000) < 500,
      )
      assert.equal(sandbox.airtable.counts()[`GET ${tablePath}`], before + 1)
    })

    it('survives garbage, an answer without records, a lost answer and a failure', async () => {
      sandbox.airtable.faults.next({ garbage: true })
      assert.equal((await ask()).error.code, 'provider_reply_invalid')
      sandbox.airtable.faults.next({ status: 200 })
      assert.equal((await ask()).error.code, 'provider_reply_invalid')
      sandbox.airtable.faults.next({ lost: true })
      assert.equal((await ask()).error.code, 'provider_unavailable')
      sandbox.airtable.faults.next({ status: 503 })
      const { error, verdict } = await ask()
      assert.deepEqual([error.code, verdict], ['provider_unavailable', undefined])
    })

    it('does not retry other refusals, and leaves a dead token to the engine', async () => {
      const io = createDirectIO()
      const foreign = acting(io).base('appGlobex00000001').table('Orders')
      await assert.rejects(
        foreign.getRecords('list'),
        (error) => isAuthFlowError(error) && error.details.status === 403,
      )
      await assert.rejects(
        orders(io).getRecord('get', 'recNone'),
        (error) => isAuthFlowError(error) && error.details.status === 404,
      )
      assert.deepEqual(
        io.tasks.map(({ verdict }) => verdict),
        [{ skipRetrying: true }, { skipRetrying: true }],
      )
      const dead = await ask({ ...ada.auth, accessToken: 'planted' })
      assert.deepEqual([dead.error.details.status, dead.verdict], [401, undefined])
      assert.doesNotMatch(`${dead.error.stack}${JSON.stringify(dead.error)}`, /planted/)
    })

    it('goes where the constructor says, whatever the environment says', async () => {
      const elsewhere = { AIRTABLE_ENDPOINT_URL: 'http://127.0.0.1:9' }
      assert.ok(Array.isArray(await withEnvironment(elsewhere, () => orders().getRecords('list'))))
    })

    it('reaches nothing that the server does not allow', async () => {
      const { endpoints } = sandbox.airtable
      const strict = new Airtable({ id: 'strict', token: 'x', endpoints })
      const table = strict.cloneForRun(createDirectIO(), 'airtable').base(baseId).table('Orders')
      await assert.rejects(table.getRecords('list'), (error) => code(error) === 'blocked_host')
    })
  })
})

describe('new Airtable()', () => {
  const app = { clientId: 'id', clientSecret: 'secret', scopes: ['data.records:read'] }
  const refusal = (options: AirtableOptions): (string | undefined)[] => {
    try {
      new Airtable(options)
    } catch (error) {
      if (isAuthFlowError(error)) return [error.code, error.details.option, error.details.integration]
    }
    return assert.fail('was accepted')
  }

  it('offers the choice of OAuth and a personal access token', () => {
    const methods = (options: AirtableOptions) =>
      new Airtable(options).connect?.methods.map((method) => method.id)
    assert.deepEqual(methods({ id: 'a', connect: true, oauth: app }), ['oauth2', 'apiKey'])
    assert.deepEqual(methods({ id: 'a', connect: true, oauth: app, personalAccessToken: false }), ['oauth2'])
    assert.deepEqual(methods({ id: 'a', connect: true }), ['apiKey'])
    assert.equal(new Airtable({ id: 'a', token: 'pat1' }).authSource, 'LOCAL')
  })

  it('names what is missing', () => {
    const unset = process.env['AUTHFLOW_TEST_UNSET']
    assert.deepEqual(refusal({ id: 'a', token: unset }), ['missing_option', 'token', 'a'])
    assert.deepEqual(refusal({ id: 'a', connect: true, oauth: { ...app, clientId: unset } }), [
      'missing_option',
      'oauth.clientId',
      'a',
    ])
    assert.deepEqual(refusal({ id: 'a', connect: true, personalAccessToken: false }), [
      'missing_option',
      'oauth',
      'a',
    ])
    assert.deepEqual(refusal({ id: 'a' }), ['missing_option', 'token', 'a'])
  })
})

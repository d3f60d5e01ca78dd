import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { ApiKeyAuth, Auth, OAuth2Auth } from '../../shared/auth.ts'
import { AuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { backends } from '../connect/fixtures/backends.ts'
import type { Integration } from '../integrations/integration.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import type { AuthResolver } from './auth-resolvers.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, RunContext } from './job.ts'
import { runs, tasks } from './records.ts'

const posts: string[] = []
/** Seconds for a pass to end in, however slow the store is. */
const longEnough = 1.5
/** Secrets that the provider takes. */
const good = new Set<string>()

/** An integration of the guide's shape, with both kinds of auth. */
class Notes implements Integration<string, OAuth2Auth | ApiKeyAuth> {
  readonly id: string
  readonly metadata = { id: 'notes', name: 'Notes' }
  readonly authSource: 'LOCAL' | 'HOSTED'
  readonly #bound: { io: IO; key: string; secret: string; place: string } | undefined

  constructor(
    id: string,
    authSource: 'LOCAL' | 'HOSTED' = 'HOSTED',
    bound?: { io: IO; key: string; secret: string; place: string },
  ) {
    this.id = id
    this.authSource = authSource
    this.#bound = bound
  }

  cloneForRun(io: IO, key: string, auth?: OAuth2Auth | ApiKeyAuth): Notes {
    const secret = auth === undefined ? 'own' : auth.type === 'apiKey' ? auth.apiKey : auth.accessToken
    const place = auth?.fields['shop'] ?? '-'
    return new Notes(this.id, this.authSource, { io, key, secret, place })
  }

  async post(key: string, text: string): Promise<string> {
    if (this.#bound === undefined) throw new Error('not bound')
    const { io, key: connectionKey, secret, place } = this.#bound
    return io.runTask(
      key,
      () => {
        if (!good.has(secret)) throw Object.assign(new Error(`refused ${secret}`), { status: 401 })
        posts.push(`${text} by ${secret} at ${place}`)
        return text
      },
      { connectionKey },
    )
  }
}

const connected: OAuth2Auth = {
  type: 'oauth2',
  accessToken: 'connected-token',
  connectionId: 'c1',
  fields: {},
  scopes: [],
  expiresAt: null,
  identity: { id: 'U1', label: 'Ada' },
  tokenHash: 'hash',
}

for (const backend of backends) {
  describe(`auth resolvers, on ${backend.name}`, { skip: backend.skip }, () => {
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let fixture: EngineFixture
    let account: Auth | ErrorCode = 'not_connected'
    const first = new Notes('first')
    const second = new Notes('second')
    const asked: string[] = []

    beforeEach(async () => {
      directory = createDirectory()
      url = backend.open()
      account = 'not_connected'
      for (const list of [posts, asked]) list.length = 0
      good.clear()
      for (const secret of ['token-of-ada', 'connected-token', 'own', 'fresh-token']) good.add(secret)
      fixture = await openEngine(directory.path, {
        storeUrl: url,
        integrations: [first, second],
        resolveAuth: () =>
          typeof account === 'string' ? Promise.reject(new AuthFlowError(account)) : Promise.resolve(account),
      })
      await fixture.engine.start()
    })
    afterEach(async () => {
      await fixture.close()
      await backend.drop(url)
      directory.remove()
    })

    type Used = { readonly first: Notes; readonly second: Notes }
    async function start(
      work: (io: IO & Used, ctx: RunContext) => Promise<void>,
      { accountId = 'ada', used = { first, second } }: { accountId?: string | undefined; used?: Used } = {},
    ): Promise<string> {
      fixture.engine.defineJob({
        id: 'job',
        name: 'Job',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'job' }),
        integrations: used,
        run: async (_, io, ctx) => work(io, ctx),
      })
      const options = accountId === '' ? {} : { accountId }
      const [id] = (await fixture.engine.sendEvent({ name: 'job', payload: null }, options)).runIds
      assert.ok(id !== undefined)
      return id
    }

    const tokenOf: AuthResolver<Notes> = (ctx, { id }) => {
      asked.push(`${id} for ${ctx.account?.id ?? 'nobody'}`)
      return { type: 'oauth', token: `token-of-${ctx.account?.id ?? 'nobody'}` }
    }

    it('give credentials of accounts that are not connected, once a pass and only where they are used', async () => {
      fixture.engine.defineAuthResolver(first, tokenOf)
      fixture.engine.defineAuthResolver(second, tokenOf)
      const id = await start(async (io) => {
        await io.first.post('one', 'a')
        await io.first.post('two', 'b')
        await io.wait('nap', longEnough)
        await io.first.post('three', 'c')
        await io.wait('again', longEnough)
      })
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(
        posts,
        ['a', 'b', 'c'].map((text) => `${text} by token-of-ada at -`),
      )
      // The last pass did nothing new, so nobody was asked.
      assert.deepEqual(asked, ['first for ada', 'first for ada'])
    })

    it('are asked side by side', async () => {
      let waiting = 0
      let most = 0
      const slow: AuthResolver<Notes> = async (ctx, integration) => {
        most = Math.max(most, (waiting += 1))
        await until('both are asked', () => most === 2)
        waiting -= 1
        return {
          ...(await tokenOf(ctx, integration)),
          identity: { id: `${integration.id}-id`, label: 'Ada' },
        }
      }
      fixture.engine.defineAuthResolver(first, slow)
      fixture.engine.defineAuthResolver(second, slow)
      const id = await start(async (io) => {
        await Promise.all([io.first.post('one', 'a'), io.second.post('two', 'b')])
      })
      await reaches(fixture.engine, id, 'succeeded')
      assert.equal(posts.length, 2)
      // Both stay who they were, although both were noted down at once.
      assert.deepEqual((await fixture.store.get(runs, id))?.identities, {
        'resolver/first': 'first-id',
        'resolver/second': 'second-id',
      })
    })

    it('come after a connection and before an integration’s own credentials', async () => {
      account = connected
      const local = new Notes('local', 'LOCAL')
      fixture.engine.defineAuthResolver(first, tokenOf)
      fixture.engine.defineAuthResolver(local, () => ({
        type: 'apiKey',
        token: 'token-of-ada',
        additionalFields: { shop: 'acme' },
      }))
      const id = await start(
        async (io) => {
          await io.first.post('one', 'connected')
          await io.second.post('two', 'local')
        },
        { used: { first, second: local } },
      )
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(posts, ['connected by connected-token at -', 'local by token-of-ada at acme'])
      assert.deepEqual(asked, [])
    })

    it('leave integrations without one to their own credentials', async () => {
      const local = new Notes('local', 'LOCAL')
      const id = await start((io) => io.second.post('one', 'a').then(() => undefined), {
        used: { first, second: local },
      })
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(posts, ['a by own at -'])
    })

    it('serve runs without an account', async () => {
      good.add('token-of-nobody')
      fixture.engine.defineAuthResolver(first, tokenOf)
      const id = await start((io) => io.first.post('one', 'a').then(() => undefined), { accountId: '' })
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(asked, ['first for nobody'])
    })

    it('may say oauth or oauth2 of a token', async () => {
      fixture.engine.defineAuthResolver(first, () => ({ type: 'oauth', token: 'own' }))
      fixture.engine.defineAuthResolver(second, () => ({ type: 'oauth2', token: 'own' }))
      const seen: Auth[] = []
      const id = await start(async (io) => {
        seen.push(await io.getAuth(first), await io.getAuth(second))
      })
      await reaches(fixture.engine, id, 'succeeded')
      const [one, other] = seen.map((auth) => auth.type === 'oauth2' && auth.accessToken)
      assert.deepEqual([one, other], ['own', 'own'])
    })

    it('stay with a run that began with them, and connections with theirs', async () => {
      fixture.engine.defineAuthResolver(first, tokenOf)
      const id = await start(async (io) => {
        await io.first.post('one', 'a')
        await io.wait('nap', longEnough)
        await io.first.post('two', 'b')
      })
      await until('the first is posted', () => posts.length === 1)
      account = connected
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(posts, ['a by token-of-ada at -', 'b by token-of-ada at -'])
      const other = (await fixture.engine.sendEvent({ name: 'job', payload: null }, { accountId: 'ada' }))
        .runIds[0]
      await until('the third is posted', () => posts.length === 3)
      account = 'not_connected'
      await reaches(fixture.engine, other, 'waiting_for_connection')
      assert.equal(posts[2], 'a by connected-token at -')
    })

    it('are asked again when the provider refuses, and then believed', async () => {
      let token = 'stale-token'
      fixture.engine.defineAuthResolver(first, () => {
        const given = token
        token = 'fresh-token'
        return { type: 'oauth2', token: given }
      })
      const id = await start((io) => io.first.post('one', 'a').then(() => undefined))
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(posts, ['a by fresh-token at -'])
    })

    it('that fail are coded errors that say what to do, and the run can be resumed', async () => {
      let isDown = true
      fixture.engine.defineAuthResolver(first, (ctx, integration) => {
        if (isDown) throw new Error('password=hunter2 at 10.0.0.5') // the resolver
        return tokenOf(ctx, integration)
      })
      const id = await start((io) => io.first.post('one', 'a').then(() => undefined))
      const { error } = await reaches(fixture.engine, id, 'failed')
      assert.equal(error?.code, 'unresolved_auth')
      assert.match(error.message, /auth resolver of first threw an error.*resume the run.*job job/)
      // What the host's own code says may be seen by the host alone.
      assert.doesNotMatch(error.message, /hunter2/)
      const line = fixture.lines.find(({ message }) => message === 'an auth resolver threw')
      assert.equal(line?.facts['integration'], 'first')
      isDown = false
      await fixture.engine.resumeRun(id)
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(posts, ['a by token-of-ada at -'])
    })

    it('may ask for time by a retryable error', async () => {
      let calls = 0
      fixture.engine.defineAuthResolver(first, (ctx, integration) => {
        calls += 1
        if (calls === 1) throw new AuthFlowError('provider_unavailable')
        return tokenOf(ctx, integration)
      })
      const id = await start((io) => io.first.post('one', 'a').then(() => undefined))
      await reaches(fixture.engine, id, 'waiting')
      assert.equal((await fixture.store.get(runs, id))?.state, 'waiting')
      await fixture.engine.cancelRun(id)
    })

    const wrong: Readonly<Record<string, readonly [unknown, RegExp]>> = {
      nothing: [undefined, /gave nothing/],
      null: [null, /gave nothing/],
      'a bare token': ['token-of-ada', /gave nothing/],
      'another type': [{ type: 'cookie', token: 'x' }, /another type than/],
      'no token': [{ type: 'oauth2' }, /gave no token/],
      'an empty token': [{ type: 'apiKey', token: '' }, /gave no token/],
      'no password': [{ type: 'basic', username: 'a' }, /no username and password/],
      'fields that are no text': [
        { type: 'oauth2', token: 'x', additionalFields: { shop: 1 } },
        /another shape/,
      ],
      'scopes that are no list': [{ type: 'oauth2', token: 'x', scopes: 'a b' }, /another shape/],
      'an identity without a label': [
        { type: 'oauth2', token: 'x', identity: { id: 'U1' } },
        /another shape/,
      ],
    }
    for (const [name, [answer, says]] of Object.entries(wrong)) {
      it(`refuse ${name}`, async () => {
        fixture.engine.defineAuthResolver(first, () => answer as ReturnType<AuthResolver<Notes>>)
        const id = await start((io) => io.first.post('one', 'a').then(() => undefined))
        const { error } = await reaches(fixture.engine, id, 'failed')
        assert.equal(error?.code, 'unresolved_auth')
        assert.match(error.message, says)
        assert.match(error.message, /resolver of first .*job job/)
      })
    }

    it('notice another identity in a later pass', async () => {
      let who = 'U1'
      fixture.engine.defineAuthResolver(first, (ctx, integration) => ({
        ...(tokenOf(ctx, integration) as { type: 'oauth'; token: string }),
        identity: { id: who, label: 'Ada' },
      }))
      const id = await start(async (io) => {
        await io.first.post('one', 'a')
        await io.wait('nap', longEnough)
        await io.first.post('two', 'b')
      })
      await until('the first is posted', () => posts.length === 1)
      who = 'U2'
      assert.equal((await reaches(fixture.engine, id, 'failed')).error?.code, 'identity_changed')
    })

    it('leave no trace of what they gave: not in the store, in errors, or in log lines', async () => {
      const canary = 'CANARY"TOKEN\\1'
      good.add(canary)
      fixture.engine.defineAuthResolver(first, () => ({ type: 'oauth2', token: canary }))
      const told: unknown[] = []
      fixture.engine.defineJob({
        id: 'leaky',
        name: 'Leaky',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'leaky' }),
        integrations: { first },
        run: async (_, io) => {
          await io.first.post('one', 'a')
          await io.logger.info(`with ${canary}`, { canary })
          await io
            .runTask('breaks', () => {
              throw new Error(`bad ${canary}`)
            })
            .catch((error: unknown) => told.push(error))
          throw new Error(`worse ${canary}`)
        },
        onFailure: ({ error }) => void told.push(error),
      })
      const sent = await fixture.engine.sendEvent({ name: 'leaky', payload: null }, { accountId: 'ada' })
      const id = sent.runIds[0] ?? ''
      const { error } = await reaches(fixture.engine, id, 'failed')
      await until('it was told', () => told.length === 2)
      assert.equal(error?.message, 'worse [redacted]')
      const stored = [await fixture.store.get(runs, id), ...(await fixture.store.range(tasks, '', '~', 10))]
      const lines = await fixture.engine.getRunLog(id)
      assert.deepEqual(
        lines.map(({ message, facts }) => [message, facts]),
        [['with [redacted]', { canary: '[redacted]' }]],
      )
      const seen = [stored, lines, fixture.lines, error, told].map((each) =>
        JSON.stringify(each, (_, value: unknown) =>
          value instanceof Error ? { message: value.message, stack: value.stack } : value,
        ),
      )
      assert.doesNotMatch(seen.join(), /CANARY/)
    })

    it('and connections are what io.getAuth gives inside a task, of the integrations of the job', async () => {
      fixture.engine.defineAuthResolver(first, tokenOf)
      const seen: unknown[] = []
      const codeOf = (error: unknown): void =>
        void seen.push(error instanceof AuthFlowError && [error.code, error.message.includes('job job')])
      const id = await start(async (io) => {
        await io.runTask('own call', async () => {
          const auth = await io.getAuth(first)
          seen.push(auth.type === 'oauth2' && auth.accessToken)
        })
        await io.getAuth(new Notes('third')).catch(codeOf)
        await io.getAuth(JSON.parse('null') as Notes).catch(codeOf)
        await io.wait('nap', longEnough)
        // Not connected, and nobody else has any: the run waits.
        await io.runTask('other call', async () => void (await io.getAuth(second)))
      })
      await reaches(fixture.engine, id, 'waiting_for_connection')
      const codes = [
        ['unknown_integration', true],
        ['invalid_input', true],
      ]
      assert.deepEqual(seen.slice(0, 3), ['token-of-ada', ...codes])
      account = connected
      await fixture.engine.connectionChanged({
        type: 'connected',
        integration: 'second',
        accountId: 'ada',
        identityId: 'U1',
      })
      await reaches(fixture.engine, id, 'succeeded')
      assert.doesNotMatch(
        JSON.stringify(await fixture.engine.describeRun(id)),
        /token-of-ada|connected-token/,
      )
    })

    it('are refused at their definition where they cannot work', () => {
      const { engine } = fixture
      engine.defineAuthResolver(first, tokenOf)
      assert.throws(() => engine.defineAuthResolver(first, tokenOf), {
        code: 'invalid_input',
        message: /first has a resolver already/,
      })
      assert.throws(() => engine.defineAuthResolver(new Notes('first'), tokenOf), {
        code: 'unknown_integration',
      })
      assert.throws(() => engine.defineAuthResolver(JSON.parse('null') as Notes, tokenOf), {
        code: 'unknown_integration',
      })
      assert.throws(
        () => engine.defineAuthResolver(second, JSON.parse('{"type":"oauth"}') as AuthResolver<Notes>),
        { code: 'invalid_input', message: /second needs a function/ },
      )
    })
  })
}

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Connection, OAuth2Auth } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import type { Integration } from '../integrations/integration.ts'
import type { ResolveAuth } from './engine.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, Json } from './job.ts'
import { runs } from './records.ts'

/** Longer than a crowded machine may hold a pass up after its grace: else the same pass goes on, with what it has. */
const napSeconds = 1

/** A provider in this process: knows which tokens are good, and what was posted with them. */
class Provider {
  readonly posts: string[] = []
  readonly good = new Set<string>()

  post(token: string, text: string): string {
    if (!this.good.has(token)) throw Object.assign(new Error(`401 for ${token}`), { status: 401 })
    this.posts.push(`${text} by ${token}`)
    return text
  }
}

interface ChatClient {
  post(text: string): string
}

/** An integration in the guide's shape: the client is made when it is cloned, and there is none without auth. */
class Chat implements Integration<'chat', OAuth2Auth> {
  readonly id = 'chat'
  readonly metadata = { id: 'chat', name: 'Chat' }
  readonly authSource = 'HOSTED'
  readonly #provider: Provider
  #bound: { io: IO; key: string; client: ChatClient } | undefined
  clones = 0

  constructor(provider: Provider) {
    this.#provider = provider
  }

  cloneForRun(io: IO, connectionKey: string, auth?: OAuth2Auth): Chat {
    if (auth === undefined) throw new Error('No auth')
    this.clones += 1
    const clone = new Chat(this.#provider)
    const provider = this.#provider
    clone.#bound = {
      io,
      key: connectionKey,
      client: { post: (text) => provider.post(auth.accessToken, text) },
    }
    return clone
  }

  post(key: string, text: string): Promise<string> {
    if (this.#bound === undefined) throw new Error('not bound')
    const { io, client, key: connectionKey } = this.#bound
    return io.runTask(key, () => client.post(text), { connectionKey, retry: { limit: 3, minTimeoutInMs: 1 } })
  }

  channel(name: string): { post: (key: string, text: string) => Promise<string> } {
    return { post: (key, text) => this.post(key, `${name}: ${text}`) }
  }
}

/** The same, but its client is made when a task needs it, as the integrations of this package do. */
class LateChat implements Integration<'chat', OAuth2Auth> {
  readonly id = 'chat'
  readonly metadata = { id: 'chat', name: 'Chat' }
  readonly authSource = 'HOSTED'
  readonly #provider: Provider
  #bound: { io: IO; key: string; auth: OAuth2Auth | undefined } | undefined

  constructor(provider: Provider) {
    this.#provider = provider
  }

  cloneForRun(io: IO, connectionKey: string, auth?: OAuth2Auth): LateChat {
    const clone = new LateChat(this.#provider)
    clone.#bound = { io, key: connectionKey, auth }
    return clone
  }

  async post(key: string, text: string): Promise<string> {
    if (this.#bound === undefined) throw new Error('not bound')
    const { io, auth, key: connectionKey } = this.#bound
    return io.runTask(key, () => this.#provider.post(auth?.accessToken ?? 'none', text), { connectionKey })
  }
}

/** What the connect service would answer, under the test's control. */
class Accounts {
  readonly requests: Parameters<ResolveAuth>[0][] = []
  readonly #states = new Map<string, { token: string; identity: string; state: Connection['state'] }>()
  /** Called before an answer that there is no connection. */
  beforeRefusal: (() => Promise<void>) | undefined

  set(
    accountId: string,
    token: string,
    options: { identity?: string; state?: Connection['state'] } = {},
  ): void {
    const { identity = 'U1', state = 'active' } = options
    this.#states.set(accountId, { token, identity, state })
  }

  readonly resolveAuth: ResolveAuth = async (request) => {
    this.requests.push(request)
    const known = this.#states.get(request.accountId)
    if (known?.state !== 'active') {
      const code = known?.state === 'needs_reauth' ? 'needs_reauth' : 'not_connected'
      await this.beforeRefusal?.()
      throw new AuthFlowError(code)
    }
    const { token, identity } = known
    if (request.rejectedTokenHash === `hash of ${token}`) {
      const fresh = `${token}+`
      this.set(request.accountId, fresh, { identity })
      return toAuth(fresh, identity)
    }
    return toAuth(token, identity)
  }

  readonly findConnection = ({ accountId }: { accountId: string }): Promise<Connection | undefined> => {
    const known = this.#states.get(accountId)
    if (known === undefined) return Promise.resolve(undefined)
    const at = new Date().toISOString()
    return Promise.resolve({
      id: 'c',
      integration: 'chat',
      accountId,
      state: known.state,
      method: 'oauth2',
      identity: { id: known.identity, label: known.identity },
      scopes: [],
      fields: {},
      createdAt: at,
      updatedAt: at,
    })
  }
}

const toAuth = (token: string, identity: string): OAuth2Auth => ({
  type: 'oauth2',
  accessToken: token,
  connectionId: 'c',
  fields: {},
  scopes: [],
  expiresAt: null,
  identity: { id: identity, label: identity },
  tokenHash: `hash of ${token}`,
})

const directory = createDirectory()
const provider = new Provider()
const accounts = new Accounts()
const chat = new Chat(provider)
const late = new LateChat(provider)
let fixture: EngineFixture
let count = 0

before(async () => {
  const { resolveAuth, findConnection } = accounts
  fixture = await openEngine(directory.path, { integrations: [chat, late], resolveAuth, findConnection })
  await fixture.engine.start()
})

after(async () => {
  await fixture.close()
  directory.remove()
})

async function send(
  accountId: string | undefined,
  work: (io: IO & { chat: Chat; late: LateChat }) => Promise<Json | void>,
): Promise<string> {
  const id = `job-${(count += 1)}`
  fixture.engine.defineJob({
    id,
    name: id,
    version: '1.0.0',
    trigger: eventTrigger({ name: id }),
    integrations: { chat, late },
    run: (_, io) => work(io),
  })
  const event = await fixture.engine.sendEvent(
    { name: id, payload: null },
    accountId === undefined ? {} : { accountId },
  )
  return event.runIds[0] ?? ''
}

const connect = (accountId: string, identityId = 'U1'): Promise<void> =>
  fixture.engine.connectionChanged({ type: 'connected', integration: 'chat', accountId, identityId })

describe('io.<integration>', () => {
  it('acts as the run’s account, cloned and resolved once per pass and only when used', async () => {
    provider.good.add('ada-1')
    accounts.set('ada', 'ada-1')
    accounts.requests.length = 0
    const clones = chat.clones
    const runId = await send('ada', async (io) => {
      assert.equal(io.chat.id, 'chat')
      assert.ok(io.chat instanceof Chat)
      await io.wait('nap', napSeconds)
      await Promise.all([io.chat.post('one', 'a'), io.chat.post('two', 'b')])
      await io.chat.channel('general').post('three', 'c')
    })
    await reaches(fixture.engine, runId, 'succeeded')
    assert.deepEqual(provider.posts.splice(0).toSorted(), ['a by ada-1', 'b by ada-1', 'general: c by ada-1'])
    assert.equal(accounts.requests.length, 1)
    assert.equal(chat.clones - clones, 1)
  })

  it('never stores credentials, not even from the text of an error', async () => {
    accounts.set('eve', 'eve-secret-token')
    const runId = await send('eve', async (io) => void (await io.late.post('x', 'x')))
    const summary = await reaches(fixture.engine, runId, 'failed')
    assert.equal(summary.error?.message, '401 for [redacted]+')
    const record = await fixture.store.get(runs, runId)
    assert.ok(!JSON.stringify(record).includes('eve-secret'))
  })

  it('refreshes once when the provider refuses the token, and makes the call again', async () => {
    provider.good.add('bob-1+')
    accounts.set('bob', 'bob-1')
    accounts.requests.length = 0
    const runId = await send('bob', async (io) => io.chat.post('p', 'hello'))
    const summary = await reaches(fixture.engine, runId, 'succeeded')
    assert.deepEqual(provider.posts.splice(0), ['hello by bob-1+'])
    assert.deepEqual(
      accounts.requests.map(({ rejectedTokenHash }) => rejectedTokenHash),
      [undefined, 'hash of bob-1'],
    )
    assert.equal(summary.tasks[0]?.attempts, 1)
  })

  it('does not refresh a second time, nor retry what fresh credentials can’t do', async () => {
    accounts.set('mallory', 'm')
    accounts.requests.length = 0
    const runId = await send('mallory', async (io) => io.chat.post('p', 'hello'))
    await reaches(fixture.engine, runId, 'failed')
    assert.equal(accounts.requests.length, 2)
  })

  it('needs no credentials to bring results back', async () => {
    provider.good.add('ann-1')
    accounts.set('ann', 'ann-1')
    const runId = await send('ann', async (io) => {
      const text = await io.late.post('p', 'kept')
      accounts.set('ann', 'ann-1', { state: 'needs_reauth' })
      await io.wait('nap', napSeconds)
      await io.runTask('rest', () => text)
    })
    await reaches(fixture.engine, runId, 'succeeded')
    assert.deepEqual(provider.posts.splice(0), ['kept by ann-1'])
  })

  it('fails for a run without an account', async () => {
    const summary = await reaches(
      fixture.engine,
      await send(undefined, async (io) => io.chat.post('p', 'x')),
      'failed',
    )
    assert.equal(summary.error?.code, 'not_connected')
  })
})

describe('a run without a usable connection', () => {
  it('parks, keeps what it did, and goes on when the account connects', async () => {
    const calls: string[] = []
    const runId = await send('new', async (io) => {
      await io.runTask('before', () => void calls.push('before'))
      await io.chat.post('p', 'hi')
    })
    await reaches(fixture.engine, runId, 'waiting_for_connection')
    provider.good.add('new-1')
    accounts.set('new', 'new-1', { identity: 'any' })
    await connect('new', 'any')
    await reaches(fixture.engine, runId, 'succeeded')
    assert.deepEqual(calls, ['before'])
    assert.deepEqual(provider.posts.splice(0), ['hi by new-1'])
  })

  it('notices a connect between its look and its parking', async () => {
    provider.good.add('racer-1')
    accounts.beforeRefusal = async () => {
      accounts.beforeRefusal = undefined
      accounts.set('racer', 'racer-1')
      await connect('racer')
    }
    const runId = await send('racer', async (io) => io.chat.post('p', 'fast'))
    await reaches(fixture.engine, runId, 'succeeded')
    assert.deepEqual(provider.posts.splice(0), ['fast by racer-1'])
  })

  it('is found by the sweep when nobody told it', async () => {
    const runId = await send('quiet', async (io) => io.chat.post('p', 'psst'))
    await reaches(fixture.engine, runId, 'waiting_for_connection')
    provider.good.add('quiet-1')
    accounts.set('quiet', 'quiet-1')
    await fixture.engine.sweep()
    await reaches(fixture.engine, runId, 'succeeded')
    provider.posts.length = 0
  })

  it('is found by the sweep when telling it was cut off', async () => {
    const { engine, store } = fixture
    const runId = await send('cut', async (io) => io.chat.post('p', 'psst'))
    await reaches(engine, runId, 'waiting_for_connection')
    provider.good.add('cut-1')
    accounts.set('cut', 'cut-1')
    const list = store.list.bind(store)
    store.list = () => Promise.reject(new AuthFlowError('store_unavailable'))
    const change = { integration: 'chat', accountId: 'cut', identityId: 'U1' }
    await assert.rejects(engine.connectionChanged({ type: 'connected', ...change }))
    store.list = list
    await engine.sweep()
    await reaches(engine, runId, 'succeeded')
    provider.posts.length = 0
  })

  it('stays parked through a needs_reauth, and is cancelled by a disconnect on purpose', async () => {
    accounts.set('gone', 'gone-1', { state: 'needs_reauth' })
    const runId = await send('gone', async (io) => io.chat.post('p', 'x'))
    await reaches(fixture.engine, runId, 'waiting_for_connection')
    const change = { integration: 'chat', accountId: 'gone', identityId: 'U1' }
    await fixture.engine.connectionChanged({ type: 'needs_reauth', ...change })
    await fixture.engine.sweep()
    assert.equal((await fixture.engine.getRun(runId)).state, 'waiting_for_connection')
    await fixture.engine.connectionChanged({ type: 'disconnected', ...change })
    const summary = await reaches(fixture.engine, runId, 'cancelled')
    assert.notEqual(summary.endedAt, null)
    await connect('gone')
    assert.equal((await fixture.engine.getRun(runId)).state, 'cancelled')
  })

  it('is cancelled when the account disconnects on purpose while it runs', async () => {
    provider.good.add('ivy-1')
    accounts.set('ivy', 'ivy-1')
    const runId = await send('ivy', async (io) => {
      await io.chat.post('one', 'before')
      accounts.set('ivy', 'ivy-1', { state: 'disconnected' })
      await io.wait('nap', napSeconds)
      await io.chat.post('two', 'after')
    })
    await reaches(fixture.engine, runId, 'cancelled')
    assert.deepEqual(provider.posts.splice(0), ['before by ivy-1'])
  })

  it('is not woken by another account', async () => {
    const runId = await send('left', async (io) => io.chat.post('p', 'x'))
    await reaches(fixture.engine, runId, 'waiting_for_connection')
    accounts.set('right', 'right-1')
    await connect('right')
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal((await fixture.engine.getRun(runId)).state, 'waiting_for_connection')
  })

  it('wakes many, one after the other', async () => {
    const id = `job-${(count += 1)}`
    let done = 0
    fixture.engine.defineJob({
      id,
      name: id,
      version: '1.0.0',
      trigger: eventTrigger({ name: id }),
      integrations: { chat },
      run: async (_, io) => {
        await io.chat.post('p', 'many')
        done += 1
      },
    })
    await Promise.all(
      Array.from({ length: 60 }, () =>
        fixture.engine.sendEvent({ name: id, payload: null }, { accountId: 'many' }),
      ),
    )
    await until('all are parked', async () => {
      const { items } = await fixture.engine.listRuns({ job: id, limit: 100 })
      return items.every(({ state }) => state === 'waiting_for_connection') ? true : undefined
    })
    provider.good.add('many-1')
    accounts.set('many', 'many-1')
    await connect('many')
    await until('all went on', () => (done === 60 ? true : undefined))
    provider.posts.length = 0
  })
})

describe('the identity of a run', () => {
  it('is the one of its first use: another one fails it', async () => {
    provider.good.add('ida-1')
    provider.good.add('ida-2')
    accounts.set('ida', 'ida-1', { identity: 'U1' })
    const runId = await send('ida', async (io) => {
      await io.chat.post('one', 'first')
      accounts.set('ida', 'ida-2', { identity: 'U2' })
      await io.wait('nap', napSeconds)
      await io.chat.post('two', 'second')
    })
    const summary = await reaches(fixture.engine, runId, 'failed')
    assert.equal(summary.error?.code, 'identity_changed')
    assert.deepEqual(provider.posts.splice(0), ['first by ida-1'])
  })
})

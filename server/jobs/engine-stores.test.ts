// The engine on each of the stores, MongoDB where TEST_MONGODB_URL names one: the same cases, so that nothing above the
// store depends on which one it is.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { ApiKeyAuth, Connection } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import { backends, type Backend } from '../connect/fixtures/backends.ts'
import type { Integration } from '../integrations/integration.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, Json } from './job.ts'
import { parkings, runs } from './records.ts'

const accountId = 'ada'
const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** An integration that needs a connection, in the guide's shape. Notes who posted what. */
class Chat implements Integration<'chat', ApiKeyAuth> {
  readonly id = 'chat'
  readonly metadata = { id: 'chat', name: 'Chat' }
  readonly authSource = 'HOSTED'
  readonly posts: string[]
  readonly #bound: { io: IO; key: string; apiKey: string | undefined } | undefined

  constructor(posts: string[] = [], bound?: { io: IO; key: string; apiKey: string | undefined }) {
    this.posts = posts
    this.#bound = bound
  }

  cloneForRun(io: IO, key: string, auth?: ApiKeyAuth): Chat {
    return new Chat(this.posts, { io, key, apiKey: auth?.apiKey })
  }

  post(taskKey: string, text: string): Promise<void> {
    if (this.#bound === undefined) throw new Error('not bound')
    const { io, key, apiKey } = this.#bound
    const post = (): void => void this.posts.push(`${text} by ${apiKey}`)
    return io.runTask(taskKey, post, { connectionKey: key })
  }
}

type Work = (io: IO & { chat: Chat }, runId: string) => Promise<Json | void>

/** One place to store in, the engines on it, and whether the account is connected. */
class Scene {
  readonly open: EngineFixture[] = []
  readonly #directory = createDirectory()
  readonly #url: string | undefined
  readonly #backend: Backend
  readonly chat = new Chat()
  isConnected = false

  constructor(backend: Backend) {
    this.#backend = backend
    this.#url = backend.open()
  }

  /** One more engine with the job `job`; started. */
  async start(work: Work): Promise<EngineFixture> {
    const fixture = await openEngine(this.#directory.path, {
      storeUrl: this.#url,
      concurrency: 20,
      integrations: [this.chat],
      resolveAuth: () =>
        this.isConnected ? Promise.resolve(auth) : Promise.reject(new AuthFlowError('not_connected')),
      findConnection: () => Promise.resolve(this.isConnected ? connection() : undefined),
    })
    this.open.push(fixture)
    fixture.engine.defineJob({
      id: 'job',
      name: 'Job',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'job' }),
      integrations: { chat: this.chat },
      run: (_, io, { run }) => work(io, run.id),
    })
    await fixture.engine.start()
    return fixture
  }

  async close(): Promise<void> {
    for (const fixture of this.open) await fixture.close()
    await this.#backend.drop(this.#url)
    this.#directory.remove()
  }
}

const identity = { id: 'U1', label: 'Ada' }
const base = { fields: {}, scopes: [], identity }
const auth: ApiKeyAuth = {
  ...base,
  type: 'apiKey',
  apiKey: 'key',
  connectionId: 'c',
  expiresAt: null,
  tokenHash: 'hash',
}

function connection(): Connection {
  const at = new Date().toISOString()
  const facts = { id: 'c', integration: 'chat', accountId, state: 'active', method: 'apiKey' } as const
  return { ...base, ...facts, createdAt: at, updatedAt: at }
}

async function send({ engine }: EngineFixture, count: number): Promise<string[]> {
  const sent = await Promise.all(
    Array.from({ length: count }, () => engine.sendEvent({ name: 'job', payload: null }, { accountId })),
  )
  return sent.flatMap(({ runIds }) => runIds)
}

/** Resolves when all runs have the state. */
async function allReach({ store }: EngineFixture, ids: readonly string[], state: string): Promise<void> {
  await until(
    `all ${ids.length} runs are ${state}`,
    async () => (await store.getMany(runs, ids)).filter((run) => run.state === state).length === ids.length,
    60_000,
  )
}

for (const backend of backends) {
  describe(`an engine on ${backend.name}`, { skip: backend.skip }, () => {
    let scene: Scene

    beforeEach(() => {
      scene = new Scene(backend)
    })
    afterEach(() => scene.close())

    it('makes 300 runs of three tasks with two workers, and each task once', async () => {
      const calls: string[] = []
      const work: Work = async (io, runId) => {
        let sum = 0
        for (const add of [1, 2, 3]) {
          sum += await io.runTask(`add ${add}`, async () => {
            calls.push(`${runId} ${add}`)
            await rest(1)
            return add
          })
        }
        return sum
      }
      const first = await scene.start(work)
      await scene.start(work)
      const ids = await send(first, 300)
      assert.equal(new Set(ids).size, 300)
      await allReach(first, ids, 'succeeded')
      assert.equal(calls.length, 900)
      assert.equal(new Set(calls).size, 900)
      const [run] = await first.store.getMany(runs, ids)
      assert.deepEqual([run?.owner, run?.place, run?.journal?.flat().length], [undefined, undefined, 3])
    })

    it('goes on after a restart where it was', async () => {
      const calls: string[] = []
      let isHeld = true
      const work: Work = async (io) => {
        const before = await io.runTask('before', () => {
          calls.push('before')
          return calls.length
        })
        await io.wait('pause', 0.2)
        while (isHeld && scene.open.length === 1) await rest(5)
        await io.runTask('after', () => void calls.push('after'))
        return before
      }
      const first = await scene.start(work)
      const [id] = await send(first, 1)
      await reaches(first.engine, id, 'waiting')
      await first.engine.stop(100)
      isHeld = false
      const second = await scene.start(work)
      const run = await reaches(second.engine, id, 'succeeded')
      assert.deepEqual(calls, ['before', 'after'])
      assert.deepEqual(
        run.tasks.map(({ key, state }) => [key, state]),
        [
          ['before', 'succeeded'],
          ['pause', 'succeeded'],
          ['after', 'succeeded'],
        ],
      )
    })

    it('parks runs whose account is not connected, over a restart, and wakes them when it connects', async () => {
      const work: Work = async (io, runId) => {
        await io.runTask('before', () => 1)
        await io.chat.post('post', runId)
      }
      const first = await scene.start(work)
      const ids = await send(first, 25)
      await allReach(first, ids, 'waiting_for_connection')
      const [noted] = (await first.store.list(parkings, { index: 'all', equals: 'parking', limit: 10 })).items
      assert.deepEqual([noted?.integration, noted?.accountId], ['chat', accountId])
      await first.engine.stop(1000)

      const second = await scene.start(work)
      await second.engine.sweep()
      await allReach(second, ids, 'waiting_for_connection')
      assert.deepEqual(scene.chat.posts, [])
      scene.isConnected = true
      const change = { type: 'connected', integration: 'chat', accountId, identityId: identity.id } as const
      await second.engine.connectionChanged(change)
      await allReach(second, ids, 'succeeded')
      assert.deepEqual(scene.chat.posts.toSorted(), ids.map((id) => `${id} by key`).toSorted())
      assert.deepEqual(
        (await second.store.list(parkings, { index: 'all', equals: 'parking', limit: 10 })).items,
        [],
      )
    })

    it('wakes by its sweep those whose connection came back unheard', async () => {
      const fixture = await scene.start(async (io, runId) => io.chat.post('post', runId))
      const ids = await send(fixture, 3)
      await allReach(fixture, ids, 'waiting_for_connection')
      scene.isConnected = true
      await fixture.engine.sweep()
      await allReach(fixture, ids, 'succeeded')
      assert.equal(scene.chat.posts.length, 3)
    })

    it('takes an event once, whoever sends it and how often', async () => {
      const calls: string[] = []
      const work: Work = async (io, runId) => io.runTask('only', () => void calls.push(runId))
      const [first, second] = [await scene.start(work), await scene.start(work)]
      const event = { id: 'same', name: 'job', payload: { n: 1 } }
      const sent = await Promise.all(
        Array.from({ length: 20 }, (_, at) => (at % 2 ? first : second).engine.sendEvent(event)),
      )
      const ids = [...new Set(sent.flatMap(({ runIds }) => runIds))]
      assert.equal(ids.length, 1)
      await allReach(first, ids, 'succeeded')
      assert.deepEqual(calls, ids)
      await assert.rejects(second.engine.sendEvent({ ...event, payload: { n: 2 } }), {
        code: 'event_conflict',
      })
    })
  })
}

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { OAuth2Auth } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import { backends } from '../connect/fixtures/backends.ts'
import type { Integration } from '../integrations/integration.ts'
import { invokeTrigger } from '../triggers/invoke-trigger.ts'
import { reaches, until } from './fixtures/engine-fixture.ts'
import { openScene, type OutsideScene } from './fixtures/outside-scene.ts'
import type { IO, Json } from './job.ts'
import { runs } from './records.ts'

/** Asks for credentials, and gives them back. */
class Vouch implements Integration<'vouch', OAuth2Auth> {
  readonly id = 'vouch'
  readonly metadata = { id: 'vouch', name: 'Vouch' }
  readonly authSource = 'HOSTED'
  #auth: OAuth2Auth | undefined

  cloneForRun(_io: IO, _key: string, auth?: OAuth2Auth): Vouch {
    if (auth === undefined) throw new Error('no auth')
    const clone = new Vouch()
    clone.#auth = auth
    return clone
  }

  async token(): Promise<string> {
    return this.#auth?.accessToken ?? 'none'
  }
}

/** What the code of a run does around a call that suspends: none of it may notice. */
const wrappings: Readonly<Record<string, (call: () => Promise<Json>, noticed: string[]) => Promise<Json>>> = {
  'try and catch': async (call, noticed) => {
    try {
      return await call()
    } catch {
      noticed.push('catch')
      return 'caught'
    }
  },
  'catch and then': (call, noticed) =>
    call().then(
      (value) => value,
      () => {
        noticed.push('rejected')
        return 'caught'
      },
    ),
  'Promise.race': (call, noticed) =>
    Promise.race([call(), new Promise<never>(() => undefined)]).catch(() => {
      noticed.push('race')
      return 'caught'
    }),
  'Promise.allSettled': async (call, noticed) => {
    const [settled] = await Promise.allSettled([call()])
    if (settled.status === 'fulfilled') return settled.value
    noticed.push('settled')
    return 'caught'
  },
  'Promise.any': (call, noticed) =>
    Promise.any([call(), Promise.reject(new Error('another'))]).catch(() => {
      noticed.push('any')
      return 'caught'
    }),
}

interface Suspending {
  readonly expected: Json
  readonly call: (io: IO, scene: Scene) => Promise<Json>
  /** Brings what it waits for. */
  readonly wake: (scene: Scene) => Promise<unknown>
}

interface Scene extends OutsideScene {
  readonly addresses: string[]
  isConnected: boolean
  attempts: number
}

const later = async (scene: Scene): Promise<void> => {
  scene.advance(3600_000)
  await scene.fixture.engine.sweep()
}

const callVouch = (io: IO): Promise<Json> =>
  'vouch' in io && io.vouch instanceof Object && 'token' in io.vouch && typeof io.vouch.token === 'function'
    ? io.vouch.token()
    : Promise.reject(new Error('no integration'))

const calls: Readonly<Record<string, Suspending>> = {
  wait: { expected: 'waited', call: (io) => io.wait('key', 3600).then(() => 'waited'), wake: later },
  waitUntil: {
    expected: 'waited',
    call: (io, { now }) => io.waitUntil('key', new Date(now() + 3600_000)).then(() => 'waited'),
    wake: later,
  },
  waitForEvent: {
    expected: 7,
    call: (io) => io.waitForEvent('key', { name: 'wanted' }).then(({ payload }) => payload),
    wake: ({ fixture }) => fixture.engine.sendEvent({ name: 'wanted', payload: 7 }, { accountId: 'ada' }),
  },
  waitForRequest: {
    expected: 8,
    call: (io, { addresses }) => io.waitForRequest('key', (url) => void addresses.push(url)),
    wake: ({ fixture, addresses }) =>
      fixture.engine.receiveRequest(addresses[0]?.split('/').at(-1) ?? '', () => Promise.resolve(8)),
  },
  invokeAndWait: {
    expected: 9,
    call: (io) =>
      io
        .invokeAndWait('key', 'child', 9, { timeoutInSeconds: 7200 })
        .then((result) => (result.ok ? result.output : 'failed')),
    wake: later,
  },
  'runTask with a retry': {
    expected: 10,
    call: (io, scene) =>
      io.runTask(
        'key',
        () => {
          scene.attempts += 1
          if (scene.attempts === 1) throw new Error('once more')
          return 10
        },
        { retry: { limit: 2, minTimeoutInMs: 60_000 } },
      ),
    wake: later,
  },
  'a missing connection': {
    expected: 'token-1',
    call: (io) => callVouch(io),
    wake: async (scene) => {
      scene.isConnected = true
      const change = { integration: 'vouch', accountId: 'ada', identityId: 'U1' }
      await scene.fixture.engine.connectionChanged({ type: 'connected', ...change })
    },
  },
}

const auth: OAuth2Auth = {
  type: 'oauth2',
  connectionId: 'c1',
  accessToken: 'token-1',
  tokenHash: 'hash-1',
  identity: { id: 'U1', label: 'Ada' },
  scopes: [],
  fields: {},
  expiresAt: null,
}

for (const backend of backends) {
  describe(`a call that suspends, on ${backend.name}`, { skip: backend.skip }, () => {
    let scene: Scene
    const vouch = new Vouch()

    before(async () => {
      const state = { addresses: [], isConnected: false, attempts: 0 }
      const opened = await openScene(backend, {
        integrations: [vouch],
        resolveAuth: () =>
          scene.isConnected ? Promise.resolve(auth) : Promise.reject(new AuthFlowError('not_connected')),
      })
      scene = Object.assign(opened, state)
      scene.job('child', async (io, _, payload) => {
        await io.wait('while', 3600)
        return payload
      })
    })
    beforeEach(() => {
      scene.addresses.length = 0
      scene.isConnected = false
      scene.attempts = 0
    })
    after(() => scene.close())

    for (const [kind, { expected, call, wake }] of Object.entries(calls)) {
      for (const [wrapping, around] of Object.entries(wrappings)) {
        it(`${kind}: is not noticed by ${wrapping}`, async () => {
          const noticed: string[] = []
          const seen: Json[] = []
          let passes = 0
          let left = 0
          const job = `wraps-${kind}-${wrapping}`.replaceAll(/[^\w.-]/g, '-')
          scene.fixture.engine.defineJob({
            id: job,
            name: 'Wraps',
            version: '1.0.0',
            trigger: invokeTrigger(),
            integrations: { vouch },
            run: async (_, io) => {
              passes += 1
              try {
                seen.push(await around(() => call(io, scene), noticed))
              } finally {
                left += 1
              }
            },
          })
          const { id } = await scene.fixture.engine.invoke(job, null, { accountId: 'ada' })
          await until('it sleeps', async () => {
            const { items } = await scene.fixture.store.list(runs, {
              index: 'all',
              equals: 'run',
              limit: 1000,
            })
            const asleep = ['waiting', 'waiting_for_connection']
            return items.every(({ state, endedAt }) => endedAt !== undefined || asleep.includes(state))
              ? true
              : undefined
          })
          assert.deepEqual([passes, left], [1, 0], 'the first pass ended in the call')
          await wake(scene)
          await reaches(scene.fixture.engine, id, 'succeeded')
          assert.deepEqual(noticed, [])
          assert.deepEqual(seen, [expected])
          assert.equal(left, 1)
          assert.equal(passes >= 2, true)
        })
      }
    }
  })
}

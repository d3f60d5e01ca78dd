// E2 and the refresh half of X4: the process that holds the lease is stopped for longer than the lease and its margin, and
// goes on when another has refreshed. And X10: a provider that never answers keeps the lease with who asks it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { printFigure } from '../../scripts/figure.ts'
import { connectionIdOf } from './connection-id.ts'
import { backends, isLong, type Backend } from './fixtures/backends.ts'
import type { RefreshPoint } from './fixtures/refresh-points.ts'
import { startRefreshWorker, type AskReport, type RefreshWorker } from './fixtures/refresh-workers.ts'
import { rotatingMethod, startRotating, type Rotating } from './fixtures/rotating.ts'
import {
  baseUrl,
  connectDirectly,
  integrationOf,
  openWorkbench,
  type Workbench,
} from './fixtures/workbench.ts'
import type { ConnectionRecord } from './records.ts'
import { connectionSet } from './sets.ts'

const integration = 'rotating'
const rotation = { graceSeconds: 60 } as const
const accountsOfStop = isLong ? 10 : 4
const stops = isLong ? 5 : 1
const points: readonly RefreshPoint[] = ['beforeCall', 'afterReply', 'beforeSave']

const idOf = (accountId: string): string => connectionIdOf(integration, accountId)

interface Scene {
  readonly provider: Rotating
  readonly bench: Workbench
  readonly storeUrl: string | undefined
}

async function withScene(backend: Backend, run: (scene: Scene) => Promise<void>): Promise<void> {
  const provider = await startRotating()
  provider.grace = true
  const storeUrl = backend.open()
  const between = storeUrl === undefined ? {} : { storeUrl }
  const integrations = [integrationOf(integration, [rotatingMethod(provider, { rotation })])]
  const bench = await openWorkbench(integrations, baseUrl, between)
  try {
    await run({ provider, bench, storeUrl })
  } finally {
    await bench.close()
    await provider.close()
    await backend.drop(storeUrl)
  }
}

describe(
  'E2, X4: a process that is stopped while it refreshes, and goes on too late',
  { timeout: 3_000_000 },
  () => {
    for (const backend of backends) {
      it(`changes nothing on ${backend.name}`, { skip: backend.skip }, () => withScene(backend, stopAtPoints))
    }
  },
)

async function stopAtPoints(scene: Scene): Promise<void> {
  const counts = { stopped: 0, lateCalls: 0 }
  for (let stop = 0; stop < stops; stop += 1) {
    for (const point of points) {
      const lateCalls = await stopAt(scene, point, `${point}-${stop}`)
      counts.stopped += accountsOfStop
      counts.lateCalls += lateCalls
    }
  }
  const { kind } = scene.bench.store
  printFigure({
    requirement: 'E2',
    name: `holders stopped for longer than their lease, ${kind}`,
    value: counts.stopped,
  })
  printFigure({ requirement: 'E2', name: `late writes that counted, ${kind}`, value: 0 })
  printFigure({ requirement: 'E2', name: `late calls of the provider, ${kind}`, value: counts.lateCalls })
  printFigure({ requirement: 'E2', name: `connections lost, ${kind}`, value: 0 })
}

/** How many of the stopped called the provider after another had refreshed. */
async function stopAt(scene: Scene, point: RefreshPoint, name: string): Promise<number> {
  const { provider, bench, storeUrl } = scene
  const accountIds = Array.from({ length: accountsOfStop }, (_, at) => `${name}-${at}`)
  for (const accountId of accountIds) {
    assert.equal((await connectDirectly(bench.connect, { integration, accountId })).result, 'done')
    await bench.store.update(
      connectionSet,
      idOf(accountId),
      {},
      { set: { expiresAt: bench.store.now() - 1 } },
    )
  }
  const { directory, keys } = bench
  const { origin, person } = provider
  const setup = { directory, keys, provider: 'rotating', origin, person, rotation } as const
  const worker = await startRefreshWorker({ ...setup, ...(storeUrl === undefined ? {} : { storeUrl }) })
  return goOnTooLate(scene, worker, { accountIds, point }).finally(worker.kill)
}

async function goOnTooLate(
  { provider, bench }: Scene,
  worker: RefreshWorker,
  { accountIds, point }: { readonly accountIds: readonly string[]; readonly point: RefreshPoint },
): Promise<number> {
  await worker.askAndStop({ accountIds, callers: 3, stop: { point, by: 'hold' } })
  await stopBetweenWrites(worker, bench)
  const tokens = await Promise.all(accountIds.map((accountId) => tokenOf(bench, accountId)))
  for (const token of tokens) assert.ok(provider.isCurrent(token), token)
  const before = await recordsOf(bench, accountIds)
  const refreshes = provider.refreshes
  worker.child.kill('SIGCONT')
  const late = await worker.goOn()
  assert.deepEqual(
    answersOf(late, accountIds),
    tokens.map((token) => [token]),
  )
  assert.deepEqual(await recordsOf(bench, accountIds), before, 'the late writer changed nothing')
  for (const { state } of before) assert.equal(state, 'active')
  return provider.refreshes - refreshes
}

/** A process that is stopped inside of a write keeps SQLite's lock, and then nobody can write: another moment is taken. */
async function stopBetweenWrites({ child }: RefreshWorker, { store }: Workbench): Promise<void> {
  for (let tries = 0; tries < 10; tries += 1) {
    child.kill('SIGSTOP')
    if (await store.ping().catch(() => false)) return
    child.kill('SIGCONT')
    await delay(100)
  }
  assert.fail('it was stopped inside of a write each time')
}

async function tokenOf({ connect }: Pick<Workbench, 'connect'>, accountId: string): Promise<string> {
  const auth = await connect.getAuth({ id: integration, accountId })
  assert.ok(auth.type === 'oauth2')
  return auth.accessToken
}

const answersOf = ({ got }: AskReport, accountIds: readonly string[]): (readonly string[])[] =>
  accountIds.map((accountId) => got[accountId] ?? [])

const recordsOf = ({ store }: Workbench, accountIds: readonly string[]): Promise<ConnectionRecord[]> =>
  store.getMany(connectionSet, accountIds.map(idOf))

describe('X10: a provider that does not answer', { timeout: 300_000 }, () => {
  it('is asked by one process only for as long as that waits, and then as the backoff says', async () => {
    const [sqlite] = backends
    assert.ok(sqlite)
    await withScene(sqlite, async ({ provider, bench }) => {
      const other = await bench.another()
      await connectDirectly(bench.connect, { integration, accountId: 'acct-1' })
      const id = idOf('acct-1')
      await bench.store.update(connectionSet, id, {}, { set: { expiresAt: bench.store.now() - 1 } })
      let silent = true
      provider.beforeReply = async () => {
        while (silent) await delay(50)
        return undefined
      }
      const from = performance.now()
      const services = [bench.connect, other.connect, bench.connect, other.connect]
      const asking = services.map((connect) => connect.getAuth({ id: integration, accountId: 'acct-1' }))
      const results = await Promise.allSettled(asking)
      const ms = Math.round(performance.now() - from)
      for (const result of results) {
        assert.ok(result.status === 'rejected')
        assert.equal(result.reason.code, 'refresh_failed')
      }
      assert.equal(provider.refreshes, 1)
      printFigure({ requirement: 'X10', name: 'callers of a silent provider wait', value: ms, unit: 'ms' })
      silent = false
      provider.beforeReply = undefined
      const { refreshRetryAt } = (await bench.store.get(connectionSet, id)) ?? {}
      // A timer may be a moment early.
      await delay(Math.max(0, (refreshRetryAt ?? 0) - bench.store.now()) + 5)
      assert.ok(provider.isCurrent(await tokenOf(other, 'acct-1')))
    })
  })
})

// X3: SIGKILL at each named point of a refresh. Where the provider takes the old refresh token for a while nothing is
// lost. Where it does not, the connection says that nobody knows how the refresh ended, after one more try.

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import type { RefreshRotation } from '../integrations/integration.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { connectionIdOf } from './connection-id.ts'
import { backends, isLong, type Backend } from './fixtures/backends.ts'
import { refreshPoints, type RefreshPoint } from './fixtures/refresh-points.ts'
import { startRefreshWorker } from './fixtures/refresh-workers.ts'
import { rotatingMethod, startRotating, type Rotating } from './fixtures/rotating.ts'
import {
  baseUrl,
  connectDirectly,
  integrationOf,
  openWorkbench,
  type Workbench,
} from './fixtures/workbench.ts'
import { connectionSet } from './sets.ts'

const integration = 'rotating'
/** Refreshes that one kill cuts off, and kills at each point. */
const accountsOfKill = isLong ? 10 : 4
const kills = isLong ? 10 : 1
/** As the server's own upkeep does. */
const sweepEveryMs = 2_000

/** The provider gave new tokens, and they were not in the database yet. */
const lossPoints: readonly RefreshPoint[] = ['afterReply', 'beforeSave']

interface Scene {
  readonly provider: Rotating
  readonly bench: Workbench
  readonly rotation: RefreshRotation
  readonly storeUrl: string | undefined
}

interface Victim {
  readonly accountId: string
  readonly grant: number
  readonly point: RefreshPoint
  /** Half of them are asked for, the others are found by the sweep. */
  readonly asked: boolean
}

interface Recovery {
  readonly lost: boolean
  readonly ms: number
}

describe('X3: a refresh whose process is killed at a named point', { timeout: 3_000_000 }, () => {
  const rotations: readonly RefreshRotation[] = [{ graceSeconds: 60 }, 'strict']
  for (const backend of backends) {
    for (const rotation of rotations) {
      const kind = rotation === 'strict' ? 'without a grace' : 'with a grace of 60 s'
      it(`${kind}, on ${backend.name}`, { skip: backend.skip }, () => crash(backend, rotation, kind))
    }
  }
})

async function crash(backend: Backend, rotation: RefreshRotation, kind: string): Promise<void> {
  const provider = await startRotating()
  provider.grace = rotation !== 'strict'
  const storeUrl = backend.open()
  const between = storeUrl === undefined ? {} : { storeUrl }
  const method = rotatingMethod(provider, { rotation })
  const bench = await openWorkbench([integrationOf(integration, [method])], baseUrl, between)
  const scene = { provider, bench, rotation, storeUrl }
  const recoveries: Recovery[] = []
  try {
    for (let kill = 0; kill < kills; kill += 1) recoveries.push(...(await killAtEveryPoint(scene, kill)))
  } finally {
    await bench.close()
    await provider.close()
    await backend.drop(storeUrl)
  }
  const figure = (name: string, value: number, unit?: string): void =>
    printFigure({
      requirement: 'X3',
      name: `${name}, ${kind}, ${backend.name}`,
      value,
      ...(unit ? { unit } : {}),
    })
  figure('refreshes cut off', recoveries.length)
  figure('connections whose user must authorise again', recoveries.filter(({ lost }) => lost).length)
  figure('longest recovery', Math.round(Math.max(...recoveries.map(({ ms }) => ms))), 'ms')
}

async function killAtEveryPoint(scene: Scene, kill: number): Promise<Recovery[]> {
  const groups = await Promise.all(
    refreshPoints.map(async (point): Promise<Victim[]> => {
      const victims: Victim[] = []
      for (let at = 0; at < accountsOfKill; at += 1) {
        victims.push(await connectVictim(scene, `${point}-${kill}-${at}`, { point, asked: at % 2 === 0 }))
      }
      return victims
    }),
  )
  const { bench, provider, rotation, storeUrl } = scene
  const { directory, keys } = bench
  const { origin, person } = provider
  const setup = { directory, keys, provider: 'rotating', origin, person, rotation } as const
  const found = await Promise.all(
    groups.map(async (victims) => {
      const [first] = victims
      assert.ok(first)
      const worker = await startRefreshWorker({ ...setup, ...(storeUrl === undefined ? {} : { storeUrl }) })
      const accountIds = victims.map(({ accountId }) => accountId)
      const stop = { point: first.point, by: 'kill' } as const
      const order = { accountIds, callers: 3, stop }
      await worker.askAndStop(order).finally(worker.kill)
      return recoverAll(scene, victims)
    }),
  )
  return found.flat()
}

async function connectVictim(
  scene: Scene,
  accountId: string,
  rest: Pick<Victim, 'point' | 'asked'>,
): Promise<Victim> {
  const { connect, store } = scene.bench
  const grant = await grantTo(scene, accountId)
  assert.equal((await connect.getConnection({ integration, accountId })).state, 'active')
  await store.update(connectionSet, idOf(accountId), {}, { set: { expiresAt: store.now() - 1 } })
  return { accountId, grant, ...rest }
}

/** One after the other, so that grants can be told by their numbers. */
let granting: Promise<unknown> = Promise.resolve()
function grantTo({ bench, provider }: Scene, accountId: string): Promise<number> {
  const next = granting.then(async () => {
    assert.equal((await connectDirectly(bench.connect, { integration, accountId })).result, 'done')
    return provider.grants - 1
  })
  granting = next.catch(() => undefined)
  return next
}

const idOf = (accountId: string): string => connectionIdOf(integration, accountId)

async function recoverAll(scene: Scene, victims: readonly Victim[]): Promise<Recovery[]> {
  const from = performance.now()
  const { connect } = scene.bench
  const ended = new AbortController()
  const sweeping = (async () => {
    while (!ended.signal.aborted) {
      await connect.sweep()
      await delay(sweepEveryMs, undefined, { signal: ended.signal }).catch(() => undefined)
    }
  })()
  try {
    return await Promise.all(
      victims.map(async (victim) => {
        await (victim.asked ? askFor(scene, victim) : waitForSweep(scene, victim))
        const ms = performance.now() - from
        return { lost: await judge(scene, victim), ms }
      }),
    )
  } finally {
    ended.abort()
    await sweeping
  }
}

async function askFor({ bench }: Scene, { accountId }: Victim): Promise<string> {
  const asking = Array.from({ length: 3 }, () =>
    bench.connect.getAuth({ id: integration, accountId }).then(
      (auth) => (auth.type === 'oauth2' ? auth.accessToken : auth.type),
      (error: unknown) => (isAuthFlowError(error) ? error.code : String(error)),
    ),
  )
  const answers = new Set(await Promise.all(asking))
  assert.equal(answers.size, 1, [...answers].join(' '))
  return [...answers][0] ?? ''
}

/** Resolves when no refresh is open any more. One that never wrote its intent is nothing to a sweep. */
async function waitForSweep({ bench }: Scene, { accountId }: Victim): Promise<void> {
  const isClosed = async (): Promise<boolean> =>
    (await bench.store.get(connectionSet, idOf(accountId)))?.refreshOpen === false
  await until(`the refresh of ${accountId} is closed`, isClosed, 180_000)
}

/** True when the connection is lost, which it may be where no grace is and the provider's answer was not saved. */
async function judge(scene: Scene, victim: Victim): Promise<boolean> {
  const { provider, rotation } = scene
  const { accountId, grant, point } = victim
  const isLost = rotation === 'strict' && lossPoints.includes(point)
  let answer = await askFor(scene, victim)
  // On a starved machine the call itself may time out. That is said as what it is, and tried again.
  for (let tries = 0; tries < 20 && answer === 'refresh_failed'; tries += 1) {
    await delay(1_000)
    answer = await askFor(scene, victim)
  }
  if (isLost) assert.equal(answer, 'needs_reauth', point)
  else assert.ok(provider.isCurrent(answer), `${point}: ${answer}`)
  const record = await scene.bench.store.get(connectionSet, idOf(accountId))
  assert.ok(record)
  const expected = isLost ? ['needs_reauth', 'refresh_outcome_unknown'] : ['active', null]
  assert.deepEqual([record.state, record.reason], expected, point)
  assert.equal(
    provider.refreshesOf(grant),
    lossPoints.includes(point) ? 2 : 1,
    `${point}: never more than one retry`,
  )
  return isLost
}

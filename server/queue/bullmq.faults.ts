// X9, X5 and X6 for a queue on Redis: it is flushed, killed, cut off in each of the ways in which networks fail, and its
// answers get lost, while several processes work on MongoDB. Wants TEST_MONGODB_URL, TEST_REDIS_URL and redis-server.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { printFigure } from '../../scripts/figure.ts'
import type { AuthFlow } from '../authflow.ts'
import { backends, isLong } from '../connect/fixtures/backends.ts'
import { firstWords, killChild, startScript } from '../fixtures/child.ts'
import { endAll } from '../fixtures/end-all.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { jobSets, runs } from '../jobs/records.ts'
import type { IntegrationList } from '../server-api.ts'
import { startFaultProxy, type FaultMode, type FaultProxy } from '../store/fixtures/fault-proxy.ts'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { createHinted, stepCount, type HintedOptions } from './fixtures/hinted-jobs.ts'
import { noRedisServer, startRedisServer, type RedisServer } from './fixtures/redis-server.ts'

const mongo = backends.find(({ name }) => name === 'mongodb')
const skip = mongo?.skip === false ? noRedisServer : (mongo?.skip ?? 'no MongoDB')
const program = fileURLToPath(new URL('./fixtures/hinted-jobs.ts', import.meta.url))
const workerCount = 3
const runCount = isLong ? 3000 : 300
const sleeperCount = isLong ? 500 : 50
const awayMs = isLong ? [10_000, 60_000] : [4000]

interface Scene {
  readonly redis: RedisServer
  readonly proxy: FaultProxy
  /** Sends; works nothing. */
  readonly sender: AuthFlow<IntegrationList>
  readonly observer: Store
  /** Every effect: run and key. */
  effects(): string[]
}

async function withScene(run: (scene: Scene) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'authflow-hints-'))
  const effects = join(folder, 'effects')
  writeFileSync(effects, '')
  const store = mongo?.open() ?? ''
  const redis = await startRedisServer()
  const proxy = await startFaultProxy('127.0.0.1', redis.port)
  const options: HintedOptions = {
    store,
    queue: `redis://127.0.0.1:${proxy.port}`,
    encryptionKeys: `k1:${randomBytes(32).toString('base64')}`,
    effects,
    worker: true,
  }
  const sender = createHinted({ ...options, worker: false })
  const observer = await openStore(store)
  const env = { HINTED_OPTIONS: JSON.stringify(options) }
  const workers = Array.from({ length: workerCount }, () => startScript(program, { env }))
  const play = async (): Promise<void> => {
    await Promise.all([...workers.map(firstWords), sender.start()])
    await observer.migrate(jobSets, 'test')
    await run({ redis, proxy, sender, observer, effects: () => linesOf(effects) })
  }
  const heal = async (): Promise<void> => {
    proxy.loseAnswers([], 0)
    await proxy.setMode('open')
  }
  await endAll(play, [
    heal,
    () => Promise.all(workers.map(killChild)),
    () => sender.close(),
    () => observer.close(),
    () => proxy.close(),
    () => redis.close(),
    () => mongo?.drop(store),
    () => rmSync(folder, { recursive: true, force: true }),
  ])
}

const linesOf = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ').slice(0, -1).join(' '))

async function send({ sender }: Scene, name: string, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let from = 0; from < count; from += 100) {
    const some = Array.from({ length: Math.min(100, count - from) }, () => ({ name, payload: null }))
    for (const { runIds } of await sender.sendEvents(some)) ids.push(...runIds)
  }
  assert.equal(ids.length, count)
  return ids
}

async function allIn(
  { observer }: Scene,
  ids: readonly string[],
  state: 'succeeded' | 'waiting',
): Promise<boolean> {
  for (let from = 0; from < ids.length; from += 500) {
    const some = ids.slice(from, from + 500)
    const found = await observer.getMany(runs, some)
    if (found.length < some.length || found.some((run) => run.state !== state)) return false
  }
  return true
}

const ended = (scene: Scene, ids: readonly string[], ms = 240_000): Promise<true> =>
  until('all runs have succeeded', async () => (await allIn(scene, ids, 'succeeded')) || undefined, ms)

/** Nobody was killed, so nothing may have run twice. */
function judge(scene: Scene, expected: number): void {
  const effects = scene.effects()
  assert.equal(new Set(effects).size, expected, 'every task has run')
  assert.equal(effects.length, expected, 'no task ran twice')
}

const hintsAsleep = (redis: Redis): Promise<number> => redis.zcard('authflow:test:{dreamer@1.0.0}:delayed')

/** Puts runs to sleep and others to work, does it to Redis, and waits for the end of all. */
async function loseAll(scene: Scene, name: string, lose: (redis: Redis) => Promise<void>): Promise<void> {
  const redis = new Redis(scene.redis.url)
  redis.on('error', () => undefined)
  try {
    const dreaming = await send(scene, 'dream', sleeperCount)
    await until('they dream', async () => (await allIn(scene, dreaming, 'waiting')) || undefined, 180_000)
    const asleep = await send(scene, 'sleep', sleeperCount)
    const busy = await send(scene, 'steps', runCount)
    await until('they are at work', () => scene.effects().length > runCount / 2 || undefined, 180_000)
    const hasHints = async (): Promise<boolean> => (await hintsAsleep(redis).catch(() => 0)) === sleeperCount
    await until('Redis has the hints', hasHints, 60_000)
    await lose(redis)
    const lostAt = performance.now()
    await until('Redis has the hints again', hasHints, 120_000)
    const rebuiltMs = performance.now() - lostAt
    assert.ok(await allIn(scene, dreaming, 'waiting'))
    await ended(scene, [...busy, ...asleep])
    judge(scene, runCount * stepCount + sleeperCount)
    for (const id of dreaming) await scene.sender.runs.cancel({ id })
    printFigure({ requirement: 'X9', name: `${name}: runs lost of ${runCount + sleeperCount}`, value: 0 })
    printFigure({ requirement: 'X9', name: `${name}: tasks that ran twice`, value: 0 })
    printFigure({
      requirement: 'X9',
      name: `${name}: hints rebuilt after`,
      value: Math.round(rebuiltMs),
      unit: 'ms',
    })
  } finally {
    redis.disconnect()
  }
}

describe('X9: a queue on Redis that loses everything', { skip, timeout: 3_000_000 }, () => {
  it('is filled from the store again after FLUSHALL', () =>
    withScene((scene) => loseAll(scene, 'FLUSHALL', async (redis) => void (await redis.flushall()))))

  it('is filled from the store again after a kill of Redis that comes back empty', () =>
    withScene((scene) =>
      loseAll(scene, 'SIGKILL', async () => {
        await scene.redis.kill()
        await delay(3000)
        await scene.redis.start()
      }),
    ))

  it('is not needed: runs go on without Redis', () =>
    withScene(async (scene) => {
      await scene.redis.kill()
      const startedAt = performance.now()
      const ids = await send(scene, 'steps', runCount)
      await ended(scene, ids)
      judge(scene, runCount * stepCount)
      printFigure({
        requirement: 'X9',
        name: `without Redis: ${runCount} runs sent and finished in`,
        value: Math.round(performance.now() - startedAt),
        unit: 'ms',
      })
    }))
})

const modes: readonly FaultMode[] = ['refused', 'blackhole', 'slow', 'reset']

describe('X5: a queue whose Redis goes away', { skip, timeout: 3_000_000 }, () => {
  for (const mode of modes) {
    for (const ms of awayMs) {
      it(`loses no run and repeats no task when it is ${mode} for ${ms / 1000} s`, () =>
        withScene(async (scene) => {
          const { proxy } = scene
          const before = await send(scene, 'steps', runCount)
          await until('it works', () => scene.effects().length > 10 || undefined, 120_000)
          await proxy.setMode(mode)
          const awayAt = performance.now()
          const during = await send(scene, 'steps', 10)
          const sendMs = performance.now() - awayAt
          await delay(Math.max(0, ms - sendMs))
          await proxy.setMode('open')
          const back = performance.now()
          const after = await send(scene, 'steps', 10)
          await ended(scene, after)
          const recoveryMs = performance.now() - back
          await ended(scene, [...before, ...during])
          judge(scene, (runCount + 20) * stepCount)
          const name = `Redis ${mode} ${ms / 1000} s`
          printFigure({ requirement: 'X5', name: `${name}: runs lost`, value: 0 })
          printFigure({
            requirement: 'X5',
            name: `${name}: 10 events sent meanwhile in`,
            value: Math.round(sendMs),
            unit: 'ms',
          })
          printFigure({
            requirement: 'X5',
            name: `${name}: 10 runs sent afterwards done in`,
            value: Math.round(recoveryMs),
            unit: 'ms',
          })
        }))
    }
  }
})

describe('X6: a queue whose Redis answers into the void', { skip, timeout: 600_000 }, () => {
  it('starts no run twice and repeats no task', () =>
    withScene(async (scene) => {
      const { proxy } = scene
      proxy.loseAnswers(['evalsha'], 0.05, '\r\n')
      const ids = await send(scene, 'steps', runCount)
      await until('many answers were lost', () => proxy.lost >= (isLong ? 50 : 5) || undefined, 180_000)
      proxy.loseAnswers([], 0)
      await ended(scene, ids)
      judge(scene, runCount * stepCount)
      const { items } = await scene.observer.list(runs, { index: 'all', equals: 'run', limit: 1000 })
      assert.ok(items.every(({ id }) => ids.includes(id)))
      printFigure({ requirement: 'X6', name: 'answers of Redis lost', value: proxy.lost })
      printFigure({ requirement: 'X6', name: 'tasks that ran again', value: 0 })
    }))
})

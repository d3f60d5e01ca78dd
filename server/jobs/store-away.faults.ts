// X5 and X6: the engine on a MongoDB that goes away in each of the ways in which networks fail, and on one whose answers
// get lost after the work was done; with the queue in it, and with one on Redis, which goes on. Wants TEST_MONGODB_URL
// and TEST_REDIS_URL.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { printFigure } from '../../scripts/figure.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import { isLong } from '../connect/fixtures/backends.ts'
import { callApi, secretKeys, startTestServer } from '../http/fixtures/test-server.ts'
import { endAll } from '../fixtures/end-all.ts'
import { openStore } from '../store/open-store.ts'
import { startFaultProxy, type FaultMode, type FaultProxy } from '../store/fixtures/fault-proxy.ts'
import type { Store } from '../store/store.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import { insist } from './fixtures/insist.ts'
import { jobBackends, type JobBackend } from './fixtures/job-backends.ts'
import { jobSets, runs, type RunDocument } from './records.ts'

const backends = jobBackends.filter(({ name }) => name !== 'sqlite')
const concurrency = 10
const tasksOfRun = 3
const sweepMs = 1000
const awayMs = isLong ? [10_000, 60_000] : [3000]
const runCount = isLong ? 300 : 60
/** Runs that are sent together while answers get lost, and the most that are looked at. */
const lostRound = 5
const mostRuns = 1000

interface Scene {
  readonly backend: JobBackend
  readonly proxy: FaultProxy
  /** Works behind the proxy. */
  readonly worker: EngineFixture
  /** Sees the database as it is. */
  readonly observer: Store
  /** Every effect of a task: run and key. */
  readonly effects: string[]
  /** URL of the database behind the proxy. */
  readonly proxiedUrl: string
}

async function withScene(backend: JobBackend, run: (scene: Scene) => Promise<void>): Promise<void> {
  const { queueUrl } = backend
  const url = backend.open() ?? ''
  const target = new URL(url)
  const proxy = await startFaultProxy(target.hostname, Number(target.port || 27017))
  target.host = `127.0.0.1:${proxy.port}`
  const directory = createDirectory()
  const worker = await openEngine(directory.path, { storeUrl: target.href, queueUrl, concurrency })
  const observer = await openStore(url)
  await observer.migrate(jobSets, 'test')
  const effects: string[] = []
  worker.engine.defineJob({
    id: 'steps',
    name: 'Steps',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'steps' }),
    run: async (_, io, context) => {
      for (let index = 0; index < tasksOfRun; index += 1) {
        await io.runTask(`step ${index}`, async (task) => {
          await delay(10)
          effects.push(`${context.run.id} ${task.key}`)
          return index
        })
      }
    },
  })
  const heal = async (): Promise<void> => {
    proxy.loseAnswers([], 0)
    await proxy.setMode('open')
  }
  let sweeping: NodeJS.Timeout | undefined
  const play = async (): Promise<void> => {
    await worker.engine.start()
    // As a server does: a hint whose answer got lost may not be there.
    sweeping = setInterval(() => void worker.engine.sweep().catch(() => undefined), sweepMs)
    await run({ backend, proxy, worker, observer, effects, proxiedUrl: target.href })
  }
  await endAll(play, [
    () => clearInterval(sweeping),
    heal,
    worker.close,
    () => observer.close(),
    () => proxy.close(),
    () => backend.drop(url),
    directory.remove,
  ])
}

/** Sends an event; gives the ids of its runs. When the store does not answer, the code says so. */
async function send({ worker }: Scene, id: string): Promise<readonly string[]> {
  try {
    return (await worker.engine.sendEvent({ id, name: 'steps', payload: null })).runIds
  } catch (error) {
    assert.ok(isAuthFlowError(error), String(error))
    assert.deepEqual([error.status, error.retryable], [503, true], error.code)
    throw error
  }
}

/** Sends it, taken or not. */
async function sendOnce(scene: Scene, id: string): Promise<void> {
  await send(scene, id).catch((error: unknown) => {
    if (!isAuthFlowError(error)) throw error
  })
}

/** Sends it until it is taken: an event that was stored although its answer got lost is not stored twice. */
const sendUntilTaken = (scene: Scene, id: string): Promise<readonly string[]> => insist(() => send(scene, id))

const sendMany = async (scene: Scene, name: string, count: number): Promise<string[]> =>
  (await Promise.all(Array.from({ length: count }, (_, at) => sendUntilTaken(scene, `${name}-${at}`)))).flat()

/** Waits until all runs are done, and gives how often a task ran again. */
async function judge({ observer, effects }: Scene, ids: readonly string[]): Promise<number> {
  assert.equal(new Set(ids).size, ids.length)
  let open: RunDocument[] = []
  const areDone = async (): Promise<boolean> => {
    const found = await observer.getMany(runs, ids)
    open = found.filter(({ state }) => state !== 'succeeded')
    return found.length === ids.length && open.length === 0
  }
  try {
    await until('all runs are done', areDone, 300_000)
  } catch (error) {
    console.error('not done:', open)
    throw error
  }
  const { items } = await observer.list(runs, { index: 'all', equals: 'run', limit: mostRuns })
  assert.deepEqual(items.map(({ id }) => id).toSorted(), ids.toSorted(), 'no run but those')
  const unique = new Set(effects)
  assert.equal(unique.size, ids.length * tasksOfRun)
  for (const run of items) assert.equal(new Set(run.journal?.flat().map(({ path }) => path)).size, tasksOfRun)
  return effects.length - unique.size
}

const modes: readonly FaultMode[] = ['refused', 'blackhole', 'slow', 'reset']
/** To a queue beside it that goes on, a database that is away is away: in short, silent and broken off are enough. */
const modesOn = ({ queueUrl }: JobBackend): readonly FaultMode[] =>
  queueUrl === undefined || isLong ? modes : ['blackhole', 'reset']

/**
 * Watches it work again, in ms since the database is back: until it has taken an event and done a task, and until the run
 * of that event, behind all that waited meanwhile, has done one.
 */
async function comeBack(
  scene: Scene,
): Promise<{ readonly again: string; readonly backMs: number; readonly turnMs: number }> {
  const { effects } = scene
  const [back, doneBefore] = [performance.now(), effects.length]
  const sinceBack = (): number => Math.round(performance.now() - back)
  const [again = ''] = await sendUntilTaken(scene, 'again')
  await until('it works again', () => effects.length > doneBefore, 120_000)
  const backMs = sinceBack()
  await until('its turn comes', () => effects.some((effect) => effect.startsWith(`${again} `)), 120_000)
  return { again, backMs, turnMs: sinceBack() }
}

async function goAway(scene: Scene, mode: FaultMode, ms: number): Promise<void> {
  const { backend, proxy, effects } = scene
  // As much as is sent later: what a process takes while it warms up is not the outage's.
  const warm = await sendMany(scene, 'warm', runCount)
  await judge(scene, warm)
  const begun = effects.length
  const ids = await sendMany(scene, 'before', runCount)
  await until('it works', () => effects.length > begun + 10, 120_000)
  const memory = process.memoryUsage().rss
  await proxy.setMode(mode)
  const during = Promise.all(
    Array.from({ length: 5 }, async (_, at) => {
      await delay((at * ms) / 5)
      return sendOnce(scene, `during-${at}`)
    }),
  )
  await delay(ms)
  await proxy.setMode('open')
  const { again, backMs, turnMs } = await comeBack(scene)
  await during
  const late = await sendMany(scene, 'during', 5)
  const repeated = await judge(scene, [...warm, ...ids, again, ...late])
  assert.ok(repeated <= concurrency, `${repeated} tasks ran again, ${concurrency} were in flight`)
  const name = `${mode} ${ms / 1000} s, ${backend.name}`
  const grown = Math.round((process.memoryUsage().rss - memory) / 1_048_576)
  printFigure({ requirement: 'X5', name: `${name}: runs lost`, value: 0 })
  printFigure({ requirement: 'X5', name: `${name}: tasks that ran again`, value: repeated })
  printFigure({ requirement: 'X5', name: `${name}: back after`, value: backMs, unit: 'ms' })
  printFigure({ requirement: 'X5', name: `${name}: a new run begins after`, value: turnMs, unit: 'ms' })
  printFigure({ requirement: 'X5', name: `${name}: memory`, value: grown, unit: 'MB' })
  if (isLong) {
    assert.ok(backMs <= 5000, `back after ${backMs} ms`)
    assert.ok(grown < 50, `${grown} MB more`)
  }
}

async function answer503({ proxy, proxiedUrl }: Scene): Promise<void> {
  const server = await startTestServer({ options: { store: proxiedUrl } })
  try {
    const input = { event: { name: 'nothing.listens', payload: null } }
    const call = (): ReturnType<typeof callApi> =>
      callApi(server, 'events.send', { input, key: secretKeys.jobs })
    assert.equal((await call()).status, 200)
    await proxy.setMode('refused')
    const response = await fetch(`${server.url}/api/trpc/events.send`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secretKeys.jobs}`, 'content-type': 'application/json' },
      body: JSON.stringify(input),
    })
    assert.equal(response.status, 503)
    assert.ok(Number(response.headers.get('retry-after')) >= 1)
    await proxy.setMode('open')
    await until('it answers again', async () => (await call()).status === 200, 120_000)
  } finally {
    await proxy.setMode('open')
    await server.close()
  }
}

async function loseAnswers(scene: Scene): Promise<void> {
  const { backend, proxy } = scene
  proxy.loseAnswers(['insert', 'update', 'findAndModify', 'delete', 'commitTransaction'], 0.1)
  const ids = await sendMany(scene, 'lost', lostRound)
  // A few at a time: what is sent together shares its commands, and so its answers.
  for (let round = 1; proxy.lost < (isLong ? 50 : 5); round += 1) {
    assert.ok(ids.length < mostRuns, `${proxy.lost} answers lost after ${ids.length} runs`)
    ids.push(...(await sendMany(scene, `lost-${round}`, lostRound)))
  }
  proxy.loseAnswers([], 0)
  const repeated = await judge(scene, ids)
  const found = await scene.observer.getMany(runs, ids)
  assert.equal(repeated, 0)
  printFigure({ requirement: 'X6', name: `answers lost, ${backend.name}`, value: proxy.lost })
  printFigure({ requirement: 'X6', name: `tasks that ran again, ${backend.name}`, value: repeated })
  const claims = Math.max(...found.map(({ fence }) => fence ?? 0))
  printFigure({ requirement: 'X6', name: `most claims of a run, ${backend.name}`, value: claims })
}

for (const backend of backends) {
  const { name, skip } = backend

  describe(`X5: an engine whose database goes away, ${name}`, { skip, timeout: 3_000_000 }, () => {
    for (const mode of modesOn(backend))
      for (const ms of awayMs)
        it(`loses no run and repeats no task when it is ${mode} for ${ms / 1000} s`, () =>
          withScene(backend, (scene) => goAway(scene, mode, ms)))

    if (backend.queueUrl === undefined)
      it('answers 503 with Retry-After over HTTP meanwhile', () => withScene(backend, answer503))
  })

  describe(`X6: an engine whose database answers into the void, ${name}`, { skip, timeout: 600_000 }, () => {
    it('starts no run twice, claims none twice and repeats no task', () => withScene(backend, loseAnswers))
  })
}

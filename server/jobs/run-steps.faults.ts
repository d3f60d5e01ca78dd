// Everything a run has besides tasks, in workers that are killed: branches, random numbers, statuses and values are what
// they would have been without a kill. AUTHFLOW_LONG=1 kills twenty times.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { printFigure } from '../../scripts/figure.ts'
import { isLong } from '../connect/fixtures/backends.ts'
import { firstWords, killChild, startScript, type Child } from '../fixtures/child.ts'
import { endAll } from '../fixtures/end-all.ts'
import {
  createDirectory,
  encryptionKeys,
  openEngine,
  until,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import { insist } from './fixtures/insist.ts'
import { jobBackends, type JobBackend } from './fixtures/job-backends.ts'
import { changes, defineEverything, items } from './fixtures/steps-worker.ts'

const runCount = isLong ? 100 : 12
const killCount = isLong ? 20 : 3
const script = fileURLToPath(new URL('./fixtures/steps-worker.ts', import.meta.url))

/** What tasks did, by run, in their order. */
function effectsIn(directory: string): Map<string, string[]> {
  const path = join(directory, 'effects')
  const found = new Map<string, string[]>()
  if (!existsSync(path)) return found
  for (const line of readFileSync(path, 'utf8').trimEnd().split('\n')) {
    const [run = '', ...what] = line.split(' ')
    found.set(run, [...(found.get(run) ?? []), what.join(' ')])
  }
  return found
}

/** The run is as if nobody had killed anything; gives how many tasks were done once more. */
async function judge({ engine }: EngineFixture, id: string, effects: readonly string[]): Promise<number> {
  const { state, output, error } = await engine.describeRun(id)
  assert.equal(state, 'succeeded', JSON.stringify(error))
  assert.ok(typeof output === 'object' && output !== null && !Array.isArray(output))
  const { drawn, results, count, kept } = output
  assert.deepEqual(
    [results, count, kept],
    [items.map((item) => item * 10 + 1), changes, items.map((item) => item * 10)],
  )
  const draws = effects.filter((what) => what.startsWith('drew '))
  assert.deepEqual([...new Set(draws)], [`drew ${String(drawn)}`])
  const { statuses } = await engine.getRunStatuses(id)
  assert.deepEqual(
    statuses.map(({ label, history }) => [label, history.map((before) => before.label)]),
    [[String(changes), Array.from({ length: changes }, (_, index) => String(index))]],
  )
  const done = new Set(effects)
  // A kill costs a task that it cuts off one more attempt, and no other.
  for (const what of done) assert.ok(effects.filter((each) => each === what).length <= 1 + killCount, what)
  assert.equal(done.size, 1 + items.length * 2)
  return effects.length - done.size
}

interface Scene {
  readonly backend: JobBackend
  readonly directory: string
  /** Only sends and looks: it is never started. */
  readonly fixture: EngineFixture
  startWorker(): Promise<Child>
}

async function withScene(backend: JobBackend, run: (scene: Scene) => Promise<void>): Promise<void> {
  const directory = createDirectory()
  const { queueUrl } = backend
  const storeUrl = backend.open()
  const fixture = await openEngine(directory.path, { storeUrl, queueUrl })
  defineEverything(fixture.engine, () => undefined)
  const workers: Child[] = []
  const env = {
    STEPS_WORKER_DIRECTORY: directory.path,
    TEST_ENCRYPTION_KEYS: encryptionKeys,
    ...(storeUrl === undefined ? {} : { STEPS_WORKER_STORE: storeUrl }),
    ...(queueUrl === undefined ? {} : { STEPS_WORKER_QUEUE: queueUrl }),
  }
  const startWorker = async (): Promise<Child> => {
    const worker = startScript(script, { env })
    workers.push(worker)
    await firstWords(worker)
    return worker
  }
  const play = async (): Promise<void> => {
    // Without it the runs would be found in the store, and the test would say nothing of the queue.
    if (queueUrl !== undefined) await until('Redis is there', () => fixture.queue.beside?.epoch, 60_000)
    await run({ backend, directory: directory.path, fixture, startWorker })
  }
  await endAll(play, [
    () => Promise.all(workers.map(killChild)),
    fixture.close,
    () => backend.drop(storeUrl),
    directory.remove,
  ])
}

/** Kills one worker after the other, each in the middle of its work, and lets the last one live. */
async function killAmidWork({ directory, startWorker }: Scene): Promise<void> {
  for (let kills = 0; kills < killCount; kills += 1) {
    const worker = await startWorker()
    const before = effectsIn(directory).size
    // Once it has done something, and a little later.
    await until('it works', () => effectsIn(directory).size >= Math.min(runCount, before + 1), 180_000)
    await delay(20 + 60 * Math.random())
    await killChild(worker)
  }
  await startWorker()
}

async function playEverything(scene: Scene): Promise<void> {
  const { engine } = scene.fixture
  const sent = await Promise.all(
    Array.from({ length: runCount }, (_, at) =>
      insist(() => engine.sendEvent({ id: `everything-${at}`, name: 'everything', payload: null })),
    ),
  )
  const ids = sent.flatMap(({ runIds }) => runIds)
  await killAmidWork(scene)
  const states = async (): Promise<string[]> =>
    Promise.all(ids.map(async (id) => (await engine.getRun(id)).state))
  await until(
    'all are over',
    async () => {
      await delay(500)
      return (await states()).every((state) => state === 'succeeded' || state === 'failed')
    },
    600_000,
  )
  const effects = effectsIn(scene.directory)
  let extra = 0
  for (const id of ids) extra += await judge(scene.fixture, id, effects.get(id) ?? [])
  // At a kill, at most every branch of every run is in the middle of a task.
  assert.ok(extra <= killCount * runCount * items.length)
  printFigure({
    requirement: 'X2',
    name: `tasks of branches done once more, ${scene.backend.name}`,
    value: extra,
    unit: `of ${runCount * (1 + items.length * 2)}, after ${killCount} kills`,
  })
}

for (const backend of jobBackends) {
  describe(`steps of a run, on ${backend.name}`, { skip: backend.skip, timeout: 3_000_000 }, () => {
    it('are done as often as without kills, and are worth the same', () => withScene(backend, playEverything))
  })
}

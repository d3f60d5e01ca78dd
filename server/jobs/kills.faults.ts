// X1: workers that are killed at random points while others go on. Nothing is lost, no task runs again once its result
// is stored, and no provider that takes idempotency keys sees an effect twice.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { printFigure } from '../../scripts/figure.ts'
import { backends, isLong } from '../connect/fixtures/backends.ts'
import { until } from './fixtures/engine-fixture.ts'
import { assertWhole, withScene, type FaultScene, type FaultWorker } from './fixtures/fault-scene.ts'
import { begunAfterStored, extraAttempts, inFlight, taskOf } from './fixtures/history.ts'

const kills = isLong ? 200 : 8
const runsOfKill = isLong ? 5 : 10
const tasks = 5
const taskMs = 20
/** The next kill comes within this, by chance. */
const pauseMs = 250
const seats = isLong ? 4 : 3

/** Kills a worker of its own choice each time it is called, and starts another in its place. */
class Reaper {
  readonly #scene: FaultScene
  readonly #workers: Promise<FaultWorker>[]
  readonly dead: number[] = []
  /** Results that were in the store when their worker was dead, with the length of the history then. */
  readonly #stored: { readonly task: string; readonly from: number }[] = []

  constructor(scene: FaultScene) {
    this.#scene = scene
    this.#workers = Array.from({ length: seats }, () => scene.startWorker())
  }

  async kill(): Promise<void> {
    const seat = Math.floor(Math.random() * seats)
    const worker = await this.#workers[seat]
    assert.ok(worker)
    await delay(Math.random() * pauseMs)
    await worker.kill()
    this.dead.push(worker.pid)
    this.#workers[seat] = this.#scene.startWorker()
    await this.#note(worker.pid)
  }

  async #note(pid: number): Promise<void> {
    const open = inFlight(this.#scene.history(), pid)
    const ids = [...new Set([...open].map((task) => task.slice(0, task.indexOf(' '))))]
    const stored = (await this.#scene.runsOf(ids)).flatMap(({ id, journal }) =>
      (journal?.flat() ?? [])
        .filter(({ state }) => state === 'succeeded')
        .map(({ path }) => taskOf({ run: id, path })),
    )
    const from = this.#scene.history().length
    for (const task of stored) if (open.has(task)) this.#stored.push({ task, from })
  }

  /** Tasks that were begun again although the store had their result when their worker was dead. */
  begunAgain(): string[] {
    const history = this.#scene.history()
    return this.#stored
      .filter(({ task, from }) =>
        history.slice(from).some((fact) => fact.kind === 'begun' && taskOf(fact) === task),
      )
      .map(({ task }) => task)
  }
}

async function killAtRandom(scene: FaultScene): Promise<void> {
  const reaper = new Reaper(scene)
  const ids: string[] = []
  for (let kill = 0; kill < kills; kill += 1) {
    ids.push(...(await scene.sendSteps(runsOfKill, { tasks, ms: taskMs })))
    await reaper.kill()
  }
  const documents = await scene.allOver(ids)
  assertWhole(documents, tasks)
  const history = scene.history()
  const effects = history.filter(({ kind }) => kind === 'effect')
  const keys = new Set(effects.map(({ key }) => key))
  const flying = reaper.dead.reduce((sum, pid) => sum + inFlight(history, pid).size, 0)
  const extra = extraAttempts(history)
  assert.deepEqual(begunAfterStored(history), [])
  assert.deepEqual(reaper.begunAgain(), [])
  assert.equal(keys.size, ids.length * tasks)
  assert.ok(extra <= flying, `${extra} extra attempts, ${flying} tasks in flight at the kills`)
  const figure = (name: string, value: number): void =>
    printFigure({ requirement: 'X1', name: `${name}, ${scene.backend.name}`, value })
  figure('kills', reaper.dead.length)
  figure('runs', ids.length)
  figure('runs lost', 0)
  figure('results', documents.length * tasks)
  figure('distinct effects', keys.size)
  figure('tasks begun again after their result was stored', 0)
  figure('extra attempts', extra)
  figure('tasks in flight at the kills', flying)
}

describe(`X1: ${seats} workers that are killed at random points`, { timeout: 3_000_000 }, () => {
  for (const backend of backends) {
    it(`lose no run and repeat no stored task on ${backend.name}`, { skip: backend.skip }, () =>
      withScene(backend, killAtRandom),
    )
    it(`leave a task that may not be repeated failed on ${backend.name}`, { skip: backend.skip }, () =>
      withScene(backend, async (scene) => {
        const worker = await scene.startWorker()
        const id = await scene.send('once', null)
        await until(
          'the charge has begun',
          () => scene.history().some(({ kind }) => kind === 'begun'),
          30_000,
        )
        await worker.kill()
        await scene.startWorker()
        await scene.allOver([id])
        assert.equal((await scene.engine.getRun(id)).error?.code, 'task_interrupted')
        assert.deepEqual(
          scene.history().filter(({ kind }) => kind === 'effect'),
          [],
        )
      }),
    )
  }
})

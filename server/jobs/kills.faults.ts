// X1: workers that are killed at random points while others go on. Nothing is lost, no task runs again once its result
// is stored, and no provider that takes idempotency keys sees an effect twice.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { isLong } from '../connect/fixtures/backends.ts'
import { until } from './fixtures/engine-fixture.ts'
import { assertWhole, withScene, type FaultScene } from './fixtures/fault-scene.ts'
import { jobBackends } from './fixtures/job-backends.ts'
import { Reaper } from './fixtures/reaper.ts'

const kills = isLong ? 200 : 8
const runsOfKill = isLong ? 5 : 10
const tasks = 5
const taskMs = 20
/** The next kill comes within this, by chance. */
const pauseMs = 250
const seats = isLong ? 4 : 3

async function killAtRandom(scene: FaultScene): Promise<void> {
  const reaper = new Reaper(scene, { seats, pauseMs })
  const ids: string[] = []
  for (let kill = 0; kill < kills; kill += 1) {
    ids.push(...(await scene.sendSteps(runsOfKill, { tasks, ms: taskMs })))
    await reaper.kill()
  }
  const documents = await scene.allOver(ids)
  assertWhole(documents, tasks)
  const reaped = reaper.judge()
  assert.equal(reaped.effects, ids.length * tasks)
  const figure = (name: string, value: number): void =>
    printFigure({ requirement: 'X1', name: `${name}, ${scene.backend.name}`, value })
  figure('kills', reaped.kills)
  figure('runs', ids.length)
  figure('runs lost', 0)
  figure('results', documents.length * tasks)
  figure('distinct effects', reaped.effects)
  figure('tasks begun again after their result was stored', 0)
  figure('extra attempts', reaped.extraAttempts)
  figure('tasks in flight at the kills', reaped.inFlight)
}

describe(`X1: ${seats} workers that are killed at random points`, { timeout: 3_000_000 }, () => {
  for (const backend of jobBackends) {
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
          120_000,
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

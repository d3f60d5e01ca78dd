// X2: the process is killed at a named step of a run, with several runs at that step. The heir goes on from what is
// stored: no run is lost, no task begins again once its result is stored, no effect is seen twice by a provider that
// takes idempotency keys.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { isLong } from '../connect/fixtures/backends.ts'
import { until } from './fixtures/engine-fixture.ts'
import { faultPoints, type FaultPoint } from './fixtures/fault-points.ts'
import { assertWhole, withScene, type FaultScene } from './fixtures/fault-scene.ts'
import { begunAfterStored, extraAttempts, inFlight } from './fixtures/history.ts'
import { jobBackends, type JobBackend } from './fixtures/job-backends.ts'

const runsOfKill = 5
const kills = isLong ? 10 : 1
const tasks = 3
/**
 * Only here a task has done something that is not stored. Nobody waits for the hint to be forgotten, so tasks may have
 * begun by then; the last result of a run may be stored with its end.
 */
const repeats: readonly FaultPoint[] = ['beforeAck', 'beforeCall', 'afterReply', 'beforeSave', 'beforeEnd']

/** A hint on Redis is forgotten when it is handed out; what follows the claim has to do with the store alone. */
const pointsOn = ({ queueUrl }: JobBackend): readonly FaultPoint[] => {
  if (queueUrl === undefined) return faultPoints
  return isLong
    ? faultPoints.filter((point) => point !== 'beforeAck')
    : ['beforeClaim', 'afterReply', 'afterEnd']
}

async function killAt(scene: FaultScene, point: FaultPoint): Promise<void> {
  const dead: number[] = []
  const all: string[] = []
  for (let kill = 0; kill < kills; kill += 1) {
    // Before the worker starts: it takes them in one look, and a look that is held makes no other.
    const ids = await scene.sendSteps(runsOfKill, { tasks, ms: 5 })
    const stop = { point, runs: runsOfKill }
    const worker = await scene.startWorker({ stop, concurrency: 2 * runsOfKill })
    await until('it comes to the point', () => worker.child.signalCode === 'SIGKILL', 180_000)
    dead.push(worker.pid)
    const heir = await scene.startWorker()
    await scene.allOver(ids)
    await heir.kill()
    all.push(...ids)
  }
  assertWhole(await scene.runsOf(all), tasks)
  const history = scene.history()
  const keys = new Set(history.filter(({ kind }) => kind === 'effect').map(({ key }) => key))
  const flying = dead.reduce((sum, pid) => sum + inFlight(history, pid).size, 0)
  const extra = extraAttempts(history)
  assert.deepEqual(begunAfterStored(history), [])
  assert.equal(keys.size, all.length * tasks)
  assert.ok(extra <= flying, `${extra} extra attempts, ${flying} in flight`)
  if (!repeats.includes(point)) assert.equal(extra, 0, `nothing runs again after ${point}`)
  const name = `${point}, ${scene.backend.name}`
  printFigure({ requirement: 'X2', name: `runs cut off ${name}`, value: all.length })
  printFigure({ requirement: 'X2', name: `tasks that ran again ${name}`, value: extra })
}

describe('X2: a worker that is killed at a named step', { timeout: 3_000_000 }, () => {
  for (const backend of jobBackends)
    for (const point of pointsOn(backend))
      it(
        `${point}: loses nothing and repeats nothing that is stored, on ${backend.name}`,
        {
          skip: backend.skip,
        },
        () => withScene(backend, (scene) => killAt(scene, point)),
      )
})

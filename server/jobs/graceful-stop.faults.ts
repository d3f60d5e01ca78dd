// X12: SIGTERM while a hundred tasks run. Those that end before the deadline are not started again; the others are given
// back at the deadline, and another worker takes them at once.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { isLong } from '../connect/fixtures/backends.ts'
import { until } from './fixtures/engine-fixture.ts'
import { withScene, type FaultScene } from './fixtures/fault-scene.ts'
import { extraAttempts, taskOf } from './fixtures/history.ts'
import { jobBackends } from './fixtures/job-backends.ts'

const rounds = isLong ? 20 : 1
/** As long as a server's own deadline in the long run. */
const deadlineMs = isLong ? 25_000 : 10_000
const short = 90
const long = 10

async function stopOnce(scene: FaultScene): Promise<{ exitMs: number; pickedUpMs: number }> {
  const before = scene.history().length
  const worker = await scene.startWorker({ concurrency: short + long, deadlineMs })
  const quick = await scene.sendSteps(short, { tasks: 1, ms: deadlineMs / 2, exactly: true })
  // So long that they outlast the deadline, however slowly all of this goes; the heir is quick.
  const elsewhere = { pid: worker.pid, ms: 20 * deadlineMs }
  const slow = await scene.sendSteps(long, { tasks: 1, ms: 100, exactly: true, elsewhere })
  const here = (): ReturnType<FaultScene['history']> => scene.history().slice(before)
  await until('all run', () => here().filter(({ kind }) => kind === 'begun').length === short + long, 120_000)
  const from = performance.now()
  worker.child.kill('SIGTERM')
  const heir = await scene.startWorker({ concurrency: short + long })
  await worker.ended
  const exitMs = performance.now() - from
  assert.equal(worker.child.exitCode, 0)
  const gone = performance.now()
  const takenOver = (): number =>
    here().filter(({ kind, pid }) => kind === 'begun' && pid === heir.pid).length
  await until('the rest is picked up', () => takenOver() === long, 120_000)
  const pickedUpMs = performance.now() - gone
  const again = here()
    .filter(({ kind, pid }) => kind === 'begun' && pid === heir.pid)
    .map(taskOf)
  assert.deepEqual(again.toSorted(), slow.map((run) => taskOf({ run, path: 'step 0' })).toSorted())
  const documents = await scene.allOver([...quick, ...slow])
  for (const { state } of documents) assert.equal(state, 'succeeded')
  assert.equal(extraAttempts(here()), long, 'only what was given back ran twice')
  await heir.kill()
  return { exitMs, pickedUpMs }
}

describe('X12: a worker that is told to end', { timeout: 3_000_000 }, () => {
  for (const backend of jobBackends)
    it(`lets tasks end that can, and gives the rest back, on ${backend.name}`, { skip: backend.skip }, () =>
      withScene(backend, async (scene) => {
        const times: { exitMs: number; pickedUpMs: number }[] = []
        for (let round = 0; round < rounds; round += 1) times.push(await stopOnce(scene))
        const { name } = backend
        const most = (field: 'exitMs' | 'pickedUpMs'): number =>
          Math.round(Math.max(...times.map((time) => time[field])))
        const figure = (what: string, value: number, unit?: string): void =>
          printFigure({ requirement: 'X12', name: `${what}, ${name}`, value, ...(unit ? { unit } : {}) })
        figure('running tasks at SIGTERM', rounds * (short + long))
        figure('tasks started again that could end in time', 0)
        figure('tasks given back', rounds * long)
        figure(`longest way out with a deadline of ${deadlineMs / 1000} s`, most('exitMs'), 'ms')
        figure('the rest picked up after, at most', most('pickedUpMs'), 'ms')
      }),
    )
})

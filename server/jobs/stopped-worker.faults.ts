// X4: a worker that is stopped for three times its lease and goes on when its runs are others'. What it still writes
// does not count. X16: a worker whose event loop is blocked by a task for longer than its lease: the same, and its
// process goes on.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { printFigure } from '../../scripts/figure.ts'
import { isLong } from '../connect/fixtures/backends.ts'
import { until } from './fixtures/engine-fixture.ts'
import { assertWhole, freeze, withScene, type FaultScene } from './fixtures/fault-scene.ts'
import type { Fact } from './fixtures/history.ts'
import { jobBackends } from './fixtures/job-backends.ts'

const tasks = 4
/** Each worker that is stopped has so many runs. */
const runsOfStop = 10
const stops = isLong ? 5 : 1
/** Three times the lease of three seconds. */
const stoppedMs = 9000
/** A lease is left to its owner for five seconds after its end; a loop that hangs for 30 s ends its process. */
const blockedMs = 20_000
/** A starved machine takes minutes for what takes seconds. */
const patienceMs = 180_000

async function stopOnce(scene: FaultScene): Promise<{ refused: number }> {
  const worker = await scene.startWorker()
  const ids = await scene.sendSteps(runsOfStop, { tasks, ms: 200 })
  const begun = (): number =>
    scene.history().filter(({ kind, pid }) => kind === 'begun' && pid === worker.pid).length
  await until('it works', () => begun() > runsOfStop, patienceMs)
  await freeze(worker, scene.store)
  const heir = await scene.startWorker()
  const from = performance.now()
  const before = await scene.allOver(ids, patienceMs)
  await delay(Math.max(0, stoppedMs - (performance.now() - from)))
  const length = scene.history().length
  worker.child.kill('SIGCONT')
  await delay(3000)
  assertWhole(before, tasks)
  assert.deepEqual(await scene.runsOf(ids), before, 'the late writer changed nothing')
  const late = scene.history().slice(length)
  await worker.kill()
  await heir.kill()
  return { refused: late.filter(({ kind }) => kind === 'refused').length }
}

describe('X4: a worker that is stopped for three leases', { timeout: 1_000_000, concurrency: true }, () => {
  for (const backend of jobBackends)
    it(`writes nothing when it goes on, on ${backend.name}`, { skip: backend.skip }, () =>
      withScene(backend, async (scene) => {
        let refused = 0
        for (let stop = 0; stop < stops; stop += 1) refused += (await stopOnce(scene)).refused
        const figure = (name: string, value: number): void =>
          printFigure({ requirement: 'X4', name: `${name}, ${backend.name}`, value })
        figure('runs whose worker was stopped', stops * runsOfStop)
        figure('late results refused', refused)
        figure('late results that counted', 0)
      }),
    )
})

/** Gives the run that blocks the process. One that another process takes does nothing, and the next is sent. */
async function block(scene: FaultScene, pid: number): Promise<string> {
  for (let tries = 0; tries < 100; tries += 1) {
    const id = await scene.send('poison', { how: 'block', ms: blockedMs, pid })
    const begun = (): Fact | undefined =>
      scene.history().find(({ kind, run }) => kind === 'begun' && run === id)
    if ((await until('it begins', begun, patienceMs)).pid === pid) return id
  }
  return assert.fail('the other takes them all')
}

describe('X16: a worker whose event loop a task blocks', { timeout: 1_000_000, concurrency: true }, () => {
  for (const backend of jobBackends)
    it(`hands its runs over, and only one result counts, on ${backend.name}`, { skip: backend.skip }, () =>
      withScene(backend, async (scene) => {
        const blocked = await scene.startWorker()
        // Only the heir can end them.
        const elsewhere = { pid: blocked.pid, ms: 1_000_000 }
        const other = await scene.sendSteps(5, { tasks, ms: 50, exactly: true, elsewhere })
        const begun = (): number => scene.history().filter(({ kind }) => kind === 'begun').length
        await until('it has all of them', () => begun() >= other.length, patienceMs)
        // Ready before the other is blocked: starting takes long on a starved machine.
        await scene.startWorker()
        const poison = await block(scene, blocked.pid)
        const from = performance.now()
        const documents = await scene.allOver(other, patienceMs)
        const handedOverMs = Math.round(performance.now() - from)
        assertWhole(documents, tasks)
        const [over] = await scene.allOver([poison], patienceMs)
        assert.equal(over?.state, 'succeeded')
        const results = over.journal?.flat().filter(({ state }) => state === 'succeeded')
        assert.equal(results?.length, 1, 'one result')
        await delay(2000)
        assert.equal(blocked.child.exitCode, null, 'its process goes on')
        assert.deepEqual(await scene.runsOf([...other, poison]), [...documents, over])
        const facts = scene.history().filter(({ run }) => run === poison)
        // The second attempt is whose turn it is: the blocked worker is one of two when it goes on.
        const [late, again, ...more] = facts.filter(({ kind }) => kind === 'begun')
        assert.deepEqual([late?.pid, more], [blocked.pid, []])
        const stored = facts.filter(({ kind }) => kind === 'stored')
        assert.deepEqual(
          stored.map(({ pid }) => pid),
          [again?.pid],
        )
        assert.ok(facts.indexOf(stored[0] ?? assert.fail()) > facts.indexOf(again ?? assert.fail()))
        const { name } = backend
        const unit = 'ms'
        printFigure({ requirement: 'X16', name: `loop blocked, ${name}`, value: blockedMs, unit })
        printFigure({
          requirement: 'X16',
          name: `its runs done by the other after, ${name}`,
          value: handedOverMs,
          unit,
        })
        printFigure({ requirement: 'X16', name: `results stored twice, ${name}`, value: 0 })
      }),
    )
})

// X8: wall clocks that are hours off, run ten times too fast, or jump while a run is under way. Leases go by a clock that
// nobody sets, so no run is taken twice; and credentials are refreshed once for each turn of the clock, not again and
// again. Wants libfaketime.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { printFigure } from '../../scripts/figure.ts'
import { turnedClock } from '../connect/fixtures/around-store.ts'
import { backends, isLong } from '../connect/fixtures/backends.ts'
import { rotatingMethod, startRotating } from '../connect/fixtures/rotating.ts'
import { baseUrl, connectDirectly, integrationOf, openWorkbench } from '../connect/fixtures/workbench.ts'
import { until } from './fixtures/engine-fixture.ts'
import { assertWhole, withScene, type FaultScene } from './fixtures/fault-scene.ts'
import { extraAttempts } from './fixtures/history.ts'
import { jobBackends } from './fixtures/job-backends.ts'
import { lyingClock, withoutLibrary } from './fixtures/lying-clock.ts'

const tasks = 4
const runCount = isLong ? 200 : 20
const rounds = isLong ? 10 : 1
const hourMs = 3_600_000
/** Connections at a time: hundreds at once are a storm, which has a test of its own. */
const groupSize = 25

/** No run was taken twice, and nothing was done twice. A worker tells of an end just after it is stored. */
async function assertOnce(scene: FaultScene, ids: readonly string[]): Promise<void> {
  const ends = (): number => scene.history().filter(({ kind }) => kind === 'over').length
  await until('every end is told', () => ends() >= ids.length, 60_000)
  const history = scene.history()
  assert.equal(extraAttempts(history), 0)
  assert.deepEqual(
    history.filter(({ kind }) => kind === 'refused'),
    [],
  )
  const claims = history.filter(({ kind }) => kind === 'claimed').map(({ run }) => run)
  assert.equal(new Set(claims).size, claims.length, 'no run was claimed twice')
  assert.equal(ends(), ids.length)
}

async function workAt(scene: FaultScene, told: string): Promise<void> {
  const file = join(scene.directory, 'clock')
  writeFileSync(file, told)
  const env = lyingClock(file)
  const workers = [await scene.startWorker({ env }), await scene.startWorker({ env })]
  const ids: string[] = []
  for (const worker of workers) {
    const events = Array.from({ length: runCount }, () => ({ name: 'steps', payload: { tasks, ms: 50 } }))
    const { runs, errors } = await worker.send(events)
    assert.deepEqual(errors, [])
    ids.push(...runs)
  }
  assertWhole(await scene.allOver(ids), tasks)
  await assertOnce(scene, ids)
  const name = `runs done once with the clock at ${told}, ${scene.backend.name}`
  printFigure({ requirement: 'X8', name, value: ids.length })
}

/** The clock of one of two workers jumps while both work, forth and back. */
async function jump(scene: FaultScene): Promise<void> {
  const file = join(scene.directory, 'clock')
  writeFileSync(file, '+0')
  const liar = await scene.startWorker({ env: lyingClock(file), concurrency: runCount })
  const ids = await scene.sendSteps(runCount, { tasks, ms: 2500, exactly: true })
  const begun = (): number => scene.history().filter(({ kind }) => kind === 'begun').length
  await until('it works', () => begun() >= runCount, 60_000)
  await scene.startWorker()
  for (let round = 0; round < rounds; round += 1)
    for (const told of ['+2h', '-2h', '+0']) {
      writeFileSync(file, told)
      await delay(2000)
    }
  assertWhole(await scene.allOver(ids), tasks)
  await assertOnce(scene, ids)
  assert.equal(liar.child.exitCode, null)
  const name = `runs under way at 3 jumps, done once, ${scene.backend.name}`
  printFigure({ requirement: 'X8', name, value: ids.length })
}

describe('X8: a worker whose wall clock is wrong', { timeout: 1_000_000, concurrency: 2 }, () => {
  for (const backend of jobBackends) {
    const skip = withoutLibrary || backend.skip
    for (const told of ['+2h', '-2h', '+0 x10'])
      it(`takes no run twice at ${told} on ${backend.name}`, { skip }, () =>
        withScene(backend, (scene) => workAt(scene, told)),
      )
    it(`keeps its runs when the clock jumps, on ${backend.name}`, { skip }, () => withScene(backend, jump))
  }
})

async function inGroups(
  accounts: readonly string[],
  work: (group: string[]) => Promise<unknown>[],
): Promise<void> {
  for (let from = 0; from < accounts.length; from += groupSize)
    await Promise.all(work(accounts.slice(from, from + groupSize)))
}

describe('X8: credentials under a wrong clock', { timeout: 1_000_000 }, () => {
  for (const backend of backends)
    it(`are refreshed once for a turn of the clock on ${backend.name}`, { skip: backend.skip }, async () => {
      const accounts = Array.from({ length: isLong ? 500 : 30 }, (_, at) => `acct-${at}`)
      const provider = await startRotating()
      const storeUrl = backend.open()
      const between = storeUrl === undefined ? {} : { storeUrl }
      const clock = turnedClock()
      const integrations = [integrationOf('rotating', [rotatingMethod(provider)])]
      const bench = await openWorkbench(integrations, baseUrl, { ...between, aroundStore: clock.around })
      const get = (accountId: string): Promise<unknown> =>
        bench.connect.getAuth({ id: 'rotating', accountId })
      const most: number[] = []
      try {
        for (const accountId of accounts)
          await connectDirectly(bench.connect, { integration: 'rotating', accountId })
        for (const aheadMs of [2 * hourMs, -2 * hourMs, 0, 5 * 60_000, -5 * 60_000]) {
          clock.aheadMs = aheadMs
          const before = provider.refreshes
          for (let ask = 0; ask < 3; ask += 1)
            await inGroups(accounts, (group) => group.flatMap((id) => [get(id), get(id)]))
          most.push((provider.refreshes - before) / accounts.length)
        }
        const states = await Promise.all(
          accounts.map((accountId) => bench.connect.getConnection({ integration: 'rotating', accountId })),
        )
        assert.ok(states.every(({ state }) => state === 'active'))
        // A provider's lifetime of an hour is over after the first turn, and not before the next.
        assert.deepEqual(most, [1, 0, 0, 0, 0])
      } finally {
        await bench.close()
        await provider.close()
        await backend.drop(storeUrl)
      }
      const { name } = backend
      printFigure({
        requirement: 'X8',
        name: `connections whose clock was turned 5 times, ${name}`,
        value: accounts.length,
      })
      printFigure({
        requirement: 'X8',
        name: `refreshes of one connection, most, ${name}`,
        value: Math.max(...most),
      })
    })
})

// Workers that are killed while hundreds of runs wait for events and for the runs they invoked, and while events arrive:
// nothing that was sent is lost, and nothing is taken or started twice. AUTHFLOW_LONG=1 kills forty times.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { printFigure } from '../../scripts/figure.ts'
import { isLong } from '../connect/fixtures/backends.ts'
import { firstWords, killChild, startScript, type Child } from '../fixtures/child.ts'
import { endAll } from '../fixtures/end-all.ts'
import { createVault } from '../vault/create-vault.ts'
import { parseKeyRing } from '../vault/key-ring.ts'
import {
  createDirectory,
  encryptionKeys,
  openEngine,
  until,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import { insist } from './fixtures/insist.ts'
import { jobBackends, type JobBackend } from './fixtures/job-backends.ts'
import { defineWaitingJobs } from './fixtures/waiting-worker.ts'
import { runs, type RunDocument } from './records.ts'
import { eventWaits, takings } from './wait-records.ts'

const killCount = isLong ? 40 : 5
/** MongoDB needs a transaction for each event that is taken. */
const runCountOf = ({ name }: JobBackend): number => (isLong ? 600 : name === 'sqlite' ? 200 : 100)
const workerCount = 2
const script = fileURLToPath(new URL('./fixtures/waiting-worker.ts', import.meta.url))

interface Scene {
  readonly fixture: EngineFixture
  readonly workers: Child[]
  startWorker(): Promise<void>
}

async function withScene(backend: JobBackend, run: (scene: Scene) => Promise<void>): Promise<void> {
  const directory = createDirectory()
  const { queueUrl } = backend
  const storeUrl = backend.open()
  // Only sends and looks: it is never started.
  const fixture = await openEngine(directory.path, { storeUrl, queueUrl })
  defineWaitingJobs(fixture.engine)
  const workers: Child[] = []
  const env = {
    WAITING_WORKER_DIRECTORY: directory.path,
    TEST_ENCRYPTION_KEYS: encryptionKeys,
    ...(storeUrl === undefined ? {} : { WAITING_WORKER_STORE: storeUrl }),
    ...(queueUrl === undefined ? {} : { WAITING_WORKER_QUEUE: queueUrl }),
  }
  const startWorker = async (): Promise<void> => {
    const child = startScript(script, { env })
    workers.push(child)
    await firstWords(child)
  }
  await endAll(
    () => run({ fixture, workers, startWorker }),
    [
      () => Promise.all(workers.map(killChild)),
      fixture.close,
      () => backend.drop(storeUrl),
      directory.remove,
    ],
  )
}

/** Sends every run its event, a few at a time: every other one by a run in a process that may be killed. */
async function sendAll({ engine }: EngineFixture, runCount: number, pauseMs: number): Promise<void> {
  for (let n = 0; n < runCount; n += 1) {
    const payload = { n }
    const id = `go-${n}`
    await insist<unknown>(() =>
      n % 2 === 0
        ? engine.sendEvent({ id, name: 'go', payload })
        : engine.invoke('sends', payload, { idempotencyKey: id }),
    )
    await delay(pauseMs)
  }
}

async function allRuns({ store }: EngineFixture): Promise<RunDocument[]> {
  const all: RunDocument[] = []
  let cursor: string | undefined
  do {
    const query = { index: 'all', equals: 'run', limit: 1000, ...(cursor === undefined ? {} : { cursor }) }
    const page = await store.list(runs, query)
    all.push(...page.items)
    cursor = page.cursor
  } while (cursor !== undefined)
  return all
}

for (const backend of jobBackends) {
  describe(
    `workers killed while runs wait, on ${backend.name}`,
    { skip: backend.skip, timeout: 900_000 },
    () => {
      it('lose no event and no end of a run, and take and start nothing twice', () =>
        withScene(backend, async (scene) => {
          const { fixture, workers, startWorker } = scene
          const runCount = runCountOf(backend)
          for (let count = 0; count < workerCount; count += 1) await startWorker()
          const begun = await Promise.all(
            Array.from({ length: runCount }, (_, n) =>
              insist(() => fixture.engine.sendEvent({ id: `begin-${n}`, name: 'begin', payload: { n } })),
            ),
          )
          const ids = begun.flatMap(({ runIds }) => runIds)
          assert.equal(new Set(ids).size, runCount)
          const isEnough = async (): Promise<true | undefined> =>
            (await fixture.store.range(eventWaits, '', '~', 1000)).length > runCount / 2 ? true : undefined
          await until('most of them wait', isEnough, 120_000)
          const killing = async (): Promise<void> => {
            for (let kills = 0; kills < killCount; kills += 1) {
              await delay(400 + 200 * Math.random())
              const victim = workers.shift()
              if (victim !== undefined) await killChild(victim)
              await startWorker()
            }
          }
          await Promise.all([sendAll(fixture, runCount, isLong ? 60 : 20), killing()])
          await until(
            'all runs are over',
            async () => {
              const all = await allRuns(fixture)
              return all.every(({ endedAt }) => endedAt !== undefined) ? true : undefined
            },
            300_000,
          )
          await judge(scene, ids)
          printFigure({
            requirement: 'X1',
            name: `kills while runs wait (${backend.name})`,
            value: killCount,
          })
          printFigure({
            requirement: 'X1',
            name: `lost or doubled of ${runCount} waits (${backend.name})`,
            value: 0,
          })
        }))
    },
  )
}

async function judge({ fixture }: Scene, ids: readonly string[]): Promise<void> {
  const runCount = ids.length
  const all = await allRuns(fixture)
  const parents = all.filter(({ job }) => job === 'waits')
  assert.deepEqual(parents.map(({ id }) => id).toSorted(), ids.toSorted())
  for (const run of all) assert.equal(run.state, 'succeeded', `${run.job} ${run.state}`)
  const children = all.filter(({ job }) => job === 'doubles')
  assert.equal(children.length, runCount, 'one child for each')
  assert.equal(new Set(children.map(({ parent }) => parent?.run)).size, runCount)
  const outputs = await Promise.all(ids.map(async (id) => outputOf(fixture, id)))
  const expected = Array.from({ length: runCount }, (_, n) => JSON.stringify([n, n, 2 * n]))
  assert.deepEqual(outputs.toSorted(), expected.toSorted(), 'each heard its own event')
  assert.equal((await fixture.store.range(takings, '', '~', 1000)).length, runCount)
  // A kill between telling the parent and noting it leaves that to the sweep.
  await until(
    'no end is left to be told',
    async () => ((await allRuns(fixture)).every(({ place }) => place === undefined) ? true : undefined),
    180_000,
  )
}

const vault = createVault({ keys: parseKeyRing(encryptionKeys), environment: 'test' })

/** What a run returned, as JSON. */
async function outputOf({ store }: EngineFixture, id: string): Promise<string> {
  const run = await store.get(runs, id)
  return run?.output === undefined ? '' : vault.session('run', id).open(run.output, 'output')
}

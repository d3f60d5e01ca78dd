// Workers that are killed over lanes: never more runs at a time than the limit says, every run comes to its end, and no
// slot stays taken. On SQLite, on MongoDB where TEST_MONGODB_URL names one, and with the hints on Redis where
// TEST_REDIS_URL does; AUTHFLOW_LONG=1 kills far more often.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
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
import { defineLaneJob, laneLimit } from './fixtures/lane-worker.ts'
import { lanes, waits } from './lane-records.ts'
import { runs } from './records.ts'

const runCount = isLong ? 1000 : 120
/** With hints on Redis the lanes are the same, and each kill is a lease to wait for. */
const killsOn = ({ queueUrl }: JobBackend): number => (isLong ? 100 : queueUrl === undefined ? 6 : 2)
const workerCount = 2
const accounts = ['ada', 'bob', 'cy', 'dee', 'eve']
const script = fileURLToPath(new URL('./fixtures/lane-worker.ts', import.meta.url))

interface Said {
  readonly pid: string
  readonly what: string
  readonly runId: string
}

for (const backend of jobBackends) {
  describe(`workers that are killed over lanes, on ${backend.name}`, { skip: backend.skip }, () => {
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let fixture: EngineFixture
    const children = new Set<Child>()

    beforeEach(async () => {
      directory = createDirectory()
      url = backend.open()
      // Sends and looks only: it is never started.
      fixture = await openEngine(directory.path, { storeUrl: url, queueUrl: backend.queueUrl })
      defineLaneJob(fixture.engine, () => undefined)
    })

    afterEach(() =>
      endAll(
        async () => void (await Promise.all([...children].map(killChild))),
        [() => fixture.close(), () => backend.drop(url), () => directory.remove()],
      ),
    )

    async function startWorker(): Promise<Child> {
      const env = {
        LANE_WORKER_DIRECTORY: directory.path,
        TEST_ENCRYPTION_KEYS: encryptionKeys,
        ...(url === undefined ? {} : { LANE_WORKER_STORE: url }),
        ...(backend.queueUrl === undefined ? {} : { LANE_WORKER_QUEUE: backend.queueUrl }),
      }
      const child = startScript(script, { env })
      children.add(child)
      await firstWords(child)
      return child
    }

    const said = (): Said[] => {
      const path = join(directory.path, 'said')
      const lines = existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : []
      return lines.map((line) => {
        const [pid = '', what = '', runId = ''] = line.split(' ')
        return { pid, what, runId }
      })
    }

    it(
      'never runs more than the limit, loses no run and no slot',
      { timeout: isLong ? 1_800_000 : 900_000 },
      async () => {
        const ids: string[] = []
        const accountOf = new Map<string, string>()
        for (let index = 0; index < runCount; index += 1) {
          // One account has half of all runs.
          const accountId = index % 2 === 0 ? 'ada' : (accounts[index % accounts.length] ?? 'bob')
          const event = { id: `lane-${index}`, name: 'lane', payload: null }
          const { runIds } = await insist(() => fixture.engine.sendEvent(event, { accountId }))
          for (const id of runIds) accountOf.set(id, accountId)
          ids.push(...runIds)
        }
        const workers = await Promise.all(Array.from({ length: workerCount }, startWorker))
        /** Processes that were killed, and how many lines there were then: what they had begun is over. */
        const killed = new Map<string, number>()
        let kills = 0
        for (; kills < killsOn(backend); kills += 1) {
          const before = said().length
          const isOver = await until(
            'the workers go on',
            async () => (said().length > before + 10 ? 'more' : (await areOver(ids)) ? 'over' : undefined),
            90_000,
          )
          if (isOver === 'over') break
          const victim = workers.shift()
          assert.ok(victim)
          await killChild(victim)
          killed.set(String(victim.pid), said().length)
          workers.push(await startWorker())
        }
        await until('all runs are over', () => areOver(ids), isLong ? 600_000 : 240_000)
        const found = await fixture.store.getMany(runs, ids.slice(0, 1000))
        assert.ok(found.every(({ state }) => state === 'succeeded'))
        assertLimits(accountOf, killed)
        await until(
          'every lane is empty',
          async () => {
            const rows = await fixture.store.range(lanes, '!', '~', 1000)
            const left = await fixture.store.range(waits, '!', '~', 1)
            return rows.every(({ active, holders }) => active === 0 && Object.keys(holders).length === 0) &&
              left.length === 0
              ? true
              : undefined
          },
          60_000,
        )
        printFigure({
          requirement: 'lanes',
          name: `${backend.name}: kills over ${runCount} runs, none above the limit`,
          value: kills,
        })
      },
    )

    const areOver = async (ids: readonly string[]): Promise<true | undefined> => {
      const found = await fixture.store.getMany(runs, ids.slice(0, 1000))
      return found.every(({ endedAt }) => endedAt !== undefined) ? true : undefined
    }

    /** Reads the beginnings and ends in their order; what a killed process had begun ends with it. */
    function assertLimits(accountOf: ReadonlyMap<string, string>, killed: ReadonlyMap<string, number>): void {
      const open = new Map<string, Said>()
      let most = 0
      said().forEach((line, at) => {
        for (const [key, one] of open) if ((killed.get(one.pid) ?? Infinity) <= at) open.delete(key)
        const key = `${line.pid} ${line.runId}`
        if (line.what === 'end') open.delete(key)
        else open.set(key, line)
        most = Math.max(most, open.size)
        assert.ok(open.size <= laneLimit.limit, `${open.size} at a time`)
        const account = accountOf.get(line.runId)
        const own = [...open.values()].filter(({ runId }) => accountOf.get(runId) === account)
        assert.ok(own.length <= laneLimit.perAccount, `${own.length} of ${account} at a time`)
      })
      printFigure({
        requirement: 'lanes',
        name: `${backend.name}: most at a time of ${laneLimit.limit}`,
        value: most,
      })
    }
  })
}
